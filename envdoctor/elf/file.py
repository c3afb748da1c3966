"""One ELF file as the dynamic loader sees it: header, segments, dynamic table; sections only for what the loader
ignores.

Only little-endian 64-bit files are read (x86-64, AArch64). Tables are views into the mapped file, never copies.
Everything a damaged file could lie about is checked against the size of the file, and every count has a limit.
Layout: System V ABI, "Object Files"; the Linux extensions from glibc's <elf.h>.
"""

import struct
from collections.abc import Iterator
from functools import cached_property
from mmap import mmap

import msgspec

from envdoctor.files import FileView

MACHINES = {62: "x86-64", 183: "AArch64"}
OTHER_MACHINES = {
    2: "SPARC",
    3: "x86",
    8: "MIPS",
    20: "PowerPC",
    21: "PowerPC64",
    22: "S/390",
    40: "ARM",
    243: "RISC-V",
}

ET_EXEC, ET_DYN = 2, 3
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
SHT_NOBITS = 8

DT_NEEDED, DT_PLTRELSZ, DT_HASH, DT_STRTAB, DT_SYMTAB = 1, 2, 4, 5, 6
DT_RELA, DT_RELASZ, DT_STRSZ, DT_SONAME, DT_RPATH = 7, 8, 10, 14, 15
DT_JMPREL, DT_BIND_NOW, DT_RUNPATH, DT_FLAGS = 23, 24, 29, 30
DT_GNU_HASH, DT_VERSYM, DT_RELACOUNT = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFF9
DT_FLAGS_1, DT_VERDEF, DT_VERNEED = 0x6FFFFFFB, 0x6FFFFFFC, 0x6FFFFFFE

DF_BIND_NOW = 0x8
DF_1_NOW, DF_1_NODELETE, DF_1_NODEFLIB, DF_1_PIE = 0x1, 0x8, 0x800, 0x08000000

DYNAMIC_LIMIT = 65_536
SECTION_LIMIT = 65_536
PATH_LIMIT = 65_536

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")


class ElfError(Exception):
    """A file that cannot be read as ELF, or whose tables contradict themselves. The text is one line without the path.

    `foreign` is True for a sound file made for another kind of machine: the loader passes over it and searches on.
    """

    def __init__(self, reason: str, foreign: bool = False) -> None:
        super().__init__(reason)
        self.foreign = foreign


class Segment(msgspec.Struct, frozen=True):
    """A program header. Offsets and sizes in bytes."""

    kind: int
    offset: int
    address: int
    file_size: int


class Section(msgspec.Struct, frozen=True):
    """A section header. Offsets and sizes in bytes; `size` is 0 for a section without bytes in the file."""

    name: str
    kind: int
    offset: int
    size: int
    link: int


