"""Why a symbol is undefined, and where its definition lies or should lie."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from envdoctor.elf import mangled, related
from envdoctor.elf.binding import Unresolved
from envdoctor.elf.file import ElfError
from envdoctor.elf.hashtable import gnu_hash
from envdoctor.elf.loader import Files, LinkMap, Missing
from envdoctor.elf.owners import is_named, libraries_for
from envdoctor.elf.symbols import Symbols

Reason = Literal["string-abi", "other-release", "not-linked", "missing-library", "hidden", "version", "unknown"]
_CANDIDATE_FILES = 2000
_SHOWN = 16


@dataclass(frozen=True)
class Explained:
    """`candidates`: files that define the symbol; where none does, the library that should (by path, or by soname if
    missing).
    """

    reason: Reason
    candidates: tuple[str, ...]


@dataclass(frozen=True)
class _Provider:
    path: str
    symbols: Symbols


class Explainer:
    """Explains many symbols of one closure; what it reads from the disk is read once, and only when asked."""

    def __init__(
        self,
        files: Files,
        unresolved: Sequence[Unresolved],
        scope: Sequence[LinkMap],
        missing: Sequence[Missing],
        search: Sequence[str],
        defaults: Sequence[str],
    ) -> None:
        """`search`: files and directories to look for definitions in; `defaults`: the system's, too many to look
        into.
        """
        self._files = files
        self._scope = [_Provider(link_map.path, link_map.symbols) for link_map in scope]
        self._missing = tuple(dict.fromkeys(lost.name for lost in missing))
        self._search = search
        self._defaults = frozenset(defaults)
        self._names = {item.reference.name for item in unresolved}
        self._users = {item.needed_by.path for item in unresolved}
        self._alike_of: dict[str, Mapping[bytes, list[bytes]]] = {}

    def explain(self, item: Unresolved) -> Explained:
        """Facts before likeness: the exact name elsewhere first, then the same function in another form, then who is
        absent.
        """
        name = item.reference.name
        definers = self._definers(name, self._scope)
        if definers:
            return Explained("version", definers)
        other = self._other_flavour(name, self._scope)
        if other:
            return Explained("string-abi", other)
        if name in self._hidden:
            return Explained("hidden", tuple(self._hidden[name]))
        owners = libraries_for(mangled.qualified(name))
        on_disk = self._definers(name, self._disk)
        if not on_disk:
            other = self._other_flavour(name, [one for one in self._disk if _is_any(one.path, owners)])
            if other:
                return Explained("string-abi", other)
        lost = self._lost(item, owners, on_disk)
        if lost:
            return Explained("missing-library", on_disk or lost)
        if on_disk and not self._is_loaded_otherwise(on_disk):
            return Explained("not-linked", on_disk)
        return self._without_definition(name, owners, on_disk)

    def _without_definition(self, name: bytes, owners: Sequence[str], on_disk: tuple[str, ...]) -> Explained:
        """Nobody who could be loaded defines it: another release of its library, one kept private, or nothing that is
        known.
        """
        same = self._other_signature(name)
        present = tuple(one.path for one in self._scope if _is_any(one.path, owners))
        if on_disk or same:
            return Explained("other-release", on_disk or same)
        private = tuple(one.path for one in self._scope if owners and self._keeps_private(one, name))
        if private and not present:
            return Explained("hidden", private[:_SHOWN])
        return Explained("other-release", present[:_SHOWN]) if present else Explained("unknown", ())

    def _lost(self, item: Unresolved, owners: Sequence[str], on_disk: tuple[str, ...]) -> tuple[str, ...]:
        """Missing libraries that should define it."""
        files = [path.rpartition("/")[2] for path in on_disk]
        return tuple(
            soname
            for soname in self._missing
            if soname == item.reference.file or soname in files or _is_any(soname, owners)
        )

    def _is_loaded_otherwise(self, on_disk: Iterable[str]) -> bool:
        """True when a library of the same name is in the scope already: the file on disk is another release of it."""
        loaded = {path.rpartition("/")[2] for one in self._scope for path in (one.path, one.symbols.elf.soname or "")}
        return all(path.rpartition("/")[2] in loaded for path in on_disk)

    @staticmethod
    def _definers(name: bytes, providers: Iterable[_Provider]) -> tuple[str, ...]:
        hashed = gnu_hash(name)
        return tuple(one.path for one in providers if one.symbols.surely_defines(name, hashed))[:_SHOWN]

    def _other_flavour(self, name: bytes, providers: Sequence[_Provider]) -> tuple[str, ...]:
        return tuple(
            one.path
            for one in providers
            if any(related.is_other_flavour(name, candidate) for candidate in self._alike(one, name))
        )[:_SHOWN]

    def _other_signature(self, name: bytes) -> tuple[str, ...]:
        return tuple(
            one.path
            for one in self._scope
            if any(mangled.is_same_function(name, candidate) for candidate in self._alike(one, name))
        )[:_SHOWN]

    def _alike(self, provider: _Provider, name: bytes) -> Sequence[bytes]:
        wanted = mangled.key(name)
        if wanted is None:
            return ()
        if provider.path not in self._alike_of:
            keys = {found for other in self._names if (found := mangled.key(other)) is not None}
            try:
                self._alike_of[provider.path] = related.alike(provider.symbols, keys)
            except ElfError:
                self._alike_of[provider.path] = {}
        return self._alike_of[provider.path].get(wanted, ())

    def _keeps_private(self, provider: _Provider, name: bytes) -> bool:
        """True when the file mentions the symbol's namespace in what it exports, and neither exports nor needs any of
        it.
        """
        namespace = mangled.namespace(name)
        if namespace is None or provider.path in self._users:
            return False
        names = [other for other in provider.symbols.all_names() if namespace in other]
        return bool(names) and not any(other.startswith((b"_ZN" + namespace, b"_ZNK" + namespace)) for other in names)

    @cached_property
    def _hidden(self) -> dict[bytes, list[str]]:
        """By name, the libraries of the scope that define it for themselves alone."""
        found: dict[bytes, list[str]] = {}
        for one in self._scope:
            if one.path in self._users:
                continue
            for name in related.local_names(one.symbols, self._names):
                found.setdefault(name, []).append(one.path)
        return found

    @cached_property
    def _disk(self) -> list[_Provider]:
        """Libraries that are not in the scope, in the places to search and beside those of the scope."""
        view = self._files.view
        loaded = {view.real(one.path) for one in self._scope}
        found: dict[str, _Provider] = {}
        for path in self._disk_paths():
            real = view.real(path)
            if real in loaded or real in found:
                continue
            try:
                found[real] = _Provider(path, self._files.symbols(path, real))
            except (ElfError, OSError):
                continue
        return list(found.values())

    def _disk_paths(self) -> list[str]:
        view = self._files.view
        beside = (one.path.rpartition("/")[0] for one in self._scope)
        folders = dict.fromkeys((*self._search, *(folder for folder in beside if folder not in self._defaults)))
        paths: list[str] = []
        for folder in folders:
            if view.is_file(folder):
                paths.append(folder)
                continue
            try:
                names = view.names(folder)
            except OSError:
                continue
            paths += [f"{folder}/{name}" for name in names if name.endswith(".so") or ".so." in name]
        return paths[:_CANDIDATE_FILES]


def _is_any(path: str, owners: Iterable[str]) -> bool:
    return any(is_named(path, owner) for owner in owners)
