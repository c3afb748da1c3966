"""Rotated boxes and regions: held against axis-aligned ones, known values and symmetries."""

from math import cos, pi, sin, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.smoke.envdoctor_child.comparison import flattened
from envdoctor.smoke.envdoctor_child.inputs import Numbers
from envdoctor.smoke.envdoctor_child.references.boxes import iou
from envdoctor.smoke.envdoctor_child.references.roi_align import roi_align
from envdoctor.smoke.envdoctor_child.references.rotated import (
    corners,
    polygon_area,
    roi_align_rotated,
    roi_align_rotated_gradient,
    rotated_intersection,
    rotated_iou,
)
from tests.smoke.references.properties import QUICK, SLOW
from tests.smoke.references.test_roi_align import HEIGHT, POOLED, RATIO, SEED, WIDTH, dot

Rotated = tuple[float, float, float, float, float]
CENTRE = st.floats(-3, 3)
SIDE = st.floats(0.5, 5)
ANGLE = st.floats(-7, 7)
BOX = st.tuples(CENTRE, CENTRE, SIDE, SIDE, ANGLE)
REGION = st.tuples(st.just(1), st.floats(-2, 9), st.floats(-2, 9), st.floats(0, 7), st.floats(0, 7), ANGLE)


@pytest.mark.parametrize(
    ("one", "other", "want"),
    [
        # The common part of a square and the same one turned by an eighth is a regular octagon.
        ((0, 0, 1, 1, 0), (0, 0, 1, 1, pi / 4), 1 / sqrt(2)),
        ((0, 0, 4, 2, 0), (0, 0, 2, 4, pi / 2), 1.0),
        ((0, 0, 4, 2, 0), (0, 0, 4, 2, pi / 2), 4 / 12),
        ((0, 0, 4, 4, 0.3), (0, 0, 2, 2, 0.3), 1 / 4),
        ((0, 0, 1, 1, 0.5), (5, 5, 1, 1, 0.5), 0.0),
        ((0, 0, 0, 3, 0), (0, 0, 2, 2, 0), 0.0),
    ],
)
def test_known_overlaps(one: Rotated, other: Rotated, want: float) -> None:
    assert rotated_iou(one, other) == pytest.approx(want)


def test_an_angle_turns_against_the_clock_as_the_image_is_seen() -> None:
    # The right end of a long box rises, and up is towards smaller y.
    (_, _), (right_x, right_y), (_, _), (_, _) = corners((0, 0, 10, 0, pi / 6))

    assert (right_x, right_y) == pytest.approx((5 * cos(pi / 6), -5 * sin(pi / 6)))


@given(box=BOX)
@QUICK
def test_a_turned_box_keeps_its_area_and_covers_itself(box: Rotated) -> None:
    assert polygon_area(corners(box)) == pytest.approx(box[2] * box[3])
    assert rotated_intersection(box, box) == pytest.approx(box[2] * box[3])


@given(one=BOX, other=BOX)
@QUICK
def test_unturned_boxes_overlap_as_axis_aligned_ones(one: Rotated, other: Rotated) -> None:
    straight = [(x - w / 2, y - h / 2, x + w / 2, y + h / 2) for x, y, w, h, _ in (one, other)]

    assert rotated_iou((*one[:4], 0.0), (*other[:4], 0.0)) == pytest.approx(iou(*straight), abs=1e-9)


@given(one=BOX, other=BOX, angle=ANGLE, shift=CENTRE)
@QUICK
def test_overlap_stays_when_both_boxes_turn_and_move(one: Rotated, other: Rotated, angle: float, shift: float) -> None:
    def moved(box: Rotated) -> Rotated:
        x, y, wide, high, its = box
        return (
            x * cos(angle) + y * sin(angle) + shift,
            -x * sin(angle) + y * cos(angle) - shift,
            wide,
            high,
            its + angle,
        )

    assert rotated_iou(moved(one), moved(other)) == pytest.approx(rotated_iou(one, other), abs=1e-9)
    assert rotated_iou(other, one) == pytest.approx(rotated_iou(one, other), abs=1e-9)


