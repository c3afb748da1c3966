"""Pooling with quantised bins: known values, and what holds for every map and region."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.smoke.envdoctor_child.comparison import flattened
from envdoctor.smoke.envdoctor_child.inputs import Numbers
from envdoctor.smoke.envdoctor_child.references.ps_roi import ps_roi_pool, ps_roi_pool_gradient
from envdoctor.smoke.envdoctor_child.references.roi_pool import roi_pool, roi_pool_gradient, rounded
from tests.smoke.references.properties import SLOW
from tests.smoke.references.test_roi_align import ANYWHERE, HEIGHT, POOLED, SCALE, SEED, WIDTH, Region, dot

SHAPE = (2, 2, HEIGHT, WIDTH)
PLANE = [[float(10 * row + column) for column in range(5)] for row in range(4)]


@pytest.mark.parametrize(
    ("number", "want"), [(0.5, 1), (1.5, 2), (2.5, 3), (2.49, 2), (-0.5, -1), (-2.5, -3), (-2.4, -2), (7.0, 7)]
)
def test_halves_are_rounded_away_from_zero(number: float, want: int) -> None:
    assert rounded(number) == want


@pytest.mark.parametrize(
    ("region", "pooled", "want"),
    [
        # Both ends count: columns 1 to 3 and rows 0 to 1.
        ((0, 1, 0, 3, 1), (1, 1), [[13.0]]),
        # Three columns in two bins share the middle one.
        ((0, 1, 0, 3, 1), (1, 2), [[12.0, 13.0]]),
        ((0, 1, 0, 3, 1), (2, 2), [[2.0, 3.0], [12.0, 13.0]]),
        # One element in four bins is in each.
        ((0, 2, 2, 2, 2), (2, 2), [[22.0, 22.0], [22.0, 22.0]]),
        # Bins outside the map are empty.
        ((0, 4, 3, 5, 4), (2, 2), [[34.0, 0.0], [0.0, 0.0]]),
        ((0, -2, 0, 1, 0), (1, 2), [[0.0, 1.0]]),
        # An end before its start is one element.
        ((0, 3, 3, 1, 1), (1, 1), [[33.0]]),
    ],
)
def test_known_bins(region: Region, pooled: tuple[int, int], want: list[list[float]]) -> None:
    assert roi_pool([[PLANE]], [region], pooled) == [[want]]


def test_the_gradient_goes_to_the_first_of_equal_elements() -> None:
    flat = [[[[1.0, 1.0], [1.0, 1.0]]]]

    assert roi_pool_gradient([[[[3.0]]]], flat, [(0, 0, 0, 1, 1)], (1, 1)) == [[[[3.0, 0.0], [0.0, 0.0]]]]


@given(seed=SEED, regions=st.lists(ANYWHERE, max_size=3), pooled=POOLED, scale=SCALE)
@SLOW
def test_every_value_is_an_element_or_zero_and_its_gradient_goes_there(
    seed: int, regions: list[Region], pooled: tuple[int, int], scale: float
) -> None:
    features, above = Numbers(seed).distinct(SHAPE), Numbers(seed).block((len(regions), 2, *pooled))

    values = roi_pool(features, regions, pooled, scale)
    slopes = roi_pool_gradient(above, features, regions, pooled, scale)
    assert set(flattened(values)) <= {0.0, *flattened(features)}
    # Largest elements are picked linearly as long as the order of all elements stays.
    assert dot(above, values) == pytest.approx(dot(slopes, features), abs=1e-8)


@given(seed=SEED, region=ANYWHERE, scale=SCALE)
@SLOW
def test_one_bin_is_the_largest_of_four(seed: int, region: Region, scale: float) -> None:
    positive = [[[[10 + x for x in row] for row in plane] for plane in image] for image in Numbers(seed).block(SHAPE)]

    whole, quarters = (roi_pool(positive, [region], pooled, scale)[0] for pooled in ((1, 1), (2, 2)))
    assert flattened(whole) == [max(flattened(channel)) for channel in quarters]


@pytest.mark.parametrize(
    ("region", "pooled", "want"),
    [
        # The end does not count: columns 1 and 2, rows 0 and 1.
        ((0, 1, 0, 3, 2), (1, 1), [[6.5]]),
        # A region without extent is one element.
        ((0, 2, 1, 2, 1), (1, 1), [[12.0]]),
        # The last row and column of the map never count.
        ((0, 3, 2, 9, 9), (1, 1), [[23.0]]),
        ((0, 4, 0, 9, 9), (1, 1), [[0.0]]),
    ],
)
def test_known_position_sensitive_bins(region: Region, pooled: tuple[int, int], want: list[list[float]]) -> None:
    assert ps_roi_pool([[PLANE]], [region], pooled) == [[want]]


def test_each_bin_has_its_own_input_channel() -> None:
    planes = [[[float(100 * channel)] * 5] * 4 for channel in range(8)]

    (values,) = ps_roi_pool([planes], [(0, 0, 0, 2, 2)], (2, 2))
    assert values == [[[0.0, 100.0], [200.0, 300.0]], [[400.0, 500.0], [600.0, 700.0]]]


@given(seed=SEED, regions=st.lists(ANYWHERE, max_size=3), pooled=POOLED, scale=SCALE)
@SLOW
def test_the_position_sensitive_gradient_is_the_transpose(
    seed: int, regions: list[Region], pooled: tuple[int, int], scale: float
) -> None:
    shape = (2, 2 * pooled[0] * pooled[1], HEIGHT, WIDTH)
    features, above = Numbers(seed).block(shape), Numbers(seed + 1).block((len(regions), 2, *pooled))

    values = ps_roi_pool(features, regions, pooled, scale)
    slopes = ps_roi_pool_gradient(above, regions, shape, pooled, scale)
    assert dot(above, values) == pytest.approx(dot(slopes, features), abs=1e-8)
