"""Between nested lists and the tensors of the target's torch."""

from __future__ import absolute_import, division

from importlib import import_module

from ..case import Comparison
from ..comparison import compare, tolerance

MYPY = False
if MYPY:
    from collections.abc import Callable, Sequence
    from typing import Any, Optional, Tuple


def floats(device):
    # type: (str) -> Tuple[str, ...]
    """The types that kernels have on a device; few of those on the CPU know half precision."""
    return ("float32", "float64") if device == "cpu" else ("float32", "float64", "float16")


def usable(device, call, required=("float32", "float64")):
    # type: (str, Callable[[str], Any], Sequence[str]) -> Sequence[str]
    """The types that are required, and those of the others for which the op does not refuse a call."""
    taken = list(required)
    for dtype in floats(device):
        if dtype not in required:
            try:
                call(dtype)
            except (RuntimeError, TypeError, ValueError):
                continue
            taken.append(dtype)
    return taken


def tensor(values, dtype, device, shape=None):
    # type: (Any, str, str, Optional[Sequence[int]]) -> Any
    """A tensor of nested lists; `shape` where empty lists do not tell it."""
    torch = import_module("torch")
    made = torch.tensor(values, dtype=getattr(torch, dtype), device=device)
    return made if shape is None else made.reshape(tuple(shape))


def scattered(dense):
    # type: (Any) -> Any
    """The same tensor with gaps between its elements in memory, filled with other numbers."""
    torch = import_module("torch")
    return torch.stack((dense, dense + 1), dim=-1)[..., 0]


def check(label, dtype, got, want, shape, scale=None):
    # type: (str, str, Any, Any, Sequence[int], Optional[float]) -> Comparison
    """Compare a tensor with nested lists that have this shape, which empty ones do not show."""
    if tuple(got.shape) != tuple(shape):
        message = "the shape is %s, expected %s" % (tuple(got.shape), tuple(shape))
        return Comparison(label, dtype, None, tolerance(dtype, scale or 1.0), message)
    return compare(label, dtype, got.detach().cpu().tolist(), want, scale)
