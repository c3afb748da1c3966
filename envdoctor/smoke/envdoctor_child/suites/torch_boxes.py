"""Cases of ops on boxes: suppression and overlap, axis-aligned and rotated."""

from __future__ import absolute_import, division

from math import pi

from ..case import Comparison
from ..references import boxes as reference
from ..references.rotated import rotated_iou
from .torch_values import check, scattered, tensor

MYPY = False
if MYPY:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, List, Tuple

    # An op: tensors of boxes and scores, the threshold; a tensor of indices.
    Suppress = Callable[[Any, Any, float], Any]

THRESHOLD = 0.5

# Clusters, two of them beyond the borders of an image; overlaps of 0.4 and 0.6, none much nearer to the threshold. One
# box has no area, and two are so far apart both ways that the product of both distances would pass for a common area.
BOXES = (
    (1.0, 1.0, 9.0, 7.0),
    (1.5, 1.25, 9.5, 7.0),
    (4.0, 1.0, 14.0, 7.0),
    (1.0, 4.5, 9.0, 11.0),
    (-7.0, -5.5, 2.0, 3.0),
    (-6.5, -5.0, 2.25, 3.25),
    (-3.0, -5.5, 8.0, 3.0),
    (90.0, 92.5, 130.0, 121.0),
    (92.0, 91.0, 131.5, 122.0),
    (110.0, 92.5, 150.0, 121.0),
    (20.0, 20.0, 20.0, 26.0),
    (18.0, 19.0, 23.0, 27.0),
    (40.0, 40.0, 50.0, 50.0),
    (40.0, 40.0, 50.0, 46.0),
    (59.0, 59.0, 69.0, 69.0),
    (59.0, 59.0, 69.0, 63.0),
)
SCORES = (
    0.5,
    0.75,
    0.625,
    0.375,
    0.25,
    0.875,
    0.9375,
    0.125,
    0.1875,
    0.0625,
    0.6875,
    0.3125,
    1.0,
    0.4375,
    0.8125,
    0.03125,
)
GROUPS = (0, 1, 0, 1, 0, 0, 2, 2, 2, 1, 0, 0, 1, 1, 1, 0)

# The second and third share a half of what they cover with the first, exactly.
AT_THRESHOLD = ((0.0, 0.0, 2.0, 2.0), (0.0, 0.0, 2.0, 1.0), (1.0, 0.0, 2.0, 2.0), (4.0, 4.0, 5.0, 5.0))
AT_THRESHOLD_SCORES = (0.75, 0.5, 0.25, 0.125)

# Pairs and triples with one score: which of them stays, the definition leaves open.
TIES = BOXES[:6] + BOXES[:2] + BOXES[4:6]
TIED_SCORES = (0.5, 0.5, 0.5, 0.25, 0.75, 0.75, 0.5, 0.5, 0.75, 0.25)

# Centre, sides, angle in degrees: turned both ways, beyond half a turn, far off, within one another, without area.
ROTATED = (
    (10.0, 10.0, 8.0, 4.0, 0.0),
    (11.0, 9.0, 6.0, 6.0, 30.0),
    (10.25, 10.5, 8.5, 3.0, 75.0),
    (12.0, 12.5, 5.0, 3.0, -40.0),
    (10.0, 9.5, 8.0, 4.5, 190.0),
    (40.0, -12.0, 3.0, 2.0, 15.0),
    (10.5, 10.0, 2.0, 1.0, 110.0),
    (10.0, 10.0, 0.0, 4.0, 25.0),
)
ROTATED_SCORES = (0.5, 0.75, 0.25, 0.375, 0.625, 0.125, 0.875, 0.3125)
ROTATED_THRESHOLD = 0.3


def turned(boxes, per_degree):
    # type: (Sequence[Sequence[float]], float) -> List[Tuple[float, ...]]
    """The boxes with their angles in another unit, or in another sense where it is negative."""
    return [tuple(box[:4]) + (box[4] * per_degree,) for box in boxes]


def one_box(device, dtype, suppress):
    # type: (str, str, Suppress) -> Any
    """What an op makes of one box, to see whether it takes a type."""
    return suppress(tensor(BOXES[:1], dtype, device), tensor(SCORES[:1], dtype, device), THRESHOLD)


