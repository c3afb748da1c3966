"""The library that CMake is tried with: loaded after torch, and called."""

from __future__ import absolute_import, division

import ctypes

from ..case import Op
from ..comparison import compare

MYPY = False
if MYPY:
    from collections.abc import Iterator
    from typing import Any, Dict, List

    from ..case import Comparison

LOADED = {}  # type: Dict[str, Any]


def load(path):
    # type: (str) -> None
    """Import torch, then load the library. Raises what importing torch raises, and OSError."""
    import torch

    # As `torch.ops.load_library` does.
    LOADED["library"] = ctypes.CDLL(path)
    LOADED["torch"] = torch


def ops():
    # type: () -> List[Op]
    """The function of the library."""
    return [Op("doubled", _doubles)]


def _doubles(_device):
    # type: (str) -> Iterator[Comparison]
    function = LOADED["library"].envdoctor_doubled
    function.restype = ctypes.c_double
    yield compare("three ones doubled, their sum", "float32", [float(function())], [6.0])
