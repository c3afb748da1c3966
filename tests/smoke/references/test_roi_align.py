"""RoIAlign and bilinear sampling: known values, and what holds for every map and region."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.smoke.envdoctor_child.comparison import flattened
from envdoctor.smoke.envdoctor_child.inputs import Numbers
from envdoctor.smoke.envdoctor_child.references import bilinear
from envdoctor.smoke.envdoctor_child.references.ps_roi import ps_roi_align, ps_roi_align_gradient
from envdoctor.smoke.envdoctor_child.references.roi_align import roi_align, roi_align_gradient
from tests.smoke.references.properties import QUICK, SLOW

HEIGHT, WIDTH = 6, 7
Region = tuple[int, float, float, float, float]
SEED = st.integers(0, 500)
STEPS = st.integers(0, 64)
POOLED = st.tuples(st.integers(1, 3), st.integers(1, 3))
RATIO = st.integers(0, 3)
SCALE = st.sampled_from([0.5, 1.0, 2.0])


def inside(scale: float, border: float) -> st.SearchStrategy[Region]:
    """Regions that stay `border` elements within the map and are wider than an element."""

    def made(x: float, y: float, wide: float, high: float) -> Region:
        left, top = border + x * (WIDTH - 2 * border - 1.2), border + y * (HEIGHT - 2 * border - 1.2)
        right = left + 1.1 + wide * (WIDTH - border - left - 1.1)
        bottom = top + 1.1 + high * (HEIGHT - border - top - 1.1)
        return 0, left / scale, top / scale, right / scale, bottom / scale

    share = st.floats(0, 1)
    return st.builds(made, share, share, share, share)


ANYWHERE = st.builds(
    lambda batch, x, y, wide, high: (batch, x, y, x + wide, y + high),
    st.integers(0, 1),
    st.floats(-5, 12),
    st.floats(-5, 12),
    st.floats(0, 9),
    st.floats(0, 9),
)


def dot(one: object, other: object) -> float:
    return sum(a * b for a, b in zip(flattened(one), flattened(other), strict=True))


@given(y=st.floats(0, HEIGHT - 1), x=st.floats(0, WIDTH - 1), slopes=st.tuples(*[st.floats(-3, 3)] * 3))
@QUICK
def test_a_plane_is_sampled_exactly(y: float, x: float, slopes: tuple[float, float, float]) -> None:
    a, b, c = slopes
    plane = [[a + b * row + c * column for column in range(WIDTH)] for row in range(HEIGHT)]

    for weights in (bilinear.zero_padded, bilinear.edge_clamped):
        assert bilinear.value(plane, weights(y, x, HEIGHT, WIDTH)) == pytest.approx(a + b * y + c * x, abs=1e-9)


@given(seed=SEED, y=st.floats(-3, 9), x=st.floats(-3, 9))
@QUICK
def test_zero_padding_is_a_wider_map_with_zeros(seed: int, y: float, x: float) -> None:
    plane = Numbers(seed).block((HEIGHT, WIDTH))
    margin = 4
    side = [[0.0] * (WIDTH + 2 * margin)] * margin
    wider = side + [[0.0] * margin + row + [0.0] * margin for row in plane] + side

    inner = bilinear.value(plane, bilinear.zero_padded(y, x, HEIGHT, WIDTH))
    outer = bilinear.value(wider, bilinear.edge_clamped(y + margin, x + margin, len(wider), len(wider[0])))
    assert inner == pytest.approx(outer, abs=1e-9)


@pytest.mark.parametrize(
    ("y", "x", "want"),
    [(-1, 0, 1.0), (-0.5, -0.5, 1.0), (-1.001, 0, 0.0), (2, 2, 4.0), (2.001, 0, 0.0), (1.5, 0.5, 3.5), (0, 2, 2.0)],
)
def test_clamping_reaches_one_element_beyond_the_edge(y: float, x: float, want: float) -> None:
    assert bilinear.value([[1.0, 2.0], [3.0, 4.0]], bilinear.edge_clamped(y, x, 2, 2)) == want


@given(
    seed=SEED, row=st.integers(-2, HEIGHT), column=st.integers(-2, WIDTH), share=st.tuples(*[st.floats(0.01, 0.99)] * 2)
)
@QUICK
def test_slopes_are_differences_over_a_short_way(seed: int, row: int, column: int, share: tuple[float, float]) -> None:
    plane, step = Numbers(seed).block((HEIGHT, WIDTH)), 1e-3
    y, x = row + share[0], column + share[1]

    def value(y: float, x: float) -> float:
        return bilinear.value(plane, bilinear.zero_padded(y, x, HEIGHT, WIDTH))

    down = (value(y + step, x) - value(y - step, x)) / (2 * step)
    right = (value(y, x + step) - value(y, x - step)) / (2 * step)
    assert bilinear.slope_down(plane, y, x) == pytest.approx(down, abs=1e-6)
    assert bilinear.slope_right(plane, y, x) == pytest.approx(right, abs=1e-6)


def test_the_mean_of_samples_at_known_places() -> None:
    plane = [[float(10 * row + column) for column in range(4)] for row in range(4)]

    # Without alignment the region 0 ... 2 has samples at 0.5 and 1.5, with it half an element before.
    assert roi_align([[plane]], [(0, 0, 0, 2, 2)], (1, 1), ratio=2) == [[[[11.0]]]]
    assert roi_align([[plane]], [(0, 0, 0, 2, 2)], (2, 2), ratio=1, aligned=True) == [[[[0.0, 1.0], [10.0, 11.0]]]]


def test_a_region_smaller_than_an_element_grows_only_without_alignment() -> None:
    plane = [[float(10 * row + column) for column in range(4)] for row in range(4)]
    tiny = [(0, 1.0, 1.0, 1.25, 1.25)]

    assert roi_align([[plane]], tiny, (1, 1), ratio=1) == [[[[16.5]]]]
    assert roi_align([[plane]], tiny, (1, 1), ratio=1, aligned=True) == [[[[6.875]]]]


@given(data=st.data(), scale=SCALE, pooled=POOLED, ratio=RATIO, aligned=st.booleans(), number=st.floats(-5, 5))
@QUICK
def test_a_constant_map_gives_the_constant(
    data: st.DataObject, scale: float, pooled: tuple[int, int], ratio: int, aligned: bool, number: float
) -> None:
    region = data.draw(inside(scale, 0))
    plane = [[number] * WIDTH] * HEIGHT

    values = flattened(roi_align([[plane]], [region], pooled, scale, ratio, aligned))
    assert values == pytest.approx([number] * len(values))


@given(data=st.data(), scale=SCALE, pooled=POOLED, ratio=RATIO, aligned=st.booleans())
@QUICK
def test_of_a_plane_each_bin_has_the_value_at_its_centre(
    data: st.DataObject, scale: float, pooled: tuple[int, int], ratio: int, aligned: bool
) -> None:
    # So far from the border no sample is clamped.
    region = data.draw(inside(scale, 0.5 if aligned else 1.0))
    left, top, right, bottom = [edge * scale - 0.5 * aligned for edge in region[1:]]
    plane = [[2.0 + 3.0 * row - 5.0 * column for column in range(WIDTH)] for row in range(HEIGHT)]

    bins = roi_align([[plane]], [region], pooled, scale, ratio, aligned)[0][0]
    for row, numbers in enumerate(bins):
        for column, number in enumerate(numbers):
            y = top + (row + 0.5) * (bottom - top) / pooled[0]
            x = left + (column + 0.5) * (right - left) / pooled[1]
            assert number == pytest.approx(2.0 + 3.0 * y - 5.0 * x, abs=1e-9)


@given(
    seed=SEED, regions=st.lists(ANYWHERE, max_size=3), pooled=POOLED, ratio=RATIO, aligned=st.booleans(), scale=SCALE
)
@SLOW
def test_the_gradient_is_the_transpose(
    seed: int, regions: list[Region], pooled: tuple[int, int], ratio: int, aligned: bool, scale: float
) -> None:
    shape = (2, 2, HEIGHT, WIDTH)
    features, above = Numbers(seed).block(shape), Numbers(seed + 1).block((len(regions), 2, *pooled))

    forward = roi_align(features, regions, pooled, scale, ratio, aligned)
    backward = roi_align_gradient(above, regions, shape, pooled, scale, ratio, aligned)
    assert dot(above, forward) == pytest.approx(dot(backward, features), abs=1e-8)


@given(seed=SEED, region=ANYWHERE, pooled=POOLED, ratio=RATIO, scale=SCALE)
@SLOW
def test_position_sensitive_bins_of_equal_channels_are_those_of_plain_ones(
    seed: int, region: Region, pooled: tuple[int, int], ratio: int, scale: float
) -> None:
    planes = Numbers(seed).block((2, 1, HEIGHT, WIDTH))
    repeated = [image * (pooled[0] * pooled[1]) for image in planes]

    plain = roi_align(planes, [region], pooled, scale, ratio, aligned=True)
    assert flattened(ps_roi_align(repeated, [region], pooled, scale, ratio)) == pytest.approx(flattened(plain))


@given(seed=SEED, regions=st.lists(ANYWHERE, max_size=3), pooled=POOLED, ratio=RATIO)
@SLOW
def test_the_position_sensitive_gradient_is_the_transpose(
    seed: int, regions: list[Region], pooled: tuple[int, int], ratio: int
) -> None:
    shape = (2, 2 * pooled[0] * pooled[1], HEIGHT, WIDTH)
    features, above = Numbers(seed).block(shape), Numbers(seed + 1).block((len(regions), 2, *pooled))

    forward = ps_roi_align(features, regions, pooled, ratio=ratio)
    backward = ps_roi_align_gradient(above, regions, shape, pooled, ratio=ratio)
    assert dot(above, forward) == pytest.approx(dot(backward, features), abs=1e-8)
