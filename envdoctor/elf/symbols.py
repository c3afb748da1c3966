"""The dynamic symbols of one file: those it looks for, and by hash those it defines.

The table has no length that the loader would know; symbols are reached by index from relocations, or through the hash
table. Lookup as in glibc's do_lookup_x(): DT_GNU_HASH where there is one, DT_HASH otherwise, nothing without either.
"""

import struct
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from envdoctor.elf.file import DT_GNU_HASH, DT_HASH, DT_SYMTAB, ElfError, ElfFile
from envdoctor.elf.hashtable import GnuHash, SysvHash
from envdoctor.elf.relocations import copied_symbols, highest_symbol, really_used, used_symbols
from envdoctor.elf.versions import Versions, read_versions

ENTRY = 24
NAME_LIMIT = 1 << 18
_COUNT_LIMIT = 1 << 23
_UNDEFINED_LIMIT = 200_000

STB_LOCAL, STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE = 0, 1, 2, 10
STT_TLS = 6
SHN_ABS = 0xFFF1
STV_INTERNAL, STV_HIDDEN = 1, 2
# st_info of what a lookup may bind to: types NOTYPE, OBJECT, FUNC, COMMON, TLS and GNU_IFUNC.
_BINDABLE = frozenset(
    binding << 4 | kind for binding in (STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE) for kind in (0, 1, 2, 5, STT_TLS, 10)
)

_SYMBOL = struct.Struct("<IBBHQ")
_NAME = struct.Struct("<I")


class Reference(NamedTuple):
    """A symbol that must be found when its file is loaded. `file` is the library its version is needed from.

    `is_copy`: a variable that the program has a copy of, so that its own definition does not count.
    """

    name: bytes
    version: str | None = None
    file: str | None = None
    hidden: bool = False
    is_copy: bool = False


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
    def count(self) -> int:
        """Symbols known of. Hashed ones stand last; where none is hashed, relocations tell of the rest."""
        table = self.hash_table
        count = table.count if table is not None and table.has_symbols else highest_symbol(self.elf) + 1
        if count > _COUNT_LIMIT:
            raise ElfError(f"damaged: more than {_COUNT_LIMIT} symbols")
        return min(self._at[1], count)

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

    def names(self, symbols: Iterable[int]) -> list[bytes]:
        """Names of symbols of the table.

        Raises ElfError where together they are longer than the string table could mean.
        """
        indices = self.table.cast("I")
        start, size = self.elf.strings
        data, find, stop, left = self.elf.data, self.elf.data.find, start + size, 2 * size + NAME_LIMIT
        found: list[bytes] = []
        for symbol in symbols:
            at = start + indices[symbol * 6]
            end = find(b"\0", at, stop)
            left -= end - at
            if end < 0 or left < 0:
                raise ElfError("damaged: names of symbols overlap or have no end")
            found.append(data[at:end])
        return found

    @property
    def string_table(self) -> memoryview:
        """Names of symbols and a few others (sonames, versions); one that ends another is not repeated."""
        offset, size = self.elf.strings
        return self.elf.view[offset : offset + size]

    def undefined(self) -> dict[Reference, int]:
        """What the file looks for in others: used, not defined here, not weak, not hidden; with an index of the
        symbol.
        """
        octets = self.table
        # Only programs have copy relocations, and only they name a loader.
        copied = copied_symbols(self.elf) if self.elf.interpreter else set()
        strong = [
            symbol
            for symbol in sorted(used_symbols(self.elf, self._without_section() | copied))
            if octets[symbol * ENTRY + 4] >> 4 in (STB_GLOBAL, STB_GNU_UNIQUE)
            and octets[symbol * ENTRY + 5] & 3 not in (STV_INTERNAL, STV_HIDDEN)
        ]
        versions = self.versions
        found: dict[Reference, int] = {}
        for symbol, name in zip(strong, self.names(strong), strict=True):
            version = versions.of(symbol)
            is_copy = symbol in copied
            if version is None:
                found[Reference(name, is_copy=is_copy)] = symbol
            else:
                found[Reference(name, version.name, version.file, version.hidden, is_copy)] = symbol
        return found

    def _without_section(self) -> set[int]:
        """Indices of the symbols with the section number 0, that is undefined."""
        numbers = self.table.cast("H")[3::12].tobytes()
        found: set[int] = set()
        at = numbers.find(b"\0\0", 2)
        while at >= 0:
            # At an odd place the two zeros belong to two numbers.
            if at % 2 == 0:
                found.add(at // 2)
                if len(found) > _UNDEFINED_LIMIT:
                    raise ElfError(f"damaged: more than {_UNDEFINED_LIMIT} undefined symbols")
            at = numbers.find(b"\0\0", at + 2 - at % 2)
        return found

    def looked_up(self, symbols: set[int], is_lazy: bool = False) -> set[int]:
        """Those of `symbols` that the loader looks up for certain; with `is_lazy`, before any function is called."""
        return really_used(self.elf, symbols, is_lazy)

    # Definitions

    def with_name(self, name: bytes, hashed: int) -> list[int]:
        """Indices of the hashed symbols of that name, whatever they are; `hashed` is its gnu_hash."""
        table = self.hash_table
        symbols = table.candidates(name, hashed) if table is not None else ()
        return [symbol for symbol in symbols if self._is_named(symbol, name)] if symbols else []

    def _is_named(self, symbol: int, name: bytes) -> bool:
        offset, most = self._at
        if symbol >= most:
            raise ElfError("damaged: the hash table names a symbol outside the table")
        (index,) = _NAME.unpack_from(self.elf.view, offset + symbol * ENTRY)
        at = self.elf.strings[0] + index
        return self.elf.data[at : at + len(name) + 1] == name + b"\0"

    def is_bindable(self, symbol: int) -> bool:
        """True for a definition that another file may bind to: not local, not hidden, with a value."""
        _, info, other, section, value = _SYMBOL.unpack_from(self.elf.view, self._at[0] + symbol * ENTRY)
        return (
            section != 0
            and info in _BINDABLE
            and other & 3 not in (STV_INTERNAL, STV_HIDDEN)
            and (value != 0 or section == SHN_ABS or info & 15 == STT_TLS)
        )

    def not_defined(self, references: Iterable[Reference], hashes: Mapping[bytes, int]) -> list[Reference]:
        """Those of `references` that a lookup cannot end at in this file; `hashes` has the gnu_hash of every name."""
        table = self.hash_table
        if table is None:
            return list(references)
        may_have, defines = table.may_have, self.defines
        return [one for one in references if not may_have(hashes[one.name]) or not defines(one, hashes[one.name])]

    def defines(self, reference: Reference, hashed: int) -> bool:
        """True when a lookup of `reference` may end in this file, versions regarded as the loader regards them."""
        bindable = [symbol for symbol in self.with_name(reference.name, hashed) if self.is_bindable(symbol)]
        if not bindable:
            return False
        if self.versions.symbols is None:
            # Taken for any version, but glibc ends with "Inconsistency detected" where the version is needed from
            # this file.
            return reference.file is None or reference.file != self.elf.soname
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
