"""Which symbols the loader will look up: those that a relocation names. One in the table alone is never looked up."""

from envdoctor.elf.file import DT_JMPREL, DT_PLTRELSZ, DT_RELA, DT_RELACOUNT, DT_RELASZ, ElfFile

ENTRY = 24
# R_X86_64_COPY and R_AARCH64_COPY, by machine.
_COPY = {62: 5, 183: 1024}


def _tables(elf: ElfFile) -> list[memoryview]:
    return [_rela(elf), _table(elf, DT_JMPREL, DT_PLTRELSZ, "PLT relocations")]


def _rela(elf: ElfFile) -> memoryview:
    """DT_RELA without the relative relocations at its beginning, which name no symbol; DT_RELACOUNT says how many."""
    table = _table(elf, DT_RELA, DT_RELASZ, "relocations")
    return table[min((elf.dynamic(DT_RELACOUNT) or 0) * ENTRY, len(table)) :]


def _table(elf: ElfFile, address_tag: int, size_tag: int, what: str) -> memoryview:
    address, size = elf.dynamic(address_tag), elf.dynamic(size_tag)
    return elf.table(address, size // ENTRY * ENTRY, what) if address and size else elf.view[:0]


def highest_symbol(elf: ElfFile) -> int:
    """The highest index that a relocation names, 0 for none. Raises ElfError."""
    return max((max(words, default=0) for words in _symbol_words(elf)), default=0)


def copied_symbols(elf: ElfFile) -> set[int]:
    """Symbols of copy relocations: variables of other files that a program keeps a copy of. Raises ElfError."""
    copy = _COPY[elf.machine]
    words = _rela(elf).cast("I")
    return {symbol for kind, symbol in zip(words[2::6], words[3::6], strict=True) if kind == copy}


def _symbol_words(elf: ElfFile) -> list[memoryview]:
    # An entry is six 32-bit words: offset (2), type, symbol, addend (2).
    return [table.cast("I")[3::6] for table in _tables(elf)]


def used_symbols(elf: ElfFile, among: set[int], is_lazy: bool = False) -> set[int]:
    """Those of `among` that relocations name, R_*_NONE apart, which the loader passes over. Raises ElfError.

    With `is_lazy`, functions that are only called (DT_JMPREL) are left out. DT_RELR holds relative relocations only.
    """
    used: set[int] = set()
    for table in [_rela(elf)] if is_lazy else _tables(elf):
        words = table.cast("I")
        used.update(symbol for kind, symbol in zip(words[2::6], words[3::6], strict=True) if symbol in among and kind)
    return used
