"""The GPU code in a file: which architectures, in how many containers. Only headers are walked; nothing is
decompressed.

Layout: containers `u32 magic, u16 version, u16 header size, u64 size of what follows`, each with entries whose header
has the kind at 0, its own size at 4, the payload's at 8, the SM number at 28 and flags at 40. The container is
declared in NVIDIA's fatbinary_section.h; the entry was read in public reverse engineering (RWTH-ACS/cricket,
jiegec/fatbinary) and agrees with `cuobjdump --list-elf --list-ptx`.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from envdoctor.elf.file import ElfError, ElfFile

MAGIC = 0xBA55ED50
_MAGIC_BYTES = MAGIC.to_bytes(4, "little")
_CONTAINER = struct.Struct("<IHHQ")
_ENTRY = struct.Struct("<HHIQIIIIIIQ")
_ENTRY_SIZE = 64
_KINDS = {1: "ptx", 2: "elf", 8: "lto"}
_ACCELERATED, _FAMILY = 0x100000, 0x200000
_PADDING = 65_536
_LIMIT = 500_000
# Containers that hold an architecture, as a share of all: below it, the code came with some static library.
_SUPPORTED_SHARE = 0.5
_PREFIXES = {"elf": "sm", "ptx": "compute", "lto": "lto"}


class GpuCode(NamedTuple):
    """One target of an entry.

    `kind`: "elf" machine code, "ptx", "lto"; `arch`: 90 for sm_90; `suffix`: "", "a" or "f".
    """

    kind: str
    arch: int
    suffix: str

    @property
    def name(self) -> str:
        """As nvcc spells it: sm_90a, compute_120."""
        return f"{_PREFIXES.get(self.kind, self.kind)}_{self.arch}{self.suffix}"


class Fatbin(msgspec.Struct, frozen=True):
    """`counts`: containers that hold each target; `containers`: all of them."""

    counts: Counter[GpuCode]
    containers: int

    @property
    def supported(self) -> tuple[GpuCode, ...]:
        """Targets that at least half of the containers have.

        What fewer have is a stray part: a kernel of the rest would fail.
        """
        enough = self.containers * _SUPPORTED_SHARE
        return tuple(
            sorted((code for code, count in self.counts.items() if count >= enough), key=lambda c: (c.arch, c))
        )


def read_fatbin(elf: ElfFile) -> Fatbin:
    """What .nv_fatbin holds, or in an object file that was not device-linked __nv_relfatbin. Raises ElfError."""
    counts: Counter[GpuCode] = Counter()
    containers = 0
    for name in (".nv_fatbin", "__nv_relfatbin"):
        section = next((section for section in elf.sections if section.name == name and section.size), None)
        if section is None:
            continue
        elf.part(section.offset, section.size, name)
        for codes in _containers(elf, section.offset, section.offset + section.size):
            containers += 1
            counts.update(codes)
        break
    return Fatbin(counts, containers)


def _containers(elf: ElfFile, at: int, end: int) -> Iterator[set[GpuCode]]:
    left = _LIMIT
    while at + _CONTAINER.size <= end:
        magic, _, header, size = _CONTAINER.unpack_from(elf.view, at)
        if magic != MAGIC:
            at = elf.data.find(_MAGIC_BYTES, at, min(end, at + _PADDING))
            if at < 0:
                return
            continue
        stop = at + header + size
        if stop > end or header < _CONTAINER.size:
            raise ElfError("damaged: a container of GPU code leaves its section")
        codes: set[GpuCode] = set()
        for code in _entries(elf, at + header, stop):
            codes.add(code)
            left -= 1
            if left < 0:
                raise ElfError(f"damaged: more than {_LIMIT} entries of GPU code")
        yield codes
        left -= 1
        at = stop


def _entries(elf: ElfFile, at: int, stop: int) -> Iterator[GpuCode]:
    while at + _ENTRY_SIZE <= stop:
        kind, _, header, payload, _, _, _, arch, _, _, flags = _ENTRY.unpack_from(elf.view, at)
        if header < _ENTRY_SIZE or at + header + payload > stop:
            raise ElfError("damaged: an entry of GPU code leaves its container")
        suffix = "a" if flags & _ACCELERATED else "f" if flags & _FAMILY else ""
        yield GpuCode(_KINDS.get(kind, f"kind{kind}"), arch, suffix)
        at += header + payload
