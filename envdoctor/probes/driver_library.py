"""The user-side half of the driver: every libcuda.so.1, its version, and whether it is a stub or of cuda-compat."""

from envdoctor.facts import Absent, DriverLibrary, Fact, Known, Unreadable
from envdoctor.files import FileView
from envdoctor.knowledge.versions import numbers
from envdoctor.probes.library_search import DRIVER_DIRECTORIES, LibrarySearch
from envdoctor.probes.reading import names_in, reason_of
from envdoctor.target import Target

NAME = "libcuda.so.1"
STUB_AT_MOST = 1 << 20
"""Bytes. A driver's libcuda has tens of megabytes, the toolkit's stub some tens of kilobytes."""

COMPAT_ROOTS_AT_MOST = 16


def loaded_library(files: FileView, search: LibrarySearch) -> Fact[DriverLibrary]:
    """The libcuda.so.1 that a program's dlopen() takes."""
    found = search.first(NAME)
    if found is None:
        elsewhere = next((path for path in _driver_paths() if files.is_file(path)), None)
        reason = f"{elsewhere} is there, but the loader does not look there" if elsewhere else f"no {NAME}"
        return Absent(reason, search.looked(NAME))
    try:
        if files.read(found.path, 4) != b"\x7fELF":
            return Unreadable("not an ELF file", found.path)
        return Known(describe(files, found.path), found.rule)
    except OSError as error:
        return Unreadable(reason_of(error), found.path)


def all_libraries(target: Target, search: LibrarySearch) -> tuple[DriverLibrary, ...]:
    """Every libcuda.so.1 that was met, in the loader's order, then those that it does not look at."""
    files = target.files
    paths = [found.path for found in search.all(NAME)]
    paths += [path for path in _driver_paths() if files.is_file(path)]
    compat = compat_library(target)
    if isinstance(compat, Known):
        paths.append(compat.value.path)
    libraries: dict[str, DriverLibrary] = {}
    for path in paths:
        real = files.real(path)
        if real not in libraries:
            try:
                libraries[real] = describe(files, path)
            except OSError:
                libraries[real] = DriverLibrary(path, version_of(files, path), False)
    return tuple(libraries.values())


def compat_library(target: Target) -> Fact[DriverLibrary]:
    """libcuda of a cuda-compat package, wherever CUDA packages put it."""
    looked = tuple(f"{directory}/{NAME}" for directory in _compat_directories(target))
    for path in looked:
        if target.files.is_file(path):
            try:
                return Known(describe(target.files, path), path)
            except OSError as error:
                return Unreadable(reason_of(error), path)
    return Absent("no cuda-compat library", looked)


def describe(files: FileView, path: str) -> DriverLibrary:
    """Raises OSError."""
    return DriverLibrary(path, version_of(files, path), is_stub(files, path))


def version_of(files: FileView, path: str) -> str | None:
    """From the file that the link leads to, `libcuda.so.535.104.05`; None under WSL, where the name tells none."""
    version = files.real(path).rpartition("/")[2].partition(".so.")[2]
    parts = numbers(version)
    return version if len(parts) >= 2 and parts[0] >= 10 else None


def is_stub(files: FileView, path: str) -> bool:
    """True for the library that a toolkit brings for linking. Raises OSError.

    A real libcuda opens further libraries at run time, also the small one of WSL; a stub has no call to dlopen.
    """
    if "stubs" in path.split("/") or "stubs" in files.real(path).split("/"):
        return True
    return files.size(path) < STUB_AT_MOST and b"dlopen" not in files.read(path, STUB_AT_MOST)


def is_compat(files: FileView, library: DriverLibrary) -> bool:
    """True for a library of a cuda-compat package: it lies in a directory `compat` or `cuda-compat`."""
    parts = {*library.path.split("/"), *files.real(library.path).split("/")}
    return not parts.isdisjoint(("compat", "cuda-compat"))


def _driver_paths() -> tuple[str, ...]:
    return tuple(f"{directory}/{NAME}" for directory in DRIVER_DIRECTORIES)


def _compat_directories(target: Target) -> tuple[str, ...]:
    roots = [f"/usr/local/{name}" for name in names_in(target.files, "/usr/local") if name.startswith("cuda")]
    directories = [f"{root}/{place}" for root in roots[:COMPAT_ROOTS_AT_MOST] for place in ("compat", "compat/lib")]
    conda = target.environment.get("CONDA_PREFIX", "")
    return (*directories, f"{conda}/cuda-compat") if conda.startswith("/") else tuple(directories)