class ElfFile:
    """An open ELF file. Attributes are parsed when asked for; a damaged table raises ElfError then."""

    def __init__(self, path: str, data: mmap) -> None:
        self.path = path
        self.data = data
        self.view = memoryview(data)
        self.size = len(self.view)
        if self.size < _HEADER.size:
            raise ElfError(
                "not an ELF file" if data[:4] != b"\x7fELF"[: self.size] else "truncated: no whole ELF header"
            )
        (
            ident,
            self.type,
            machine,
            _,
            self.entry,
            self._segments_at,
            self._sections_at,
            _,
            _,
            segment_size,
            self._segments_n,
        ) = _HEADER.unpack_from(self.view)[:11]
        self._section_size, self._sections_n, self._names_index = struct.unpack_from("<HHH", self.view, 58)
        _check_ident(ident, machine)
        if self._segments_n and segment_size != _SEGMENT.size:
            raise ElfError(f"damaged: program headers of {segment_size} bytes")
        self.machine: int = machine

    # Segments and addresses

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """The program headers."""
        table = self.part(self._segments_at, self._segments_n * _SEGMENT.size, "program headers")
        return tuple(
            Segment(kind, offset, address, size)
            for kind, _, offset, address, _, size, _, _ in _SEGMENT.iter_unpack(table)
        )

    @cached_property
    def _loads(self) -> tuple[Segment, ...]:
        return tuple(segment for segment in self.segments if segment.kind == PT_LOAD and segment.file_size)

    def part(self, offset: int, size: int, what: str) -> memoryview:
        """A piece of the file by offset. Raises ElfError when it does not lie inside."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise ElfError(f"truncated or damaged: {what} outside the file")
        return self.view[offset : offset + size]

    def offset(self, address: int, what: str) -> tuple[int, int]:
        """Where an address lies in the file, and how many bytes of its segment follow. Raises ElfError."""
        for load in self._loads:
            inside = address - load.address
            if 0 <= inside < load.file_size:
                offset = load.offset + inside
                left = min(load.file_size - inside, self.size - offset)
                if left <= 0:
                    break
                return offset, left
        raise ElfError(f"truncated or damaged: {what} outside the file")

    def table(self, address: int, size: int, what: str) -> memoryview:
        """A piece of the file by address. Raises ElfError when it does not lie in one segment."""
        if size == 0:
            return self.view[:0]
        offset, left = self.offset(address, what)
        if size > left:
            raise ElfError(f"truncated or damaged: {what} outside the file")
        return self.view[offset : offset + size]

    @cached_property
    def interpreter(self) -> str | None:
        """The dynamic linker that PT_INTERP names; None for a plain library."""
        for segment in self.segments:
            if segment.kind == PT_INTERP:
                size = min(segment.file_size, PATH_LIMIT)
                return _text(bytes(self.part(segment.offset, size, "PT_INTERP")).split(b"\0", 1)[0])
        return None

    # The dynamic table

    @cached_property
    def _dynamic(self) -> tuple[dict[int, int], tuple[int, ...]]:
        values: dict[int, int] = {}
        needed: list[int] = []
        for tag, value in self._dynamic_entries():
            if tag == DT_NEEDED:
                needed.append(value)
            else:
                values[tag] = value
        return values, tuple(needed)

    def _dynamic_entries(self) -> Iterator[tuple[int, int]]:
        segment = next((segment for segment in self.segments if segment.kind == PT_DYNAMIC), None)
        if segment is None:
            return
        # The loader reads the table at its address; the two differ only in files that some tool has edited.
        offset, left = self.offset(segment.address, "dynamic table")
        size = min(left, segment.file_size) // 16 * 16
        for count, (tag, value) in enumerate(struct.iter_unpack("<QQ", self.part(offset, size, "dynamic table"))):
            if tag == 0:
                return
            if count == DYNAMIC_LIMIT:
                raise ElfError("damaged: endless dynamic table")
            yield tag, value

    @property
    def is_dynamic(self) -> bool:
        """True when there is a dynamic table: the loader can do something with the file."""
        return any(segment.kind == PT_DYNAMIC for segment in self.segments)

    def dynamic(self, tag: int) -> int | None:
        """The value of a dynamic entry; None when it is absent."""
        return self._dynamic[0].get(tag)

    @cached_property
    def strings(self) -> tuple[int, int]:
        """Offset and size of the dynamic string table; (0, 0) when there is none."""
        address = self.dynamic(DT_STRTAB)
        if address is None:
            return 0, 0
        offset, left = self.offset(address, "string table")
        size = self.dynamic(DT_STRSZ)
        return offset, left if size is None else min(size, left)

    def raw_string(self, index: int, limit: int = PATH_LIMIT) -> bytes:
        """A string of the dynamic string table.

        Raises ElfError when it is outside, unterminated or longer than `limit`.
        """
        offset, size = self.strings
        if not 0 <= index < size:
            raise ElfError("damaged: a name outside the string table")
        start = offset + index
        end = self.data.find(b"\0", start, min(offset + size, start + limit))
        if end < 0:
            raise ElfError("damaged: an endless name in the string table")
        return self.data[start:end]

    def _path(self, tag: int) -> str | None:
        index = self.dynamic(tag)
        return None if index is None else _text(self.raw_string(index))

    @cached_property
    def soname(self) -> str | None:
        return self._path(DT_SONAME)

    @cached_property
    def needed(self) -> tuple[str, ...]:
        """DT_NEEDED, in order."""
        names: list[str] = []
        total = 0
        for index in self._dynamic[1]:
            name = _text(self.raw_string(index, 4096))
            total += len(name)
            if total > self.strings[1] + PATH_LIMIT:
                raise ElfError("damaged: the needed names overlap")
            names.append(name)
        return tuple(names)

    @cached_property
    def runpath(self) -> str | None:
        return self._path(DT_RUNPATH)

    @cached_property
    def rpath(self) -> str | None:
        """DT_RPATH as the loader takes it: None where a DT_RUNPATH is present, which makes it void."""
        return None if self.dynamic(DT_RUNPATH) is not None else self._path(DT_RPATH)

    @property
    def flags_1(self) -> int:
        """DT_FLAGS_1, a set of DF_1_ bits."""
        return self.dynamic(DT_FLAGS_1) or 0

    @property
    def is_nodelete(self) -> bool:
        return bool(self.flags_1 & DF_1_NODELETE)

    @property
    def binds_now(self) -> bool:
        """True when the file asks for all its symbols at once, whatever dlopen() was told."""
        flags = self.dynamic(DT_FLAGS) or 0
        return bool(flags & DF_BIND_NOW or self.flags_1 & DF_1_NOW) or self.dynamic(DT_BIND_NOW) is not None

    @property
    def is_executable(self) -> bool:
        """True for a program, position-independent or not: such a file cannot be loaded as a library."""
        return self.type == ET_EXEC or bool(self.flags_1 & DF_1_PIE)

    # Sections

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The section headers; empty when they were stripped or are damaged, which the loader does not mind."""
        if not self._sections_at or self._section_size != _SECTION.size:
            return ()
        try:
            count, names_index = self._sections_n, self._names_index
            first = _SECTION.unpack(self.part(self._sections_at, _SECTION.size, "section headers"))
            count = count or first[5]
            names_index = first[6] if names_index == 0xFFFF else names_index
            if count > SECTION_LIMIT:
                return ()
            headers = list(_SECTION.iter_unpack(self.part(self._sections_at, count * _SECTION.size, "section headers")))
            if names_index >= len(headers):
                return ()
            start, size = headers[names_index][4:6]
            self.part(start, size, "section names")
        except ElfError:
            return ()
        return tuple(
            Section(self._section_name(start, size, name), kind, offset, 0 if kind == SHT_NOBITS else length, link)
            for name, kind, _, _, offset, length, link, _, _, _ in headers
        )

    def _section_name(self, start: int, size: int, name: int) -> str:
        begin, end = start + name, start + size
        stop = self.data.find(b"\0", begin, min(end, begin + 256)) if begin < end else -1
        return _text(self.data[begin:stop]) if stop >= 0 else ""

    def section(self, name: str) -> memoryview | None:
        """The bytes of the first section of that name; None when there is none or it does not lie inside the file."""
        for section in self.sections:
            if section.name == name and section.size and section.offset + section.size <= self.size:
                return self.view[section.offset : section.offset + section.size]
        return None


