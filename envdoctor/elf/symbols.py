"""The dynamic symbols of one file: those it looks for, and by hash those it defines.

The table has no length that the loader would know; symbols are reached by index from relocations, or through the hash
table. Lookup as in glibc's do_lookup_x(): DT_GNU_HASH where there is one, DT_HASH otherwise, nothing without either.
"""

import struct
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from envdoctor.elf.file import DT_GNU_HASH, DT_HASH, DT_SYMTAB, ElfError, ElfFile
from envdoctor.elf.hashtable import GnuHash, SysvHash, gnu_hash
from envdoctor.elf.relocations import copied_symbols, highest_symbol, used_symbols
from envdoctor.elf.versions import HIDDEN, INDEX, Versions, read_versions

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

_STRONG = frozenset((STB_GLOBAL, STB_GNU_UNIQUE))
_PRIVATE = frozenset((STV_INTERNAL, STV_HIDDEN))
_SYMBOL = struct.Struct("<IBBHQ")


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
        """What the file may look for in others: not defined here, not weak, not hidden; each with its index.

        Whether a relocation uses it is asked of those alone that nobody defines, see `looked_up`: few or none, where
        there may be a million relocations.
        """
        octets = self.table
        # Only programs have copy relocations, and only they name a loader.
        copied = copied_symbols(self.elf) if self.elf.interpreter else set()
        strong = [
            symbol
            for symbol in sorted(self._without_section() | copied)
            if octets[symbol * ENTRY + 4] >> 4 in _STRONG and octets[symbol * ENTRY + 5] & 3 not in _PRIVATE
        ]
        numbers, by_index = self.versions.symbols, self.versions.by_index
        if numbers is not None and strong and strong[-1] >= len(numbers):
            raise ElfError("damaged: a symbol outside the version table")
        found: dict[Reference, int] = {}
        for symbol, name in zip(strong, self.names(strong), strict=True):
            version = by_index.get(numbers[symbol] & INDEX) if numbers is not None else None
            if version is None:
                found[Reference(name, None, None, False, symbol in copied)] = symbol
            else:
                found[Reference(name, version.name, version.file, version.hidden, symbol in copied)] = symbol
        return found

    def _without_section(self) -> set[int]:
        """Indices of the symbols with the section number 0, that is undefined."""
        numbers = self.table.cast("H")[3::12].tobytes()
        # Hashed symbols stand last and are defined: a search for a zero at an even place passes them at once.
        found: set[int] = set()
        at = numbers.find(b"\0\0", 2)
        while at >= 0:
            if at % 2 == 0:
                found.add(at // 2)
                if len(found) > _UNDEFINED_LIMIT:
                    raise ElfError(f"damaged: more than {_UNDEFINED_LIMIT} undefined symbols")
            at = numbers.find(b"\0\0", at + 2 - at % 2)
        return found

    def looked_up(self, symbols: set[int], is_lazy: bool = False) -> set[int]:
        """Those of `symbols` that the loader looks up for certain; with `is_lazy`, before any function is called."""
        return used_symbols(self.elf, symbols, is_lazy)

    # Definitions

    def with_name(self, name: bytes, hashed: int) -> list[int]:
        """Indices of the hashed symbols of that name, whatever they are; `hashed` is its gnu_hash."""
        return [symbol for symbol, _ in self._found(name, hashed)]

    def _found(self, name: bytes, hashed: int) -> list[tuple[int, bool]]:
        """Hashed symbols of that name, each with whether another file may bind to it: not local, not hidden, with a
        value.
        """
        table = self.hash_table
        symbols = table.candidates(name, hashed) if table is not None else None
        if not symbols:
            return []
        offset, most = self._at
        if max(symbols) >= most:
            raise ElfError("damaged: the hash table names a symbol outside the table")
        view, data, strings, whole = self.elf.view, self.elf.data, self.elf.strings[0], name + b"\0"
        found: list[tuple[int, bool]] = []
        for symbol in symbols:
            index, info, other, section, value = _SYMBOL.unpack_from(view, offset + symbol * ENTRY)
            at = strings + index
            if data[at : at + len(whole)] == whole:
                has_value = value != 0 or section == SHN_ABS or info & 15 == STT_TLS
                found.append((symbol, has_value and section != 0 and info in _BINDABLE and other & 3 not in _PRIVATE))
        return found

    def is_bindable(self, symbol: int) -> bool:
        """True for a definition that another file may bind to: not local, not hidden, with a value."""
        name = self.name(symbol)
        return (symbol, True) in self._found(name, gnu_hash(name))

    def not_defined(self, references: Iterable[Reference], hashes: Mapping[bytes, int]) -> list[Reference]:
        """Those of `references` that a lookup cannot end at in this file; `hashes` has the gnu_hash of every name."""
        table = self.hash_table
        if table is None:
            return list(references)
        may_have, defines = table.may_have, self.defines
        return [one for one in references if not may_have(hashes[one.name]) or not defines(one, hashes[one.name])]

    def defines(self, reference: Reference, hashed: int) -> bool:
        """True when a lookup of `reference` may end in this file, versions regarded as the loader regards them."""
        bindable = [symbol for symbol, is_bindable in self._found(reference.name, hashed) if is_bindable]
        if not bindable:
            return False
        if self.versions.symbols is None:
            # Taken for any version, but glibc ends with "Inconsistency detected" where this file is to have it.
            return reference.file is None or reference.file != self.elf.soname
        if reference.version is None:
            return self._defines_unversioned(bindable)
        return any(self._has_version(symbol, reference) for symbol in bindable)

    def _defines_unversioned(self, bindable: list[int]) -> bool:
        """Indices 1 and 2 are the base and the oldest version; of the others a single default one is unambiguous."""
        indices = [self.versions.index(symbol) for symbol in bindable]
        if len(indices) == 1:
            return indices[0] & INDEX < 3 or indices[0] < HIDDEN
        return any(index & INDEX < 3 for index in indices) or sum(index < HIDDEN for index in indices) == 1

    def _has_version(self, symbol: int, reference: Reference) -> bool:
        version = self.versions.of(symbol)
        if version is not None:
            return version.name == reference.version
        return not reference.hidden and self.versions.index(symbol) < HIDDEN

    def defines_any(self, name: bytes, hashed: int) -> bool:
        """True when this file exports a definition of that name in any version."""
        return any(is_bindable for _, is_bindable in self._found(name, hashed))

    def surely_defines(self, name: bytes, hashed: int) -> bool:
        """As `defines_any`; False for a damaged table, where nothing is sure."""
        try:
            return self.defines_any(name, hashed)
        except ElfError:
            return False
