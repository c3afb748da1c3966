"""Damaged and hostile files: a report or an ElfError, in bounded time and memory, whatever the bytes are."""

import random
import resource
import struct
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdoctor.elf.analysis import Examiner, SymbolsReport
from envdoctor.elf.file import (
    DT_FLAGS_1,
    DT_GNU_HASH,
    DT_JMPREL,
    DT_NEEDED,
    DT_PLTRELSZ,
    DT_RELA,
    DT_RELACOUNT,
    DT_RELASZ,
    DT_RUNPATH,
    DT_SONAME,
    DT_STRSZ,
    DT_STRTAB,
    DT_SYMTAB,
    DT_VERDEF,
    DT_VERNEED,
    DT_VERSYM,
    ElfError,
    open_elf,
)
from envdoctor.elf.loader import Opened, Process
from envdoctor.files import LiveFiles
from tests.elf.building import Workshop
from tests.elf.memory import MemoryFiles

PATH, PROVIDER = "/mutated/libx.so", "/mutated/libprovider.so"
TAGS = (
    DT_NEEDED, DT_SONAME, DT_RUNPATH, DT_STRTAB, DT_STRSZ, DT_SYMTAB, DT_GNU_HASH, DT_RELA, DT_RELASZ, DT_RELACOUNT,
    DT_JMPREL, DT_PLTRELSZ, DT_VERSYM, DT_VERDEF, DT_VERNEED, DT_FLAGS_1, 4, 0,
)  # fmt: skip
MUTATIONS = 4000
SECONDS_EACH = 5.0


# Names as g++ makes them, on functions of C: the library stands without libstdc++, and is judged in a millisecond.
SOURCE = """
__asm__(".section .nv_fatbin,\\"a\\"\\n.incbin \\"%s\\"\\n.text");
int missing(const void *) __asm__("_ZN3c107missingERKSs");
extern int data;
int g(void);
int f(int a) { return a + missing(0) + g(); }
int *h(void) { return &data; }
int strings(void) __asm__("_Z7stringsRKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE");
int strings(void) { return f(1); }
int invoke(void) __asm__("_ZNSt17_Function_handlerIFiiEZ4makeiEUliE_E9_M_invokeERKSt9_Any_dataOi");
int invoke(void) { return strings(); }
int table[] = {1, 2}; int *pointers[] = {table, table + 1};
"""


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    workshop = Workshop(tmp_path_factory.mktemp("provider"))
    script = workshop.path("x.map")
    script.write_text("V9 { global: *; };")
    return workshop.library(
        "libprovider.so", "int data; int g(void) { return 1; }", f"-Wl,--version-script={script}"
    ).read_bytes()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, provider: bytes) -> bytes:
    """A small library with everything: versions, needs, relocations of each kind, GPU code, strings and functions."""
    workshop = Workshop(tmp_path_factory.mktemp("original"))
    script = workshop.path("x.map")
    script.write_text("V1 { global: f; _Z*; local: nothing; }; V2 { h; } V1;")
    entry = struct.pack("<HHIQIIHHIIIQ", 2, 0x101, 64, 16, 0, 0, 0, 1, 75, 0, 0, 0).ljust(80, b"\0")
    workshop.path("gpu.bin").write_bytes((struct.pack("<IHHQ", 0xBA55ED50, 1, 16, 80) + entry) * 3)
    workshop.path("libprovider.so").write_bytes(provider)
    return workshop.library(
        "libx.so",
        SOURCE % (workshop.root / "gpu.bin"),
        str(workshop.root / "libprovider.so"),
        f"-Wl,--version-script={script}",
        "-Wl,-rpath,$ORIGIN",
    ).read_bytes()


def judge(content: bytes, provider: bytes = b"") -> SymbolsReport | None:
    """The report, or None for a file that is refused. Anything else that is raised fails the test."""
    files = MemoryFiles({PATH: content, PROVIDER: provider})
    began = time.monotonic()
    try:
        return Examiner(files, Process()).examine(PATH)
    except ElfError as error:
        assert "\n" not in str(error)
        return None
    finally:
        assert time.monotonic() - began < SECONDS_EACH


def dynamic_entries(content: bytes) -> list[int]:
    """Offsets of the dynamic entries."""
    elf = open_elf(MemoryFiles({PATH: content}), PATH)
    segment = next(segment for segment in elf.segments if segment.kind == 2)
    return list(range(segment.offset, segment.offset + segment.file_size, 16))


def mutated(original: bytes, entries: list[int], chance: random.Random) -> bytes:
    """The library with a few changes of one kind."""
    content = bytearray(original)
    kind = chance.randrange(6)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(len(content))
        if kind == 0:
            content[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            content[at : at + 8] = struct.pack(
                "<Q", chance.choice((0, 1, 8, 1 << 31, 1 << 32, 1 << 62, (1 << 64) - 1, at))
            )
        elif kind == 2:
            del content[at:]
            content = content or bytearray(b"\x7f")
        elif kind == 3:
            other = chance.randrange(len(content))
            size = chance.randrange(1, 512)
            content[at : at + size] = original[other : other + size]
        elif kind == 4:
            entry = chance.choice(entries)
            value = chance.choice((0, 1, 0x40, 1 << 20, 1 << 40, (1 << 64) - 16, chance.randrange(len(original))))
            if entry + 16 <= len(content):
                struct.pack_into("<QQ", content, entry, chance.choice(TAGS), value)
        else:
            # The first kilobytes hold the headers and most tables.
            content[at % 4096 % len(content)] = chance.randrange(256)
    return bytes(content)


def test_thousands_of_mutations_give_a_report_or_an_elf_error(original: bytes, provider: bytes) -> None:
    report = judge(original, provider)
    assert report is not None
    assert [lost.symbol for lost in report.undefined] == ["_ZN3c107missingERKSs"]
    assert (report.string_abi, report.function_abi, report.cuda_archs) == ("mixed", "reference", ("sm_75",))
    chance = random.Random(20240229)
    entries = dynamic_entries(original)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    answers = [judge(mutated(original, entries, chance), provider) is not None for _ in range(MUTATIONS)]

    # Both happen often: neither is every mutation refused, nor is every damage overlooked.
    assert 0.1 < sum(answers) / MUTATIONS < 0.9
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120 * 1024


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_bytes_in_any_place_give_a_report_or_an_elf_error(original: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(original) - 1))
    replacement = data.draw(st.binary(min_size=1, max_size=64))

    judge(original[:at] + replacement + original[at + len(replacement) :])