def open_elf(files: FileView, path: str) -> ElfFile:
    """Maps and checks one file.

    Raises ElfError for what is not a 64-bit little-endian ELF file, OSError for the rest.
    """
    if not files.is_file(path):
        # Says by its own error what is there instead; and an empty file is not an operating-system error.
        files.read(path, 1)
    elif files.size(path) == 0:
        raise ElfError("not an ELF file: it is empty")
    return ElfFile(path, files.map(path))


def machine_name(machine: int) -> str:
    return MACHINES.get(machine) or OTHER_MACHINES.get(machine) or f"machine {machine}"


def _check_ident(ident: bytes, machine: int) -> None:
    if ident[:4] != b"\x7fELF":
        raise ElfError("not an ELF file")
    if ident[4] == 1:
        raise ElfError("a 32-bit ELF file; only 64-bit files are read", foreign=True)
    if ident[4] != 2:
        raise ElfError(f"damaged: ELF class {ident[4]}")
    if ident[5] == 2:
        raise ElfError("a big-endian ELF file; only little-endian files are read", foreign=True)
    if ident[5] != 1:
        raise ElfError(f"damaged: ELF data encoding {ident[5]}")
    if machine not in MACHINES:
        raise ElfError(f"an ELF file for {machine_name(machine)}; only x86-64 and AArch64 are read", foreign=True)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
