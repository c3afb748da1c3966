"""The ops of detectron2's extension `_C` beside their references.

Rotated boxes and RoIAlign of rotated regions run on the CPU and on GPUs, deformable convolution on GPUs alone. The
extension is loaded without the package, so that none of its dependencies need be there. The ops have been both
functions of the module and ops in torch's registry (`torch.ops.detectron2`), by release.
"""

from __future__ import absolute_import, division

from importlib import import_module

from ..case import AbsentError, Comparison, Op
from .torch_boxes import rotated_nms_cases, rotated_overlap_cases
from .torch_deform_kernels import modulated_cases, plain_cases
from .torch_loading import installed, load_extension
from .torch_pooling import ROI_ALIGN_ROTATED, one_region, pooling_cases
from .torch_values import usable

MYPY = False
if MYPY:
    from collections.abc import Iterator
    from typing import Any, List, Optional

    from .torch_pooling import Setting

# What `load` loaded; `ops` is called without it.
_loaded = []  # type: List[Any]


def load(path=None):
    # type: (Optional[str]) -> None
    """Load the extension at `path`, or that of the installed detectron2. Raises what loading raises."""
    _loaded[:] = [load_extension(path or installed("detectron2", "_C"))]


def ops():
    # type: () -> List[Op]
    return [
        Op("nms_rotated", nms_rotated),
        Op("box_iou_rotated", box_iou_rotated),
        Op("ROIAlignRotated", roi_align_rotated),
        Op("deform_conv", deform_conv),
        Op("modulated_deform_conv", modulated_deform_conv),
    ]


def function(name):
    # type: (str) -> Any
    """A function of the module or of the registry; AbsentError where this release has none of this name."""
    for module in _loaded:
        if hasattr(module, name):
            return getattr(module, name)
    try:
        return getattr(import_module("torch").ops.detectron2, name)
    except (AttributeError, RuntimeError):
        raise AbsentError("this detectron2 has no %s" % name)


def nms_rotated(device):
    # type: (str) -> Iterator[Comparison]
    # On GPUs the package sees to it that the kernel is never called without a box.
    return rotated_nms_cases(device, ("float32", "float64"), function("nms_rotated"), empty=device == "cpu")


def box_iou_rotated(device):
    # type: (str) -> Iterator[Comparison]
    return rotated_overlap_cases(device, function("box_iou_rotated"))


def roi_align_rotated(device):
    # type: (str) -> Iterator[Comparison]
    forward, backward = function("roi_align_rotated_forward"), function("roi_align_rotated_backward")

    def call(features, regions, setting):
        # type: (Any, Any, Setting) -> Any
        return forward(features, regions, setting.scale, setting.pooled[0], setting.pooled[1], setting.ratio)

    def slope(gradient, features, regions, setting):
        # type: (Any, Any, Any, Setting) -> Any
        rows, columns = setting.pooled
        sizes = [int(length) for length in features.shape]
        # The kernel for the CPU misreads a gradient with gaps in memory; autograd hands it none in practice.
        return backward(gradient.contiguous(), regions, setting.scale, rows, columns, *(sizes + [setting.ratio]))

    dtypes = usable(device, lambda dtype: one_region(device, dtype, ROI_ALIGN_ROTATED, call))
    return pooling_cases(device, dtypes, ROI_ALIGN_ROTATED, call, slope)


def deform_conv(device):
    # type: (str) -> Iterator[Comparison]
    _on_gpu(device)
    names = ("deform_conv_forward", "deform_conv_backward_input", "deform_conv_backward_filter")
    return plain_cases(device, *[function(name) for name in names])


def modulated_deform_conv(device):
    # type: (str) -> Iterator[Comparison]
    _on_gpu(device)
    names = ("modulated_deform_conv_forward", "modulated_deform_conv_backward")
    return modulated_cases(device, *[function(name) for name in names])


def _on_gpu(device):
    # type: (str) -> None
    if device == "cpu":
        raise AbsentError("detectron2 has deformable convolution on GPUs alone")
