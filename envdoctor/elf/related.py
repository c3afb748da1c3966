"""Definitions that are almost the one looked for: of the same function, or hidden, or with another std::string."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import compress

from envdoctor.elf.demangle import demangle
from envdoctor.elf.hashtable import gnu_hash
from envdoctor.elf.symbols import Symbols

_ALIKE = 64
_NEW_STRING = "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >"


def without_abi(demangled: str) -> str:
    """The name with the string ABI taken out: equal for the two flavours of one function."""
    plain = demangled.replace(_NEW_STRING, "std::string").replace("[abi:cxx11]", "").replace("std::__cxx11::", "std::")
    plain = plain.replace("std::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string")
    return plain.replace(" >", ">")


def alike(symbols: Symbols, keys: Iterable[bytes]) -> Mapping[bytes, list[bytes]]:
    """By key, the names of definitions in the file that begin so, a few at most.

    Raises ElfError for a damaged table.
    """
    by_length: dict[int, dict[bytes, list[bytes]]] = defaultdict(lambda: defaultdict(list))
    for wanted in keys:
        # A few lengths only, so that the names are gone over a few times and not once for each key.
        length = 1 << (len(wanted).bit_length() - 1)
        by_length[length][wanted[:length]].append(wanted)
    found: dict[bytes, list[bytes]] = defaultdict(list)
    names = symbols.all_names() if by_length else []
    for length, beginnings in by_length.items():
        cut = slice(0, length)
        begun = compress(names, map(beginnings.__contains__, (name[cut] for name in names)))
        for name in begun:
            for wanted in beginnings[name[cut]]:
                if (
                    name.startswith(wanted)
                    and len(found[wanted]) < _ALIKE
                    and symbols.surely_defines(name, gnu_hash(name))
                ):
                    found[wanted].append(name)
    return found


def is_other_flavour(name: bytes, other: bytes) -> bool:
    """True when two names are of one function that differs in std::string alone."""
    return name != other and without_abi(demangle(name)) == without_abi(demangle(other))


def local_names(symbols: Symbols, names: Iterable[bytes]) -> set[bytes]:
    """Those of `names` that the file defines for itself alone: in .symtab, local or hidden."""
    elf = symbols.elf
    table = next((section for section in elf.sections if section.name == ".symtab"), None)
    strings = elf.section(".strtab")
    if table is None or strings is None or table.offset + table.size > elf.size:
        return set()
    text = bytes(strings)
    at = {text.find(b"\0" + name + b"\0") + 1: name for name in names}
    at.pop(0, None)
    if not at:
        return set()
    entries = elf.view[table.offset : table.offset + table.size // 24 * 24]
    offsets, sections = entries.cast("I")[::6], entries.cast("H")[3::12]
    hits = compress(zip(offsets, sections, strict=True), map(at.__contains__, offsets))
    return {at[offset] for offset, section in hits if section}
