import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.knowledge.cuda_arch import Arch, CodeKind, Suffix, arch_range, emits, parse_arch, runs_on, targets
from envdoctor.knowledge.tables import read
from envdoctor.knowledge.versions import at_least


@pytest.mark.parametrize(
    ("text", "arch"),
    [
        ("sm_90a", Arch(90, "a")),
        ("compute_75", Arch(75)),
        ("lto_80", Arch(80)),
        ("8.6", Arch(86)),
        ("10.0f", Arch(100, "f")),
        ("121", Arch(121)),
        ("sm_", None),
        ("8", None),
        ("8.65", None),
        (".86", None),
        ("086", None),
        ("sm_90b", None),
        ("86+PTX", None),
        ("٨٦", None),
        ("", None),
    ],
)
def test_an_architecture_is_read_in_all_its_spellings(text: str, arch: Arch | None) -> None:
    assert parse_arch(text) == arch


@given(st.integers(20, 150), st.sampled_from(["", "a", "f"]))
def test_an_architecture_reads_back_as_written(number: int, suffix: Suffix) -> None:
    arch = Arch(number, suffix)

    assert parse_arch(f"sm_{arch}") == arch
    assert parse_arch(f"{arch.capability}{suffix}") == arch


@pytest.mark.parametrize(
    ("cuda", "arch", "expected"),
    [
        ("13.0", "sm_70", False),
        ("12.9", "sm_70", True),
        ("12.9.86", "70", True),
        ("13.0", "compute_120", True),
        ("12.6", "120", False),
        ("11.8", "sm_35", True),
        ("12.0", "sm_35", False),
        ("12.0", "90a", True),
        ("11.8", "90a", False),
        ("10.0", "sm_75", True),
        ("9.0", "sm_75", False),
        ("10.2", "sm_30", True),
        ("11.0", "sm_30", False),
        ("12.7", "90", None),
        ("14.0", "90", None),
        ("13.0", "rubbish", None),
        ("13.0", "74", False),
    ],
)
def test_a_toolkit_emits_what_its_own_assembler_lists(cuda: str, arch: str, expected: bool | None) -> None:
    assert emits(cuda, arch) is expected


def test_what_an_old_toolkit_emits_follows_from_the_ranges_and_is_not_verified() -> None:
    row = targets("9.0")

    assert row is not None
    assert row.targets == "30 32 35 37 50 52 53 60 61 62 70 72"
    assert not row.verified
    assert "spack" in row.source


def test_ranges_agree_with_the_lists_of_the_toolkits() -> None:
    table = read("cuda_arch")
    for toolkit in table["toolkit"]:
        listed = set(toolkit["targets"].split())
        for row in table["range"]:
            within = at_least(toolkit["cuda"], row["first"]) and at_least(row.get("last", "99"), toolkit["cuda"])
            assert (row["arch"] in listed) is within, (toolkit["cuda"], row["arch"])


def test_the_range_of_an_architecture() -> None:
    row = arch_range("sm_70")
    assert row is not None
    assert (row.first, row.last) == ("9.0", "12.9")
    assert arch_range("sm_74") is None
    assert arch_range("") is None


@pytest.mark.parametrize(
    ("kind", "arch", "cc", "expected"),
    [
        ("elf", "86", "8.6", "native"),
        ("elf", "80", "8.6", "native"),
        ("elf", "86", "8.0", "no"),
        ("elf", "86", "9.0", "no"),
        ("elf", "90a", "9.0", "native"),
        ("elf", "90a", "10.0", "no"),
        ("elf", "100a", "10.3", "no"),
        ("elf", "100f", "10.0", "native"),
        ("elf", "100f", "10.3", "native"),
        ("elf", "103f", "10.0", "no"),
        ("elf", "120f", "12.1", "native"),
        ("elf", "100f", "12.0", "no"),
        ("elf", "100f", "10.7", "unknown"),
        ("elf", "100", "10.3", "native"),
        ("elf", "80", "8.7", "unknown"),
        ("elf", "87", "8.9", "unknown"),
        ("elf", "87", "8.7", "native"),
        ("ptx", "70", "8.6", "jit"),
        ("ptx", "86", "8.6", "jit"),
        ("ptx", "86", "8.0", "no"),
        ("ptx", "90a", "10.0", "no"),
        ("ptx", "90a", "9.0", "jit"),
        ("ptx", "100f", "10.3", "jit"),
        ("ptx", "100f", "12.0", "no"),
        ("elf", "86", "", "unknown"),
        ("elf", "86", "rubbish", "unknown"),
    ],
)
def test_code_runs_by_the_rules_of_its_kind(kind: CodeKind, arch: str, cc: str, expected: str) -> None:
    parsed = parse_arch(arch)
    assert parsed is not None

    assert runs_on(kind, parsed, cc) == expected


@given(st.integers(20, 150), st.sampled_from(["", "a", "f"]), st.integers(20, 150))
def test_machine_code_never_runs_on_an_older_gpu_or_another_major(number: int, suffix: Suffix, device: int) -> None:
    answer = runs_on("elf", Arch(number, suffix), Arch(device).capability)

    if device < number or device // 10 != number // 10:
        assert answer == "no"
