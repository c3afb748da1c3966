"""GPU architectures that the kernels of a framework were compiled for."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from envdoctor.facts import Absent, Fact, Known, Unreadable
from envdoctor.files import FileView
from envdoctor.probes.reading import names_in, reason_of

if TYPE_CHECKING:
    from envdoctor.elf.fatbin import Fatbin

# Libraries that hold a framework's kernels; of several the one with most of them speaks for all.
KERNEL_LIBRARIES = (
    "libtorch_cuda.so",
    "libtorch_cuda_cu.so",
    "libtorch_cuda_cpp.so",
    "libcaffe2_gpu.so",
    "libtorch.so",
)


def kernel_libraries(files: FileView, directory: str) -> tuple[str, ...]:
    """Those of KERNEL_LIBRARIES that are there, the largest first."""
    names = names_in(files, directory)
    paths = [f"{directory}/{name}" for name in KERNEL_LIBRARIES if name in names]
    return tuple(sorted(paths, key=lambda path: -_size(files, path)))


def supported_architectures(files: FileView, libraries: Iterable[str]) -> Fact[tuple[str, ...]]:
    """Architectures of nearly all kernels in the first library that has any: `75`, `90a`, and PTX as `90+PTX`."""
    from envdoctor.elf.fatbin import read_fatbin
    from envdoctor.elf.file import ElfError, open_elf

    problem: Unreadable | None = None
    looked = []
    for path in libraries:
        looked.append(path)
        try:
            code = read_fatbin(open_elf(files, path))
        except OSError as error:
            problem = Unreadable(reason_of(error), path)
            continue
        except ElfError as error:
            problem = Unreadable(str(error), path)
            continue
        if code.containers:
            raw = ", ".join(f"{target.name} x{count}" for target, count in sorted(code.counts.items()))
            return Known(architecture_names(code), path, f"{code.containers} containers: {raw}")
    return problem or Absent("no library of it holds device code", tuple(looked))


def architecture_names(code: "Fatbin") -> tuple[str, ...]:
    """What most of the containers hold: stray architectures of static cuBLAS and cuDNN code are left out."""
    return tuple(
        f"{target.arch}{target.suffix}{'+PTX' if target.kind == 'ptx' else ''}"
        for target in code.supported
        if target.kind in ("elf", "ptx")
    )


def _size(files: FileView, path: str) -> int:
    try:
        return files.size(path)
    except OSError:
        return 0
