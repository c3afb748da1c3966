"""Samples of a map at single points: PoolPointsInterp of DensePose (Guler et al., DensePose, CVPR 2018, section 3).

A point (batch index, x, y) is scaled to the map; its value in each channel is the bilinear sample there, with the
border of RoIAlign. The op is linear in the map, so that its gradient goes back by the same weights.
"""

from __future__ import absolute_import, division

from ..inputs import zeros
from .bilinear import edge_clamped, value

MYPY = False
if MYPY:
    from collections.abc import Sequence
    from typing import Any, List

    from .bilinear import Weights


def _weights(point, height, width, scale):
    # type: (Sequence[float], int, int, float) -> Weights
    return edge_clamped(point[2] * scale, point[1] * scale, height, width)


def pool_points(features, points, scale=1.0):
    # type: (Any, Sequence[Sequence[float]], float) -> List[List[float]]
    """features[batch][channel][row][column] to values[point][channel]."""
    result = []
    for point in points:
        planes = features[int(point[0])]
        weights = _weights(point, len(planes[0]), len(planes[0][0]), scale)
        result.append([value(plane, weights) for plane in planes])
    return result


def pool_points_gradient(above, points, shape, scale=1.0):
    # type: (Any, Sequence[Sequence[float]], Sequence[int], float) -> Any
    """The gradient at the features, of this shape, from above[point][channel]."""
    result = zeros(shape)
    for point, its in zip(points, above):
        weights = _weights(point, shape[2], shape[3], scale)
        for plane, slope in zip(result[int(point[0])], its):
            for row, column, weight in weights:
                plane[row][column] += weight * slope
    return result
