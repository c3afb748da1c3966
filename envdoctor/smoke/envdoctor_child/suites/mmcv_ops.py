"""The ops of mmcv's extension `_ext` beside their references: mmcv-full 1.4.3 and later, mmcv 2.

From 1.4.3 on the angles of rotated boxes go with the clock; they are radians. The extension is loaded without the
package, so that none of its dependencies need be there. Its kernels fill tensors that they are given, take dense ones,
and on GPUs none without elements.
"""

from __future__ import absolute_import, division

from math import pi

from ..case import AbsentError, Comparison, Op
from .torch_boxes import ROTATED, nms_cases, overlap_cases, rotated_nms_cases, rotated_overlap_cases, turned
from .torch_deform_kernels import modulated_cases, plain_cases
from .torch_loading import installed, load_extension
from .torch_pooling import ROI_ALIGN, ROI_ALIGN_ROTATED, ROI_POOL, one_region, pooling_cases
from .torch_values import usable

MYPY = False
if MYPY:
    from collections.abc import Iterator
    from typing import Any, List, Optional

    from .torch_pooling import Pooling, Setting

DTYPES = ("float32", "float64")
MEAN = 1

# What `load` loaded; `ops` is called without it.
_loaded = []  # type: List[Any]


def load(path=None):
    # type: (Optional[str]) -> None
    """Load the extension at `path`, or that of the installed mmcv. Raises what loading raises."""
    module = load_extension(path or installed("mmcv", "_ext"))
    if module is None:
        raise ImportError("%s holds no module _ext" % path)
    _loaded[:] = [module]


def ops():
    # type: () -> List[Op]
    return [
        Op("nms", nms),
        Op("bbox_overlaps", bbox_overlaps),
        Op("nms_rotated", nms_rotated),
        Op("box_iou_rotated", box_iou_rotated),
        Op("roi_align", roi_align),
        Op("roi_pool", roi_pool),
        Op("roi_align_rotated", roi_align_rotated),
        Op("deform_conv", deform_conv),
        Op("modulated_deform_conv", modulated_deform_conv),
    ]


def function(name):
    # type: (str) -> Any
    """A function of the module; AbsentError where it was built without."""
    try:
        return getattr(_loaded[0], name)
    except AttributeError:
        raise AbsentError("this mmcv has no %s" % name)


def nms(device):
    # type: (str) -> Iterator[Comparison]
    """Boxes whose sides are differences of coordinates, then such as count both ends."""
    suppress = function("nms")
    for extra in (0, 1):

        def call(boxes, scores, threshold, extra=extra):
            # type: (Any, Any, float, int) -> Any
            return suppress(boxes, scores, iou_threshold=threshold, offset=extra)

        for case in nms_cases(device, ("float32",), call, extra, gaps=False):
            yield case


def bbox_overlaps(device):
    # type: (str) -> Iterator[Comparison]
    fill = function("bbox_overlaps")
    for extra in (0, 1):

        def call(ours, others, extra=extra):
            # type: (Any, Any, int) -> Any
            ious = ours.new_zeros((int(ours.shape[0]), int(others.shape[0])))
            if ious.numel():
                fill(ours, others, ious, mode=0, aligned=False, offset=extra)
            return ious

        for case in overlap_cases(device, call, extra):
            yield case


def nms_rotated(device):
    # type: (str) -> Iterator[Comparison]
    suppress = function("nms_rotated")

    def call(boxes, scores, threshold):
        # type: (Any, Any, float) -> Any
        order = scores.sort(0, descending=True)[1]
        labels = scores.new_empty(0).int()
        return suppress(boxes, scores, order, boxes.index_select(0, order), labels, threshold, 0)

    return rotated_nms_cases(device, DTYPES, call, turned(ROTATED, -pi / 180), empty=device == "cpu")