@given(one=BOX, other=BOX)
@QUICK
def test_sides_change_places_with_a_quarter_turn(one: Rotated, other: Rotated) -> None:
    x, y, wide, high, angle = one

    assert rotated_iou((x, y, high, wide, angle + pi / 2), other) == pytest.approx(rotated_iou(one, other), abs=1e-9)


@given(one=BOX, other=BOX, seed=SEED)
@SLOW
def test_the_common_area_is_what_random_points_say(one: Rotated, other: Rotated, seed: int) -> None:
    numbers, count = Numbers(seed), 4000

    def covers(box: Rotated, x: float, y: float) -> bool:
        cx, cy, wide, high, angle = box
        across = (x - cx) * cos(angle) - (y - cy) * sin(angle)
        along = (x - cx) * sin(angle) + (y - cy) * cos(angle)
        return abs(across) <= wide / 2 and abs(along) <= high / 2

    points = [(numbers.number(-8, 8), numbers.number(-8, 8)) for _ in range(count)]
    share = sum(covers(one, x, y) and covers(other, x, y) for x, y in points) / count
    # Five standard deviations of such a count, and a little for the grid that the points lie on.
    assert rotated_intersection(one, other) / 256 == pytest.approx(share, abs=5 * sqrt(0.1 * 0.9 / count) + 0.003)


@given(seed=SEED, region=REGION, pooled=POOLED, ratio=RATIO)
@SLOW
def test_an_unturned_region_is_pooled_as_by_the_plain_op(
    seed: int, region: tuple[float, ...], pooled: tuple[int, int], ratio: int
) -> None:
    batch, x, y, wide, high, _ = region
    features = Numbers(seed).block((2, 2, HEIGHT, WIDTH))
    # Powers of two keep the corners exact, or a sample on the very border could fall on either side.
    x, y, wide, high = [round(number * 4) / 4 + 1 / 64 for number in (x, y, wide, high)]

    straight = roi_align(
        features, [(batch, x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)], pooled, 1.0, ratio, True
    )
    turned = roi_align_rotated(features, [(batch, x, y, wide, high, 0.0)], pooled, 1.0, ratio)
    assert flattened(turned) == pytest.approx(flattened(straight), abs=1e-9)


@given(seed=SEED, region=REGION, pooled=POOLED, ratio=st.integers(1, 3))
@SLOW
def test_half_a_turn_reverses_the_bins(
    seed: int, region: tuple[float, ...], pooled: tuple[int, int], ratio: int
) -> None:
    features = Numbers(seed).block((2, 1, HEIGHT + 40, WIDTH + 40))
    # In the middle of a large map no sample is near its border.
    middle = (region[0], region[1] + 20, region[2] + 20, *region[3:])

    bins = roi_align_rotated(features, [middle], pooled, 1.0, ratio)[0][0]
    reversed_bins = roi_align_rotated(features, [(*middle[:5], middle[5] + pi)], pooled, 1.0, ratio)[0][0]
    assert flattened([row[::-1] for row in reversed_bins[::-1]]) == pytest.approx(flattened(bins), abs=1e-9)


def test_a_quarter_turn_reads_the_map_from_the_side() -> None:
    plane = [[float(10 * row + column) for column in range(8)] for row in range(8)]

    # Three bins beside one another, turned against the clock, lie above one another with the last on top.
    (values,) = roi_align_rotated([[plane]], [(0, 4.5, 4.5, 3.0, 1.0, pi / 2)], (1, 3), ratio=1)
    assert flattened(values) == pytest.approx([54.0, 44.0, 34.0])


@given(seed=SEED, regions=st.lists(REGION, max_size=3), pooled=POOLED, ratio=RATIO)
@SLOW
def test_the_gradient_is_the_transpose(
    seed: int, regions: list[tuple[float, ...]], pooled: tuple[int, int], ratio: int
) -> None:
    shape = (2, 2, HEIGHT, WIDTH)
    features, above = Numbers(seed).block(shape), Numbers(seed + 1).block((len(regions), 2, *pooled))

    values = roi_align_rotated(features, regions, pooled, 0.5, ratio)
    slopes = roi_align_rotated_gradient(above, regions, shape, pooled, 0.5, ratio)
    assert dot(above, values) == pytest.approx(dot(slopes, features), abs=1e-8)
