"""Symbol versions of one file: what it defines (verdef), what it needs from whom (verneed), and which symbol has
which.

Layout: "ELF Symbol Versioning" in the LSB; matching as in glibc's elf/dl-version.c and check_match() of elf/dl-
lookup.c.
"""

import struct
from collections.abc import Iterator, Mapping

import msgspec

from envdoctor.elf.file import DT_VERDEF, DT_VERNEED, DT_VERSYM, ElfError, ElfFile

HIDDEN = 0x8000
INDEX = 0x7FFF
_BASE, _WEAK = 1, 2
_LIMIT = 65_536

_VERNEED = struct.Struct("<HHIII")
_VERNAUX = struct.Struct("<IHHII")
_VERDEF = struct.Struct("<HHHHIII")
_VERDAUX = struct.Struct("<II")


class Version(msgspec.Struct, frozen=True):
    """A version by its index: `file` is the library it is needed from, None when the file itself defines it."""

    name: str
    file: str | None = None
    hidden: bool = False
    weak: bool = False


class Versions(msgspec.Struct, frozen=True):
    """`by_index` as versym numbers them, the base definition left out; `symbols` has one index a symbol, None when
    the file has no versions at all; `has_definitions` tells a library that takes part in versioning from one that
    does not; `defined_names` has the base definition too, which is the library's own name.
    """

    by_index: Mapping[int, Version]
    symbols: memoryview | None
    has_definitions: bool
    defined_names: frozenset[str]

    def of(self, symbol: int) -> Version | None:
        """The version of a symbol; None for an unversioned one. Raises ElfError."""
        return None if self.symbols is None else self.by_index.get(self.index(symbol) & INDEX)

    def index(self, symbol: int) -> int:
        """The raw versym entry of a symbol, 0 where the file has none. Raises ElfError."""
        if self.symbols is None:
            return 0
        if symbol >= len(self.symbols):
            raise ElfError("damaged: a symbol outside the version table")
        return int(self.symbols[symbol])

    @property
    def needed(self) -> tuple[Version, ...]:
        return tuple(version for version in self.by_index.values() if version.file is not None)


def read_versions(elf: ElfFile) -> Versions:
    """Raises ElfError for a damaged table."""
    by_index: dict[int, Version] = {}
    defines = elf.dynamic(DT_VERDEF) is not None
    budget = _Budget()
    names: set[str] = set()
    for index, version, is_base in _definitions(elf, budget) if defines else ():
        names.add(version.name)
        if not is_base:
            by_index[index] = version
    by_index.update(_needs(elf, budget) if elf.dynamic(DT_VERNEED) is not None else ())
    symbols = None
    address = elf.dynamic(DT_VERSYM)
    if address is not None:
        offset, left = elf.offset(address, "version table")
        symbols = elf.view[offset : offset + left // 2 * 2].cast("H")
    return Versions(by_index, symbols, defines, frozenset(names))


class _Budget:
    """Counts records over all chains of one file, so that a chain that loops ends."""

    def __init__(self) -> None:
        self.left = _LIMIT

    def take(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ElfError("damaged: endless version table")


def _definitions(elf: ElfFile, budget: _Budget) -> Iterator[tuple[int, Version, bool]]:
    for at in _chain(elf, DT_VERDEF, _VERDEF, 6, budget):
        _, flags, index, count, _, aux, _ = _VERDEF.unpack_from(elf.view, at)
        if not count:
            continue
        name, _ = _VERDAUX.unpack_from(_record(elf, at + aux, _VERDAUX))
        yield index & INDEX, Version(_name(elf, name)), bool(flags & _BASE)


def _needs(elf: ElfFile, budget: _Budget) -> Iterator[tuple[int, Version]]:
    for at in _chain(elf, DT_VERNEED, _VERNEED, 4, budget):
        _, count, file, aux, _ = _VERNEED.unpack_from(elf.view, at)
        needed_from = _name(elf, file)
        position = at + aux
        for _ in range(count):
            budget.take()
            _, flags, other, name, step = _VERNAUX.unpack_from(_record(elf, position, _VERNAUX))
            yield other & INDEX, Version(_name(elf, name), needed_from, bool(other & HIDDEN), bool(flags & _WEAK))
            if not step:
                break
            position += step


def _chain(elf: ElfFile, tag: int, layout: struct.Struct, next_field: int, budget: _Budget) -> Iterator[int]:
    """Offsets of the records of a chain; the step to the next one is in the named field. The loader counts nothing
    either.
    """
    address = elf.dynamic(tag)
    if address is None:
        return
    at, _ = elf.offset(address, "version table")
    while True:
        budget.take()
        step = layout.unpack_from(_record(elf, at, layout))[next_field]
        yield at
        if not step:
            return
        at += step


def _record(elf: ElfFile, at: int, layout: struct.Struct) -> memoryview:
    return elf.part(at, layout.size, "version table")


def _name(elf: ElfFile, index: int) -> str:
    return elf.raw_string(index, 1024).decode("utf-8", "backslashreplace")
