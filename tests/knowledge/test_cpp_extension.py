import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.knowledge.cpp_extension import compiler_bounds, read_arch_list


@pytest.mark.parametrize(
    ("cuda", "gcc", "clang"),
    [
        ("13.0", ("6.0.0", "16.0"), ("7.0", "21.0")),
        ("11.7.99", ("6.0.0", "12.0"), ("3.3.0", "14.0")),
        ("11.0", ("5.0.0", "10.0"), ("", "")),
    ],
)
def test_a_cuda_release_has_torchs_bounds(cuda: str, gcc: tuple[str, str], clang: tuple[str, str]) -> None:
    row = compiler_bounds(cuda)

    assert row is not None
    assert (row.gcc_min, row.gcc_below) == gcc
    assert (row.clang_min, row.clang_below) == clang


@pytest.mark.parametrize("cuda", ["11.8", "13.2", "", "13"])
def test_a_release_that_torch_does_not_list_has_no_bounds(cuda: str) -> None:
    assert compiler_bounds(cuda) is None


@pytest.mark.parametrize(
    ("text", "machine", "ptx", "malformed"),
    [
        ("8.6", ["86"], [], []),
        ("7.0;7.5;8.0+PTX", ["70", "75", "80"], ["80"], []),
        ("7.0 7.5 8.6", ["70", "75", "86"], [], []),
        ("8.6;", ["86"], [], [""]),
        ("7.0  8.6", ["70", "86"], [], [""]),
        (" ", [], [], ["", ""]),
        ("8.6\n", [], [], ["8.6\n"]),
        ("9.0a;10.0f", ["90a", "100f"], [], []),
        ("Ampere", ["80", "86"], ["86"], []),
        ("Pascal;Volta", ["60", "61", "70"], ["61", "70"], []),
        ("Kepler+Tesla", ["37"], [], []),
        ("8.6;8.6", ["86"], [], []),
        ("", [], [], []),
        ("native", [], [], []),
        ("sm_86", [], [], ["sm_86"]),
        ("86", [], [], ["86"]),
        ("8.6,8.9", [], [], ["8.6,8.9"]),
        ("8.6;all;Amper", ["86"], [], ["all", "Amper"]),
        ("8.6+ptx", [], [], ["8.6+ptx"]),
    ],
)
def test_the_arch_list_is_read_as_torch_reads_it(
    text: str, machine: list[str], ptx: list[str], malformed: list[str]
) -> None:
    answer = read_arch_list(text)

    assert [str(arch) for arch in answer.machine] == machine
    assert [str(arch) for arch in answer.ptx] == ptx
    assert list(answer.malformed) == malformed


@given(st.text(max_size=100))
def test_no_text_makes_the_arch_list_raise(text: str) -> None:
    answer = read_arch_list(text)

    assert set(answer.ptx) <= set(answer.machine)
