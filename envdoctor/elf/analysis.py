"""Everything that `envdoctor symbols` tells of a library. Nothing is loaded or run.

Judged in a process (`examine`, `Examiner`) or alone, as `ldd -r` would (`alone`).
"""

from collections.abc import Callable, Sequence

import msgspec

from envdoctor.elf.binding import Unresolved, VersionFault, unresolved, version_faults
from envdoctor.elf.comment import compilers
from envdoctor.elf.demangle import demangle
from envdoctor.elf.fatbin import read_fatbin
from envdoctor.elf.function_abi import FunctionAbi, function_abi, functors_in_place
from envdoctor.elf.loader import Brought, Files, LinkMap, Namespace, Process, describe, start
from envdoctor.elf.provided import newest_alike
from envdoctor.elf.reasons import Explained, Explainer, Reason
from envdoctor.elf.string_abi import StringAbi, string_abi
from envdoctor.files import FileView

# More undefined symbols than any real library has: those beyond are told without a reason, in bounded time.
EXPLAINED_LIMIT = 20_000
_NOT_EXPLAINED = Explained("unknown", ())


class ClosureEntry(msgspec.Struct, frozen=True):
    """A library of the closure: how it was asked for, the path as the loader spells it, and the rule that found it."""

    name: str
    path: str
    found_via: str


class MissingLibrary(msgspec.Struct, frozen=True):
    """A needed library without a file; `tried` has every path in the order of the search."""

    name: str
    needed_by: str
    tried: tuple[str, ...]


class Undefined(msgspec.Struct, frozen=True):
    """A symbol that `needed_by` uses and nothing in its scope defines; `version` is "" for an unversioned one.

    `demangled` equals `symbol` where it is no C++ name or no demangler is at hand. `candidates` are files that define
    it; where none does, the library that should: by path, or by soname when it is missing.
    """

    symbol: str
    demangled: str
    version: str
    needed_by: str
    reason: Reason
    candidates: tuple[str, ...]


class VersionNeed(msgspec.Struct, frozen=True):
    """A version that `needed_by` asks of `library` in vain; `have` is the newest of its family there, "" for none."""

    version: str
    library: str
    have: str
    needed_by: str


class SymbolsReport(msgspec.Struct, frozen=True):
    """The `symbols` contract. `cuda_archs` names what at least half of the containers of GPU code hold.

    `process` is the program it was judged in, None where it was judged alone. `functors_in_place` has examples of
    functors that are kept inside std::function as GCC 5 and later do.
    """

    library: str
    closure: tuple[ClosureEntry, ...]
    missing: tuple[MissingLibrary, ...]
    undefined: tuple[Undefined, ...]
    versions: tuple[VersionNeed, ...]
    string_abi: StringAbi
    function_abi: FunctionAbi
    functors_in_place: tuple[str, ...]
    compilers: tuple[str, ...]
    cuda_archs: tuple[str, ...]
    process: str | None = None


