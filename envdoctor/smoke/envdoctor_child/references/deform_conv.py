"""Deformable convolution: Dai et al., Deformable Convolutional Networks, ICCV 2017, equation 2, and with a mask
(modulated) Zhu et al., Deformable ConvNets v2, CVPR 2019, equation 1.

Each tap of the kernel reads the map where it would in a plain convolution, moved by an offset of its own, between the
elements bilinearly and beyond the border zero, times the tap's mask. With g offset groups and k taps the offsets of
tap t of group q are in channels 2 * (q * k + t) (down) and one more (right), its mask in channel q * k + t.
"""

from __future__ import absolute_import, division

from ..inputs import zeros
from .bilinear import slope_down, slope_right, value, zero_padded

MYPY = False
if MYPY:
    from collections.abc import Iterator, Sequence
    from typing import Any, Dict, NamedTuple, Optional, Tuple

    Tap = NamedTuple("Tap", [("out", int), ("source", int), ("inner", int), ("group", int), ("number", int)])
else:
    from collections import namedtuple

    Tap = namedtuple("Tap", ["out", "source", "inner", "group", "number"])


class DeformConv(object):
    """One deformable convolution: sizes as (rows, columns), the values as nested lists.

    features[batch][channel][row][column], weight[output channel][channel of its group][row][column],
    offset and mask [batch][channel][output row][output column].
    """

    def __init__(self, features, weight, offset, mask=None, bias=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
        # type: (Any, Any, Any, Any, Optional[Sequence[float]], Sequence[int], Sequence[int], Sequence[int]) -> None
        self.features = features
        self.weight = weight
        self.offset = offset
        self.mask = mask
        self.bias = bias
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.kernel = len(weight[0][0]), len(weight[0][0][0])
        self.taps = self.kernel[0] * self.kernel[1]
        self.offset_groups = len(offset[0]) // (2 * self.taps) if offset else 1
        self.height, self.width = len(features[0][0]), len(features[0][0][0])
        self.size = self._size(0, self.height), self._size(1, self.width)

    def _size(self, axis, length):
        # type: (int, int) -> int
        reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        return (length + 2 * self.padding[axis] - reach) // self.stride[axis] + 1

    def _taps(self):
        # type: () -> Iterator[Tap]
        """Each pair of an output channel and a channel of its group, with each tap."""
        channels, inner_channels = len(self.features[0]), len(self.weight[0])
        outputs_a_group = len(self.weight) * inner_channels // channels
        for out in range(len(self.weight)):
            for inner in range(inner_channels):
                source = out // outputs_a_group * inner_channels + inner
                group = source * self.offset_groups // channels
                for number in range(self.taps):
                    yield Tap(out, source, inner, group, number)

    def _reads(self):
        # type: () -> Iterator[Tuple[int, int, int, Tap, float, float, float, float]]
        """Batch, output row and column, tap, the point read (down, right), the mask there and the tap's weight."""
        taps = list(self._taps())
        for batch in range(len(self.features)):
            for row in range(self.size[0]):
                for column in range(self.size[1]):
                    for tap in taps:
                        channel = tap.group * self.taps + tap.number
                        i, j = divmod(tap.number, self.kernel[1])
                        moved = [self.offset[batch][2 * channel + axis][row][column] for axis in (0, 1)]
                        y = row * self.stride[0] - self.padding[0] + i * self.dilation[0] + moved[0]
                        x = column * self.stride[1] - self.padding[1] + j * self.dilation[1] + moved[1]
                        mask = self.mask[batch][channel][row][column] if self.mask is not None else 1.0
                        yield batch, row, column, tap, y, x, mask, self.weight[tap.out][tap.inner][i][j]

    def forward(self):
        # type: () -> Any
        """values[batch][output channel][output row][output column]."""
        result = zeros((len(self.features), len(self.weight)) + self.size)
        for batch, row, column, tap, y, x, mask, weight in self._reads():
            read = value(self.features[batch][tap.source], zero_padded(y, x, self.height, self.width))
            result[batch][tap.out][row][column] += weight * mask * read
        if self.bias is not None:
            for planes in result:
                for out, addend in enumerate(self.bias):
                    planes[out] = [[number + addend for number in line] for line in planes[out]]
        return result

    def gradients(self, gradient):
        # type: (Any) -> Dict[str, Any]
        """The gradients at features, weight, offset, mask and bias from the gradient at the values."""
        batches, channels, masks = len(self.features), len(self.features[0]), self.offset_groups * self.taps
        found = {
            "features": zeros((batches, channels, self.height, self.width)),
            "weight": zeros((len(self.weight), len(self.weight[0])) + self.kernel),
            "offset": zeros((batches, 2 * masks) + self.size),
            "mask": zeros((batches, masks) + self.size),
            "bias": [sum(sum(line) for planes in gradient for line in planes[out]) for out in range(len(self.weight))],
        }
        for batch, row, column, tap, y, x, mask, weight in self._reads():
            plane = self.features[batch][tap.source]
            weights = zero_padded(y, x, self.height, self.width)
            above, read = gradient[batch][tap.out][row][column], value(plane, weights)
            i, j = divmod(tap.number, self.kernel[1])
            channel = tap.group * self.taps + tap.number
            for at_row, at_column, share in weights:
                found["features"][batch][tap.source][at_row][at_column] += above * weight * mask * share
            found["weight"][tap.out][tap.inner][i][j] += above * mask * read
            found["mask"][batch][channel][row][column] += above * weight * read
            found["offset"][batch][2 * channel][row][column] += above * weight * mask * slope_down(plane, y, x)
            found["offset"][batch][2 * channel + 1][row][column] += above * weight * mask * slope_right(plane, y, x)
        return found
