"""Packages built against torch: their versions, what they ask of torch, and whether their compiled part is there."""

from envdoctor.facts import Absent, Fact, Facts, Known, Package, TorchCompanion
from envdoctor.files import FileView
from envdoctor.probes.assignments import read_assignments
from envdoctor.probes.importing import package_named
from envdoctor.probes.reading import names_in
from envdoctor.probes.requirements import requirements_of
from envdoctor.target import Target

# Module, distributions that bring it, where its compiled part lies and how that begins.
COMPANIONS: tuple[tuple[str, tuple[str, ...], str, tuple[str, ...]], ...] = (
    ("torchvision", ("torchvision",), "", ("_C",)),
    ("torchaudio", ("torchaudio",), "/lib", ("libtorchaudio", "_torchaudio")),
    ("detectron2", ("detectron2",), "", ("_C",)),
    ("mmcv", ("mmcv", "mmcv-full"), "", ("_ext",)),
)


def companions(target: Target, known: Facts) -> tuple[TorchCompanion, ...]:
    """Those that the interpreter would import."""
    found = []
    for name, distributions, directory, stems in COMPANIONS:
        place = package_named(target.files, known.python, name)
        if place is not None:
            package = next((one for one in map(known.packages.get, distributions) if one is not None), None)
            found.append(_companion(target.files, name, place.path, package, directory, stems))
    return tuple(found)


def _companion(
    files: FileView, name: str, path: str, package: Package | None, directory: str, stems: tuple[str, ...]
) -> TorchCompanion:
    version, source = _version(files, path, package)
    extension = _compiled(files, f"{path}{directory}", stems)
    return TorchCompanion(
        name=name,
        version=version,
        path=path,
        requires_torch=_required_torch(files, package),
        cuda=_cuda(files, version, source, extension),
        extension=extension,
    )


def _version(files: FileView, path: str, package: Package | None) -> tuple[str, str]:
    """Its own word first: it keeps the local part, such as `+cu117`, that PyPI's file names leave out."""
    for source in (f"{path}/version.py", f"{path}/__init__.py"):
        try:
            version = (read_assignments(files, source) or {}).get("__version__")
        except OSError:
            continue
        if isinstance(version, str) and version:
            return version, source
    return (package.version, package.path) if package is not None else ("", path)


def _required_torch(files: FileView, package: Package | None) -> str | None:
    if package is None:
        return None
    try:
        requirements = requirements_of(files, package)
    except OSError:
        return None
    return next((one.specifier or None for one in requirements if one.name == "torch" and not one.marker), None)


def _compiled(files: FileView, directory: str, stems: tuple[str, ...]) -> Fact[str]:
    for stem in stems:
        for name in names_in(files, directory):
            if name.startswith(stem) and name.endswith(".so"):
                return Known(f"{directory}/{name}", directory)
    return Absent("there is no compiled part", tuple(f"{directory}/{stem}*.so" for stem in stems))


def _cuda(files: FileView, version: str, source: str, extension: Fact[str]) -> Fact[str]:
    local = version.partition("+")[2]
    if local.startswith("cpu"):
        return Absent("a CPU build", (source,))
    digits = local.removeprefix("cu")
    if local.startswith("cu") and digits.isdigit() and len(digits) >= 2:
        return Known(f"{digits[:-1]}.{digits[-1]}", source, version)
    if isinstance(extension, Known):
        return _cuda_needed(files, extension.value)
    return Absent("nothing tells", (source,))


def _cuda_needed(files: FileView, path: str) -> Fact[str]:
    from envdoctor.elf.file import ElfError, open_elf

    try:
        needed = open_elf(files, path).needed
    except (ElfError, OSError):
        return Absent("nothing tells", (path,))
    for name in needed:
        if name.startswith("libcudart"):
            release = name.partition(".so.")[2]
            # Since CUDA 11 the name tells the major release alone: libcudart.so.11.0 is that of every 11.x.
            major = release.partition(".")[0]
            return Known(major if major.isdigit() and int(major) >= 11 else release, path, name)
    return Absent("its compiled part needs no CUDA runtime", (path,))
