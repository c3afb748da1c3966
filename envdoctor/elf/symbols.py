"""The dynamic symbols of one file: those it looks for, and by hash those it defines.

The table has no length that the loader would know; symbols are reached by index from relocations, or through the hash
table. Lookup as in glibc's do_lookup_x(): DT_GNU_HASH where there is one, DT_HASH otherwise, nothing without either.
"""

import struct
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import compress
from typing import NamedTuple

from envdoctor.elf.file import DT_GNU_HASH, DT_HASH, DT_SYMTAB, ElfError, ElfFile
from envdoctor.elf.hashtable import GnuHash, SysvHash
from envdoctor.elf.relocations import really_used, used_symbols
from envdoctor.elf.versions import Versions, read_versions

ENTRY = 24
NAME_LIMIT = 1 << 18

STB_LOCAL, STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE = 0, 1, 2, 10
STT_TLS, STT_FILE = 6, 4
SHN_ABS = 0xFFF1
STV_INTERNAL, STV_HIDDEN = 1, 2
# NOTYPE, OBJECT, FUNC, COMMON, TLS, GNU_IFUNC: the types that a lookup may bind to.
_BINDABLE_TYPES = frozenset((0, 1, 2, 5, 6, 10))
_BINDABLE_BINDINGS = frozenset((STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE))

_SYMBOL = struct.Struct("<IBBHQQ")


class Reference(NamedTuple):
    """A symbol that must be found when its file is loaded. `file` is the library its version is needed from."""

    name: bytes
    version: str | None = None
    file: str | None = None
    hidden: bool = False


