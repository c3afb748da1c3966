"""What the test of an op is made of. Runs inside the target: CPython 2.7 to 3.14, standard library only."""

from __future__ import absolute_import, division

MYPY = False
if MYPY:
    from collections.abc import Callable, Iterator
    from typing import Optional


class AbsentError(Exception):
    """This framework has no such op on this device; the op is skipped with this reason."""


class Comparison(object):
    """One case of an op beside its reference.

    `max_error` is the largest difference between an element and its reference, `tolerance` what is allowed, in the
    same unit; `message` is not empty where something other than a value is wrong (a shape, a missing exception).
    """

    __slots__ = ("dtype", "label", "max_error", "message", "tolerance")

    def __init__(self, label, dtype, max_error, tolerance, message=""):
        # type: (str, str, Optional[float], float, str) -> None
        self.label = label
        self.dtype = dtype
        self.max_error = max_error
        self.tolerance = tolerance
        self.message = message

    @property
    def right(self):
        # type: () -> bool
        # A NaN is below no tolerance.
        return not self.message and self.max_error is not None and self.max_error <= self.tolerance


class Op(object):
    """An op and the function that compares it: given a device (`cpu`, `cuda:0`), it yields one Comparison a case.

    The function raises AbsentError where the op does not exist on the device. Any other exception fails the op.
    """

    __slots__ = ("compare", "name")

    def __init__(self, name, compare):
        # type: (str, Callable[[str], Iterator[Comparison]]) -> None
        self.name = name
        self.compare = compare
