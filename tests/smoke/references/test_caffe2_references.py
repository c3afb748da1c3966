"""The references of Caffe2's operators held against known values, against each other and against their gradients."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.smoke.envdoctor_child.comparison import compare, flattened
from envdoctor.smoke.envdoctor_child.inputs import Numbers, folded
from envdoctor.smoke.envdoctor_child.references import losses, moving, points
from envdoctor.smoke.envdoctor_child.references.roi_align import roi_align

# Machines that do much else at once are given all the time they take.
UNHURRIED = settings(deadline=None)

SHAPE = (2, 2, 4, 5)
COORDINATES = st.floats(-2, 7, allow_nan=False).map(lambda value: round(value * 64) / 64)
POINT = st.tuples(st.integers(0, 1), COORDINATES, COORDINATES)


def dot(one: Any, other: Any) -> float:
    return sum(a * b for a, b in zip(flattened(one), flattened(other), strict=True))


def slope(function: Callable[[Any], float], at: Any, shape: tuple[int, ...], index: int) -> float:
    """The derivative of a number by one element, from both sides."""
    step = 1e-5
    values = flattened(at)
    ends = []
    for sign in (1, -1):
        moved = list(values)
        moved[index] += sign * step
        ends.append(function(folded(moved, shape)))
    return (ends[0] - ends[1]) / (2 * step)


# Moving elements


def test_zero_even_keeps_the_odd_places() -> None:
    assert moving.zero_even([1.0, 2.0, 3.0, 4.0, 5.0]) == [0.0, 2.0, 0.0, 4.0, 0.0]
    assert moving.zero_even([]) == []


def test_upsampling_repeats_each_element_in_a_square() -> None:
    assert moving.upsample_nearest([[[[1.0, 2.0]]]], 2) == [[[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]]]


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_resizing_by_a_whole_number_is_upsampling(scale: int) -> None:
    features = Numbers(1).block(SHAPE)

    assert moving.resize_nearest(features, scale, scale) == moving.upsample_nearest(features, scale)


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_the_gradient_of_upsampling_is_its_transpose(scale: int) -> None:
    features, above = Numbers(2).block(SHAPE), Numbers(3).block((2, 2, 4 * scale, 5 * scale))

    back = moving.upsample_nearest_gradient(above, scale)

    assert dot(above, moving.upsample_nearest(features, scale)) == pytest.approx(dot(back, features))


@UNHURRIED
@given(st.permutations(range(6)))
def test_the_gradient_of_a_permutation_undoes_it(order: list[int]) -> None:
    rows = Numbers(4).block((6, 2))

    assert moving.batch_permutation_gradient(moving.batch_permutation(rows, order), order) == rows


def test_the_gradient_of_narrowing_is_its_transpose() -> None:
    features, above = Numbers(5).block(SHAPE), Numbers(6).block((2, 2, 3, 2))

    back = moving.spatial_narrow_gradient(above, SHAPE)

    assert dot(above, moving.spatial_narrow(features, 3, 2)) == dot(back, features)


# Points


@UNHURRIED
@given(st.lists(POINT, max_size=6), st.sampled_from([0.25, 0.5, 1.0]))
def test_a_map_that_is_linear_is_sampled_exactly_inside(chosen: list[tuple[int, float, float]], scale: float) -> None:
    features = [[[[2 * x - 3 * y for x in range(5)] for y in range(4)]] for _ in range(2)]
    inside = [one for one in chosen if 0 <= one[1] * scale <= 4 and 0 <= one[2] * scale <= 3]

    got = points.pool_points(features, inside, scale)

    assert got == [[pytest.approx(2 * x * scale - 3 * y * scale)] for _, x, y in inside]


@UNHURRIED
@given(st.lists(POINT, max_size=6), st.sampled_from([0.5, 1.0]))
def test_the_gradient_of_sampling_is_its_transpose(chosen: list[tuple[int, float, float]], scale: float) -> None:
    features, above = Numbers(7).block(SHAPE), Numbers(8).block((len(chosen), 2))

    back = points.pool_points_gradient(above, chosen, SHAPE, scale)

    assert dot(above, points.pool_points(features, chosen, scale)) == pytest.approx(dot(back, features))


@UNHURRIED
@given(POINT)
def test_a_point_is_roi_align_of_one_bin_with_one_sample_around_it(point: tuple[int, float, float]) -> None:
    features = Numbers(9).block(SHAPE)
    batch, x, y = point
    region = (batch, x - 0.5, y - 0.5, x + 0.5, y + 0.5)

    got = points.pool_points(features, [point])

    want = roi_align(features, [region], (1, 1), 1.0, 1)
    assert got[0] == pytest.approx([channel[0][0] for channel in want[0]])


def test_a_point_more_than_one_element_outside_gives_zero() -> None:
    features = Numbers(10).block(SHAPE, 1.0, 2.0)

    got = points.pool_points(features, [(0, -1.0, 0.0), (0, -1.015625, 0.0), (0, 5.0, 0.0), (0, 5.015625, 0.0)])

    assert [all(values) for values in got] == [True, False, True, False]


# Losses


def test_smooth_l1_is_a_parabola_below_beta_and_a_line_above() -> None:
    ones = [[1.0, 1.0]]

    assert losses.smooth_l1([[0.5, 3.0]], [[0.0, 0.0]], ones, ones) == pytest.approx(0.125 + 2.5)
    assert losses.smooth_l1([[0.5, 3.0]], [[0.0, 0.0]], ones, ones, beta=0.25) == pytest.approx(0.375 + 2.875)


@pytest.mark.parametrize("beta", [1.0, 0.125])
def test_the_gradient_of_smooth_l1_is_its_slope(beta: float) -> None:
    got, want, inside, outside = (Numbers(seed).block((3, 4), -2.0, 2.0) for seed in (11, 12, 13, 14))

    back = flattened(losses.smooth_l1_gradient(0.75, got, want, inside, outside, beta, 0.5))

    for index in range(12):
        by_steps = slope(lambda its: losses.smooth_l1(its, want, inside, outside, beta, 0.5), got, (3, 4), index)
        assert back[index] == pytest.approx(0.75 * by_steps, abs=1e-5)


def test_focal_loss_without_focus_is_weighted_cross_entropy() -> None:
    logits, labels = [[[[0.0]], [[2.0]]]], [[[[1]]]]

    got = losses.sigmoid_focal_loss(logits, labels, 4.0, classes=2, gamma=0.0, alpha=0.25)

    # -log sigmoid(0) for the class that is there, -log(1 - sigmoid(2)) for the one that is not.
    assert got == pytest.approx((0.25 * 0.6931471805599453 + 0.75 * 2.1269280110429727) / 4)


def test_focal_loss_leaves_out_what_has_no_label() -> None:
    logits = [[[[0.5, 100.0]], [[-1.0, -100.0]]]]

    with_unlabelled = losses.sigmoid_focal_loss(logits, [[[[2, -1]]]], 1.0, classes=2, gamma=2.0)

    assert with_unlabelled == losses.sigmoid_focal_loss([[[[0.5]], [[-1.0]]]], [[[[2]]]], 1.0, classes=2, gamma=2.0)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_the_gradient_of_focal_loss_is_its_slope(gamma: float) -> None:
    shape = (1, 6, 2, 2)
    logits, numbers = Numbers(15).block(shape), Numbers(16)
    labels = [[[[numbers.below(5) - 1 for _ in range(2)] for _ in range(2)] for _ in range(2)]]

    def loss(its: Any) -> float:
        return losses.sigmoid_focal_loss(its, labels, 3.0, 3, gamma, 0.25, 0.5)

    back = flattened(losses.sigmoid_focal_loss_gradient(0.75, logits, labels, 3.0, 3, gamma, 0.25, 0.5))

    for index in range(24):
        assert back[index] == pytest.approx(0.75 * slope(loss, logits, shape, index), abs=1e-5)


@UNHURRIED
@given(st.floats(-700, 700, allow_nan=False), st.booleans())
def test_no_logit_overflows_the_focal_loss(logit: float, positive: bool) -> None:
    assert losses.focal_term(logit, positive, 2.0) >= 0
    assert abs(losses.focal_slope(logit, positive, 2.0)) < 1e3


# What the comparison notices


def shifted(features: Any, chosen: Any, scale: float) -> Any:
    return points.pool_points(features, [(batch, x + 1, y) for batch, x, y in chosen], scale)


def swapped(features: Any, chosen: Any, scale: float) -> Any:
    return points.pool_points(features, [(batch, y, x) for batch, x, y in chosen], scale)


def unscaled(features: Any, chosen: Any, _scale: float) -> Any:
    return points.pool_points(features, chosen, 1.0)


def border_cut(features: Any, chosen: Any, scale: float) -> Any:
    inside = [x * scale >= 0 and y * scale >= 0 for _, x, y in chosen]
    right = points.pool_points(features, chosen, scale)
    return [values if keep else [0.0] * len(values) for values, keep in zip(right, inside, strict=True)]


@pytest.mark.parametrize("mutant", [shifted, swapped, unscaled, border_cut])
def test_a_mutant_of_sampling_is_noticed(mutant: Callable[[Any, Any, float], Any]) -> None:
    from envdoctor.smoke.envdoctor_child.suites.caffe2_project import POINTS
    from envdoctor.smoke.envdoctor_child.suites.caffe2_project import SHAPE as CASE_SHAPE

    features = Numbers(1).block(CASE_SHAPE)
    want = points.pool_points(features, POINTS, 0.5)

    assert compare("sound", "float32", points.pool_points(features, POINTS, 0.5), want).right
    assert not compare("mutant", "float32", mutant(features, POINTS, 0.5), want).right


MUTANTS_OF_LOSSES: list[tuple[str, dict[str, float]]] = [
    ("beta", {"beta": 0.25}),
    ("scale", {"scale": 1.0}),
]


@pytest.mark.parametrize(("name", "changed"), MUTANTS_OF_LOSSES, ids=[name for name, _ in MUTANTS_OF_LOSSES])
def test_a_mutant_of_smooth_l1_is_noticed(name: str, changed: dict[str, float]) -> None:
    from envdoctor.smoke.envdoctor_child.suites.caffe2_detectron import smooth_l1_inputs

    inputs = smooth_l1_inputs(9)
    right = {"beta": 0.125, "scale": 0.5}

    want = losses.smooth_l1(*inputs, **right)

    assert not compare(name, "float32", losses.smooth_l1(*inputs, **{**right, **changed}), want).right


@pytest.mark.parametrize("changed", [{"gamma": 2.0}, {"alpha": 0.75}, {"scale": 1.0}, {"positives": 4.0}])
def test_a_mutant_of_focal_loss_is_noticed(changed: dict[str, float]) -> None:
    from envdoctor.smoke.envdoctor_child.suites.caffe2_detectron import CLASSES, focal_inputs

    logits, labels = focal_inputs()
    right = {"positives": 5.0, "gamma": 1.0, "alpha": 0.25, "scale": 0.5}

    want = losses.sigmoid_focal_loss(logits, labels, classes=CLASSES, **right)

    got = losses.sigmoid_focal_loss(logits, labels, classes=CLASSES, **{**right, **changed})
    assert not compare("mutant", "float32", got, want).right


# The cases themselves


def test_no_overlap_of_the_cases_of_suppression_lies_near_a_threshold_and_each_suppresses_others() -> None:
    from envdoctor.smoke.envdoctor_child.suites.caffe2_detectron import NMS_SETTINGS, kept_of, nms_inputs, overlap

    scores, corners = nms_inputs(12, equal=False)
    overlaps = {overlap(one[0], other[0]) for one in corners for other in corners}
    thresholds = [threshold for count, threshold in NMS_SETTINGS if count == 12]

    assert min(abs(threshold - one) for threshold in thresholds for one in overlaps) > 1e-3 - 1e-9
    kept = [len(kept_of(scores, corners, threshold)[0]) for threshold in thresholds]
    assert sorted(set(kept)) == kept


@pytest.mark.parametrize("mutant", ["threshold", "inclusive", "unsorted", "dropped"])
def test_a_mutant_of_suppression_is_noticed_where_scores_are_equal(mutant: str) -> None:
    from envdoctor.smoke.envdoctor_child.references import boxes
    from envdoctor.smoke.envdoctor_child.suites.caffe2_detectron import equal_scores, nms_inputs, overlap

    class Array(list[Any]):
        def tolist(self) -> list[Any]:
            return list(self)

    scores, corners = nms_inputs(12, equal=True)
    column = [corner[1] for corner in corners]
    keep = boxes.nms(column, [0.5] * 12, 0.3125, overlap)
    changed = {
        "threshold": boxes.nms(column, [0.5] * 12, 0.6, overlap),
        "inclusive": boxes.nms(column, [0.5] * 12, 0.1, overlap),
        "unsorted": [*keep, keep[0]],
        "dropped": keep[1:],
    }

    def found(kept: list[int]) -> list[Any]:
        its = [Array(column[index]) for index in kept]
        return [[0.5] * 2 * len(its), its + its, [1] * len(its) + [2] * len(its)]

    assert equal_scores(found(keep), scores, corners).right
    assert not equal_scores(found(changed[mutant]), scores, corners).right
