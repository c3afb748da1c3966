"""One file: its tables against pyelftools, and what is said of files that are none."""

from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerSymSection

from envdoctor.elf.file import ElfError, open_elf
from envdoctor.elf.hashtable import gnu_hash, sysv_hash
from envdoctor.elf.symbols import Symbols
from envdoctor.files import LiveFiles
from tests.elf.building import Workshop
from tests.elf.memory import MemoryFiles

SYSTEM = Path("/usr/lib/x86_64-linux-gnu")
SAMPLES = (
    "libc.so.6",
    "libstdc++.so.6",
    "libm.so.6",
    "libgcc_s.so.1",
    "libz.so.1",
    "libcrypto.so.3",
    "ld-linux-x86-64.so.2",
)


@pytest.fixture(params=SAMPLES)
def sample(request: pytest.FixtureRequest) -> Path:
    path = SYSTEM / str(request.param)
    if not path.exists():
        pytest.skip(f"no {path}")
    return path


def test_the_dynamic_table_is_that_of_pyelftools(sample: Path) -> None:
    elf = open_elf(LiveFiles(), str(sample))
    with sample.open("rb") as stream:
        dynamic = ELFFile(stream).get_section_by_name(".dynamic")
        assert isinstance(dynamic, DynamicSection)
        tags = list(dynamic.iter_tags())

        assert elf.needed == tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED")
        assert elf.soname == next((tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"), None)
        assert elf.flags_1 == next((tag.entry.d_val for tag in tags if tag.entry.d_tag == "DT_FLAGS_1"), 0)


def test_every_symbol_is_found_by_its_name_and_has_the_version_of_pyelftools(sample: Path) -> None:
    symbols = Symbols(open_elf(LiveFiles(), str(sample)))
    with sample.open("rb") as stream:
        file = ELFFile(stream)
        table, numbers = file.get_section_by_name(".dynsym"), file.get_section_by_name(".gnu.version")
        assert isinstance(numbers, GNUVerSymSection)

        assert symbols.count == table.num_symbols()
        for index, symbol in enumerate(table.iter_symbols()):
            name = symbol.name.encode()
            bindable = symbol.entry.st_shndx != "SHN_UNDEF" and symbol.entry.st_info.bind != "STB_LOCAL"
            assert symbols.name(index) == name
            if bindable and index:
                assert index in symbols.with_name(name, gnu_hash(name))
            number = numbers.get_symbol(index).entry["ndx"]
            expected = {"VER_NDX_LOCAL": 0, "VER_NDX_GLOBAL": 1}.get(number, number)
            assert symbols.versions.index(index) == expected


def test_sections_are_those_of_pyelftools(sample: Path) -> None:
    with sample.open("rb") as stream:
        expected = [(section.name, section["sh_offset"]) for section in ELFFile(stream).iter_sections()]

    assert [(section.name, section.offset) for section in open_elf(LiveFiles(), str(sample)).sections] == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"MZ", "not an ELF file"),
        (b"#!/bin/sh\n" * 20, "not an ELF file"),
        (b"\x7fELF", "truncated"),
        (b"\x7fELF\x01\x01" + bytes(80), "32-bit"),
        (b"\x7fELF\x02\x02" + bytes(80), "big-endian"),
        (b"\x7fELF\x07\x01" + bytes(80), "damaged"),
        (b"\x7fELF\x02\x01\x01" + bytes(11) + b"\x28\x00" + bytes(80), "for ARM"),
    ],
)
def test_a_file_that_is_no_64_bit_library_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(ElfError, match=reason):
        open_elf(MemoryFiles({"/x.so": content}), "/x.so")


def test_a_file_for_aarch64_is_read(workshop: Workshop) -> None:
    content = bytearray(workshop.library("libx.so", "int f(void) { return 1; }").read_bytes())
    content[18:20] = b"\xb7\x00"

    elf = open_elf(MemoryFiles({"/x.so": bytes(content)}), "/x.so")

    assert elf.soname == "libx.so"
    assert Symbols(elf).defines_any(b"f", gnu_hash(b"f"))


@pytest.mark.parametrize(
    ("name", "gnu", "sysv"),
    [
        (b"", 5381, 0),
        (b"printf", 0x156B2BB8, 0x077905A6),
        (b"exit", 0x7C967E3F, 0x0006CF04),
        (b"syscall", 0xBAC212A0, 0x0B09985C),
    ],
)
def test_hashes_are_those_of_the_abi(name: bytes, gnu: int, sysv: int) -> None:
    assert gnu_hash(name) == gnu
    assert sysv_hash(name) == sysv


def test_a_long_name_has_the_same_hash_by_either_way() -> None:
    name = b"_ZN" + b"long" * 3000
    expected = 5381
    for byte in name:
        expected = (expected * 33 + byte) & 0xFFFFFFFF

    assert gnu_hash(name) == expected
    assert gnu_hash(name[:1000]) == _by_steps(name[:1000])


def _by_steps(name: bytes) -> int:
    hashed = 5381
    for byte in name:
        hashed = (hashed * 33 + byte) & 0xFFFFFFFF
    return hashed
