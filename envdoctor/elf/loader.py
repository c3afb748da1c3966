"""The rules of ld.so as a model: which file each needed name becomes, and in which libraries a symbol is looked up.

As in glibc's elf/dl-load.c (_dl_map_object), elf/dl-deps.c and elf/dl-open.c, and ld.so(8). Nothing is loaded.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec

from envdoctor.elf.file import DF_1_NODEFLIB, ElfError, ElfFile, machine_name, open_elf
from envdoctor.elf.search import INTERPRETERS, SystemSearch, directories, expand, system_search, with_hwcaps
from envdoctor.elf.symbols import Symbols
from envdoctor.files import FileView

_TRIES_LIMIT = 32_000_000


class Opened(msgspec.Struct, frozen=True):
    """One dlopen() done before: RTLD_GLOBAL lends its symbols to all, RTLD_LOCAL only its soname.

    `is_lazy`: with RTLD_LAZY, where a function that nobody defines does no harm until it is called.
    """

    path: str
    is_global: bool = False
    is_lazy: bool = False


class Process(msgspec.Struct, frozen=True):
    """The process that a library is loaded into. Paths are absolute.

    `library_path`: the entries of LD_LIBRARY_PATH, `preload`: those of LD_PRELOAD; an empty or relative entry starts
    from `working_directory`. Without an executable the library itself takes that place, as `ldd` has it.
    """

    executable: str | None = None
    opened: tuple[Opened, ...] = ()
    library_path: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    working_directory: str = "/"


class Library(msgspec.Struct, frozen=True):
    """One library of a closure.

    `path` is as the loader spells it: `..` and links are kept. `name` is how it was asked for.
    """

    name: str
    path: str
    found_via: str
    needed_by: str | None = None


class Missing(msgspec.Struct, frozen=True):
    """A needed name without a file.

    `tried`: every path in order, with the reason where a file was there and was refused.
    """

    name: str
    needed_by: str
    tried: tuple[str, ...]


class Closure(msgspec.Struct, frozen=True):
    """The library and all that it needs, breadth-first, as the loader's search list has it."""

    libraries: tuple[Library, ...]
    missing: tuple[Missing, ...]


class Files:
    """ELF files of a file view, each opened once however many paths and processes name it."""

    def __init__(self, files: FileView) -> None:
        self.view = files
        self._open: dict[str, Symbols] = {}
        self._searches: dict[tuple[int, str | None], SystemSearch] = {}

    def symbols(self, path: str, real: str) -> Symbols:
        """Raises ElfError for a file that the loader would refuse or fall over, OSError."""
        if real not in self._open:
            elf = open_elf(self.view, path)
            if not elf.is_dynamic:
                raise ElfError("no dynamic table: an object file or a static program")
            # A damaged dynamic table must show here, where another path can be tried, and not later.
            for _ in (elf.needed, elf.soname, elf.rpath, elf.runpath, elf.interpreter):
                pass
            self._open[real] = Symbols(elf)
        return self._open[real]

    def branch(self) -> "Files":
        """Sees what is open here; what is opened there is closed with it. A process may have too few descriptors."""
        twin = Files(self.view)
        twin._open, twin._searches = dict(self._open), self._searches
        return twin

    def search(self, machine: int, interpreter: str | None) -> SystemSearch:
        key = (machine, interpreter)
        if key not in self._searches:
            self._searches[key] = system_search(self.view, machine, interpreter)
        return self._searches[key]


class LinkMap:
    """A library in a process, named after the loader's struct. `local`: the scope of the dlopen() that brought it."""

    def __init__(self, name: str, path: str, symbols: Symbols, found_via: str, loader: "LinkMap | None") -> None:
        self.name = name
        self.path = path
        self.symbols = symbols
        self.found_via = found_via
        self.loader = loader
        self.origin = path.rpartition("/")[0] or "/"
        self.local: tuple[LinkMap, ...] = ()
        self.is_lazy = False
        self.needs: tuple[tuple[LinkMap, ...], tuple[Missing, ...]] | None = None

    @property
    def elf(self) -> ElfFile:
        return self.symbols.elf

    def forget(self) -> None:
        """Lets go of the libraries around it."""
        self.local, self.needs = (), None


