"""Holds the values of an op beside those of its reference. Runs inside the target: standard library only.

Two computations of one formula differ by rounding alone. Each of the n operations behind an element adds at most half
a unit in the last place, relative to the size of the terms; with machine epsilon e the error stays below n * e * size
(Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, section 3.1). The ops compared here put a few
hundred operations behind an element, so the tolerance of a type is about 2**10 of its epsilons, times the size of
the case's values where that is above 1. Faults of the kind looked for (an offset by half a pixel, a bin too many, a
threshold with the wrong sign) are at least a thousand times larger.
"""

from __future__ import absolute_import, division

from .case import Comparison

MYPY = False
if MYPY:
    from typing import Any, List, Optional, Tuple

# Epsilons: 2.2e-16, 1.2e-7, 9.8e-4. Some kernels compute coordinates in half precision too, where 2**10 epsilons would
# be no tolerance at all; 2**5 of them are, and half a pixel is still ten times larger.
TOLERANCES = {"float64": 2.5e-13, "float32": 1.2e-4, "float16": 3.2e-2}

# Indices, flags and counts are right or wrong.
EXACT = ("int64", "int32", "int16", "int8", "uint8", "bool")

INFINITY = float("inf")


class ShapeError(ValueError):
    """Nested lists that form no block: rows of unequal length, or numbers beside lists."""


def tolerance(dtype, scale=1.0):
    # type: (str, float) -> float
    """The largest difference allowed between values of a type that are sums of terms up to `scale` in size.

    Raises ValueError for a type that no tolerance is known for.
    """
    if dtype in EXACT:
        return 0.0
    if dtype not in TOLERANCES:
        raise ValueError("no tolerance is known for %s" % dtype)
    return TOLERANCES[dtype] * max(1.0, scale)


def compare(label, dtype, got, want, scale=None):
    # type: (str, str, Any, Any, Optional[float]) -> Comparison
    """Compare nested lists (or a number) with their reference, element by element.

    `scale` is the size of the terms that were summed, where the results do not show it; without it the largest
    reference counts. A NaN is right only beside a NaN, and infinity only beside the same infinity.
    """
    try:
        shapes = shape(got), shape(want)
    except ShapeError as uneven:
        return Comparison(label, dtype, None, tolerance(dtype, scale or 1.0), str(uneven))
    if not _same_shape(*shapes):
        message = "the shape is %s, expected %s" % tuple(map(_shown, shapes))
        return Comparison(label, dtype, None, tolerance(dtype, scale or 1.0), message)
    pairs = list(zip(flattened(got), flattened(want)))
    if scale is None:
        scale = max([abs(wanted) for _, wanted in pairs if abs(wanted) < INFINITY] or [0.0])
    allowed = tolerance(dtype, scale)
    errors = [_error(value, wanted) for value, wanted in pairs]
    odd = [index for index, error in enumerate(errors) if error is None]
    if odd:
        value, wanted = pairs[odd[0]]
        message = "element %d of %d is %r, expected %r" % (odd[0], len(pairs), value, wanted)
        return Comparison(label, dtype, None, allowed, message)
    return Comparison(label, dtype, max([error for error in errors if error is not None] or [0.0]), allowed)


def _error(value, wanted):
    # type: (float, float) -> Optional[float]
    """The difference of two numbers; None where it has no size, because one alone is NaN or infinite."""
    value, wanted = float(value), float(wanted)
    if value == wanted or (value != value and wanted != wanted):
        return 0.0
    error = abs(value - wanted)
    return error if error < INFINITY else None


def shape(values):
    # type: (Any) -> Tuple[int, ...]
    """The lengths of nested lists or tuples, outermost first; () for a number. Raises ShapeError."""
    if not isinstance(values, (list, tuple)):
        return ()
    inner = {shape(each) for each in values}
    if len(inner) > 1:
        raise ShapeError("rows of unequal shape: %s" % " and ".join(sorted(map(_shown, inner))))
    return (len(values),) + (inner.pop() if inner else ())


def flattened(values):
    # type: (Any) -> List[float]
    """All numbers of nested lists, in order."""
    if not isinstance(values, (list, tuple)):
        return [values]
    return [number for each in values for number in flattened(each)]


def _same_shape(got, want):
    # type: (Tuple[int, ...], Tuple[int, ...]) -> bool
    """Lists tell no length below an empty one: (0, 4) and (0,) look alike."""
    if 0 in got and 0 in want:
        shorter = min(len(got), len(want))
        return got[:shorter] == want[:shorter]
    return got == want


def _shown(lengths):
    # type: (Tuple[int, ...]) -> str
    return "(%s)" % ", ".join(map(str, lengths))
