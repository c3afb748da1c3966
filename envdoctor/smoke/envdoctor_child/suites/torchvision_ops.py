"""torchvision's ops beside their references."""

from __future__ import absolute_import, division

import os
import sys
from functools import partial
from importlib import import_module

from ..case import AbsentError, Comparison, Op
from .torch_boxes import batched_nms_cases, nms_cases, one_box
from .torch_deform import SETTINGS, deform_cases, empty_case, one_convolution
from .torch_deform import autograd as deform_autograd
from .torch_pooling import PS_ROI_ALIGN, PS_ROI_POOL, ROI_ALIGN, ROI_POOL, autograd, one_region, pooling_cases
from .torch_values import usable

MYPY = False
if MYPY:
    from collections.abc import Iterator
    from typing import Any, Dict, List, Optional

    from .torch_deform import Setting as DeformSetting
    from .torch_pooling import Pooling, Setting

# CO_VARKEYWORDS, as inspect has it.
TAKES_ANY_NAME = 8


def load(path=None):
    # type: (Optional[str]) -> None
    """Import torchvision: the installed one, or that of which `path` is the library.

    Raises what the import raises (RuntimeError `operator torchvision::nms does not exist` where the library does not
    belong to this torch), and ImportError where another torchvision than the one asked for is imported.
    """
    if path is not None:
        sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(path))))
    package = import_module("torchvision")
    if path is not None:
        found = os.path.dirname(os.path.abspath(str(package.__file__)))
        if os.path.realpath(found) != os.path.realpath(os.path.dirname(os.path.abspath(path))):
            raise ImportError("torchvision comes from %s, not from the folder of %s" % (found, path))
    # Where the library cannot be loaded, older releases import all the same and fail with the first op.
    getattr(import_module("torchvision.extension"), "_assert_has_ops", lambda: None)()


def ops():
    # type: () -> List[Op]
    return [
        Op("nms", nms),
        Op("batched_nms", batched_nms),
        Op("roi_align", partial(pooled, "roi_align", ROI_ALIGN)),
        Op("roi_pool", partial(pooled, "roi_pool", ROI_POOL)),
        Op("ps_roi_align", partial(pooled, "ps_roi_align", PS_ROI_ALIGN)),
        Op("ps_roi_pool", partial(pooled, "ps_roi_pool", PS_ROI_POOL)),
        Op("deform_conv2d", deform_conv2d),
    ]


def function(name):
    # type: (str) -> Any
    """A function of torchvision.ops; AbsentError where this release has none."""
    # Before 0.6 some were in the module of boxes alone.
    for module in ("torchvision.ops", "torchvision.ops.boxes"):
        if hasattr(import_module(module), name):
            return getattr(import_module(module), name)
    raise AbsentError("torchvision %s has no %s" % (import_module("torchvision").__version__, name))


def takes(op, name):
    # type: (Any, str) -> bool
    """Whether a function has an argument of this name, as far as it can be asked."""
    code = getattr(op, "__code__", None)
    if code is None or code.co_flags & TAKES_ANY_NAME:
        return True
    count = code.co_argcount + getattr(code, "co_kwonlyargcount", 0)
    return name in code.co_varnames[:count]


def nms(device):
    # type: (str) -> Iterator[Comparison]
    op = function("nms")
    return nms_cases(device, usable(device, lambda dtype: one_box(device, dtype, op)), op)


def batched_nms(device):
    # type: (str) -> Iterator[Comparison]
    return batched_nms_cases(device, ("float32", "float64"), function("batched_nms"))


def pooled(name, kind, device):
    # type: (str, Pooling, str) -> Iterator[Comparison]
    """One of the pooling ops, which take a setting's parts under their own names."""
    op = function(name)

    def call(features, regions, setting):
        # type: (Any, Any, Setting) -> Any
        named = {"spatial_scale": setting.scale}  # type: Dict[str, Any]
        if name in ("roi_align", "ps_roi_align"):
            named["sampling_ratio"] = setting.ratio
        if name == "roi_align" and takes(op, "aligned"):
            named["aligned"] = setting.aligned
        return op(features, regions, setting.pooled, **named)

    if name == "roi_align" and not takes(op, "aligned"):
        kind = kind.restricted([setting for setting in kind.settings if not setting.aligned])
    dtypes = usable(device, lambda dtype: one_region(device, dtype, kind, call))
    return pooling_cases(device, dtypes, kind, call, autograd(call))


def deform_conv2d(device):
    # type: (str) -> Iterator[Comparison]
    op = function("deform_conv2d")
    settings = [setting for setting in SETTINGS if takes(op, "mask") or not setting.modulated]

    def call(given, setting):
        # type: (Dict[str, Any], DeformSetting) -> Any
        named = {"stride": setting.stride, "padding": setting.padding, "dilation": setting.dilation}
        if given["mask"] is not None:
            named["mask"] = given["mask"]
        return op(given["features"], given["offset"], given["weight"], given["bias"], **named)

    dtypes = usable(device, lambda dtype: one_convolution(device, dtype, call))
    for case in deform_cases(device, dtypes, call, deform_autograd(call), settings):
        yield case
    yield empty_case(device, call)
