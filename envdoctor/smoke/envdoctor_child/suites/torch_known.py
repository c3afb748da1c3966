"""Ops that are known by their name and the types of their arguments, whoever has written them.

Types are letters: T a tensor, f a float, i an integer, b a bool. The order of arguments is that of torchvision, and of
detectron2 for rotated boxes.
"""

from __future__ import absolute_import, division

from functools import partial
from importlib import import_module

from ..case import Comparison
from ..comparison import compare
from ..inputs import Numbers
from ..references.moving import zero_even as zero_even_reference
from .torch_boxes import nms_cases, one_box, overlap_cases, rotated_nms_cases, rotated_overlap_cases
from .torch_deform import autograd as deform_autograd
from .torch_deform import deform_cases
from .torch_pooling import (
    PS_ROI_ALIGN,
    PS_ROI_POOL,
    ROI_ALIGN,
    ROI_ALIGN_ROTATED,
    ROI_POOL,
    autograd,
    one_region,
    pooling_cases,
)
from .torch_values import check, tensor, usable

MYPY = False
if MYPY:
    from collections.abc import Callable, Iterator
    from typing import Any, Dict, NamedTuple, Tuple

    from .torch_deform import Setting as DeformSetting
    from .torch_pooling import Pooling, Setting

    # What is called, and whether torch has a derivative of it.
    Candidate = NamedTuple("Candidate", [("function", Any), ("differentiable", bool)])
    # A device and the op.
    Runner = Callable[[str, Candidate], Iterator[Comparison]]
else:
    from collections import namedtuple

    Candidate = namedtuple("Candidate", ["function", "differentiable"])

# The author of an op need not have thought of more.
REQUIRED = ("float32",)

LETTERS = {
    "Tensor": "T",
    "float": "f",
    "SupportsFloat": "f",
    "int": "i",
    "SymInt": "i",
    "SupportsInt": "i",
    "bool": "b",
}


def types_of_schema(schema):
    # type: (Any) -> str
    """The letters of a schema's arguments; ? for a type that no known op takes."""
    return "".join(LETTERS.get(str(argument.type), "?") for argument in schema.arguments)


def types_of_docstring(text):
    # type: (str) -> str
    """The letters of the signature that pybind11 writes: `nms(arg0: torch.Tensor, arg1: float) -> torch.Tensor`."""
    opening, closing = text.find("("), text.find(") ->")
    if opening < 0 or closing < opening:
        return "?"
    parts = [part for part in text[opening + 1 : closing].split(", ") if part]
    return "".join(_letter(part) for part in parts)


def _letter(part):
    # type: (str) -> str
    """The letter of `name: module.Type | module.Other = default`, by the first type named."""
    named = part.split(":", 1)[-1].split("=")[0].split("|")[0].strip()
    return LETTERS.get(named.split(".")[-1].split("::")[-1], "?")


def lenient(function):
    # type: (Any) -> Any
    """The function, which may refuse a tensor with gaps in memory, but may not misread it."""

    def called(*arguments):
        # type: (*Any) -> Any
        try:
            return function(*arguments)
        except (RuntimeError, TypeError, ValueError):
            dense = [each.contiguous() if hasattr(each, "contiguous") else each for each in arguments]
            if all(before is after for before, after in zip(arguments, dense)):
                raise
            return function(*dense)

    return called


def nms(device, candidate):
    # type: (str, Candidate) -> Iterator[Comparison]
    def with_one_box(dtype):
        # type: (str) -> Any
        return one_box(device, dtype, candidate.function)

    return nms_cases(device, usable(device, with_one_box, REQUIRED), lenient(candidate.function))


def box_iou(device, candidate):
    # type: (str, Candidate) -> Iterator[Comparison]
    return overlap_cases(device, lenient(candidate.function))


def box_iou_rotated(device, candidate):
    # type: (str, Candidate) -> Iterator[Comparison]
    return rotated_overlap_cases(device, lenient(candidate.function))


def nms_rotated(device, candidate):
    # type: (str, Candidate) -> Iterator[Comparison]
    return rotated_nms_cases(device, ("float32",), lenient(candidate.function))


def pooled(kind, parts, device, candidate):
    # type: (Pooling, str, str, Candidate) -> Iterator[Comparison]
    """`parts`: what follows features, regions, scale, rows and columns of bins: r the samples, a aligned."""
    function = lenient(candidate.function)

    def call(features, regions, its):
        # type: (Any, Any, Setting) -> Any
        further = [{"r": its.ratio, "a": its.aligned}[part] for part in parts]
        values = function(features, regions, its.scale, its.pooled[0], its.pooled[1], *further)
        # RoIPool and the position-sensitive ones tell besides where the values come from.
        return values[0] if isinstance(values, (tuple, list)) else values

    def with_one_region(dtype):
        # type: (str) -> Any
        return one_region(device, dtype, kind, call)

    dtypes = usable(device, with_one_region, REQUIRED)
    return pooling_cases(device, dtypes, kind, call, autograd(call) if candidate.differentiable else None)


def deform_conv2d(device, candidate):
    # type: (str, Candidate) -> Iterator[Comparison]
    function = lenient(candidate.function)

    def call(given, its):
        # type: (Dict[str, Any], DeformSetting) -> Any
        features, weight = given["features"], given["weight"]
        absent = features.new_zeros((int(features.shape[0]), 1))
        mask = given["mask"] if its.modulated else absent
        bias = given["bias"] if its.modulated else features.new_zeros(its.outputs)
        numbers = its.stride + its.padding + its.dilation + (its.groups, its.offset_groups, its.modulated)
        return function(features, weight, given["offset"], mask, bias, *numbers)

    return deform_cases(device, ("float32",), call, deform_autograd(call) if candidate.differentiable else None)


def zero_even(device, candidate):
    # type: (str, Candidate) -> Iterator[Comparison]
    """A copy of a vector whose elements 0, 2, 4 ... are zero; the vector itself stays as it was."""
    for count in (7, 6, 1, 0):
        values = Numbers(count).block((count,), 1.0, 8.0)
        given = tensor(values, "float32", device)
        yield check("%d elements" % count, "float32", candidate.function(given), zero_even_reference(values), (count,))
        yield compare("the vector given, afterwards", "float32", given.cpu().tolist(), values)


# By name: the types of the arguments, and what compares the op.
KNOWN = {
    "nms": ("TTf", nms),
    "box_iou": ("TT", box_iou),
    "nms_rotated": ("TTf", nms_rotated),
    "box_iou_rotated": ("TT", box_iou_rotated),
    "roi_align": ("TTfiiib", partial(pooled, ROI_ALIGN, "ra")),
    "roi_pool": ("TTfii", partial(pooled, ROI_POOL, "")),
    "ps_roi_align": ("TTfiii", partial(pooled, PS_ROI_ALIGN, "r")),
    "ps_roi_pool": ("TTfii", partial(pooled, PS_ROI_POOL, "")),
    "roi_align_rotated_forward": ("TTfiii", partial(pooled, ROI_ALIGN_ROTATED, "r")),
    "deform_conv2d": ("TTTTTiiiiiiiib", deform_conv2d),
    "zero_even": ("T", zero_even),
}  # type: Dict[str, Tuple[str, Runner]]