class Symbols:
    """The dynamic symbols of `elf`. Any method may raise ElfError for a damaged table."""

    def __init__(self, elf: ElfFile) -> None:
        self.elf = elf

    @cached_property
    def versions(self) -> Versions:
        return read_versions(self.elf)

    @cached_property
    def _at(self) -> tuple[int, int]:
        """Offset of the table and the most symbols that it can hold."""
        address = self.elf.dynamic(DT_SYMTAB)
        if address is None:
            return 0, 0
        offset, left = self.elf.offset(address, "symbol table")
        return offset, left // ENTRY

    @cached_property
    def hash_table(self) -> GnuHash | SysvHash | None:
        gnu = self.elf.dynamic(DT_GNU_HASH)
        if gnu is not None:
            return GnuHash(self.elf, gnu)
        sysv = self.elf.dynamic(DT_HASH)
        return None if sysv is None else SysvHash(self.elf, sysv)

    @cached_property
    def used(self) -> set[int]:
        """Indices that relocations name."""
        used = used_symbols(self.elf)
        if used and max(used) >= self._at[1]:
            raise ElfError("damaged: a relocation names a symbol outside the table")
        return used

    @cached_property
    def count(self) -> int:
        """Symbols known of: hashed ones and those that a relocation names."""
        hashed = self.hash_table.count if self.hash_table else 0
        return min(self._at[1], max(hashed, max(self.used, default=-1) + 1))

    @cached_property
    def table(self) -> memoryview:
        offset, _ = self._at
        return self.elf.view[offset : offset + self.count * ENTRY]

    def name(self, symbol: int) -> bytes:
        offset, most = self._at
        if symbol >= most:
            raise ElfError("damaged: a symbol outside the table")
        (index,) = struct.unpack_from("<I", self.elf.view, offset + symbol * ENTRY)
        return self.elf.raw_string(index, NAME_LIMIT)

    def names(self, symbols: Iterable[int]) -> Iterator[bytes]:
        """Names of many symbols. Raises ElfError when together they are longer than the string table could mean."""
        left = 2 * self.elf.strings[1] + NAME_LIMIT
        for symbol in symbols:
            name = self.name(symbol)
            left -= len(name)
            if left < 0:
                raise ElfError("damaged: the names of the symbols overlap")
            yield name

    def all_names(self) -> list[bytes]:
        """Every string of the string table.

        A few are no symbols (sonames, versions); tails that share are not repeated.
        """
        offset, size = self.elf.strings
        return self.elf.data[offset : offset + size].split(b"\0")

    def undefined(self) -> dict[Reference, int]:
        """What this file looks for in others: used, not defined here, not weak, not hidden; with an index of the
        symbol.
        """
        shorts = self.table.cast("H")
        used = sorted(self.used)
        sections = shorts[3::12]
        wanted: list[int] = list(compress(used, map((0).__eq__, map(sections.__getitem__, used))))
        bytes_ = self.table
        strong = [
            symbol
            for symbol in wanted
            if bytes_[symbol * ENTRY + 4] >> 4 in (STB_GLOBAL, STB_GNU_UNIQUE)
            and bytes_[symbol * ENTRY + 5] & 3 not in (STV_INTERNAL, STV_HIDDEN)
        ]
        versions = self.versions
        found: dict[Reference, int] = {}
        for symbol, name in zip(strong, self.names(strong), strict=True):
            version = versions.of(symbol)
            if version is None:
                found[Reference(name)] = symbol
            else:
                found[Reference(name, version.name, version.file, version.hidden)] = symbol
        return found

    def looked_up(self, symbols: set[int], is_lazy: bool = False) -> set[int]:
        """Those of `symbols` that the loader looks up for certain; with `is_lazy`, before any function is called."""
        return really_used(self.elf, symbols, is_lazy)

    # Definitions

    def with_name(self, name: bytes, hashed: int) -> list[int]:
        """Indices of the hashed symbols of that name, whatever they are; `hashed` is its gnu_hash."""
        table = self.hash_table
        if table is None:
            return []
        offset, most = self._at
        view, start, data = self.elf.view, self.elf.strings[0], self.elf.data
        terminated = name + b"\0"
        found: list[int] = []
        for symbol in table.candidates(name, hashed):
            if symbol >= most:
                raise ElfError("damaged: the hash table names a symbol outside the table")
            (index,) = struct.unpack_from("<I", view, offset + symbol * ENTRY)
            at = start + index
            if data[at : at + len(terminated)] == terminated:
                found.append(symbol)
        return found

    def is_bindable(self, symbol: int) -> bool:
        """True for a definition that another file may bind to: not local, not hidden, with a value."""
        _, info, other, section, value, _ = _SYMBOL.unpack_from(self.elf.view, self._at[0] + symbol * ENTRY)
        if section == 0 or (value == 0 and section != SHN_ABS and info & 15 != STT_TLS):
            return False
        if info & 15 not in _BINDABLE_TYPES or info >> 4 not in _BINDABLE_BINDINGS:
            return False
        return other & 3 not in (STV_INTERNAL, STV_HIDDEN)

    def defines(self, reference: Reference, hashed: int) -> bool:
        """True when a lookup of `reference` may end in this file, versions regarded as the loader regards them."""
        symbols = self.with_name(reference.name, hashed)
        if not symbols:
            return False
        bindable = [symbol for symbol in symbols if self.is_bindable(symbol)]
        if self.versions.symbols is None:
            return bool(bindable)
        if reference.version is None:
            return self._defines_unversioned(bindable)
        return any(self._has_version(symbol, reference) for symbol in bindable)

    def _defines_unversioned(self, bindable: list[int]) -> bool:
        # Indices 1 and 2 are the base and the oldest version; of the others a single default one is taken as
        # unambiguous.
        indices = [self.versions.index(symbol) for symbol in bindable]
        return any(index & 0x7FFF < 3 for index in indices) or sum(index < 0x8000 for index in indices) == 1

    def _has_version(self, symbol: int, reference: Reference) -> bool:
        version = self.versions.of(symbol)
        if version is not None:
            return version.name == reference.version
        return not reference.hidden and self.versions.index(symbol) < 0x8000

    def defines_any(self, name: bytes, hashed: int) -> bool:
        """True when this file exports a definition of that name in any version."""
        return any(self.is_bindable(symbol) for symbol in self.with_name(name, hashed))

    def surely_defines(self, name: bytes, hashed: int) -> bool:
        """As `defines_any`; False for a damaged table, where nothing is sure."""
        try:
            return self.defines_any(name, hashed)
        except ElfError:
            return False