def box_iou_rotated(device):
    # type: (str) -> Iterator[Comparison]
    fill = function("box_iou_rotated")

    def call(ours, others):
        # type: (Any, Any) -> Any
        ious = ours.new_zeros(int(ours.shape[0]) * int(others.shape[0]))
        if ious.numel():
            fill(ours, others, ious, mode_flag=0, aligned=False)
        return ious.reshape(int(ours.shape[0]), int(others.shape[0]))

    return rotated_overlap_cases(device, call, turned(ROTATED, -pi / 180), gaps=False)


def roi_align(device):
    # type: (str) -> Iterator[Comparison]
    forward, backward = function("roi_align_forward"), function("roi_align_backward")

    def call(features, regions, its):
        # type: (Any, Any, Setting) -> Any
        values, none = _values(features, regions, its), features.new_zeros(0)
        forward(features, regions, values, none, none, *its.pooled + (its.scale, its.ratio, MEAN, its.aligned))
        return values

    def slope(gradient, features, regions, its):
        # type: (Any, Any, Any, Setting) -> Any
        found, none = features.new_zeros(tuple(features.shape)), features.new_zeros(0)
        numbers = its.pooled + (its.scale, its.ratio, MEAN, its.aligned)
        backward(gradient, regions, none, none, found, *numbers)
        return found

    return _pooling(device, ROI_ALIGN, call, slope)


def roi_pool(device):
    # type: (str) -> Iterator[Comparison]
    if device == "cpu":
        raise AbsentError("mmcv has roi_pool on GPUs alone")
    forward, backward = function("roi_pool_forward"), function("roi_pool_backward")

    def call(features, regions, its):
        # type: (Any, Any, Setting) -> Any
        values = _values(features, regions, its)
        forward(features, regions, values, values.int(), *its.pooled + (its.scale,))
        return values

    def slope(gradient, features, regions, its):
        # type: (Any, Any, Any, Setting) -> Any
        values, found = _values(features, regions, its), features.new_zeros(tuple(features.shape))
        places = values.int()
        forward(features, regions, values, places, *its.pooled + (its.scale,))
        backward(gradient, regions, places, found, *its.pooled + (its.scale,))
        return found

    return _pooling(device, ROI_POOL, call, slope)


def roi_align_rotated(device):
    # type: (str) -> Iterator[Comparison]
    forward, backward = function("roi_align_rotated_forward"), function("roi_align_rotated_backward")

    def call(features, regions, its):
        # type: (Any, Any, Setting) -> Any
        values = _values(features, regions, its)
        forward(features, _clockwise(regions), values, *its.pooled + (its.scale, its.ratio, True, True))
        return values

    def slope(gradient, features, regions, its):
        # type: (Any, Any, Any, Setting) -> Any
        found = features.new_zeros(tuple(features.shape))
        backward(gradient, _clockwise(regions), found, *its.pooled + (its.scale, its.ratio, True, True))
        return found

    return _pooling(device, ROI_ALIGN_ROTATED, call, slope)


def deform_conv(device):
    # type: (str) -> Iterator[Comparison]
    names = ("deform_conv_forward", "deform_conv_backward_input", "deform_conv_backward_parameters")
    return plain_cases(device, *[function(name) for name in names])


def modulated_deform_conv(device):
    # type: (str) -> Iterator[Comparison]
    names = ("modulated_deform_conv_forward", "modulated_deform_conv_backward")
    return modulated_cases(device, *[function(name) for name in names])


def _pooling(device, kind, call, slope):
    # type: (str, Pooling, Any, Any) -> Iterator[Comparison]
    dtypes = usable(device, lambda dtype: one_region(device, dtype, kind, call), DTYPES)
    return pooling_cases(device, dtypes, kind, call, slope, gaps=False, empty=device == "cpu")


def _values(features, regions, its):
    # type: (Any, Any, Setting) -> Any
    return features.new_zeros((int(regions.shape[0]), int(features.shape[1])) + its.pooled)


def _clockwise(regions):
    # type: (Any) -> Any
    """Regions with angles in radians and with the clock, from such in degrees and against it."""
    result = regions.clone()
    result[:, 5] *= -pi / 180
    return result
