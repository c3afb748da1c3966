"""The analysis behind `envdoctor symbols` against `ldd -r`, and the walk over GPU code against cuobjdump."""

import subprocess
import sys
from pathlib import Path

from benchmarks.ratio import Ratio, Unmeasured, command, medians, peak_anonymous_memory
from envdoctor.elf.analysis import alone
from envdoctor.elf.fatbin import read_fatbin
from envdoctor.elf.file import open_elf
from envdoctor.files import LiveFiles
from tests.real.environments import BuildError, UnavailableError, cache_root, environment, made_once, pip

LDD_LIMIT = 1.5
CUOBJDUMP_LIMIT = 1 / 100
MEMORY_LIMIT_MB = 120.0

# cuobjdump 13 refuses files with code for sm_35 and sm_37, which torch 1.13 has; this library has none.
GPU_TOOLS = ("nvidia-cuda-cuobjdump==13.5.37", "nvidia-cusparse==12.9.4.2")

EXAMINE = """
import sys
from envdoctor.elf.analysis import alone
from envdoctor.files import LiveFiles
alone(LiveFiles(), sys.argv[1])
"""


def measure() -> list[Ratio | Unmeasured]:
    """Time against `ldd -r`, start-up apart; its memory; time against `cuobjdump --list-elf`."""
    return [*_loader(), _gpu_code()]


def _loader() -> list[Ratio | Unmeasured]:
    name = "symbols of libtorch_cuda.so, start-up apart"
    try:
        library = str(environment("torch-cuda").site_packages / "torch" / "lib" / "libtorch_cuda.so")
    except UnavailableError as error:
        return [Unmeasured(name, str(error))]
    files = LiveFiles()
    ours, peer = medians(lambda: alone(files, library), command(["ldd", "-r", library]), runs=15)
    used = peak_anonymous_memory([sys.executable, "-c", EXAMINE, library])
    return [
        Ratio(name, ours, peer, "ldd -r", LDD_LIMIT),
        Ratio("anonymous memory of symbols", used, MEMORY_LIMIT_MB, "the promise itself", 1.0, "MB"),
    ]


def _gpu_code() -> Ratio | Unmeasured:
    name = "architectures of a fatbin"
    try:
        cuobjdump, library = _gpu_tools()
    except (UnavailableError, BuildError) as error:
        return Unmeasured(name, str(error))
    listed = subprocess.run([cuobjdump, "--list-elf", library], capture_output=True, text=True, check=False)
    theirs = {line.rsplit(".", 2)[1] for line in listed.stdout.splitlines() if line.endswith(".cubin")}
    files = LiveFiles()
    counts = read_fatbin(open_elf(files, library)).counts
    if theirs != {code.name for code in counts if code.kind == "elf"}:
        return Unmeasured(name, f"cuobjdump lists {sorted(theirs)}, the walk {sorted(code.name for code in counts)}")
    ours, peer = medians(
        lambda: read_fatbin(open_elf(files, library)), command([cuobjdump, "--list-elf", library]), runs=3
    )
    return Ratio(name, ours, peer, "cuobjdump --list-elf", CUOBJDUMP_LIMIT)


def _gpu_tools() -> tuple[str, str]:
    """cuobjdump, and a library with GPU code that it reads."""

    def make(root: Path) -> None:
        pip(Path(sys.executable), "install", "--no-deps", "--target", str(root / "site"), *GPU_TOOLS)

    root = made_once(cache_root() / "gpu-tools", " ".join(GPU_TOOLS), make)
    cuobjdump = next(root.glob("site/nvidia/*/bin/cuobjdump"), None)
    library = next(root.glob("site/nvidia/*/lib/libcusparse.so.*"), None)
    if cuobjdump is None or library is None:
        raise BuildError(f"{root} holds no cuobjdump or no libcusparse")
    return str(cuobjdump), str(library)
