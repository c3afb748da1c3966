"""Every C++ runtime of the target with the symbol versions it brings, and the one that the interpreter loads."""

from collections.abc import Iterator

from envdoctor.elf.file import ElfError, open_elf
from envdoctor.elf.loader import Process, closure
from envdoctor.elf.provided import numbers, provided
from envdoctor.elf.search import directories
from envdoctor.elf.symbols import Symbols
from envdoctor.facts import Absent, Fact, Facts, Known, Libstdcxx, ProvidedVersions, Unreadable, value_of
from envdoctor.files import FileView
from envdoctor.probes.library_search import LibrarySearch, library_path, library_search
from envdoctor.probes.reading import names_in, reason_of
from envdoctor.target import Target

NEEDS = ("python", "compilers")

NAME = "libstdc++.so.6"
GLIBC = "libc.so.6"
LIBRARIES_AT_MOST = 24


def probe(target: Target, known: Facts) -> Libstdcxx:
    """Libraries are read, none is loaded."""
    search = library_search(target)
    loaded = _loaded(target, known, search)
    places = dict.fromkeys([*_first_places(loaded), *_places(target, known, search)])
    found: dict[str, ProvidedVersions] = {}
    for path, origin in places:
        if len(found) < LIBRARIES_AT_MOST and target.files.is_file(path) and target.files.real(path) not in found:
            read = _read(target.files, path, origin)
            if isinstance(read, Known):
                found[target.files.real(path)] = read.value
    return Libstdcxx(libraries=tuple(found.values()), loaded=loaded, glibc=_glibc(target, search))


def _first_places(loaded: Fact[ProvidedVersions]) -> Iterator[tuple[str, str]]:
    if isinstance(loaded, Known):
        yield loaded.value.path, loaded.value.origin


def _places(target: Target, known: Facts, search: LibrarySearch) -> Iterator[tuple[str, str]]:
    """Where a libstdc++.so.6 may lie, with its origin."""
    for directory in library_path(target):
        yield f"{directory}/{NAME}", "LD_LIBRARY_PATH"
    conda = target.environment.get("CONDA_PREFIX", "").rstrip("/")
    prefix = value_of(known.python.prefix)
    if value_of(known.python.kind) == "conda" and prefix:
        yield f"{prefix}/lib/{NAME}", "conda"
    if conda.startswith("/"):
        yield f"{conda}/lib/{NAME}", "conda"
    for found in search.all(NAME):
        yield found.path, _origin(target, found.path, found.rule)
    for path in _beside_compilers(target, known):
        yield path, "compiler"


def _beside_compilers(target: Target, known: Facts) -> Iterator[str]:
    """A GCC outside /usr keeps its runtime in `lib64` or `lib` beside its `bin`."""
    for compiler in known.compilers.installed:
        prefix = target.files.real(compiler.path).rpartition("/bin/")[0]
        if prefix not in ("", "/usr"):
            yield from (f"{prefix}/{lib}/{NAME}" for lib in ("lib64", "lib"))
    for name in names_in(target.files, "/usr/local", 256):
        if name.startswith("gcc"):
            yield f"/usr/local/{name}/lib64/{NAME}"


def _loaded(target: Target, known: Facts, search: LibrarySearch) -> Fact[ProvidedVersions]:
    """The runtime that the interpreter brings itself, else the one that the first extension written in C++ gets.

    Such an extension is looked up along the interpreter's DT_RPATH, LD_LIBRARY_PATH and the system's directories; a run
    path of its own can lead elsewhere and is judged with that extension.
    """
    executable = value_of(known.python.executable) or target.python
    if executable:
        own = _by_interpreter(target, executable, search)
        if own is not None:
            return own
    found = search.first(NAME)
    if found is None:
        return Absent("no libstdc++.so.6 where the loader looks", search.looked(NAME)[:16])
    return _read(target.files, found.path, _origin(target, found.path, found.rule), found.rule)


def _by_interpreter(target: Target, executable: str, search: LibrarySearch) -> Fact[ProvidedVersions] | None:
    files = target.files
    try:
        elf = open_elf(files, executable)
        brought = closure(files, Process(library_path=library_path(target)), executable)
        rpath = None if elf.runpath is not None else elf.rpath
    except PermissionError as error:
        return Unreadable(f"the interpreter's run path is not known: {reason_of(error)}", executable)
    except (ElfError, OSError):
        # A script, a shim or nothing readable: the process then starts from the system's own rules.
        return None
    for library in brought.libraries:
        if library.name == NAME or library.path.endswith(f"/{NAME}"):
            return _read(files, library.path, _origin(target, library.path, library.found_via), library.found_via)
    origin = files.real(executable).rpartition("/")[0]
    for directory in directories((rpath or "").split(":") if rpath else (), origin, search.system.tokens, "/"):
        path = f"{directory}/{NAME}"
        if files.is_file(path):
            via = f"DT_RPATH of {executable}"
            return _read(files, path, _origin(target, path, via), via)
    return None


def _glibc(target: Target, search: LibrarySearch) -> Fact[ProvidedVersions]:
    # Not by LD_LIBRARY_PATH: a libc there that does not fit the loader ends every program.
    system = LibrarySearch(search.files, (), search.system)
    found = system.first(GLIBC)
    if found is None:
        return Absent("no libc.so.6 where the loader looks; musl has none", system.looked(GLIBC)[:16])
    return _read(target.files, found.path, "system", found.rule)


def _origin(target: Target, path: str, rule: str) -> str:
    if rule == "LD_LIBRARY_PATH":
        return rule
    conda = target.environment.get("CONDA_PREFIX", "").rstrip("/")
    real = target.files.real(path)
    if conda and any(each.startswith(f"{conda}/") for each in (path, real)):
        return "conda"
    root = real.rpartition("/")[0].rpartition("/")[0]
    return "conda" if root and target.files.is_dir(f"{root}/conda-meta") else "system"


def _read(files: FileView, path: str, origin: str, via: str = "") -> Fact[ProvidedVersions]:
    try:
        versions = provided(Symbols(open_elf(files, path)))
    except ElfError as error:
        return Unreadable(str(error), path)
    except OSError as error:
        return Unreadable(reason_of(error), path)
    newest = {family: names[-1].rpartition("_")[2] for family, names in versions.items() if numbers(names[-1])}
    return Known(
        ProvidedVersions(path, origin, newest.get("GLIBCXX"), newest.get("CXXABI"), newest.get("GLIBC")), via or path
    )
