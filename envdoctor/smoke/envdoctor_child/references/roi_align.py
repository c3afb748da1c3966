"""RoIAlign: He et al., Mask R-CNN, ICCV 2017, section 3, with the choices of its implementations named.

A region (batch index, x1, y1, x2, y2) is scaled and cut into bins; the mean of bilinear samples, evenly spaced in the
bin, is the bin's value. The op is linear in the map, so that its gradient spreads each bin over the same weights.

`ratio` is the number of samples along each side of a bin; 0 takes as many as the bin has elements, rounded up.
`aligned` shifts the region by half an element, since element i covers [i, i + 1] and lies at i + 0.5; without it (the
older form) there is no shift and a region is at least 1 wide and high.
"""

from __future__ import absolute_import, division

from math import ceil

from ..inputs import zeros
from .bilinear import edge_clamped, value

MYPY = False
if MYPY:
    from collections.abc import Callable, Sequence
    from typing import Any, List, Tuple

    from .bilinear import Weights

    # Weights of each bin, by row and column of bins.
    Bins = List[List[Weights]]
    Region = Sequence[float]


def samples(start, side, bins, ratio):
    # type: (float, float, int, int) -> List[List[float]]
    """The coordinates sampled along one side of a region: one list a bin."""
    count = ratio if ratio > 0 else int(ceil(side / bins))
    step = side / bins
    return [[start + (index + (place + 0.5) / count) * step for place in range(count)] for index in range(bins)]


def mean(points, height, width):
    # type: (Sequence[Tuple[float, float]], int, int) -> Weights
    """The weights of the mean over samples; a bin without samples is 0."""
    return [
        (row, column, weight / len(points))
        for y, x in points
        for row, column, weight in edge_clamped(y, x, height, width)
    ]


def region_bins(region, height, width, pooled, scale, ratio, aligned):
    # type: (Region, int, int, Tuple[int, int], float, int, bool) -> Bins
    shift = 0.5 if aligned else 0.0
    left, top, right, bottom = [coordinate * scale - shift for coordinate in region[1:5]]
    wide, high = right - left, bottom - top
    if not aligned:
        wide, high = max(wide, 1.0), max(high, 1.0)
    return [
        [mean([(y, x) for y in ys for x in xs], height, width) for xs in samples(left, wide, pooled[1], ratio)]
        for ys in samples(top, high, pooled[0], ratio)
    ]


def roi_align(features, regions, pooled, scale=1.0, ratio=0, aligned=False):
    # type: (Any, Sequence[Region], Tuple[int, int], float, int, bool) -> Any
    """features[batch][channel][row][column] to values[region][channel][bin row][bin column]."""
    return pool(
        features,
        regions,
        lambda region, height, width: region_bins(region, height, width, pooled, scale, ratio, aligned),
    )


def roi_align_gradient(gradient, regions, shape, pooled, scale=1.0, ratio=0, aligned=False):
    # type: (Any, Sequence[Region], Sequence[int], Tuple[int, int], float, int, bool) -> Any
    """The gradient at the features, of this shape, from the gradient at the values."""
    return spread(
        gradient,
        regions,
        shape,
        lambda region, height, width: region_bins(region, height, width, pooled, scale, ratio, aligned),
    )


def pool(features, regions, bins_of):
    # type: (Any, Sequence[Region], Callable[[Region, int, int], Bins]) -> Any
    """Values of all regions in all channels by the weights of their bins."""
    result = []
    for region in regions:
        planes = features[int(region[0])]
        bins = bins_of(region, len(planes[0]), len(planes[0][0]))
        result.append([[[value(plane, weights) for weights in row] for row in bins] for plane in planes])
    return result


def spread(gradient, regions, shape, bins_of):
    # type: (Any, Sequence[Region], Sequence[int], Callable[[Region, int, int], Bins]) -> Any
    """The transpose of `pool`: each bin's gradient goes to the elements by their weights."""
    result = zeros(shape)
    for of_region, region in zip(gradient, regions):
        bins = bins_of(region, shape[2], shape[3])
        for of_channel, plane in zip(of_region, result[int(region[0])]):
            for of_row, row_bins in zip(of_channel, bins):
                add_weighted(plane, zip(of_row, row_bins))
    return result


def add_weighted(plane, pairs):
    # type: (List[List[float]], Any) -> None
    """Add to a map, for pairs of a number and weights, the number by its weights."""
    for number, weights in pairs:
        for row, column, weight in weights:
            plane[row][column] += weight * number
