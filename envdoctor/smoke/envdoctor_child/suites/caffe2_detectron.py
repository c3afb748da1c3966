"""The operators of Detectron: those of its own library, and those that Caffe2 has taken into itself."""

from __future__ import absolute_import, division

import os
from functools import partial
from math import pi

from ..case import AbsentError, Comparison, Op
from ..comparison import flattened
from ..inputs import Numbers
from ..references import boxes, losses, moving, roi_align, roi_pool, rotated
from .caffe2_workspace import Blob, check, gradient, run
from .torch_pooling import REGIONS, ROTATED_REGIONS

MYPY = False
if MYPY:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Dict, List, Optional, Tuple

    Cases = Callable[[str], Iterator[Comparison]]

SHAPE = (2, 2, 8, 9)


def load(path=None):
    # type: (Optional[str]) -> None
    """Import Caffe2 and load the library; None for what Caffe2 has in itself.

    Raises what the loader raises, and RuntimeError where the library registers nothing.
    """
    from caffe2.python import dyndep, workspace

    if path is None:
        return
    # Caffe2 itself only prints when the file is missing.
    if not os.path.isfile(path):
        raise RuntimeError("there is no file %s" % path)
    before = set(workspace.RegisteredOperators())
    dyndep.InitOpsLibrary(path)
    if not set(workspace.RegisteredOperators()) - before:
        raise RuntimeError("the library loads and registers no operator")


def ops():
    # type: () -> List[Op]
    cases = [
        ("RoIAlign", roi_align_cases),
        ("RoIAlignGradient", roi_align_gradient_cases),
        ("RoIPool", partial(roi_pool_cases, "RoIPool")),
        ("RoIPoolGradient", partial(roi_pool_gradient_cases, "RoIPool")),
        ("RoIPoolF", partial(roi_pool_cases, "RoIPoolF")),
        ("RoIPoolFGradient", partial(roi_pool_gradient_cases, "RoIPoolF")),
        ("RoIAlignRotated", rotated_cases),
        ("RoIAlignRotatedGradient", rotated_gradient_cases),
        ("BoxWithNMSLimit", nms_cases),
        ("SpatialNarrowAs", narrow_cases),
        ("SpatialNarrowAsGradient", narrow_gradient_cases),
        ("BatchPermutation", permutation_cases),
        ("BatchPermutationGradient", permutation_gradient_cases),
        ("UpsampleNearest", upsample_cases),
        ("UpsampleNearestGradient", upsample_gradient_cases),
        ("ResizeNearest", resize_cases),
        ("SmoothL1Loss", smooth_l1_cases),
        ("SmoothL1LossGradient", smooth_l1_gradient_cases),
        ("SigmoidFocalLoss", focal_cases),
        ("SigmoidFocalLossGradient", focal_gradient_cases),
    ]  # type: List[Tuple[str, Cases]]
    return [Op(name, partial(registered, name, compare)) for name, compare in cases]


def registered(name, compare, device):
    # type: (str, Cases, str) -> Iterator[Comparison]
    """The cases of an operator, if this Caffe2 has it at all."""
    from caffe2.python import workspace

    if name not in workspace.RegisteredOperators():
        raise AbsentError("this Caffe2 registers no %s" % name)
    return compare(device)


def regions_of(count):
    # type: (int) -> Blob
    return Blob(REGIONS[:count], shape=(count, 5))


def pooling(scale, bins, **more):
    # type: (float, int, **Any) -> Dict[str, Any]
    return dict(more, spatial_scale=scale, pooled_h=bins, pooled_w=bins + 1)


def roi_align_cases(device):
    # type: (str) -> Iterator[Comparison]
    features = Numbers(1).distinct(SHAPE)
    for count, scale, ratio in ((7, 1.0, 2), (7, 0.5, 0), (1, 1.0, 3), (0, 1.0, 2)):
        regions = REGIONS[:count]
        for gaps in (False, True):
            given = [Blob(features, gaps=gaps), regions_of(count)]
            (got,) = run(device, "RoIAlign", given, **pooling(scale, 2, sampling_ratio=ratio))
            want = roi_align.roi_align(features, regions, (2, 3), scale, ratio)
            yield check(_label(count, scale, ratio, gaps), got, want, (count, 2, 2, 3), largest(features))


def roi_align_gradient_cases(device):
    # type: (str) -> Iterator[Comparison]
    features = Numbers(2).distinct(SHAPE)
    for count, scale, ratio in ((7, 1.0, 2), (7, 0.5, 0), (1, 1.0, 3)):
        above = Numbers(3).block((count, 2, 2, 3))
        given = [Blob(features), regions_of(count)]
        got = gradient(device, "RoIAlign", given, Blob(above), **pooling(scale, 2, sampling_ratio=ratio))
        want = roi_align.roi_align_gradient(above, REGIONS[:count], SHAPE, (2, 3), scale, ratio)
        yield check("gradient: " + _label(count, scale, ratio, False), got, want, SHAPE)


