"""Which std::string a file was built with: what its symbol names say.

GCC 5 brought a second std::string beside the old one; names with the new one carry `__cxx11` or the tag `B5cxx11`,
names with the old one the abbreviation `Ss` (libstdc++ manual, "Dual ABI"). `_GLIBCXX_USE_CXX11_ABI` chooses for each
translation unit.
"""

from typing import Literal

from envdoctor.elf.demangle import demangle
from envdoctor.elf.symbols import NAME_LIMIT, Symbols

StringAbi = Literal["old", "new", "mixed", "unknown"]
_TRIES = 400


def string_abi(symbols: Symbols) -> StringAbi:
    """Of the dynamic symbols, defined and undefined alike. Raises ElfError for a damaged table."""
    offset, size = symbols.elf.strings
    strings = bytes(symbols.elf.view[offset : offset + size])
    has_new = b"7__cxx11" in strings or b"B5cxx11" in strings
    has_old = _has_old(strings)
    if has_new and has_old:
        return "mixed"
    return "new" if has_new else "old" if has_old else "unknown"


def is_old(name: bytes) -> bool:
    """True for a mangled name in which the old std::string takes part. `Ss` alone may be part of an identifier."""
    return b"Ss" in name and name.startswith(b"_Z") and "std::string" in demangle(name)


def _has_old(strings: bytes) -> bool:
    at = strings.find(b"Ss")
    for _ in range(_TRIES):
        if at < 0:
            return False
        start = strings.rfind(b"\0", max(0, at - NAME_LIMIT), at) + 1
        end = strings.find(b"\0", at)
        if is_old(strings[start : end if end >= 0 else len(strings)]):
            return True
        at = strings.find(b"Ss", end) if end >= 0 else -1
    return False