class Brought(NamedTuple):
    """What one dlopen() gives: the library, it and all it needs breadth-first, and what of that is missing."""

    root: LinkMap
    closure: tuple[LinkMap, ...]
    missing: tuple[Missing, ...]


class _RefusedError(Exception):
    """A file that ends the search with an error instead of letting it go on."""


class Namespace:
    """The libraries of one process in the order in which they were loaded.

    Grows by `open`; `copy` keeps what was before.
    """

    def __init__(self, files: Files, process: Process, first: str) -> None:
        """`first` is the executable, or the library that stands in for it. Raises ElfError, OSError."""
        self.files = files
        self.process = process
        self._by_name: dict[str, LinkMap] = {}
        self._by_real: dict[str, LinkMap] = {}
        self._names: dict[int, set[str]] = {}
        self._tries_left = _TRIES_LIMIT
        real = files.view.real(first)
        symbols = files.symbols(first, real)
        self.machine = symbols.elf.machine
        self.interpreter = symbols.elf.interpreter or INTERPRETERS[self.machine]
        if "ld-musl" in self.interpreter:
            raise ElfError("its loader is musl's, whose rules are not known here")
        self.search = files.search(self.machine, symbols.elf.interpreter)
        self.main = LinkMap(
            first, first, symbols, "the executable" if process.executable else "the library itself", None
        )
        if process.executable:
            # The kernel tells the loader the executable's real path; a library keeps the path it was loaded by.
            self.main.origin = real.rpartition("/")[0] or "/"
        self._add(self.main, real)
        self.preloaded = tuple(self._preload())
        self.global_scope, self.missing = self._closure(self.main, self.preloaded)

    def copy(self) -> "Namespace":
        twin = object.__new__(Namespace)
        twin.__dict__.update(self.__dict__)
        twin.files = self.files.branch()
        twin._by_name, twin._by_real = dict(self._by_name), dict(self._by_real)
        twin._names = {key: set(names) for key, names in self._names.items()}
        return twin

    # Loading

    def open(self, path: str, found_via: str, is_global: bool = False) -> Brought:
        """One dlopen() of an absolute path. Raises ElfError, OSError."""
        real = self.files.view.real(path)
        opened = self._by_real.get(real)
        if opened is None:
            symbols = self.files.symbols(path, real)
            if symbols.elf.machine != self.machine:
                theirs, ours = machine_name(symbols.elf.machine), machine_name(self.machine)
                raise ElfError(f"made for {theirs}, the process for {ours}", foreign=True)
            if symbols.elf.is_executable:
                raise ElfError("a program: a process cannot load it, it can only be judged alone")
            opened = LinkMap(path, path, symbols, found_via, self.main)
            self._add(opened, real)
        before = set(self._by_real.values())
        closure, missing = self._closure(opened, ())
        for link_map in closure:
            if link_map not in before or link_map is opened:
                link_map.local = link_map.local or closure
        if is_global:
            known = set(self.global_scope)
            self.global_scope += tuple(link_map for link_map in closure if link_map not in known)
        return Brought(opened, closure, missing)

    def scope(self, link_map: LinkMap) -> tuple[LinkMap, ...]:
        """Where the symbols of a library are looked up, in order."""
        return tuple(dict.fromkeys(self.global_scope + link_map.local))

    def named(self, name: str) -> LinkMap | None:
        """The loaded library that answers to a name."""
        return self._by_name.get(name)

    def answers_to(self, link_map: LinkMap, name: str) -> bool:
        return name in self._names[id(link_map)]

    def _add(self, link_map: LinkMap, real: str) -> None:
        self._by_real[real] = link_map
        self._names[id(link_map)] = set()
        for name in (link_map.path, link_map.name, link_map.elf.soname):
            if name:
                self._call(link_map, name)

    def _call(self, link_map: LinkMap, name: str) -> None:
        self._by_name.setdefault(name, link_map)
        self._names[id(link_map)].add(name)

    def _preload(self) -> Iterator[LinkMap]:
        for name in self.process.preload:
            # A preloaded library that cannot be found is passed over with a warning.
            found, _ = self._load(name, self.main, "LD_PRELOAD") if name else (None, ())
            if found:
                yield found

    def _closure(self, first: LinkMap, more: Sequence[LinkMap]) -> tuple[tuple[LinkMap, ...], tuple[Missing, ...]]:
        """The library, `more`, and breadth-first all that they need."""
        order = list(dict.fromkeys((first, *more)))
        seen = set(order)
        missing: dict[Missing, None] = {}
        for link_map in order:
            if link_map.needs is None:
                link_map.needs = self._needs(link_map)
            found, lost = link_map.needs
            missing.update(dict.fromkeys(lost))
            fresh = [library for library in found if library not in seen]
            seen.update(fresh)
            order += fresh
        return tuple(order), tuple(missing)

    def _needs(self, link_map: LinkMap) -> tuple[tuple[LinkMap, ...], tuple[Missing, ...]]:
        """What DT_NEEDED becomes when a library is loaded. A name missing then stays so, whatever is loaded later."""
        found: dict[LinkMap, None] = {}
        missing: list[Missing] = []
        for name in link_map.elf.needed:
            library, tried = self._load(name, link_map)
            if library is None:
                missing.append(Missing(name, link_map.path, tried))
            else:
                found.setdefault(library)
        return tuple(found), tuple(missing)

    def _load(self, name: str, loader: LinkMap, via: str = "") -> tuple[LinkMap | None, tuple[str, ...]]:
        expanded = expand(name, loader.origin, self.search.tokens)
        if expanded is None:
            return None, (f"{name} (its $ORIGIN is not known)",)
        known = self._by_name.get(expanded) or self._dynamic_linker(expanded)
        if known:
            return known, ()
        tried: list[str] = []
        try:
            for path, rule in self._candidates(expanded, loader):
                self._tries_left -= len(path) + 64
                if self._tries_left < 0:
                    raise ElfError("the search for its libraries tries too many paths")
                found = self._try(expanded, path, via or rule, loader, tried)
                if found:
                    return found, ()
        except _RefusedError:
            pass
        return None, tuple(tried)

    def _dynamic_linker(self, name: str) -> LinkMap | None:
        """The loader is in every process, and answers to its path and its soname before any search."""
        path = self.interpreter
        if name not in (path, path.rpartition("/")[2]) or not self.files.view.is_file(path):
            return None
        real = self.files.view.real(path)
        known = self._by_real.get(real)
        if known is None:
            try:
                known = LinkMap(path, path, self.files.symbols(path, real), "the dynamic linker", self.main)
            except (ElfError, OSError):
                return None
            self._add(known, real)
        self._call(known, name)
        return known

    def _try(self, name: str, path: str, rule: str, loader: LinkMap, tried: list[str]) -> LinkMap | None:
        """The library at `path`; None, noted in `tried`, when the search goes on; _RefusedError when it ends."""
        view = self.files.view
        if not view.is_file(path):
            tried.append(path)
            return None
        real = view.real(path)
        known = self._by_real.get(real)
        if known is None:
            try:
                symbols = self.files.symbols(path, real)
                if symbols.elf.machine != self.machine:
                    raise ElfError(f"for {machine_name(symbols.elf.machine)}", foreign=True)
                if symbols.elf.is_executable:
                    raise ElfError("a program")
            except OSError as error:
                tried.append(f"{path} ({error.strerror or error})")
                return None
            except ElfError as error:
                tried.append(f"{path} ({error})")
                if error.foreign:
                    return None
                raise _RefusedError from error
            known = LinkMap(name, path, symbols, rule, loader)
            self._add(known, real)
        self._call(known, name)
        return known

    @property
    def loaded(self) -> tuple[LinkMap, ...]:
        """All libraries of the process, in the order in which they were loaded."""
        return tuple(self._by_real.values())

    # The order of the search

    def _candidates(self, name: str, loader: LinkMap) -> Iterator[tuple[str, str]]:
        """Paths to try for a name, in order, each with the rule that names it."""
        if "/" in name:
            yield (name if name.startswith("/") else f"{self.process.working_directory.rstrip('/')}/{name}"), "its path"
            return
        search = self.search
        for directory, rule in self._listed(loader):
            for place in with_hwcaps(self.files.view, directory, search.hwcaps):
                yield f"{place}/{name}", rule
        use_defaults = not loader.elf.flags_1 & DF_1_NODEFLIB
        cached = search.cache.lookup(name, search.hwcaps)
        if cached and (use_defaults or not cached.startswith(tuple(f"{place}/" for place in search.directories))):
            yield cached, "ld.so.cache"
        if use_defaults:
            for directories_, rule in ((search.conf, "ld.so.conf"), (search.directories, "default directory")):
                for directory in directories_:
                    for place in with_hwcaps(self.files.view, directory, search.hwcaps):
                        yield f"{place}/{name}", rule

    def _listed(self, loader: LinkMap) -> Iterator[tuple[str, str]]:
        """Directories that files and the environment name: DT_RPATH, LD_LIBRARY_PATH, DT_RUNPATH."""
        if loader.elf.runpath is None:
            for link_map in self._ancestors(loader):
                if link_map.elf.rpath:
                    for directory in self._directories(link_map.elf.rpath.split(":"), link_map):
                        yield directory, f"DT_RPATH of {link_map.path}"
        for directory in self._library_path:
            yield directory, "LD_LIBRARY_PATH"
        if loader.elf.runpath:
            for directory in self._directories(loader.elf.runpath.split(":"), loader):
                yield directory, f"DT_RUNPATH of {loader.path}"

    def _ancestors(self, loader: LinkMap) -> Iterator[LinkMap]:
        """The library, who loaded it, and so on; the executable last in any case."""
        current: LinkMap | None = loader
        last = None
        while current is not None:
            yield current
            last, current = current, current.loader
        if last is not self.main:
            yield self.main

    def _directories(self, entries: Sequence[str], link_map: LinkMap) -> tuple[str, ...]:
        return directories(entries, link_map.origin, self.search.tokens, self.process.working_directory)

    @cached_property
    def _library_path(self) -> tuple[str, ...]:
        entries = self.process.library_path
        return () if entries == ("",) else self._directories(entries, self.main)


