"""The torch that the interpreter imports, described by its files and never imported."""

from envdoctor.facts import Absent, Fact, Facts, Known, Package, Torch, Unreadable, value_of
from envdoctor.files import FileView
from envdoctor.probes.assignments import Literal, read_assignments
from envdoctor.probes.device_code import kernel_libraries, supported_architectures
from envdoctor.probes.importing import packages_named
from envdoctor.probes.reading import names_in, reason_of
from envdoctor.probes.requirements import Requirement, differing, missing, required
from envdoctor.probes.torch_build import cudnn, cxx11_abi, tabled_cudnn
from envdoctor.probes.torch_companions import companions
from envdoctor.target import Target

NEEDS = ("python", "packages")

REQUIRED_PREFIXES = ("nvidia-", "cuda-toolkit", "cuda-bindings")
INCLUDES = ("include", "lib/include")


def probe(target: Target, known: Facts) -> Torch:
    """The first torch package on sys.path, and what was built against it."""
    found = packages_named(target.files, known.python, "torch")
    if not found:
        nowhere = _nowhere(known)
        return Torch(root=nowhere, version=nowhere, cuda=nowhere, companions=companions(target, known))
    root = found[0].path
    package = _package_of(root, known)
    told = _told(target.files, f"{root}/version.py")
    version = _version(told, package)
    cuda = _release(told, "cuda", f"{root}/version.py")
    kernels = kernel_libraries(target.files, f"{root}/lib")
    wanted = _required(target.files, package, known)
    return Torch(
        root=Known(root, found[0].found_via),
        version=version,
        cuda=cuda,
        hip=_release(told, "hip", f"{root}/version.py"),
        cudnn=_cudnn(target.files, root, version, cuda, package, value_of(known.python.prefix), kernels),
        cxx11_abi=cxx11_abi(target.files, root),
        architectures=_architectures(target.files, cuda, kernels),
        include=_include(target.files, root),
        libraries=tuple(f"{root}/lib/{name}" for name in names_in(target.files, f"{root}/lib") if _is_library(name)),
        missing_requirements=missing(wanted, known.packages),
        differing_requirements=differing(wanted, known.packages),
        companions=companions(target, known),
        others=tuple(package.path for package in found[1:]),
    )


def _nowhere(known: Facts) -> Absent | Unreadable:
    if not known.python.sys_path:
        return Unreadable("the interpreter could not be examined", value_of(known.python.executable) or "")
    return Absent("there is no torch package on sys.path", known.python.site_packages)


def _package_of(root: str, known: Facts) -> Package | None:
    """The metadata that lies beside this torch, else the first of that name: editable installs keep it elsewhere."""
    site = root.rpartition("/")[0]
    named = [package for package in known.packages.installed if package.name == "torch"]
    return next((one for one in named if one.path.rpartition("/")[0] == site), named[0] if named else None)


def _told(files: FileView, path: str) -> dict[str, Literal] | Absent | Unreadable:
    try:
        told = read_assignments(files, path)
    except OSError as error:
        return Unreadable(reason_of(error), path)
    return Absent("no such file", (path,)) if told is None else told | {"": path}


def _version(told: dict[str, Literal] | Absent | Unreadable, package: Package | None) -> Fact[str]:
    if isinstance(told, dict):
        version = told.get("__version__")
        if isinstance(version, str):
            return Known(version, str(told[""]))
    if package is not None:
        return Known(package.version, package.path)
    return told if not isinstance(told, dict) else Unreadable("it names no version", str(told[""]))


def _release(told: dict[str, Literal] | Absent | Unreadable, name: str, path: str) -> Fact[str]:
    if not isinstance(told, dict):
        return told
    value = told.get(name, ...)
    if isinstance(value, str):
        return Known(value, path, f"{name} = {value!r}")
    if value is None or name == "hip":
        return Absent(f"not built with {name.upper().replace('HIP', 'ROCm')}", (path,))
    return Unreadable(f"it does not tell its {name}", path)


def _cudnn(
    files: FileView,
    root: str,
    version: Fact[str],
    cuda: Fact[str],
    package: Package | None,
    prefix: str | None,
    kernels: tuple[str, ...],
) -> Fact[str]:
    if not isinstance(cuda, Known):
        return cuda
    found = cudnn(files, root, package, prefix, kernels)
    if isinstance(found, Absent) and isinstance(version, Known):
        tabled = tabled_cudnn(version.value, cuda.value)
        return tabled if isinstance(tabled, Known) else Unreadable(found.reason, root)
    return found


def _architectures(files: FileView, cuda: Fact[str], kernels: tuple[str, ...]) -> Fact[tuple[str, ...]]:
    return supported_architectures(files, kernels) if isinstance(cuda, Known) else cuda


def _include(files: FileView, root: str) -> Fact[str]:
    for name in INCLUDES:
        path = f"{root}/{name}/ATen/ATen.h"
        if files.is_file(path):
            return Known(f"{root}/{name}", path)
    return Absent("it brings no headers", tuple(f"{root}/{name}" for name in INCLUDES))


def _is_library(name: str) -> bool:
    return name.startswith("lib") and (name.endswith(".so") or ".so." in name)


def _required(files: FileView, package: Package | None, known: Facts) -> tuple[Requirement, ...]:
    if package is None:
        return ()
    try:
        return required(files, package, known.packages, known.python, REQUIRED_PREFIXES)
    except OSError:
        return ()
