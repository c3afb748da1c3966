"""Which std::string a file was built with: what its symbol names say.

GCC 5 brought a second std::string beside the old one; names with the new one carry `__cxx11` or the tag `B5cxx11`,
names with the old one the abbreviation `Ss` (libstdc++ manual, "Dual ABI"). `_GLIBCXX_USE_CXX11_ABI` chooses for each
translation unit.
"""

from itertools import islice
from typing import Literal

from envdoctor.elf.demangle import demangle
from envdoctor.elf.strings import blocks, names_with
from envdoctor.elf.symbols import Symbols

StringAbi = Literal["old", "new", "mixed", "unknown"]
_TRIES = 400


def string_abi(symbols: Symbols) -> StringAbi:
    """Of the dynamic symbols, defined and undefined alike. Raises ElfError for a damaged table."""
    has_new = any(_is_new(block) for _, block in blocks(symbols.string_table))
    # `Ss` may be part of an identifier; only the demangled name is sure.
    has_old = any(map(is_old, islice(names_with(symbols.string_table, b"Ss"), _TRIES)))
    if has_new and has_old:
        return "mixed"
    return "new" if has_new else "old" if has_old else "unknown"


def is_old(name: bytes) -> bool:
    """True for a mangled name in which the old std::string takes part."""
    return name.startswith(b"_Z") and "std::string" in demangle(name)


def _is_new(strings: bytes) -> bool:
    # Both end alike: one search where there is neither.
    return b"cxx11" in strings and (b"7__cxx11" in strings or b"B5cxx11" in strings)
