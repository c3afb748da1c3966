"""Deformable convolution as kernels that fill tensors they are given: the form that detectron2 and mmcv share.

Both come from the code of the papers' authors, with the arguments in one order; only torch's derivative is missing,
since the packages around the kernels supply it.
"""

from __future__ import absolute_import, division

from importlib import import_module

from ..case import Comparison
from .torch_deform import SETTINGS, deform_cases, output_size

MYPY = False
if MYPY:
    from collections.abc import Iterator
    from typing import Any, Dict, Tuple

    from .torch_deform import Setting

DTYPES = ("float32", "float64")
MODULATED = ("features", "weight", "bias", "offset", "mask")


def plain_cases(device, forward, input_backward, weight_backward):
    # type: (str, Any, Any, Any) -> Iterator[Comparison]
    """Without mask and bias: three kernels, for the values and for the gradients at the inputs and at the weight."""

    def call(given, setting):
        # type: (Dict[str, Any], Setting) -> Any
        features = given["features"]
        values, columns, ones = _room(features, setting)
        step = int(features.shape[0])
        forward(features, given["weight"], given["offset"], values, columns, ones, *_wide_first(setting) + (step,))
        return values

    def slopes(gradient, given, setting):
        # type: (Any, Dict[str, Any], Setting) -> Dict[str, Any]
        features, offset, weight = given["features"], given["offset"], given["weight"]
        found = _zeros_like(given, "features", "offset", "weight")
        _, columns, ones = _room(features, setting)
        step, numbers = int(features.shape[0]), _wide_first(setting)
        pair = found["features"], found["offset"]
        input_backward(features, offset, gradient, pair[0], pair[1], weight, columns, *numbers + (step,))
        weight_backward(features, offset, gradient, found["weight"], columns, ones, *numbers + (1.0, step))
        return found

    settings = [setting for setting in SETTINGS if not setting.modulated]
    return deform_cases(device, DTYPES, call, slopes, settings, gaps=False)


def modulated_cases(device, forward, backward):
    # type: (str, Any, Any) -> Iterator[Comparison]
    """With mask and bias: two kernels, for the values and for all gradients."""

    def call(given, setting):
        # type: (Dict[str, Any], Setting) -> Any
        features, weight, bias, offset, mask = [given[name] for name in MODULATED]
        values, columns, ones = _room(features, setting)
        forward(features, weight, bias, ones, offset, mask, values, columns, *_high_first(setting) + (True,))
        return values

    def slopes(gradient, given, setting):
        # type: (Any, Dict[str, Any], Setting) -> Dict[str, Any]
        features, weight, bias, offset, mask = [given[name] for name in MODULATED]
        found = _zeros_like(given, *MODULATED)
        _, columns, ones = _room(features, setting)
        arguments = [features, weight, bias, ones, offset, mask, columns] + [found[name] for name in MODULATED]
        backward(*arguments + [gradient] + list(_high_first(setting)) + [True])
        return found

    settings = [setting for setting in SETTINGS if setting.modulated]
    return deform_cases(device, DTYPES, call, slopes, settings, gaps=False)


def _room(features, setting):
    # type: (Any, Setting) -> Tuple[Any, Any, Any]
    """Tensors for the values and for two buffers, which the kernels size themselves."""
    values = features.new_empty((int(features.shape[0]), setting.outputs) + output_size(setting))
    return values, features.new_empty(0), features.new_empty(0)


def _zeros_like(given, *names):
    # type: (Dict[str, Any], str) -> Dict[str, Any]
    torch = import_module("torch")
    return {name: torch.zeros_like(given[name]) for name in names}


def _high_first(setting):
    # type: (Setting) -> Tuple[int, ...]
    """Kernel, stride, padding and dilation, each height before width, and the groups of both kinds."""
    sizes = (setting.kernel, setting.stride, setting.padding, setting.dilation)
    return tuple(each for size in sizes for each in size) + (setting.groups, setting.offset_groups)


def _wide_first(setting):
    # type: (Setting) -> Tuple[int, ...]
    """The same numbers, each width before height."""
    sizes = (setting.kernel, setting.stride, setting.padding, setting.dilation)
    return tuple(each for size in sizes for each in size[::-1]) + (setting.groups, setting.offset_groups)
