"""RoIPool: Girshick, Fast R-CNN, ICCV 2015, section 2.1, with the rounding of the author's implementation.

The region (batch index, x1, y1, x2, y2) is scaled and rounded to elements, both ends counting; the bins have whole
elements (floor of the start, ceil of the end), clipped to the map; the largest element of a bin is its value, 0 for
an empty bin. The gradient goes to that element.
"""

from __future__ import absolute_import, division

from math import ceil, floor

from ..inputs import zeros

MYPY = False
if MYPY:
    from collections.abc import Iterator, Sequence
    from typing import Any, List, Tuple

    from .roi_align import Region


def rounded(number):
    # type: (float) -> int
    """To the nearest whole number, halves away from zero as in C; Python 3 would round them to even ones."""
    return int(floor(number + 0.5)) if number >= 0 else -int(floor(0.5 - number))


def spans(start, side, bins, length):
    # type: (int, int, int, int) -> List[range]
    """The elements of each bin along one side of a region that lie on the map."""
    step = side / bins
    firsts = [start + int(floor(index * step)) for index in range(bins)]
    ends = [start + int(ceil((index + 1) * step)) for index in range(bins)]
    return [range(min(max(first, 0), length), min(max(end, 0), length)) for first, end in zip(firsts, ends)]


def region_spans(region, height, width, pooled, scale):
    # type: (Region, int, int, Tuple[int, int], float) -> Tuple[List[range], List[range]]
    """Rows and columns of the bins of a region; it is at least one element wide and high."""
    left, top, right, bottom = [rounded(coordinate * scale) for coordinate in region[1:5]]
    rows = spans(top, max(bottom - top + 1, 1), pooled[0], height)
    return rows, spans(left, max(right - left + 1, 1), pooled[1], width)


def largest(plane, rows, columns):
    # type: (Sequence[Sequence[float]], range, range) -> Iterator[Tuple[int, int]]
    """The place of the largest element, the first of equal ones; nothing for an empty bin."""
    places = [(row, column) for row in rows for column in columns]
    if places:
        yield max(places, key=lambda place: (plane[place[0]][place[1]], -place[0], -place[1]))


def roi_pool(features, regions, pooled, scale=1.0):
    # type: (Any, Sequence[Region], Tuple[int, int], float) -> Any
    """features[batch][channel][row][column] to values[region][channel][bin row][bin column]."""
    result = []
    for region in regions:
        planes = features[int(region[0])]
        rows, columns = region_spans(region, len(planes[0]), len(planes[0][0]), pooled, scale)
        result.append(
            [
                [[sum(plane[y][x] for y, x in largest(plane, its, those)) for those in columns] for its in rows]
                for plane in planes
            ]
        )
    return result


def roi_pool_gradient(gradient, features, regions, pooled, scale=1.0):
    # type: (Any, Any, Sequence[Region], Tuple[int, int], float) -> Any
    """The gradient at the features from the gradient at the values."""
    planes = features[0]
    result = zeros((len(features), len(planes), len(planes[0]), len(planes[0][0])))
    for of_region, region in zip(gradient, regions):
        batch = int(region[0])
        rows, columns = region_spans(region, len(planes[0]), len(planes[0][0]), pooled, scale)
        for channel, of_channel in enumerate(of_region):
            for its, of_row in zip(rows, of_channel):
                for those, number in zip(columns, of_row):
                    for y, x in largest(features[batch][channel], its, those):
                        result[batch][channel][y][x] += number
    return result
