"""Bilinear sampling of a map, as weights of its elements.

The value at a point (y, x) is the sum over all elements (i, j) of max(0, 1 - |y - i|) * max(0, 1 - |x - j|) times the
element: Dai et al., Deformable Convolutional Networks, ICCV 2017, equations 3 and 4. The definitions differ at the
border only, and there are two of them here.
"""

from __future__ import absolute_import, division

from math import floor

MYPY = False
if MYPY:
    from collections.abc import Sequence
    from typing import List, Tuple

    # (row, column, weight) of each element that counts.
    Weights = List[Tuple[int, int, float]]


def zero_padded(y, x, height, width):
    # type: (float, float, int, int) -> Weights
    """The map goes on with zeros beyond its border, as deformable convolution has it."""
    return [
        (row, column, row_weight * column_weight)
        for row, row_weight in _neighbours(y, height)
        for column, column_weight in _neighbours(x, width)
    ]


def edge_clamped(y, x, height, width):
    # type: (float, float, int, int) -> Weights
    """A point up to 1 before the first or after the last element has the value of the edge; one farther off has none.

    This is the border of RoIAlign: He et al., Mask R-CNN, ICCV 2017, leave it open, and all implementations follow
    the authors' own in this. A coordinate may lie in [-1, length] where elements lie at 0 ... length - 1.
    """
    if not (-1 <= y <= height and -1 <= x <= width):
        return []
    return zero_padded(min(max(y, 0.0), height - 1.0), min(max(x, 0.0), width - 1.0), height, width)


def value(plane, weights):
    # type: (Sequence[Sequence[float]], Weights) -> float
    """The sum of the map's elements by their weights."""
    return sum(weight * plane[row][column] for row, column, weight in weights)


def slope_down(plane, y, x):
    # type: (Sequence[Sequence[float]], float, float) -> float
    """The derivative in y of the zero-padded value; at a row itself that of the side after it."""
    above = int(floor(y))
    columns = _neighbours(x, len(plane[0]))
    rows = [(row, sign) for row, sign in ((above, -1), (above + 1, 1)) if 0 <= row < len(plane)]
    return sum(sign * weight * plane[row][column] for row, sign in rows for column, weight in columns)


def slope_right(plane, y, x):
    # type: (Sequence[Sequence[float]], float, float) -> float
    """The derivative in x of the zero-padded value; at a column itself that of the side after it."""
    before = int(floor(x))
    rows = _neighbours(y, len(plane))
    columns = [(column, sign) for column, sign in ((before, -1), (before + 1, 1)) if 0 <= column < len(plane[0])]
    return sum(sign * weight * plane[row][column] for column, sign in columns for row, weight in rows)


def _neighbours(point, length):
    # type: (float, int) -> List[Tuple[int, float]]
    """The elements of a line within 1 of a point, with their weights."""
    before = int(floor(point))
    return [
        (index, 1 - abs(point - index))
        for index in (before, before + 1)
        if 0 <= index < length and abs(point - index) < 1
    ]
