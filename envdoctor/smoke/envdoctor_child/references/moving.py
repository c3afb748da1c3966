"""Operators that only move elements, from what their names say and Detectron's documentation of them adds."""

from __future__ import absolute_import, division

from ..inputs import zeros

MYPY = False
if MYPY:
    from collections.abc import Sequence
    from typing import Any, List


def zero_even(vector):
    # type: (Sequence[float]) -> List[float]
    """Elements 0, 2, 4, ... become zero."""
    return [0.0 if index % 2 == 0 else value for index, value in enumerate(vector)]


def upsample_nearest(features, scale):
    # type: (Any, int) -> Any
    """Each element becomes a square of `scale` x `scale`."""
    return [
        [[[row[x // scale] for x in range(len(row) * scale)] for row in plane for _ in range(scale)] for plane in image]
        for image in features
    ]


def upsample_nearest_gradient(above, scale):
    # type: (Any, int) -> Any
    """Each element is the sum over its square."""
    return [
        [
            [
                [
                    sum(plane[y * scale + i][x * scale + j] for i in range(scale) for j in range(scale))
                    for x in range(len(plane[0]) // scale)
                ]
                for y in range(len(plane) // scale)
            ]
            for plane in image
        ]
        for image in above
    ]


def batch_permutation(rows, order):
    # type: (Sequence[Any], Sequence[int]) -> List[Any]
    """Element i of the result is element order[i]."""
    return [rows[index] for index in order]


def batch_permutation_gradient(above, order):
    # type: (Sequence[Any], Sequence[int]) -> List[Any]
    """The permutation the other way."""
    result = [None] * len(order)  # type: List[Any]
    for index, its in zip(order, above):
        result[index] = its
    return result


def spatial_narrow(features, height, width):
    # type: (Any, int, int) -> Any
    """The upper left corner of each map."""
    return [[[row[:width] for row in plane[:height]] for plane in image] for image in features]


def spatial_narrow_gradient(above, shape):
    # type: (Any, Sequence[int]) -> Any
    """The corner put back into zeros of the shape of the features."""
    result = zeros(shape)
    for image, its_image in zip(result, above):
        for plane, its_plane in zip(image, its_image):
            for row, its_row in zip(plane, its_plane):
                row[: len(its_row)] = its_row
    return result


def resize_nearest(features, height_scale, width_scale):
    # type: (Any, float, float) -> Any
    """Element (y, x) is that at (floor(y / height_scale), floor(x / width_scale)), within the map."""
    return [
        [
            [
                [
                    plane[min(int(y / height_scale), len(plane) - 1)][min(int(x / width_scale), len(plane[0]) - 1)]
                    for x in range(int(len(plane[0]) * width_scale))
                ]
                for y in range(int(len(plane) * height_scale))
            ]
            for plane in image
        ]
        for image in features
    ]
