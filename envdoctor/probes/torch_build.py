"""What one torch was built with: its string ABI and its cuDNN, read from its files."""

from collections.abc import Iterable, Sequence

from envdoctor.facts import Absent, Fact, Known, Package, Unreadable
from envdoctor.files import FileView
from envdoctor.probes.reading import names_in, reason_of, text_of
from envdoctor.probes.requirements import requirements_of

ABI_SETTING = "_GLIBCXX_USE_CXX11_ABI="
# In the order of age: the library that every other one rests on, and that is full of std::string.
CORE_LIBRARIES = ("libc10.so", "libcaffe2.so", "libATen.so")


def cxx11_abi(files: FileView, root: str) -> Fact[bool]:
    """The _GLIBCXX_USE_CXX11_ABI of its libraries: what their symbols show, else what its CMake package says."""
    from envdoctor.elf.file import ElfError, open_elf
    from envdoctor.elf.string_abi import string_abi
    from envdoctor.elf.symbols import Symbols

    for name in CORE_LIBRARIES:
        path = f"{root}/lib/{name}"
        if not files.is_file(path):
            continue
        try:
            flavour = string_abi(Symbols(open_elf(files, path)))
        except (ElfError, OSError):
            break
        if flavour in ("old", "new"):
            return Known(flavour == "new", path, f"{flavour} std::string in its symbols")
        break
    return _abi_of_cmake(files, f"{root}/share/cmake/Torch/TorchConfig.cmake")


def _abi_of_cmake(files: FileView, path: str) -> Fact[bool]:
    text = text_of(files, path)
    if not isinstance(text, Known):
        return text
    line = next((line for line in text.value.splitlines() if ABI_SETTING in line), None)
    flag = line.partition(ABI_SETTING)[2][:1] if line else ""
    if line is None or flag not in ("0", "1"):
        return Absent("neither its symbols nor its CMake package tell the string ABI", (path,))
    return Known(flag == "1", path, line.strip())


def cudnn(files: FileView, root: str, package: Package | None, prefix: str | None, kernels: Sequence[str]) -> Fact[str]:
    """The cuDNN of a CUDA build: from its requirements, its conda package, or the cuDNN code that it carries."""
    looked: list[str] = []
    if package is not None:
        found = _required_cudnn(files, package)
        if found is not None:
            return found
        looked.append(package.path)
    if prefix is not None:
        found = _conda_cudnn(files, prefix)
        if found is not None:
            return found
    carried = [f"{root}/lib/{name}" for name in names_in(files, f"{root}/lib") if name.startswith("libcudnn")]
    return _carried_cudnn(files, (*carried, *kernels)) or Absent(
        "neither its requirements nor its libraries tell the cuDNN", (*looked, *carried, *kernels)
    )


def _carried_cudnn(files: FileView, libraries: Iterable[str]) -> Known[str] | None:
    """What cudnnGetVersion() returns in the first library that has it."""
    from envdoctor.probes.built_in_version import cudnn_version, defined

    for path in libraries:
        code = defined(files, path, "cudnnGetVersion")
        version = cudnn_version(code) if code is not None else None
        if version is not None:
            return Known(version, path, "cudnnGetVersion()")
    return None


def tabled_cudnn(version: str, cuda: str) -> Fact[str]:
    """The cuDNN that this release was published with, where the table knows a build for the same CUDA."""
    from envdoctor.knowledge.torch import release

    row = release(version)
    same_cuda = row is not None and (cuda == row.cuda or cuda.startswith(f"{row.cuda}."))
    if row is None or not same_cuda or not row.cudnn:
        return Absent("no table knows the cuDNN of this build")
    return Known(row.cudnn, f"table of torch releases: {row.source}")


def _required_cudnn(files: FileView, package: Package) -> Fact[str] | None:
    try:
        requirements = requirements_of(files, package)
    except OSError as error:
        return Unreadable(reason_of(error), package.path)
    for requirement in requirements:
        if requirement.name.startswith("nvidia-cudnn-cu") and requirement.specifier.startswith("=="):
            version = requirement.specifier.removeprefix("==").rstrip(".*")
            return Known(version, f"{package.path}/METADATA", f"Requires-Dist: {requirement.raw}")
    return None


def _conda_cudnn(files: FileView, prefix: str) -> Fact[str] | None:
    """conda's build string names it: `pytorch-1.12.1-py3.9_cuda11.3_cudnn8.3.2_0.json`."""
    for name in names_in(files, f"{prefix}/conda-meta"):
        if name.startswith("pytorch-") and "_cudnn" in name:
            version = name.partition("_cudnn")[2].partition("_")[0]
            if version.replace(".", "").isdigit():
                return Known(version, f"{prefix}/conda-meta/{name}")
    return None
