"""Why a symbol is undefined, and where its definition lies or should lie."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Literal

import msgspec

from envdoctor.elf.binding import Unresolved
from envdoctor.elf.file import ElfError
from envdoctor.elf.hashtable import gnu_hash
from envdoctor.elf.loader import Files, LinkMap, Missing
from envdoctor.elf.mangled import qualified
from envdoctor.elf.owners import is_named, libraries_for
from envdoctor.elf.related import Evidence, exported, gathered

Reason = Literal["string-abi", "other-release", "not-linked", "missing-library", "hidden", "version", "unknown"]
_CANDIDATE_FILES = 2000
_SHOWN = 16


class Explained(msgspec.Struct, frozen=True):
    """`candidates`: files that define the symbol; where none does, the library that should: by path, or by soname."""

    reason: Reason
    candidates: tuple[str, ...]


class Explainer:
    """Explains the symbols of one closure. What it reads, it reads once for all of them, and only when asked."""

    def __init__(
        self,
        files: Files,
        unresolved: Sequence[Unresolved],
        scope: Sequence[LinkMap],
        missing: Sequence[Missing],
        search: Sequence[str],
        defaults: Sequence[str],
    ) -> None:
        """`search`: files and directories to look for definitions in; `defaults`: the system's, too many to search."""
        self._files = files
        self._link_maps = scope
        self._missing = tuple(dict.fromkeys(lost.name for lost in missing))
        self._search = search
        self._defaults = frozenset(defaults)
        self._names = {name: gnu_hash(name) for name in {item.reference.name for item in unresolved}}
        self._users = {item.needed_by.path for item in unresolved}

    def explain(self, item: Unresolved) -> Explained:
        """Facts before likeness: the exact name elsewhere, the same function in another form, then who is absent."""
        name = item.reference.name
        scope = self._scope
        known: tuple[tuple[Reason, Iterator[str]], ...] = (
            ("version", (one.path for one in scope if name in one.exports)),
            ("string-abi", (one.path for one in scope if name in one.other_string)),
            ("hidden", (one.path for one in scope if name in one.hides and one.path not in self._users)),
        )
        for reason, where in known:
            paths = _few(where)
            if paths:
                return Explained(reason, paths)
        owners = libraries_for(qualified(name))
        on_disk = [one for one in self._disk if name in one.exports]
        paths = _few(one.path for one in on_disk)
        other = _few(one.path for one in self._disk if name in one.other_string)
        if other and not on_disk:
            return Explained("string-abi", other)
        lost = self._lost(item, owners, paths)
        if lost:
            return Explained("missing-library", paths or lost)
        if on_disk and not self._is_loaded_otherwise(on_disk):
            return Explained("not-linked", paths)
        return self._without_definition(name, owners, paths)

    def _without_definition(self, name: bytes, owners: Sequence[str], on_disk: tuple[str, ...]) -> Explained:
        """Nobody who could be loaded defines it: another release, a copy that a library keeps, or nothing known."""
        other = on_disk or _few(one.path for one in self._scope if name in one.other_signature)
        if other:
            return Explained("other-release", other)
        present = _few(one.path for one in self._scope if _is_any(one.path, owners))
        private = _few(one.path for one in self._scope if name in one.private and one.path not in self._users)
        if private and owners and not present:
            return Explained("hidden", private)
        return Explained("other-release", present) if present else Explained("unknown", ())

    def _lost(self, item: Unresolved, owners: Sequence[str], on_disk: Sequence[str]) -> tuple[str, ...]:
        """Missing libraries that should define it: by its version, by the name of a file that does, by the table."""
        files = [path.rpartition("/")[2] for path in on_disk]
        return tuple(
            soname
            for soname in self._missing
            if soname == item.reference.file or soname in files or _is_any(soname, owners)
        )

    def _is_loaded_otherwise(self, on_disk: Iterable[Evidence]) -> bool:
        """True when libraries of these names are in the scope already: those on disk are another release of them."""
        loaded = {path.rpartition("/")[2] for one in self._scope for path in (one.path, one.soname or "")}
        return all(one.path.rpartition("/")[2] in loaded for one in on_disk)

    @cached_property
    def _scope(self) -> tuple[Evidence, ...]:
        return tuple(gathered(one.path, one.symbols, self._names) for one in self._link_maps)

    @cached_property
    def _disk(self) -> tuple[Evidence, ...]:
        """Of libraries outside the scope, those that say anything. Each is opened for a moment: there may be many."""
        wanted = {owner for name in self._names for owner in libraries_for(qualified(name))}
        found: list[Evidence] = []
        for path, real in self._disk_paths():
            try:
                symbols = self._files.branch().symbols(path, real)
            except (ElfError, OSError):
                continue
            one = (gathered if _is_any(path, wanted) else exported)(path, symbols, self._names)
            if one.exports or one.other_string:
                found.append(one)
        return tuple(found)

    def _disk_paths(self) -> Iterator[tuple[str, str]]:
        """Paths, with links resolved beside, in the places to search and in the folders of the scope."""
        view = self._files.view
        seen = {view.real(one.path) for one in self._link_maps}
        beside = (one.path.rpartition("/")[0] for one in self._link_maps)
        for folder in dict.fromkeys((*self._search, *(place for place in beside if place not in self._defaults))):
            for path in (folder,) if view.is_file(folder) else self._listed(folder):
                real = view.real(path)
                if real not in seen and len(seen) < _CANDIDATE_FILES:
                    seen.add(real)
                    yield path, real

    def _listed(self, folder: str) -> list[str]:
        try:
            names = self._files.view.names(folder)
        except OSError:
            return []
        return [f"{folder}/{name}" for name in names if name.endswith(".so") or ".so." in name]


def _few(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(paths))[:_SHOWN]


def _is_any(path: str, owners: Iterable[str]) -> bool:
    return any(is_named(path, owner) for owner in owners)