def start(files: Files, process: Process, library: str) -> Namespace:
    """The process with all that it has opened; with `library` as its main program where it has no executable.

    Raises ElfError and OSError for an executable or an opened library that cannot be read.
    """
    first = process.executable or library
    try:
        namespace = Namespace(files, process, first)
        for opened in process.opened:
            first = opened.path
            before = frozenset(namespace.loaded)
            for link_map in namespace.open(opened.path, "dlopen", opened.is_global).closure:
                link_map.is_lazy = opened.is_lazy and link_map not in before and not link_map.elf.binds_now
    except ElfError as error:
        # Of the library itself the caller knows the path; of all others the error must name it.
        if first == library and process.executable is None:
            raise
        raise ElfError(f"{first}: {error}") from error
    return namespace


def describe(namespace: Namespace, brought: Brought, already: frozenset[LinkMap]) -> Closure:
    """The closure in words; `already` are the libraries that were in the process before."""
    libraries = tuple(_described(namespace, link_map, link_map in already) for link_map in brought.closure)
    return Closure(libraries, brought.missing)


def _described(namespace: Namespace, link_map: LinkMap, was_there: bool) -> Library:
    needed_by = link_map.loader.path if link_map.loader else None
    via = link_map.found_via
    if was_there and link_map is not namespace.main and via != "the dynamic linker":
        via = "already loaded by dlopen" if via == "dlopen" else f"already loaded by {needed_by}"
    return Library(link_map.name, link_map.path, via, needed_by)


def closure(files: FileView, process: Process, library: str) -> Closure:
    """Every library that `library` brings or meets in the process, with the rule that found it.

    Raises ElfError and OSError when the library, the executable or an opened library cannot be read.
    """
    namespace = start(Files(files), process, library)
    already = frozenset(namespace.loaded) if process.executable else frozenset()
    return describe(namespace, namespace.open(library, "the library itself"), already)
