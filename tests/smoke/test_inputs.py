"""The inputs of the cases: the same everywhere, and exact in every type."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from envdoctor.smoke.envdoctor_child.comparison import flattened, shape
from envdoctor.smoke.envdoctor_child.inputs import Numbers, folded, zeros
from tests.smoke.references.properties import QUICK

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@given(seed=st.integers(0, 1000), wanted=SHAPES)
@QUICK
def test_a_seed_gives_the_same_block_again_and_another_seed_another(seed: int, wanted: list[int]) -> None:
    block = Numbers(seed).block(wanted)

    assert block == Numbers(seed).block(wanted)
    assert shape(block) == tuple(wanted)
    assert Numbers(seed).block((16,)) != Numbers(seed + 1).block((16,))


@given(seed=st.integers(0, 1000))
@QUICK
def test_every_number_is_the_same_in_half_precision(seed: int) -> None:
    numbers = [*Numbers(seed).block((50,)), *Numbers(seed).distinct((300,))]

    assert [struct.unpack("e", struct.pack("e", number))[0] for number in numbers] == numbers


@given(seed=st.integers(0, 1000), low=st.integers(-8, 0), width=st.integers(1, 8))
@QUICK
def test_numbers_lie_within_their_bounds(seed: int, low: int, width: int) -> None:
    assert all(low <= number < low + width for number in Numbers(seed).block((100,), low, low + width))


@given(seed=st.integers(0, 1000), wanted=SHAPES)
@QUICK
def test_distinct_numbers_are_distinct(seed: int, wanted: list[int]) -> None:
    numbers = flattened(Numbers(seed).distinct(wanted))

    assert len(set(numbers)) == len(numbers)


def test_the_numbers_of_a_seed_stay_what_they_are() -> None:
    assert Numbers(1).block((4,)) == [2.359375, 0.0, 0.421875, -3.484375]


def test_folding_runs_through_the_last_index_first() -> None:
    assert folded([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], (2, 3)) == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert zeros((2, 1, 2)) == [[[0.0, 0.0]], [[0.0, 0.0]]]
