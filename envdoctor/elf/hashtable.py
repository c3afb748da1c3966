"""The two hash tables of dynamic symbols, DT_GNU_HASH and DT_HASH.

Layout: "DT_GNU_HASH" as GNU binutils writes it and glibc's elf/dl-lookup.c reads it; DT_HASH in the System V ABI.
"""

import struct
from functools import cached_property
from itertools import accumulate, repeat
from operator import mul

from envdoctor.elf.file import ElfError, ElfFile

_CHAIN_LIMIT = 8192


class GnuHash:
    """DT_GNU_HASH: a Bloom filter, buckets, and for each hashed symbol its hash; the lowest bit ends a chain."""

    def __init__(self, elf: ElfFile, address: int) -> None:
        offset, left = elf.offset(address, "hash table")
        if left < 16:
            raise ElfError("truncated or damaged: hash table outside the file")
        buckets, first, words, shift = struct.unpack_from("<IIII", elf.view, offset)
        self.first: int = first
        self.shift: int = shift
        chains = 16 + words * 8 + buckets * 4
        if not words or words & (words - 1) or chains > left or shift > 31:
            raise ElfError("damaged: hash table")
        end = offset + left // 4 * 4
        self.bloom = elf.view[offset + 16 : offset + 16 + words * 8].cast("Q")
        self.buckets = elf.view[offset + 16 + words * 8 : offset + chains].cast("I")
        self.chains = elf.view[offset + chains : offset + chains + (end - offset - chains) // 4 * 4].cast("I")
        self.mask = words - 1

    def may_have(self, hashed: int) -> int:
        """0 when the Bloom filter excludes the hash."""
        word: int = self.bloom[(hashed >> 6) & self.mask]
        return (word >> (hashed & 63)) & (word >> ((hashed >> self.shift) & 63)) & 1

    # The name is for DT_HASH, which has a hash of its own.
    def candidates(self, name: bytes, hashed: int) -> list[int]:  # noqa: ARG002
        """Symbols whose hash agrees. Raises ElfError."""
        if not self.may_have(hashed) or not self.buckets:
            return []
        symbol = self.buckets[hashed % len(self.buckets)]
        if symbol < self.first:
            return []
        position, wanted = symbol - self.first, hashed | 1
        found: list[int] = []
        # A slice ends where the table ends, so that a chain without an end leaves the loop.
        for value in self.chains[position : position + _CHAIN_LIMIT]:
            if value | 1 == wanted:
                found.append(self.first + position)
            if value & 1:
                return found
            position += 1
        raise ElfError("damaged: endless chain in the hash table")

    @property
    def has_symbols(self) -> bool:
        return self.count > self.first

    @cached_property
    def count(self) -> int:
        """One more than the highest symbol that a chain holds."""
        last: int = max(self.buckets, default=0)
        if last < self.first:
            return self.first
        for at in range(last - self.first, min(len(self.chains), last - self.first + _CHAIN_LIMIT)):
            if self.chains[at] & 1:
                return self.first + at + 1
        raise ElfError("damaged: endless chain in the hash table")


class SysvHash:
    """DT_HASH, the older table; its chain array has one entry a symbol."""

    def __init__(self, elf: ElfFile, address: int) -> None:
        offset, left = elf.offset(address, "hash table")
        if left < 8:
            raise ElfError("truncated or damaged: hash table outside the file")
        buckets, count = struct.unpack_from("<II", elf.view, offset)
        self.count: int = count
        if 8 + 4 * (buckets + self.count) > left:
            raise ElfError("damaged: hash table")
        self.buckets = elf.view[offset + 8 : offset + 8 + 4 * buckets].cast("I")
        self.chains = elf.view[offset + 8 + 4 * buckets : offset + 8 + 4 * (buckets + self.count)].cast("I")

    @property
    def has_symbols(self) -> bool:
        return self.count > 1

    def may_have(self, hashed: int) -> int:  # noqa: ARG002 - no filter: anything may be there
        return 1

    def candidates(self, name: bytes, hashed: int) -> list[int]:  # noqa: ARG002 - DT_HASH has a hash of its own
        """Symbols of the name's bucket. Raises ElfError."""
        if not self.buckets:
            return []
        symbol: int = self.buckets[sysv_hash(name) % len(self.buckets)]
        found: list[int] = []
        while symbol:
            if symbol >= self.count or len(found) >= _CHAIN_LIMIT:
                raise ElfError("damaged: endless chain in the hash table")
            found.append(symbol)
            symbol = self.chains[symbol]
        return found


# Names of templates have a few hundred characters; longer ones are hashed byte by byte.
_POWERS = tuple(accumulate(repeat(33, 1023), lambda power, base: power * base & 0xFFFFFFFF, initial=1))
_STARTS = tuple(5381 * power & 0xFFFFFFFF for power in _POWERS)


def gnu_hash(name: bytes) -> int:
    """The hash of DT_GNU_HASH: h = 5381, then h * 33 + byte, modulo 2**32; written as a sum so that C does the loop."""
    if len(name) < len(_POWERS):
        total: int = sum(map(mul, name[::-1], _POWERS))
        return (total + _STARTS[len(name)]) & 0xFFFFFFFF
    hashed = 5381
    for byte in name:
        hashed = (hashed * 33 + byte) & 0xFFFFFFFF
    return hashed


def sysv_hash(name: bytes) -> int:
    """The hash of DT_HASH, as the System V ABI gives it."""
    hashed = 0
    for byte in name:
        hashed = (hashed << 4) + byte
        hashed = (hashed ^ (hashed >> 24 & 0xF0)) & 0x0FFFFFFF
    return hashed