@pytest.mark.parametrize("size", [1, 4, 16, 63, 64, 100, 500, 1000, 4096])
def test_a_truncated_file_is_refused_or_judged(original: bytes, size: int) -> None:
    judge(original[:size])


def with_dynamic(original: bytes, changes: dict[int, int]) -> bytes:
    """The library with other values for some dynamic entries."""
    content = bytearray(original)
    for entry in dynamic_entries(original):
        (tag,) = struct.unpack_from("<Q", content, entry)
        if tag in changes:
            struct.pack_into("<Q", content, entry + 8, changes[tag])
    return bytes(content)


@pytest.mark.parametrize(
    "changes",
    [
        {DT_RELASZ: 1 << 60},
        {DT_RELACOUNT: 1 << 63},
        {DT_STRSZ: (1 << 64) - 1},
        {DT_SYMTAB: (1 << 64) - 8},
        {DT_STRTAB: 0},
        {DT_GNU_HASH: 0},
        {DT_VERSYM: 0},
        {DT_VERNEED: 0x40},
        {DT_VERDEF: 0x40},
    ],
    ids=str,
)
def test_tables_that_lie_about_their_place_are_refused_or_judged(original: bytes, changes: dict[int, int]) -> None:
    judge(with_dynamic(original, changes))


def test_a_version_chain_that_loops_ends(original: bytes) -> None:
    elf = open_elf(MemoryFiles({PATH: original}), PATH)
    at, _ = elf.offset(elf.dynamic(DT_VERNEED) or 0, "versions")
    content = bytearray(original)
    # The step to the next record, modulo nothing: the second one steps back to the first.
    struct.pack_into("<I", content, at + 12, 0)
    assert judge(bytes(content)) is not None
    struct.pack_into("<HH", content, at, 1, 0xFFFF)
    struct.pack_into("<I", content, at + 12, 1)

    judge(bytes(content))


def test_a_hash_chain_without_an_end_is_refused(original: bytes) -> None:
    elf = open_elf(MemoryFiles({PATH: original}), PATH)
    at, _ = elf.offset(elf.dynamic(DT_GNU_HASH) or 0, "hash")
    buckets, _, words, _ = struct.unpack_from("<IIII", original, at)
    chains = at + 16 + 8 * words + 4 * buckets
    content = bytearray(original)
    content[at + 16 : at + 16 + 8 * words] = b"\xff" * (8 * words)
    content[chains : chains + 40_000] = b"\x02" * len(content[chains : chains + 40_000])

    judge(bytes(content))


def test_a_file_that_needs_itself_many_times_over_many_folders_ends(workshop: Workshop) -> None:
    content = bytearray(
        workshop.library("libx.so", "", "-Wl,-rpath," + ":".join(f"/n/{n}" for n in range(9000))).read_bytes()
    )
    entries = dynamic_entries(bytes(content))
    tags = {struct.unpack_from("<Q", content, entry)[0]: entry for entry in reversed(entries)}
    (soname,) = struct.unpack_from("<Q", content, tags[DT_SONAME] + 8)
    # Every spare entry asks for "ibx.so", "bx.so" ..., none of which is there.
    for number, entry in enumerate(entry for entry in entries if struct.unpack_from("<Q", content, entry)[0] == 0):
        struct.pack_into("<QQ", content, entry, DT_NEEDED, soname + 1 + number % 5)

    judge(bytes(content))


def test_a_run_path_and_needs_without_measure_are_refused(workshop: Workshop) -> None:
    """The search has a limit over all names together, and says so."""
    many = [str(workshop.library(f"many/lib{number}.so")) for number in range(60)]
    entries = ":".join(f"/{number}" for number in range(10_000))
    library = workshop.library("libx.so", "", "-Wl,--no-as-needed", *many, f"-Wl,-rpath,{entries}")

    with pytest.raises(ElfError, match="too many paths"):
        Examiner(MemoryFiles({PATH: library.read_bytes()}), Process()).examine(PATH)


@pytest.mark.parametrize("role", ["executable", "opened", "library path"])
def test_a_mutated_file_in_any_role_is_refused_or_judged(original: bytes, workshop: Workshop, role: str) -> None:
    chance = random.Random(7)
    entries = dynamic_entries(original)
    user = workshop.library("libuser.so", "int f(int); int use(void) { return f(1); }")
    program = workshop.program("program", "int main(void) { return 0; }")
    folder = str(Path(PATH).parent)
    process = {
        "executable": Process(executable=PATH),
        "opened": Process(executable=str(program), opened=(Opened(PATH, True),)),
        "library path": Process(library_path=(folder,), preload=(PATH,)),
    }[role]
    for _ in range(150):
        files = MemoryFiles({PATH: mutated(original, entries, chance)}, LiveFiles())
        try:
            Examiner(files, process).examine(str(user), [folder])
        except ElfError as error:
            assert "\n" not in str(error)
