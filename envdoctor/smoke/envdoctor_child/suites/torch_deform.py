"""Cases of deformable convolution, with and without a mask."""

from __future__ import absolute_import, division

from importlib import import_module

from ..case import Comparison
from ..inputs import Numbers
from ..references.deform_conv import DeformConv
from .torch_values import check, scattered, tensor

MYPY = False
if MYPY:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, Dict, List, NamedTuple, Optional, Tuple

    Size = Tuple[int, int]
    Setting = NamedTuple(
        "Setting",
        [
            ("label", str),
            ("channels", int),
            ("outputs", int),
            ("kernel", Size),
            ("stride", Size),
            ("padding", Size),
            ("dilation", Size),
            ("groups", int),
            ("offset_groups", int),
            ("modulated", bool),
            ("reach", int),
        ],
    )
    # An op: tensors by name (features, weight, offset, mask, bias; the last two None where not used), the setting.
    Convolve = Callable[[Dict[str, Any], Setting], Any]
    # Its gradients by the same names, from the gradient of the values.
    Backward = Callable[[Any, Dict[str, Any], Setting], Dict[str, Any]]
else:
    from collections import namedtuple

    Setting = namedtuple(
        "Setting",
        [
            "label",
            "channels",
            "outputs",
            "kernel",
            "stride",
            "padding",
            "dilation",
            "groups",
            "offset_groups",
            "modulated",
            "reach",
        ],
    )

PLAIN = Setting("plain", 2, 3, (3, 3), (1, 1), (1, 1), (1, 1), 1, 1, False, 1)
SETTINGS = (
    PLAIN,
    Setting("stride, padding and dilation", 2, 2, (3, 2), (2, 1), (2, 1), (2, 3), 1, 1, True, 1),
    Setting("groups", 4, 4, (2, 2), (1, 2), (0, 1), (1, 1), 2, 2, True, 1),
    Setting("offsets beyond the map", 2, 2, (2, 2), (1, 1), (1, 1), (1, 1), 1, 2, False, 9),
)
BATCHES, HEIGHT, WIDTH = 2, 4, 5
NAMES = ("features", "weight", "offset", "mask", "bias")


def offsets(setting, size, seed):
    # type: (Setting, Size, int) -> Any
    """Offsets that never read at an element itself, where the value has a kink and no derivative."""
    numbers = Numbers(seed)

    def nested(shape):
        # type: (Sequence[int]) -> Any
        if shape:
            return [nested(shape[1:]) for _ in range(shape[0])]
        return numbers.below(2 * setting.reach + 1) - setting.reach + numbers.number(0.125, 0.875)

    taps = setting.kernel[0] * setting.kernel[1]
    return nested((BATCHES, 2 * taps * setting.offset_groups) + size)


def inputs(setting, seed):
    # type: (Setting, int) -> DeformConv
    """The reference of a setting, with all its values."""
    numbers = Numbers(seed)
    taps = setting.kernel[0] * setting.kernel[1]
    size = output_size(setting)
    return DeformConv(
        numbers.block((BATCHES, setting.channels, HEIGHT, WIDTH)),
        numbers.block((setting.outputs, setting.channels // setting.groups) + setting.kernel, -1.0, 1.0),
        offsets(setting, size, seed + 1),
        numbers.block((BATCHES, taps * setting.offset_groups) + size, 0.0, 1.0) if setting.modulated else None,
        numbers.block((setting.outputs,)) if setting.modulated else None,
        setting.stride,
        setting.padding,
        setting.dilation,
    )


def output_size(setting):
    # type: (Setting) -> Size
    sides = []  # type: List[int]
    for axis, length in enumerate((HEIGHT, WIDTH)):
        reach = setting.dilation[axis] * (setting.kernel[axis] - 1) + 1
        sides.append((length + 2 * setting.padding[axis] - reach) // setting.stride[axis] + 1)
    return sides[0], sides[1]


def autograd(convolve):
    # type: (Convolve) -> Backward
    """The gradients that torch itself finds for an op."""

    def backward(gradient, given, setting):
        # type: (Any, Dict[str, Any], Setting) -> Dict[str, Any]
        torch = import_module("torch")
        leaves = {name: None if each is None else each.detach().requires_grad_(True) for name, each in given.items()}
        values = convolve(leaves, setting)
        names = [name for name in NAMES if leaves[name] is not None]
        return dict(zip(names, torch.autograd.grad(values, [leaves[name] for name in names], gradient)))

    return backward


def deform_cases(device, dtypes, convolve, backward, settings=SETTINGS, gaps=True):
    # type: (str, Sequence[str], Convolve, Optional[Backward], Sequence[Setting], bool) -> Iterator[Comparison]
    """All cases of a deformable convolution, values and gradients (not in float16).

    `gaps` where the op takes tensors of any strides.
    """
    for number, setting in enumerate(settings):
        reference = inputs(setting, 10 * number)
        want = reference.forward()
        shape = (BATCHES, setting.outputs) + reference.size
        above = Numbers(number + 70).block(shape)
        slopes = reference.gradients(above)
        for dtype in dtypes:
            given = _tensors(reference, dtype, device)
            yield check(setting.label, dtype, convolve(given, setting), want, shape)
            if gaps:
                apart = {name: None if each is None else scattered(each) for name, each in given.items()}
                yield check(setting.label + ", gaps in memory", dtype, convolve(apart, setting), want, shape)
            if backward is None or dtype == "float16":
                continue
            found = backward(tensor(above, dtype, device), given, setting)
            for name in sorted(found):
                label = "gradient at the %s: %s" % (name, setting.label)
                yield check(label, dtype, found[name], slopes[name], given[name].shape)


def one_convolution(device, dtype, convolve):
    # type: (str, str, Convolve) -> Any
    """What an op makes of the plain case, to see whether it takes a type."""
    return convolve(_tensors(inputs(PLAIN, 5), dtype, device), PLAIN)


def empty_case(device, convolve):
    # type: (str, Convolve) -> Comparison
    """No image at all."""
    reference = inputs(PLAIN, 5)
    given = _tensors(reference, "float32", device)
    given["features"], given["offset"] = given["features"][:0], given["offset"][:0]
    return check("no image", "float32", convolve(given, PLAIN), [], (0, PLAIN.outputs) + reference.size)


def _tensors(reference, dtype, device):
    # type: (DeformConv, str, str) -> Dict[str, Any]
    values = {name: getattr(reference, name) for name in NAMES}
    return {name: None if each is None else tensor(each, dtype, device) for name, each in values.items()}
