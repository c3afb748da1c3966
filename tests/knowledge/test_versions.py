import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.knowledge.versions import at_least, compare, numbers, series


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("535.104.05", (535, 104, 5)),
        ("3.5.0.post1", (3, 5, 0)),
        ("13.0", (13, 0)),
        ("12", (12,)),
        (" 9.1.85 ", (9, 1, 85)),
        ("2.1.0+cu118", (2, 1, 0)),
        ("4.9.2-6", (4, 9, 2)),
        ("", ()),
        ("v12", ()),
        (".5", ()),
        ("1..2", (1,)),
        ("²", ()),
        ("٣.٤", ()),
        ("9" * 5000, ()),
        ("1." * 5000, ()),
        ("1.2.3.4.5.6.7.8", (1, 2, 3, 4, 5, 6, 7, 8)),
        ("1.2.3.4.5.6.7.8.9", ()),
    ],
)
def test_numbers_reads_leading_dotted_numbers(text: str, expected: tuple[int, ...]) -> None:
    assert numbers(text) == expected


@given(st.text(max_size=60))
def test_no_text_makes_numbers_raise(text: str) -> None:
    assert all(number >= 0 for number in numbers(text))


@given(st.lists(st.integers(0, 999_999_999), min_size=1, max_size=8))
def test_numbers_gives_back_what_was_written(parts: list[int]) -> None:
    assert numbers(".".join(map(str, parts))) == tuple(parts)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [("12", "12.0", 0), ("440.33", "440.33.01", -1), ("10.0", "9.2", 1), ("535.104.05", "535.104.5", 0), ("", "0", 0)],
)
def test_compare_takes_missing_parts_for_zero(left: str, right: str, expected: int) -> None:
    assert compare(left, right) == expected
    assert compare(right, left) == -expected
    assert at_least(left, right) is (expected >= 0)


@pytest.mark.parametrize(
    ("text", "parts", "expected"),
    [("12.2.140", 2, "12.2"), ("12", 2, None), ("8.9.2.26", 3, "8.9.2"), ("V12.2", 2, None)],
)
def test_series_needs_all_its_parts(text: str, parts: int, expected: str | None) -> None:
    assert series(text, parts) == expected
