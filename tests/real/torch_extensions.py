"""The project of tests/projects/torch_extension, built by the setup tools of a real torch."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.real import components
from tests.real.environments import cache_root, environment, made_once, run_step

PROJECT = Path(__file__).resolve().parent.parent / "projects" / "torch_extension"
BUILD_SECONDS = 600

# Without optimisation a build takes half as long, and the symbols are the same.
FLAGS: Mapping[str, str] = {
    "matching": "-O0 -g0",
    "old-abi": f"-O0 -g0 {components.OLD_ABI}",
}


def extension(variant: str) -> Path:
    """The extension module `torch_extension`, built for the environment torch-cpu.

    `matching` follows torch's own flags; `old-abi` has strings of the old ABI, which that torch does not.
    Raises UnavailableError where torch cannot be had on this machine, BuildError where the build fails.
    """
    torch = environment("torch-cpu")
    variables = {"CFLAGS": FLAGS[variant], "MAX_JOBS": "1"}

    def make(root: Path) -> None:
        shutil.copytree(PROJECT, root / "project", ignore=shutil.ignore_patterns("build", "__pycache__", "*.so"))
        command = (torch.python, "setup.py", "--quiet", "build_ext", "--build-lib", root / "lib")
        run_step(command, BUILD_SECONDS, cwd=root / "project", variables=variables)

    sources = [PROJECT / "setup.py", PROJECT / "zero_even.cpp"]
    digest = "\n".join([components.cxx_version(), str(variables), *(source.read_text() for source in sources)])
    root = made_once(cache_root() / f"torch-extension-{variant}", digest, make)
    return next((root / "lib").glob("torch_extension*.so"))
