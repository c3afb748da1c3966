"""What counts as equal to a reference."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.smoke.envdoctor_child.comparison import compare, flattened, shape, tolerance
from tests.smoke.references.properties import QUICK

NAN, INFINITY = float("nan"), float("inf")
NUMBERS = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (1.0, 1.0),
        ([[1.0, 2.0], [3.0, 4.0]], ((1.0, 2.0), (3.0, 4.0))),
        ([], []),
        ([[], []], [[], []]),
        ([], [[]][:0]),
        ([NAN, INFINITY, -INFINITY], [NAN, INFINITY, -INFINITY]),
        ([1000.01], [1000.0]),
    ],
)
def test_equal_values_are_right(got: Any, want: Any) -> None:
    assert compare("equal", "float32", got, want).right


@pytest.mark.parametrize(
    ("got", "want", "message"),
    [
        ([1.0, 2.0], [1.0], "the shape is (2), expected (1)"),
        ([[1.0], [2.0]], [[1.0, 2.0]], "the shape is (2, 1), expected (1, 2)"),
        ([], [0.0], "the shape is (0), expected (1)"),
        ([[1.0], [2.0, 3.0]], [[1.0], [2.0]], "rows of unequal shape: (1) and (2)"),
        ([[1.0], 2.0], [[1.0], [2.0]], "rows of unequal shape: () and (1)"),
        ([1.0, NAN], [1.0, 2.0], "element 1 of 2 is nan, expected 2.0"),
        ([2.0], [NAN], "element 0 of 1 is 2.0, expected nan"),
        ([INFINITY], [1.0], "element 0 of 1 is inf, expected 1.0"),
        ([INFINITY], [-INFINITY], "element 0 of 1 is inf, expected -inf"),
    ],
)
def test_what_has_no_difference_is_named(got: Any, want: Any, message: str) -> None:
    comparison = compare("unlike", "float32", got, want)

    assert not comparison.right
    assert (comparison.max_error, comparison.message) == (None, message)


def test_the_largest_error_is_told() -> None:
    comparison = compare("off", "float64", [[1.0, 2.5], [3.0, 3.75]], [[1.0, 2.0], [3.0, 4.0]])

    assert (comparison.right, comparison.max_error, comparison.message) == (False, 0.5, "")


def test_the_tolerance_grows_with_the_size_of_the_values_and_not_below_one() -> None:
    assert compare("small", "float32", [0.0], [0.001]).tolerance == tolerance("float32")
    assert compare("large", "float32", [500.0], [-500.0]).tolerance == 500 * tolerance("float32")
    assert compare("of large terms", "float32", [0.0], [0.0], scale=500).tolerance == 500 * tolerance("float32")


@pytest.mark.parametrize("dtype", ["int64", "bool", "uint8"])
def test_indices_have_no_tolerance(dtype: str) -> None:
    assert not compare("index", dtype, [10**6 + 1], [10**6]).right


def test_a_type_without_a_known_tolerance_is_refused() -> None:
    with pytest.raises(ValueError, match="no tolerance is known for complex64"):
        compare("unknown", "complex64", [1.0], [1.0])


@given(
    values=st.lists(NUMBERS, min_size=1), index=st.integers(0), dtype=st.sampled_from(["float64", "float32", "float16"])
)
@QUICK
def test_one_wrong_element_among_many_is_noticed(values: list[float], index: int, dtype: str) -> None:
    index %= len(values)
    allowed = tolerance(dtype, max(map(abs, values)))
    changed = [*values[:index], values[index] + 2 * allowed, *values[index + 1 :]]

    assert compare("same", dtype, values, values).max_error == 0
    assert not compare("changed", dtype, changed, values).right


@given(rows=st.integers(0, 4), columns=st.integers(0, 4))
@QUICK
def test_shape_and_order_of_nested_lists(rows: int, columns: int) -> None:
    block = [[float(columns * row + column) for column in range(columns)] for row in range(rows)]

    assert flattened(block) == list(range(rows * columns))
    assert shape(block) == ((rows, columns) if rows else (0,))
