"""The extension module that the toolchain is tried with: imported after torch, and called."""

from __future__ import absolute_import, division

import sys

from ..case import Op
from ..comparison import compare

MYPY = False
if MYPY:
    from collections.abc import Iterator
    from typing import Any, List

    from ..case import Comparison

MODULE = "envdoctor_toolchain"


def load(path):
    # type: (str) -> None
    """Import torch, then the module at `path`. Raises what either raises."""
    import torch  # the module finds torch's libraries only in a process that has them

    if sys.version_info[0] < 3:
        import imp

        module = imp.load_dynamic(MODULE, path)  # type: Any
    else:
        import importlib.util

        spec = importlib.util.spec_from_file_location(MODULE, path)
        if spec is None or spec.loader is None:
            raise ImportError("%s is no extension module of this Python" % path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    sys.modules[MODULE] = module


def ops():
    # type: () -> List[Op]
    """The functions of the module."""
    return [Op("doubled", _doubles)]


def _doubles(_device):
    # type: (str) -> Iterator[Comparison]
    import torch

    module = sys.modules[MODULE]  # type: Any
    got = module.doubled(torch.tensor([1.0, -2.0, 3.0]))
    yield compare("three numbers", "float32", got.tolist(), [2.0, -4.0, 6.0])
    # Errors cross the border between the two libraries as well, with their text.
    refused = ""
    try:
        module.doubled(torch.ones(2, 2))
    except RuntimeError as error:
        refused = str(error)
    told = 1.0 if "takes a vector" in refused else 0.0
    yield compare("an error with its text", "float32", [told], [1.0])