def nms_cases(device, dtypes, suppress, extra=0, gaps=True):
    # type: (str, Sequence[str], Suppress, int, bool) -> Iterator[Comparison]
    """Greedy suppression of axis-aligned boxes; `extra` as in the reference, `gaps` where the op takes any strides."""
    for dtype in dtypes:
        for label, boxes, scores in (
            ("boxes in clusters", BOXES, SCORES),
            ("one box", BOXES[:1], SCORES[:1]),
            ("no box", (), ()),
            ("overlaps equal to the threshold", AT_THRESHOLD, AT_THRESHOLD_SCORES),
        ):
            if extra and boxes is AT_THRESHOLD:
                continue
            want = reference.nms(boxes, scores, THRESHOLD, lambda one, other: reference.iou(one, other, extra))
            arguments = tensor(boxes, dtype, device, (len(boxes), 4)), tensor(scores, dtype, device)
            yield check("%s of %s" % (label, dtype), "int64", suppress(*arguments + (THRESHOLD,)), want, (len(want),))
            if boxes is BOXES and gaps:
                kept = suppress(scattered(arguments[0]), scattered(arguments[1]), THRESHOLD)
                yield check("boxes of %s with gaps in memory" % dtype, "int64", kept, want, (len(want),))
        tied = suppress(tensor(TIES, dtype, device), tensor(TIED_SCORES, dtype, device), THRESHOLD)
        kept = [int(index) for index in tied.tolist()]
        faults = reference.suppression_faults(
            kept, TIES, TIED_SCORES, THRESHOLD, lambda one, other: reference.iou(one, other, extra)
        )
        yield Comparison("equal scores of %s" % dtype, "int64", float(len(faults)), 0.0, "; ".join(faults))


def batched_nms_cases(device, dtypes, suppress):
    # type: (str, Sequence[str], Callable[[Any, Any, Any, float], Any]) -> Iterator[Comparison]
    """Suppression within groups; the op takes boxes, scores, groups and the threshold."""
    for dtype in dtypes:
        for label, count in (("boxes in three groups", len(BOXES)), ("one box", 1), ("no box", 0)):
            boxes, scores, groups = BOXES[:count], SCORES[:count], GROUPS[:count]
            want = reference.batched_nms(boxes, scores, groups, THRESHOLD)
            kept = suppress(
                tensor(boxes, dtype, device, (count, 4)),
                tensor(scores, dtype, device),
                tensor(groups, "int64", device),
                THRESHOLD,
            )
            yield check("%s of %s" % (label, dtype), "int64", kept, want, (len(want),))


def overlap_cases(device, overlaps, extra=0):
    # type: (str, Callable[[Any, Any], Any], int) -> Iterator[Comparison]
    """Overlap of each box with each other: two tensors of boxes to a matrix."""
    full = [box for box in BOXES if reference.area(box) > 0]
    for label, ours, others in (("boxes in clusters", full[:5], full), ("no box", (), full)):
        want = [[reference.iou(one, other, extra) for other in others] for one in ours]
        pair = tensor(ours, "float32", device, (len(ours), 4)), tensor(others, "float32", device)
        yield check(label, "float32", overlaps(*pair), want, (len(ours), len(others)))


def rotated_overlap_cases(device, overlaps, boxes=ROTATED, gaps=True):
    # type: (str, Callable[[Any, Any], Any], Sequence[Sequence[float]], bool) -> Iterator[Comparison]
    """Overlap of rotated boxes, always computed in float32; `boxes` are ROTATED as the op has them."""
    radians, given = turned(ROTATED, pi / 180), tensor(boxes, "float32", device)
    for label, count in (("rotated boxes", len(boxes)), ("one rotated box", 1), ("no rotated box", 0)):
        want = [[rotated_iou(one, other) for other in radians] for one in radians[:count]]
        yield check(label, "float32", overlaps(given[:count], given), want, (count, len(boxes)))
    if gaps:
        want = [[rotated_iou(one, other) for other in radians] for one in radians]
        got = overlaps(scattered(given), scattered(given))
        yield check("rotated boxes with gaps in memory", "float32", got, want, (len(boxes), len(boxes)))


def rotated_nms_cases(device, dtypes, suppress, boxes=ROTATED, empty=True):
    # type: (str, Sequence[str], Suppress, Sequence[Sequence[float]], bool) -> Iterator[Comparison]
    """Greedy suppression of rotated boxes, and of none where `empty`; `boxes` are ROTATED as the op has them."""
    radians = turned(ROTATED, pi / 180)
    for dtype in dtypes:
        counts = (("rotated boxes", len(boxes)), ("one rotated box", 1), ("no rotated box", 0))
        for label, count in counts if empty else counts[:2]:
            scores = ROTATED_SCORES[:count]
            want = reference.nms(radians[:count], scores, ROTATED_THRESHOLD, rotated_iou)
            arguments = tensor(boxes[:count], dtype, device, (count, 5)), tensor(scores, dtype, device)
            kept = suppress(*arguments + (ROTATED_THRESHOLD,))
            yield check("%s of %s" % (label, dtype), "int64", kept, want, (len(want),))
