"""Inputs of the cases: the same on every machine and in every interpreter. Runs inside the target.

All numbers are multiples of 1/64 and small, so that float64, float32 and float16 hold them exactly and an op is given
the very values that its reference has.
"""

from __future__ import absolute_import, division

MYPY = False
if MYPY:
    from typing import Any, List, Sequence

STEPS = 64


class Numbers(object):
    """A linear congruential generator with Knuth's constants for MMIX; one seed always gives the same numbers."""

    def __init__(self, seed):
        # type: (int) -> None
        self._state = seed
        # The first states of neighbouring seeds are neighbours themselves.
        for _ in range(4):
            self.below(1)

    def below(self, bound):
        # type: (int) -> int
        """A number from 0 to `bound` - 1, from the upper bits: the lower ones of such a generator repeat soon."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self._state >> 33) * bound >> 31

    def number(self, low, high):
        # type: (float, float) -> float
        """A multiple of 1/64 in [low, high)."""
        return low + self.below(int((high - low) * STEPS)) / float(STEPS)

    def block(self, shape, low=-4.0, high=4.0):
        # type: (Sequence[int], float, float) -> Any
        """Nested lists of this shape."""
        if not shape:
            return self.number(low, high)
        return [self.block(shape[1:], low, high) for _ in range(shape[0])]

    def shuffled(self, count):
        # type: (int) -> List[int]
        """The numbers 0 to `count` - 1 in some order."""
        order = list(range(count))
        for last in range(count - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order

    def distinct(self, shape):
        # type: (Sequence[int]) -> Any
        """Nested lists of this shape without two equal numbers, so that every maximum has one place."""
        count = 1
        for length in shape:
            count *= length
        values = [(rank - count // 2) / 16.0 for rank in self.shuffled(count)]
        return folded(values, shape)


def folded(values, shape):
    # type: (Sequence[float], Sequence[int]) -> Any
    """A flat list as nested lists of this shape, the last index running fastest."""
    if len(shape) < 2:
        return list(values)
    step = len(values) // shape[0] if shape[0] else 0
    return [folded(values[row * step : (row + 1) * step], shape[1:]) for row in range(shape[0])]


def zeros(shape):
    # type: (Sequence[int]) -> Any
    """Nested lists of 0.0."""
    if not shape:
        return 0.0
    return [zeros(shape[1:]) for _ in range(shape[0])]
