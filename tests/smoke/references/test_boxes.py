"""Overlap and suppression: known values, and what holds for every set of boxes."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.smoke.envdoctor_child.references.boxes import batched_nms, iou, nms, suppression_faults
from tests.smoke.references.properties import QUICK

Box = tuple[float, float, float, float]
COORDINATE = st.integers(-40, 40).map(lambda steps: steps / 4)
SIDE = st.integers(0, 40).map(lambda steps: steps / 4)
BOX = st.builds(lambda x, y, wide, high: (x, y, x + wide, y + high), COORDINATE, COORDINATE, SIDE, SIDE)
SCORED = st.lists(st.tuples(BOX, st.integers(0, 8)), max_size=12)
THRESHOLD = st.sampled_from([0.0, 0.3, 0.5, 1.0])


@pytest.mark.parametrize(
    ("one", "other", "extra", "want"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 0, 1.0),
        ((0, 0, 2, 2), (0, 0, 2, 1), 0, 0.5),
        ((0, 0, 2, 2), (1, 1, 3, 3), 0, 1 / 7),
        ((0, 0, 2, 2), (2, 0, 4, 2), 0, 0.0),
        ((0, 0, 1, 1), (1, 0, 2, 1), 1, 2 / 6),
        ((0, 0, 0, 0), (0, 0, 0, 0), 1, 1.0),
        ((0, 0, 0, 5), (0, 0, 0, 5), 0, 0.0),
        ((-3, -3, -1, -1), (-2, -2, 0, 0), 0, 1 / 7),
    ],
)
def test_known_overlaps(one: Box, other: Box, extra: int, want: float) -> None:
    assert iou(one, other, extra) == pytest.approx(want)


@given(one=BOX, other=BOX, extra=st.sampled_from([0, 1]))
@QUICK
def test_overlap_is_symmetric_and_a_share(one: Box, other: Box, extra: int) -> None:
    assert iou(one, other, extra) == iou(other, one, extra)
    assert 0 <= iou(one, other, extra) <= 1


@given(one=BOX, other=BOX, shift=COORDINATE)
@QUICK
def test_overlap_stays_when_both_boxes_move(one: Box, other: Box, shift: float) -> None:
    moved = [(box[0] + shift, box[1] - shift, box[2] + shift, box[3] - shift) for box in (one, other)]

    assert iou(*moved) == iou(one, other)


def test_a_box_at_the_threshold_stays() -> None:
    boxes = [(0, 0, 2, 2), (0, 0, 2, 1)]

    assert nms(boxes, [2, 1], 0.5) == [0, 1]
    assert nms(boxes, [2, 1], 0.49) == [0]


def test_a_dropped_box_drops_no_other() -> None:
    chain = [(0, 0, 10, 10), (4, 0, 14, 10), (8, 0, 18, 10)]

    assert nms(chain, [3, 2, 1], 0.4) == [0, 2]


@given(scored=SCORED, threshold=THRESHOLD)
@QUICK
def test_what_suppression_keeps_has_no_fault(scored: list[tuple[Box, int]], threshold: float) -> None:
    boxes, scores = [box for box, _ in scored], [score for _, score in scored]

    assert suppression_faults(nms(boxes, scores, threshold), boxes, scores, threshold) == []


@given(scored=SCORED, threshold=THRESHOLD, order=st.randoms())
@QUICK
def test_any_order_of_equal_scores_has_no_fault(scored: list[tuple[Box, int]], threshold: float, order: Random) -> None:
    places = list(range(len(scored)))
    order.shuffle(places)
    kept = nms([scored[place][0] for place in places], [scored[place][1] for place in places], threshold)

    boxes, scores = [box for box, _ in scored], [score for _, score in scored]
    assert suppression_faults([places[index] for index in kept], boxes, scores, threshold) == []


@given(scored=st.lists(st.tuples(BOX, st.integers(0, 8)), min_size=1, max_size=8), threshold=THRESHOLD, data=st.data())
@QUICK
def test_one_index_less_or_more_or_out_of_order_is_a_fault(
    scored: list[tuple[Box, int]], threshold: float, data: st.DataObject
) -> None:
    boxes, scores = [box for box, _ in scored], [score for _, score in scored]
    kept = nms(boxes, scores, threshold)
    place = data.draw(st.integers(0, len(kept) - 1))
    without = kept[:place] + kept[place + 1 :]

    # No box that stays overlaps another, so that none could have dropped the one left out.
    assert suppression_faults(without, boxes, scores, threshold)
    assert suppression_faults([*kept, kept[place]], boxes, scores, threshold)
    for dropped in set(range(len(boxes))) - set(kept):
        assert suppression_faults([*kept, dropped], boxes, scores, threshold)
    if scores[kept[0]] > scores[kept[-1]]:
        assert suppression_faults(kept[::-1], boxes, scores, threshold)


@given(scored=SCORED, threshold=THRESHOLD)
@QUICK
def test_suppression_within_groups_is_that_of_boxes_moved_apart(
    scored: list[tuple[Box, int]], threshold: float
) -> None:
    boxes, groups = [box for box, _ in scored], [index % 3 for index in range(len(scored))]
    scores = [score + index / 100 for index, (_, score) in enumerate(scored)]
    apart = [tuple(edge + 1000 * group for edge in box) for box, group in zip(boxes, groups, strict=True)]

    assert batched_nms(boxes, scores, groups, threshold) == nms(apart, scores, threshold)