def turned(scale):
    # type: (float) -> List[Tuple[float, ...]]
    """The regions as the reference has them, in radians and shifted by half an element, which this operator is not.

    A region is at least one element wide and high here.
    """
    half = 0.5 / scale
    return [
        (batch, x + half, y + half, max(width, 1 / scale), max(height, 1 / scale), angle * pi / 180)
        for batch, x, y, width, height, angle in ROTATED_REGIONS
    ]


def rotated_cases(device):
    # type: (str) -> Iterator[Comparison]
    features = Numbers(21).distinct(SHAPE)
    for count, scale, ratio in ((6, 1.0, 2), (6, 0.5, 0), (1, 1.0, 3), (0, 1.0, 2)):
        given = [Blob(features), Blob(ROTATED_REGIONS[:count], shape=(count, 6))]
        (got,) = run(device, "RoIAlignRotated", given, **pooling(scale, 2, sampling_ratio=ratio))
        want = rotated.roi_align_rotated(features, turned(scale)[:count], (2, 3), scale, ratio)
        yield check(_label(count, scale, ratio, False), got, want, (count, 2, 2, 3), largest(features))


def rotated_gradient_cases(device):
    # type: (str) -> Iterator[Comparison]
    features = Numbers(22).distinct(SHAPE)
    for count, scale, ratio in ((6, 1.0, 2), (6, 0.5, 0)):
        above = Numbers(23).block((count, 2, 2, 3))
        given = [Blob(features), Blob(ROTATED_REGIONS[:count])]
        got = gradient(device, "RoIAlignRotated", given, Blob(above), **pooling(scale, 2, sampling_ratio=ratio))
        want = rotated.roi_align_rotated_gradient(above, turned(scale)[:count], SHAPE, (2, 3), scale, ratio)
        yield check("gradient: " + _label(count, scale, ratio, False), got, want, SHAPE)


NMS_CLASSES = 3
# Number of boxes, and thresholds that lie between the overlaps that occur: 0.12, 0.16, 0.27, 0.47, 0.5, 1.
NMS_SETTINGS = ((12, 0.140625), (12, 0.3125), (12, 0.484375), (12, 0.999), (1, 0.5), (0, 0.5))
SCORE_THRESHOLD = 0.125


def overlap(one, other):
    # type: (Sequence[float], Sequence[float]) -> float
    """Coordinates are pixels, and both ends count."""
    return boxes.iou(one, other, 1)


