import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.knowledge.cudnn import decode, encode, soname, supports_cuda, version_from_header, wheel


@pytest.mark.parametrize(
    ("number", "version"),
    [
        (7402, "7.4.2"),
        (8500, "8.5.0"),
        (8902, "8.9.2"),
        (90100, "9.1.0"),
        (92400, "9.24.0"),
        (91002, "9.10.2"),
        (100000, "10.0.0"),
        (0, None),
        (999, None),
        (9100, None),
        (-7402, None),
        (10**9, None),
    ],
)
def test_the_number_of_cudnn_changes_its_scheme_with_9(number: int, version: str | None) -> None:
    assert decode(number) == version


@given(st.integers(1, 8), st.integers(0, 9), st.integers(0, 99))
def test_up_to_8_encoding_and_decoding_are_inverse(major: int, minor: int, patch: int) -> None:
    number = encode(f"{major}.{minor}.{patch}")

    assert number is not None
    assert decode(number) == f"{major}.{minor}.{patch}"


@given(st.integers(9, 99), st.integers(0, 99), st.integers(0, 99))
def test_from_9_on_encoding_and_decoding_are_inverse(major: int, minor: int, patch: int) -> None:
    number = encode(f"{major}.{minor}.{patch}")

    assert number is not None
    assert decode(number) == f"{major}.{minor}.{patch}"


@pytest.mark.parametrize("version", ["", "8", "8.5", "8.10.0", "0.1.2", "x.y.z"])
def test_what_the_scheme_cannot_hold_has_no_number(version: str) -> None:
    assert encode(version) is None


HEADER_9 = """
#ifndef CUDNN_VERSION_H_
#define CUDNN_VERSION_H_
#define CUDNN_MAJOR 9
#define CUDNN_MINOR 24
#define CUDNN_PATCHLEVEL 0
#define CUDNN_VERSION (CUDNN_MAJOR * 10000 + CUDNN_MINOR * 100 + CUDNN_PATCHLEVEL)
#endif
"""


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (HEADER_9, "9.24.0"),
        ("#define CUDNN_MAJOR      7\n#define CUDNN_MINOR      3\n#define CUDNN_PATCHLEVEL 1\n", "7.3.1"),
        ('#include "cudnn_version.h"\n#include "cudnn_ops_infer.h"\n', None),
        ("// #define CUDNN_MAJOR 9\n", None),
        ("#define CUDNN_MAJOR 9\n#define CUDNN_MINOR 1\n", None),
        ("", None),
    ],
)
def test_the_version_is_read_from_the_macros(text: str, version: str | None) -> None:
    assert version_from_header(text) == version


@given(st.text())
def test_no_text_makes_reading_a_header_raise(text: str) -> None:
    version_from_header(text)


@pytest.mark.parametrize(
    ("cudnn", "cuda", "expected"),
    [
        ("7.6.0", "10.0", True),
        ("7.6.0.64", "10.0.130", True),
        ("7.6.0", "9.1", False),
        ("8.5.0.96", "11.7", True),
        ("8.5.0", "12.0", False),
        ("8.9.6", "12.2", True),
        ("9.5.0", "11.8", True),
        ("9.5.0", "11.7", False),
        ("9.4.0", "11.5", True),
        ("9.4.0", "12.4", None),
        ("9.24.0", "13.0", None),
        ("8.5.0", "", None),
        ("", "11.7", None),
    ],
)
def test_support_is_told_only_where_a_matrix_tells_it(cudnn: str, cuda: str, expected: bool | None) -> None:
    answer = supports_cuda(cudnn, cuda)

    assert (answer.supported if answer else None) is expected
    assert answer is None or answer.source


@pytest.mark.parametrize(
    ("version", "major", "expected"),
    [
        ("8.5.0", 11, ("nvidia-cudnn-cu11", "8.5.0.96")),
        ("9.1.0.70", 12, ("nvidia-cudnn-cu12", "9.1.0.70")),
        ("9.1.0.71", 12, None),
        ("7.6.5", 10, None),
        ("9.24.0", 13, ("nvidia-cudnn-cu13", "9.24.0.43")),
        ("9.24.0", 11, None),
        ("9", 12, None),
    ],
)
def test_a_wheel_is_named_only_when_it_holds_exactly_that_release(
    version: str, major: int, expected: tuple[str, str] | None
) -> None:
    assert wheel(version, major) == expected


def test_sonames_by_major() -> None:
    row = soname(8)
    assert row is not None
    assert row.soname == "libcudnn.so.8"
    assert "libcudnn_ops_infer.so.8" in row.parts.split()
    assert soname(6) is None
