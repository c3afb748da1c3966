"""What one file has of the names that are looked for: definitions, or almost the definition."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import compress

import msgspec

from envdoctor.elf.demangle import demangle
from envdoctor.elf.file import ElfError
from envdoctor.elf.hashtable import gnu_hash
from envdoctor.elf.mangled import is_same_function, key, namespace
from envdoctor.elf.strings import blocks
from envdoctor.elf.symbols import Symbols

_ALIKE = 64
_NEW_STRING = "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >"
_NOTHING: frozenset[bytes] = frozenset()


class Evidence(msgspec.Struct, frozen=True):
    """Of the names looked for, those that a file `exports` in any version; those that it `hides` for itself; those of
    which it exports the `other_string` or another `signature`; and those of whose namespace it has a `private` copy."""

    path: str
    soname: str | None
    exports: frozenset[bytes] = _NOTHING
    hides: frozenset[bytes] = _NOTHING
    other_string: frozenset[bytes] = _NOTHING
    other_signature: frozenset[bytes] = _NOTHING
    private: frozenset[bytes] = _NOTHING


def exported(path: str, symbols: Symbols, names: Mapping[bytes, int]) -> Evidence:
    """What the file exports of `names`, given with their gnu_hash. Cheap: only the hash table is asked."""
    try:
        table = symbols.hash_table
        may_have = table.may_have if table else None
        found = [name for name, hashed in names.items() if may_have and may_have(hashed)]
        exports = frozenset(name for name in found if symbols.surely_defines(name, names[name]))
        return Evidence(path, symbols.elf.soname, exports)
    except ElfError:
        return Evidence(path, None)


def gathered(path: str, symbols: Symbols, names: Mapping[bytes, int]) -> Evidence:
    """Everything of a file that says why it does not define `names`."""
    plain = exported(path, symbols, names)
    left = [name for name in names if name not in plain.exports]
    try:
        near = _alike(symbols, {found for name in left if (found := key(name)) is not None})
        hides = frozenset(local_names(symbols, left))
        private = frozenset(_private(symbols, left))
    except ElfError:
        return plain
    candidates = {name: near.get(key(name) or b"", ()) for name in left}
    other_string = frozenset(name for name in left if any(is_other_flavour(name, one) for one in candidates[name]))
    other_signature = frozenset(name for name in left if any(is_same_function(name, one) for one in candidates[name]))
    return Evidence(path, plain.soname, plain.exports, hides, other_string, other_signature, private)


def is_other_flavour(name: bytes, other: bytes) -> bool:
    """True when two names are of one function that differs in std::string alone."""
    return name != other and without_abi(demangle(name)) == without_abi(demangle(other))


def without_abi(demangled: str) -> str:
    """The name with the string ABI taken out: equal for the two flavours of one function."""
    plain = demangled.replace(_NEW_STRING, "std::string").replace("[abi:cxx11]", "").replace("std::__cxx11::", "std::")
    plain = plain.replace("std::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string")
    return plain.replace(" >", ">")


def _alike(symbols: Symbols, keys: Iterable[bytes]) -> Mapping[bytes, list[bytes]]:
    """By key, the names of definitions in the file that begin so, a few at most."""
    by_length: dict[int, dict[bytes, list[bytes]]] = defaultdict(lambda: defaultdict(list))
    for wanted in keys:
        # A few lengths only, so that the names are gone over a few times and not once for each key.
        length = 1 << (len(wanted).bit_length() - 1)
        by_length[length][wanted[:length]].append(wanted)
    found: dict[bytes, list[bytes]] = defaultdict(list)
    for _, block in blocks(symbols.string_table) if by_length else ():
        names = block.split(b"\0")
        for length, beginnings in by_length.items():
            cut = slice(0, length)
            for name in compress(names, map(beginnings.__contains__, (name[cut] for name in names))):
                for wanted in beginnings[name[cut]]:
                    if name.startswith(wanted) and len(found[wanted]) < _ALIKE:
                        found[wanted].append(name)
    return {
        wanted: [name for name in names if symbols.surely_defines(name, gnu_hash(name))]
        for wanted, names in found.items()
    }


def local_names(symbols: Symbols, names: Iterable[bytes]) -> set[bytes]:
    """Those of `names` that the file defines for itself alone: in .symtab, local or hidden."""
    elf = symbols.elf
    table, strings = elf.section(".symtab"), elf.section(".strtab")
    wanted = set(names)
    if table is None or strings is None or not wanted:
        return set()
    at: dict[int, bytes] = {}
    for start, block in blocks(strings):
        for name in wanted.intersection(block.split(b"\0")):
            at[start + (b"\0" + block).find(b"\0" + name + b"\0")] = name
    if not at:
        return set()
    entries = table[: len(table) // 24 * 24]
    offsets, sections = entries.cast("I")[::6], entries.cast("H")[3::12]
    hits = compress(zip(offsets, sections, strict=True), map(at.__contains__, offsets))
    return {at[offset] for offset, section in hits if section}


def _private(symbols: Symbols, names: Iterable[bytes]) -> set[bytes]:
    """Names of a namespace that the file speaks of in what it exports, and of which it neither has nor needs any."""
    by_namespace: dict[bytes, set[bytes]] = defaultdict(set)
    for name in names:
        outer = namespace(name)
        if outer is not None:
            by_namespace[outer].add(name)
    spoken: set[bytes] = set()
    own: set[bytes] = set()
    for _, block in blocks(symbols.string_table) if by_namespace else ():
        spoken.update(outer for outer in by_namespace if outer in block)
        own.update(outer for outer in by_namespace if b"\0_ZN" + outer in block or b"\0_ZNK" + outer in block)
    return {name for outer in spoken - own for name in by_namespace[outer]}