def nms_inputs(count, equal):
    # type: (int, bool) -> Tuple[Any, Any]
    """Scores of each class, and boxes of each class that overlap their neighbours in a row; class 0 is background."""
    places = [[index % 4 * 2.0, index // 4 * 2.0] for index in range(count)]
    corners = [[place + [place[0] + 5.0, place[1] + 4.5] for _ in range(NMS_CLASSES)] for place in places]
    columns = [Numbers(24 + each).shuffled(count) for each in range(NMS_CLASSES)]
    scores = [[0.5 if equal else column[row] / 16.0 for column in columns] for row in range(count)]
    return scores, corners


def nms_cases(device):
    # type: (str) -> Iterator[Comparison]
    for count, threshold in NMS_SETTINGS:
        scores, corners = nms_inputs(count, False)
        got = run_nms(device, scores, corners, threshold)
        label = "%d boxes, threshold %g" % (count, threshold)
        want = kept_of(scores, corners, threshold)
        for name, its, array in zip(("scores", "boxes", "classes"), want, got):
            yield check("%s: %s" % (label, name), array, its, (len(want[0]), 4) if name == "boxes" else None)
    scores, corners = nms_inputs(12, True)
    yield equal_scores(run_nms(device, scores, corners, 0.3125), scores, corners)


def run_nms(device, scores, corners, threshold):
    # type: (str, Any, Any, float) -> List[Any]
    flat = [[number for corner in row for number in corner] for row in corners]
    given = [Blob(scores, shape=(len(scores), NMS_CLASSES)), Blob(flat, shape=(len(flat), 4 * NMS_CLASSES))]
    arguments = {"score_thresh": SCORE_THRESHOLD, "nms": threshold}
    return run(device, "BoxWithNMSLimit", given, 3, detections_per_im=100, **arguments)


def kept_of(scores, corners, threshold):
    # type: (Any, Any, float) -> Tuple[List[float], List[Any], List[float]]
    """Scores, boxes and classes of what is kept, class by class, the best score of each first."""
    kept = []  # type: List[Tuple[float, Any, float]]
    for number in range(1, NMS_CLASSES):
        those = [(row[number], corner[number]) for row, corner in zip(scores, corners) if row[number] > SCORE_THRESHOLD]
        chosen = boxes.nms([corner for _, corner in those], [score for score, _ in those], threshold, overlap)
        kept += [(those[index][0], those[index][1], float(number)) for index in chosen]
    return [one[0] for one in kept], [one[1] for one in kept], [one[2] for one in kept]


def equal_scores(got, scores, corners):
    # type: (List[Any], Any, Any) -> Comparison
    """Of boxes with one score either may be kept: what the definition says of every choice is asked for."""
    label = "12 boxes with one score"
    for number in range(1, NMS_CLASSES):
        column = [corner[number] for corner in corners]
        found = [its.tolist() for its, of_class in zip(got[1], got[2]) if of_class == number]
        strange = [its for its in found if its not in column]
        kept = [column.index(its) for its in found if its not in strange]
        faults = ["%r is none of the boxes" % its for its in strange]
        faults += boxes.suppression_faults(kept, column, [row[number] for row in scores], 0.3125, overlap)
        if faults:
            return Comparison(label, "float32", None, 0.0, faults[0])
    return Comparison(label, "float32", 0.0, 0.0)


def roi_pool_cases(name, device):
    # type: (str, str) -> Iterator[Comparison]
    features = Numbers(4).distinct(SHAPE)
    # Quotients of whole sides by 2 and 4 are exact: a rounded one could move a floor or a ceil.
    for count, scale in ((7, 1.0), (7, 0.5), (1, 1.0), (0, 1.0)):
        for gaps in (False, True):
            given = [Blob(features, gaps=gaps), regions_of(count)]
            got = run(device, name, given, 2, spatial_scale=scale, pooled_h=2, pooled_w=4)[0]
            want = roi_pool.roi_pool(features, REGIONS[:count], (2, 4), scale)
            yield check(_label(count, scale, 0, gaps), got, want, (count, 2, 2, 4))


def roi_pool_gradient_cases(name, device):
    # type: (str, str) -> Iterator[Comparison]
    features = Numbers(5).distinct(SHAPE)
    for count, scale in ((7, 1.0), (7, 0.5), (1, 1.0)):
        above = Numbers(6).block((count, 2, 2, 4))
        given = [Blob(features), regions_of(count)]
        got = gradient(device, name, given, Blob(above), 2, spatial_scale=scale, pooled_h=2, pooled_w=4)
        want = roi_pool.roi_pool_gradient(above, features, REGIONS[:count], (2, 4), scale)
        yield check("gradient: " + _label(count, scale, 0, False), got, want, SHAPE)


def _label(count, scale, ratio, gaps):
    # type: (int, float, int, bool) -> str
    parts = ["%d regions" % count if count != 1 else "1 region"]
    parts += ["scale %g" % scale] if scale != 1 else []
    parts += ["%d samples" % ratio] if ratio else []
    return ", ".join(parts + (["gaps in memory"] if gaps else []))


def largest(features):
    # type: (Any) -> float
    return max(abs(each) for each in flattened(features))


def narrow_cases(device):
    # type: (str) -> Iterator[Comparison]
    features = Numbers(7).block(SHAPE)
    for height, width in ((5, 4), (8, 9), (1, 9)):
        like = Numbers(8).block((2, 2, height, width))
        (got,) = run(device, "SpatialNarrowAs", [Blob(features), Blob(like)])
        yield check("8x9 to %dx%d" % (height, width), got, moving.spatial_narrow(features, height, width))


def narrow_gradient_cases(device):
    # type: (str) -> Iterator[Comparison]
    features, like = Numbers(7).block(SHAPE), Numbers(8).block((2, 2, 5, 4))
    above = Numbers(9).block((2, 2, 5, 4))
    got = gradient(device, "SpatialNarrowAs", [Blob(features), Blob(like)], Blob(above))
    yield check("gradient: 8x9 to 5x4", got, moving.spatial_narrow_gradient(above, SHAPE))


def permutation_cases(device):
    # type: (str) -> Iterator[Comparison]
    for count in (5, 1):
        rows, order = Numbers(10).block((count, 2, 3, 2)), Numbers(11).shuffled(count)
        for gaps in (False, True):
            (got,) = run(device, "BatchPermutation", [Blob(rows, gaps=gaps), Blob(order, "int32")])
            label = "%d elements%s" % (count, ", gaps in memory" if gaps else "")
            yield check(label, got, moving.batch_permutation(rows, order))


def permutation_gradient_cases(device):
    # type: (str) -> Iterator[Comparison]
    rows, order = Numbers(10).block((5, 2, 3, 2)), Numbers(11).shuffled(5)
    above = Numbers(12).block((5, 2, 3, 2))
    got = gradient(device, "BatchPermutation", [Blob(rows), Blob(order, "int32")], Blob(above))
    yield check("gradient: 5 elements", got, moving.batch_permutation_gradient(above, order))


def upsample_cases(device):
    # type: (str) -> Iterator[Comparison]
    for scale in (2, 3, 1):
        features = Numbers(scale).block((2, 2, 3, 4))
        (got,) = run(device, "UpsampleNearest", [Blob(features)], scale=scale)
        yield check("3x4 by %d" % scale, got, moving.upsample_nearest(features, scale))


def upsample_gradient_cases(device):
    # type: (str) -> Iterator[Comparison]
    features, above = Numbers(13).block((2, 2, 3, 4)), Numbers(14).block((2, 2, 6, 8))
    got = gradient(device, "UpsampleNearest", [Blob(features)], Blob(above), scale=2)
    yield check("gradient: 3x4 by 2", got, moving.upsample_nearest_gradient(above, 2))


def resize_cases(device):
    # type: (str) -> Iterator[Comparison]
    features = Numbers(15).block((2, 2, 4, 6))
    for height, width in ((2.0, 2.0), (0.5, 1.5), (1.0, 1.0)):
        (got,) = run(device, "ResizeNearest", [Blob(features)], height_scale=height, width_scale=width)
        label = "4x6 by %g and %g" % (height, width)
        yield check(label, got, moving.resize_nearest(features, height, width))


def smooth_l1_inputs(count):
    # type: (int) -> List[Any]
    """Values and targets up to 2 apart, on both sides of the switch, and weights of which some are zero."""
    got, want = Numbers(16).block((count, 4), -1.0, 1.0), Numbers(17).block((count, 4), -1.0, 1.0)
    inside = [[float(Numbers(row + 4 * column).below(2)) for column in range(4)] for row in range(count)]
    return [got, want, inside, Numbers(18).block((count, 4), 0.0, 1.0)]


def smooth_l1_cases(device):
    # type: (str) -> Iterator[Comparison]
    for count, beta, scale in ((9, 1.0, 1.0), (9, 0.125, 0.5), (1, 1.0, 1.0)):
        inputs = smooth_l1_inputs(count)
        (got,) = run(device, "SmoothL1Loss", [Blob(each) for each in inputs], beta=beta, scale=scale)
        want = losses.smooth_l1(inputs[0], inputs[1], inputs[2], inputs[3], beta, scale)
        yield check("%d rows, beta %g" % (count, beta), got, want)


def smooth_l1_gradient_cases(device):
    # type: (str) -> Iterator[Comparison]
    for count, beta, scale in ((9, 1.0, 1.0), (9, 0.125, 0.5)):
        inputs = smooth_l1_inputs(count)
        blobs = [Blob(each) for each in inputs]
        got = gradient(device, "SmoothL1Loss", blobs, Blob(0.75), beta=beta, scale=scale)
        want = losses.smooth_l1_gradient(0.75, inputs[0], inputs[1], inputs[2], inputs[3], beta, scale)
        yield check("gradient: %d rows, beta %g" % (count, beta), got, want)


CLASSES = 3


def focal_inputs():
    # type: () -> List[Any]
    """Logits of two anchors, and labels from -1 (left out) over 0 (background) to the number of classes."""
    logits = Numbers(19).block((2, 2 * CLASSES, 3, 4))
    numbers = Numbers(20)
    labels = [[[[numbers.below(CLASSES + 2) - 1 for _ in range(4)] for _ in range(3)] for _ in "ab"] for _ in "ab"]
    return [logits, labels]


def focal_cases(device):
    # type: (str) -> Iterator[Comparison]
    logits, labels = focal_inputs()
    for gamma, alpha, positives in ((1.0, 0.25, 5.0), (2.0, 0.5, 0.0)):
        given = [Blob(logits), Blob(labels, "int32"), Blob([positives])]
        (got,) = run(device, "SigmoidFocalLoss", given, num_classes=CLASSES, gamma=gamma, alpha=alpha, scale=0.5)
        want = losses.sigmoid_focal_loss(logits, labels, positives, CLASSES, gamma, alpha, 0.5)
        yield check("gamma %g, %g positives" % (gamma, positives), got, want)


def focal_gradient_cases(device):
    # type: (str) -> Iterator[Comparison]
    logits, labels = focal_inputs()
    for gamma, alpha, positives in ((1.0, 0.25, 5.0), (2.0, 0.5, 0.0)):
        given = [Blob(logits), Blob(labels, "int32"), Blob([positives])]
        got = gradient(
            device, "SigmoidFocalLoss", given, Blob(0.75), num_classes=CLASSES, gamma=gamma, alpha=alpha, scale=0.5
        )
        want = losses.sigmoid_focal_loss_gradient(0.75, logits, labels, positives, CLASSES, gamma, alpha, 0.5)
        yield check("gradient: gamma %g, %g positives" % (gamma, positives), got, want)
