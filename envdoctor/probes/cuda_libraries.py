"""CUDA libraries on the disk: where they lie, whose they are, which release they are of."""

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from envdoctor.facts import Facts, LibraryFile
from envdoctor.files import FileView
from envdoctor.knowledge.versions import numbers
from envdoctor.probes.cuda_roots import conda_prefixes, library_directories
from envdoctor.probes.library_search import LibrarySearch
from envdoctor.probes.reading import names_in
from envdoctor.probes.wheels import Wheels
from envdoctor.target import Target

# Libraries of one CUDA release that must not meet those of another in one process.
_STEMS = "cudart cublas cublasLt nvblas cufft curand cusolver cusparse cusparseLt nvrtc nvJitLink cupti nvToolsExt"
STEMS = (*_STEMS.split(), "cudnn", "nccl")

DIRECTORIES_AT_MOST = 128
NAMES_AT_MOST = 8192
# libcudnn.so.8, libcudnn_ops_infer.so.8, and with the hash that repaired wheels carry: libcudart-e409450e.so.11.0.
_NAME = re.compile(r"lib([A-Za-z]+)((?:_[a-z_]+)?)(?:-[0-9a-f]{6,16})?\.so((?:\.\d+)+)")


class Places(msgspec.Struct, frozen=True):
    """Directories where CUDA libraries may lie, each once, with whose they are; and what the loader's cache lists."""

    files: FileView
    directories: tuple[tuple[str, str], ...]
    cached: tuple[str, ...]
    wheels: Wheels

    def libraries(self, stem: str) -> tuple[LibraryFile, ...]:
        """Every lib<stem>.so.N, each real file once."""
        found: dict[str, LibraryFile] = {}
        for path, origin in self._paths(stem):
            found.setdefault(self.files.real(path), self.described(path, origin))
        return tuple(found.values())

    def described(self, path: str, origin: str) -> LibraryFile:
        return LibraryFile(path.rpartition("/")[2], path, version_of(self.files, path, self.wheels), origin)

    def origin(self, path: str) -> str:
        """Whose a file is, by the directory it lies in."""
        real = self.files.real(path)
        for candidate in (path, real):
            directory = candidate.rpartition("/")[0]
            for place, origin in self.directories:
                if directory in (place, self.files.real(place)):
                    return origin
        return "system"

    def _paths(self, stem: str) -> Iterator[tuple[str, str]]:
        for directory, origin in self.directories:
            for name in shortest(self.files, directory, (stem,)):
                if _is_whole(name, stem):
                    yield f"{directory}/{name}", origin
        for path in self.cached:
            if _is_whole(path.rpartition("/")[2], stem):
                yield path, self.origin(path)


def _is_whole(name: str, stem: str) -> bool:
    """True for libcudnn.so.8, False for its parts such as libcudnn_ops_infer.so.8."""
    match = _NAME.fullmatch(name)
    return match is not None and match[1] == stem and not match[2]


def shortest(files: FileView, directory: str, stems: Sequence[str]) -> tuple[str, ...]:
    """Names of CUDA libraries in a directory; of several names of one file the one that programs ask for."""
    by_file: dict[str, str] = {}
    for name in names_in(files, directory, NAMES_AT_MOST):
        match = _NAME.fullmatch(name)
        if match and match[1] in stems:
            real = files.real(f"{directory}/{name}")
            if real not in by_file or len(name) < len(by_file[real]):
                by_file[real] = name
    return tuple(by_file.values())


def version_of(files: FileView, path: str, wheels: Wheels) -> str | None:
    """From the file that a link leads to, libcudart.so.12.2.140, or from the wheel that brought it; None where neither
    tells: libcudart.so.11.0 is the name of every CUDA 11."""
    real = files.real(path)
    directory, _, name = real.rpartition("/")
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    version = match[3].lstrip(".")
    if len(numbers(version)) >= 3:
        return version
    wheel = wheels.of_library(path.rpartition("/")[0], match[1]) or wheels.of_library(directory, match[1])
    return wheel.version if wheel else None


def places(
    target: Target, known: Facts, roots: Iterable[tuple[str, tuple[str, ...]]], search: LibrarySearch, wheels: Wheels
) -> Places:
    """`roots` are the toolkits with their origins. Directories of the loader's cache are not listed: the cache is."""
    files = target.files
    directories: dict[str, str] = {}
    for directory, origin in _directories(target, known, roots, search):
        if len(directories) < DIRECTORIES_AT_MOST:
            directories.setdefault(directory, origin)
    once: dict[str, tuple[str, str]] = {}
    for directory, origin in directories.items():
        if files.is_dir(directory):
            once.setdefault(files.real(directory), (directory, origin))
    cached = tuple(
        entry.path
        for name, entries in search.system.cache.entries.items()
        if (match := _NAME.fullmatch(name)) and match[1] in STEMS
        for entry in entries
    )
    return Places(files, tuple(once.values()), cached, wheels)


def _directories(
    target: Target, known: Facts, roots: Iterable[tuple[str, tuple[str, ...]]], search: LibrarySearch
) -> Iterator[tuple[str, str]]:
    for site in known.python.site_packages:
        yield f"{site}/torch/lib", "torch"
        for name in names_in(target.files, f"{site}/nvidia"):
            yield f"{site}/nvidia/{name}/lib", "pip"
    for prefix in conda_prefixes(target, known):
        for directory in library_directories(target, prefix):
            yield directory, "conda"
    for root, origins in roots:
        named = [origin for origin in origins if origin != "PATH"]
        origin = named[0] if named and root != "/usr" else "system"
        for directory in library_directories(target, root):
            yield directory, origin
    standard = search.system.directories
    for directory in search.library_path:
        yield directory, "system" if directory in standard else "LD_LIBRARY_PATH"
    if not search.system.cache.entries:
        for directory in (*search.system.conf, *standard):
            yield directory, "system"
