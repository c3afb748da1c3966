"""Overlap of boxes and greedy non-maximum suppression, from their definitions.

Intersection over union: Everingham et al., The PASCAL Visual Object Classes Challenge, IJCV 88 (2010), section 4.2.
Greedy suppression: Felzenszwalb et al., Object Detection with Discriminatively Trained Part-Based Models, PAMI 32
(2010), section 5.2: take the best box that is left, drop all that overlap it too much, repeat.

A box is (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2. `extra` is what the side of a box has beyond x2 - x1: 0 where
coordinates are points of the plane, 1 where they are pixels and both ends count.
"""

from __future__ import absolute_import, division

MYPY = False
if MYPY:
    from collections.abc import Callable, Sequence
    from typing import List

    Box = Sequence[float]
    Overlap = Callable[[Box, Box], float]


def area(box, extra=0):
    # type: (Box, int) -> float
    return (box[2] - box[0] + extra) * (box[3] - box[1] + extra)


def intersection(one, other, extra=0):
    # type: (Box, Box, int) -> float
    width = min(one[2], other[2]) - max(one[0], other[0]) + extra
    height = min(one[3], other[3]) - max(one[1], other[1]) + extra
    return width * height if width > 0 and height > 0 else 0.0


def iou(one, other, extra=0):
    # type: (Box, Box, int) -> float
    """Intersection over union, 0 to 1; two boxes without area have none in common."""
    common = intersection(one, other, extra)
    union = area(one, extra) + area(other, extra) - common
    return common / union if union > 0 else 0.0


def nms(boxes, scores, threshold, overlap=iou):
    # type: (Sequence[Box], Sequence[float], float, Overlap) -> List[int]
    """The indices of the boxes kept, best score first; of equal scores the earlier box is the better one.

    A box is dropped whose overlap with a kept one is greater than the threshold: at the threshold it stays.
    """
    kept = []  # type: List[int]
    for index in sorted(range(len(boxes)), key=lambda index: -scores[index]):
        if all(overlap(boxes[index], boxes[better]) <= threshold for better in kept):
            kept.append(index)
    return kept


def batched_nms(boxes, scores, groups, threshold):
    # type: (Sequence[Box], Sequence[float], Sequence[int], float) -> List[int]
    """`nms` within each group alone; the indices kept of all groups, best score first."""
    kept = []  # type: List[int]
    for group in sorted(set(groups)):
        members = [index for index, its in enumerate(groups) if its == group]
        chosen = nms([boxes[index] for index in members], [scores[index] for index in members], threshold)
        kept.extend(members[index] for index in chosen)
    return sorted(kept, key=lambda index: (-scores[index], index))


def suppression_faults(kept, boxes, scores, threshold, overlap=iou):
    # type: (Sequence[int], Sequence[Box], Sequence[float], float, Overlap) -> List[str]
    """What is wrong with indices that some greedy suppression kept; nothing for every order of equal scores.

    Of boxes with one score an op may keep either, and the definition names neither. What it does say is checked:
    scores fall, kept boxes do not overlap too much, and each dropped box overlaps a kept one that is as good.
    """
    if len(set(kept)) != len(kept) or any(not 0 <= index < len(boxes) for index in kept):
        return ["%r are not different indices of %d boxes" % (list(kept), len(boxes))]
    faults = []  # type: List[str]
    for place, index in enumerate(kept):
        if place and scores[kept[place - 1]] < scores[index]:
            faults.append("box %d comes after a worse one" % index)
        if any(overlap(boxes[index], boxes[other]) > threshold for other in kept[:place]):
            faults.append("box %d is kept beside one that it overlaps" % index)
    for index in sorted(set(range(len(boxes))) - set(kept)):
        better = [other for other in kept if scores[other] >= scores[index]]
        if all(overlap(boxes[index], boxes[other]) <= threshold for other in better):
            faults.append("box %d is dropped though no better one overlaps it" % index)
    return faults
