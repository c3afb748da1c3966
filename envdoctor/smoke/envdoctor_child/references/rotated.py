"""Overlap of rotated boxes and RoIAlign of rotated regions.

A rotated box is (x, y, width, height, angle): its centre, its sides and the angle by which it is turned against the
clock as the image is looked at, y pointing down (Ma et al., Arbitrary-Oriented Scene Text Detection via Rotation
Proposals, IEEE Transactions on Multimedia 20 (2018), section IV). Angles here are in radians.
The common area is found by clipping one polygon with the sides of the other: Sutherland and Hodgman, Reentrant Polygon
Clipping, Communications of the ACM 17 (1974); its size by the shoelace formula.
"""

from __future__ import absolute_import, division

from math import cos, sin

from .roi_align import mean, pool, samples, spread

MYPY = False
if MYPY:
    from collections.abc import Sequence
    from typing import Any, List, Tuple

    from .roi_align import Bins, Region

    Point = Tuple[float, float]


def corners(box):
    # type: (Sequence[float]) -> List[Point]
    """The corners (x, y) in the order top left, top right, bottom right, bottom left of the box before its turn."""
    x, y, width, height, angle = box
    turned = []
    for right, down in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)):
        across, along = right * width, down * height
        turned.append((x + across * cos(angle) + along * sin(angle), y - across * sin(angle) + along * cos(angle)))
    return turned


def polygon_area(points):
    # type: (Sequence[Point]) -> float
    """Positive where the points go round as those of `corners` do."""
    following = list(points[1:]) + list(points[:1])
    return sum(ax * by - bx * ay for (ax, ay), (bx, by) in zip(points, following)) / 2


def clipped(points, start, end):
    # type: (Sequence[Point], Point, Point) -> List[Point]
    """The part of a polygon on the inner side of the line from `start` to `end`, a side of another."""
    distances = [(end[0] - start[0]) * (y - start[1]) - (end[1] - start[1]) * (x - start[0]) for x, y in points]
    result = []  # type: List[Point]
    for index, (point, distance) in enumerate(zip(points, distances)):
        before, former = points[index - 1], distances[index - 1]
        if (distance > 0 and former < 0) or (distance < 0 and former > 0):
            share = former / (former - distance)
            result.append((before[0] + share * (point[0] - before[0]), before[1] + share * (point[1] - before[1])))
        if distance >= 0:
            result.append(point)
    return result


def rotated_intersection(one, other):
    # type: (Sequence[float], Sequence[float]) -> float
    points, sides = corners(one), corners(other)
    for index, end in enumerate(sides):
        points = clipped(points, sides[index - 1], end)
    return max(polygon_area(points), 0.0)


def rotated_iou(one, other):
    # type: (Sequence[float], Sequence[float]) -> float
    """Intersection over union, 0 to 1."""
    areas = one[2] * one[3], other[2] * other[3]
    # A box without area is a line, and clipping has no inner side of it.
    if min(areas) <= 0:
        return 0.0
    common = rotated_intersection(one, other)
    return common / (areas[0] + areas[1] - common)


def rotated_bins(region, height, width, pooled, scale, ratio):
    # type: (Region, int, int, Tuple[int, int], float, int) -> Bins
    """Bins of a region (batch index, x, y, width, height, angle), its samples turned about its centre."""
    x, y = region[1] * scale - 0.5, region[2] * scale - 0.5
    wide, high, angle = region[3] * scale, region[4] * scale, region[5]
    return [
        [
            mean(
                [
                    (y + down * cos(angle) - right * sin(angle), x + down * sin(angle) + right * cos(angle))
                    for down in ys
                    for right in xs
                ],
                height,
                width,
            )
            for xs in samples(-wide / 2, wide, pooled[1], ratio)
        ]
        for ys in samples(-high / 2, high, pooled[0], ratio)
    ]


def roi_align_rotated(features, regions, pooled, scale=1.0, ratio=0):
    # type: (Any, Sequence[Region], Tuple[int, int], float, int) -> Any
    """features[batch][channel][row][column] to values[region][channel][bin row][bin column]."""
    return pool(
        features, regions, lambda region, height, width: rotated_bins(region, height, width, pooled, scale, ratio)
    )


def roi_align_rotated_gradient(gradient, regions, shape, pooled, scale=1.0, ratio=0):
    # type: (Any, Sequence[Region], Sequence[int], Tuple[int, int], float, int) -> Any
    """The gradient at the features, of this shape, from the gradient at the values."""
    return spread(
        gradient,
        regions,
        shape,
        lambda region, height, width: rotated_bins(region, height, width, pooled, scale, ratio),
    )