class Examiner:
    """Examines libraries in one process.

    What the process has loaded is read once, whatever the number of libraries.
    """

    def __init__(self, files: FileView, process: Process, trusts_loaded: bool = False) -> None:
        """With `trusts_loaded`, the symbols of what the process holds already are taken as found.

        Raises ElfError and OSError when the executable or an opened library cannot be read.
        """
        self._trusts_loaded = trusts_loaded
        self._files = Files(files)
        self._process = process
        self._base = start(self._files, process, process.executable) if process.executable else None
        self._known: dict[LinkMap, list[Unresolved]] = {}

    def examine(self, library: str, search: Sequence[str] = ()) -> SymbolsReport:
        """`search`: files and directories where definitions of missing symbols may lie. Raises ElfError, OSError."""
        if self._base is None:
            namespace = start(self._files, self._process, library)
            already: frozenset[LinkMap] = frozenset()
        else:
            namespace = self._base.copy()
            already = frozenset(namespace.loaded)
        brought = namespace.open(library, "the library itself")
        try:
            return self._report(namespace, brought, already, search)
        finally:
            # Libraries of one scope know each other; apart, they are closed at once and not when memory is swept.
            for link_map in brought.closure:
                if link_map not in already:
                    link_map.forget()

    def _report(
        self, namespace: Namespace, brought: Brought, already: frozenset[LinkMap], search: Sequence[str]
    ) -> SymbolsReport:
        root, found, missing = brought
        lost = self._unresolved(namespace, found, already)
        return SymbolsReport(
            library=root.path,
            closure=tuple(
                ClosureEntry(entry.name, entry.path, entry.found_via)
                for entry in describe(namespace, brought, already).libraries
            ),
            missing=tuple(MissingLibrary(entry.name, entry.needed_by, entry.tried) for entry in missing),
            undefined=self._explained(namespace, lost, brought, search),
            versions=tuple(_version_need(fault) for fault in version_faults(namespace, found)),
            string_abi=string_abi(root.symbols),
            function_abi=function_abi(root.symbols),
            functors_in_place=functors_in_place(root.symbols),
            compilers=compilers(root.elf),
            cuda_archs=tuple(code.name for code in read_fatbin(root.elf).supported),
            process=self._process.executable,
        )

    def _unresolved(
        self, namespace: Namespace, found: Sequence[LinkMap], already: frozenset[LinkMap]
    ) -> list[Unresolved]:
        """Of the closure. What was in the process before keeps its scope, and so its answer."""
        there = () if self._trusts_loaded else [link_map for link_map in found if link_map in already]
        unknown = [link_map for link_map in there if link_map not in self._known]
        for link_map in unknown:
            self._known[link_map] = []
        for item in unresolved(namespace, unknown) if unknown else ():
            self._known[item.needed_by].append(item)
        fresh = unresolved(namespace, [link_map for link_map in found if link_map not in already])
        return fresh + [item for link_map in there for item in self._known[link_map]]

    def _explained(
        self, namespace: Namespace, lost: Sequence[Unresolved], brought: Brought, search: Sequence[str]
    ) -> tuple[Undefined, ...]:
        if not lost:
            return ()
        scope = tuple(dict.fromkeys((*namespace.global_scope, *brought.closure)))
        known = lost[:EXPLAINED_LIMIT]
        explainer = Explainer(self._files, known, scope, brought.missing, search, namespace.search.directories)
        explained = tuple(_undefined(item, explainer.explain(item), demangle) for item in known)
        return explained + tuple(_undefined(item, _NOT_EXPLAINED, _plain) for item in lost[EXPLAINED_LIMIT:])


def examine(files: FileView, library: str, process: Process, search: Sequence[str] = ()) -> SymbolsReport:
    """What would happen if the process loaded the library. For several libraries in one process, see Examiner.

    Raises ElfError when the library, the executable or an opened library is no readable ELF file or a file of the
    closure has damaged tables; OSError when one of the first three cannot be opened.
    """
    return Examiner(files, process).examine(library, search)


def alone(files: FileView, library: str, library_path: Sequence[str] = ()) -> SymbolsReport:
    """What `ldd -r` would say, with `library_path` as the entries of LD_LIBRARY_PATH. Raises ElfError, OSError."""
    return examine(files, library, Process(library_path=tuple(library_path)))


def _undefined(item: Unresolved, explained: Explained, name: Callable[[bytes], str]) -> Undefined:
    return Undefined(
        symbol=_plain(item.reference.name),
        demangled=name(item.reference.name),
        version=item.reference.version or "",
        needed_by=item.needed_by.path,
        reason=explained.reason,
        candidates=explained.candidates,
    )


def _plain(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _version_need(fault: VersionFault) -> VersionNeed:
    have = newest_alike(fault.library.symbols.versions.defined_names, fault.version)
    return VersionNeed(fault.version, fault.library.path, have, fault.needed_by.path)
