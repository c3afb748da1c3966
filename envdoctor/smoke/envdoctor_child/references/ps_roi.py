"""Position-sensitive pooling: Dai et al., R-FCN, NIPS 2016, section 2.2; each bin has input channels of its own.

With bins in k rows and l columns, output channel c takes its bin (i, j) from input channel (c * k + i) * l + j.
Two kinds: with quantised bins as in the paper (the mean of whole elements), and with the samples of RoIAlign.
"""

from __future__ import absolute_import, division

from ..inputs import zeros
from .bilinear import value
from .roi_align import add_weighted, mean, samples
from .roi_pool import rounded, spans

MYPY = False
if MYPY:
    from collections.abc import Callable, Sequence
    from typing import Any, Tuple

    from .roi_align import Bins, Region


def aligned_bins(region, height, width, pooled, scale, ratio):
    # type: (Region, int, int, Tuple[int, int], float, int) -> Bins
    """Bins sampled as by RoIAlign, the region shifted by half an element; its size has no lower bound."""
    left, top, right, bottom = [coordinate * scale - 0.5 for coordinate in region[1:5]]
    return [
        [mean([(y, x) for y in ys for x in xs], height, width) for xs in samples(left, right - left, pooled[1], ratio)]
        for ys in samples(top, bottom - top, pooled[0], ratio)
    ]


def quantised_bins(region, height, width, pooled, scale):
    # type: (Region, int, int, Tuple[int, int], float) -> Bins
    """Bins of whole elements; the region ends before its rounded end and is at least 1 wide and high.

    The end of a bin is clipped to the last element and does not count itself, so that the last row and column of the
    map belong to no bin: so do the kernels of torchvision, where the paper leaves the border open.
    """
    left, top, right, bottom = [rounded(coordinate * scale) for coordinate in region[1:5]]
    rows = spans(top, max(bottom - top, 1), pooled[0], height - 1)
    columns = spans(left, max(right - left, 1), pooled[1], width - 1)
    return [[[(y, x, 1.0 / (len(its) * len(those))) for y in its for x in those] for those in columns] for its in rows]


def ps_roi_align(features, regions, pooled, scale=1.0, ratio=0):
    # type: (Any, Sequence[Region], Tuple[int, int], float, int) -> Any
    """features[batch][channel][row][column] to values[region][output channel][bin row][bin column]."""
    return _pool(
        features,
        regions,
        pooled,
        lambda region, height, width: aligned_bins(region, height, width, pooled, scale, ratio),
    )


def ps_roi_align_gradient(gradient, regions, shape, pooled, scale=1.0, ratio=0):
    # type: (Any, Sequence[Region], Sequence[int], Tuple[int, int], float, int) -> Any
    """The gradient at the features, of this shape, from the gradient at the values."""
    return _spread(
        gradient,
        regions,
        shape,
        pooled,
        lambda region, height, width: aligned_bins(region, height, width, pooled, scale, ratio),
    )


def ps_roi_pool(features, regions, pooled, scale=1.0):
    # type: (Any, Sequence[Region], Tuple[int, int], float) -> Any
    """features[batch][channel][row][column] to values[region][output channel][bin row][bin column]."""
    return _pool(
        features, regions, pooled, lambda region, height, width: quantised_bins(region, height, width, pooled, scale)
    )


def ps_roi_pool_gradient(gradient, regions, shape, pooled, scale=1.0):
    # type: (Any, Sequence[Region], Sequence[int], Tuple[int, int], float) -> Any
    """The gradient at the features, of this shape, from the gradient at the values."""
    return _spread(
        gradient,
        regions,
        shape,
        pooled,
        lambda region, height, width: quantised_bins(region, height, width, pooled, scale),
    )


def _pool(features, regions, pooled, bins_of):
    # type: (Any, Sequence[Region], Tuple[int, int], Callable[[Region, int, int], Bins]) -> Any
    rows, columns = pooled
    result = []
    for region in regions:
        planes = features[int(region[0])]
        bins = bins_of(region, len(planes[0]), len(planes[0][0]))
        result.append(
            [
                [
                    [value(planes[(channel * rows + i) * columns + j], bins[i][j]) for j in range(columns)]
                    for i in range(rows)
                ]
                for channel in range(len(planes) // (rows * columns))
            ]
        )
    return result


def _spread(gradient, regions, shape, pooled, bins_of):
    # type: (Any, Sequence[Region], Sequence[int], Tuple[int, int], Callable[[Region, int, int], Bins]) -> Any
    rows, columns = pooled
    result = zeros(shape)
    for of_region, region in zip(gradient, regions):
        bins = bins_of(region, shape[2], shape[3])
        for channel, of_channel in enumerate(of_region):
            for i, of_row in enumerate(of_channel):
                for j, number in enumerate(of_row):
                    plane = result[int(region[0])][(channel * rows + i) * columns + j]
                    add_weighted(plane, [(number, bins[i][j])])
    return result
