"""Cases of ops that pool regions of a map: RoIAlign, RoIPool, both position-sensitive ones, and the rotated one."""

from __future__ import absolute_import, division

from importlib import import_module
from math import pi

from ..case import Comparison
from ..inputs import Numbers
from ..references import ps_roi, roi_align, roi_pool, rotated
from .torch_values import check, scattered, tensor

MYPY = False
if MYPY:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, NamedTuple, Optional, Tuple

    Setting = NamedTuple("Setting", [("pooled", Tuple[int, int]), ("scale", float), ("ratio", int), ("aligned", bool)])
    # An op: tensors of features and regions, and the setting; a tensor of values.
    Pool = Callable[[Any, Any, Setting], Any]
    # The gradient at its features: tensors of the values' gradient, features and regions, and the setting.
    Backward = Callable[[Any, Any, Any, Setting], Any]
    Regions = Sequence[Sequence[float]]
    Reference = Callable[[Any, Any, Setting], Any]
    ReferenceGradient = Callable[[Any, Any, Any, Setting], Any]
else:
    from collections import namedtuple

    Setting = namedtuple("Setting", ["pooled", "scale", "ratio", "aligned"])

# Batch index and corners, in two images of 8 rows and 9 columns: ordinary, the whole image, smaller than an element,
# beyond each border, wholly outside. Halves of the coordinates are rounded by RoIPool: 2.5 up, as in C.
REGIONS = (
    (0, 1.0, 1.5, 6.25, 5.75),
    (1, 0.0, 0.0, 9.0, 8.0),
    (1, 2.25, 3.5, 2.5, 3.75),
    (0, -3.0, -2.5, 2.0, 3.0),
    (1, 5.5, 5.25, 12.0, 14.0),
    (0, 21.0, 22.5, 25.5, 26.0),
    (1, 5.0, 1.0, 7.0, 7.0),
)
# Batch index, centre, sides and angle in degrees.
ROTATED_REGIONS = (
    (0, 4.0, 3.5, 5.25, 3.75, 0.0),
    (1, 4.25, 4.0, 6.5, 3.25, 33.0),
    (1, 5.0, 3.0, 3.25, 4.5, -77.0),
    (0, 1.0, 1.5, 6.25, 5.75, 145.0),
    (1, 8.0, 7.5, 5.5, 2.25, 260.0),
    (0, 30.0, 31.0, 4.25, 4.5, 20.0),
)
HEIGHT, WIDTH = 8, 9


class Pooling(object):
    """What a kind of pooling is compared with: its reference, its gradient, and the settings that it knows.

    `per_bin`: each bin has input channels of its own. `largest`: a bin's value is its largest element, and no two may
    be equal. `sloped`: the regions of which gradients are compared.
    """

    def __init__(self, reference, gradient, settings, per_bin=False, largest=False, regions=REGIONS, sloped=None):
        # type: (Reference, ReferenceGradient, Sequence[Setting], bool, bool, Regions, Optional[Regions]) -> None
        self.reference = reference
        self.gradient = gradient
        self.settings = settings
        self.per_bin = per_bin
        self.largest = largest
        self.regions = regions
        self.sloped = regions if sloped is None else sloped

    def restricted(self, settings):
        # type: (Sequence[Setting]) -> Pooling
        """The same for an op that knows only some of the settings."""
        return Pooling(self.reference, self.gradient, settings, self.per_bin, self.largest, self.regions, self.sloped)

    def features(self, setting, seed):
        # type: (Setting, int) -> Any
        numbers = Numbers(seed)
        return numbers.distinct(self.shape(setting)) if self.largest else numbers.block(self.shape(setting))

    def shape(self, setting):
        # type: (Setting) -> Tuple[int, int, int, int]
        """The shape of features of two images that give two channels of output."""
        rows, columns = setting.pooled
        return 2, 2 * (rows * columns if self.per_bin else 1), HEIGHT, WIDTH


ROI_ALIGN = Pooling(
    lambda features, regions, its: roi_align.roi_align(features, regions, *its),
    lambda gradient, features, regions, its: roi_align.roi_align_gradient(gradient, regions, shape_of(features), *its),
    (Setting((2, 3), 1.0, 2, False), Setting((3, 2), 1.0, 0, True), Setting((2, 2), 0.5, 1, True)),
)
# Sides in bins are halves and quarters, exact in all types: a rounded quotient could move a floor or a ceil.
ROI_POOL = Pooling(
    lambda features, regions, its: roi_pool.roi_pool(features, regions, its.pooled, its.scale),
    lambda gradient, features, regions, its: roi_pool.roi_pool_gradient(
        gradient, features, regions, its.pooled, its.scale
    ),
    (Setting((2, 4), 1.0, 0, False), Setting((2, 2), 0.5, 0, False), Setting((1, 1), 1.0, 0, False)),
    largest=True,
)
PS_ROI_ALIGN = Pooling(
    lambda features, regions, its: ps_roi.ps_roi_align(features, regions, its.pooled, its.scale, its.ratio),
    lambda gradient, features, regions, its: ps_roi.ps_roi_align_gradient(
        gradient, regions, shape_of(features), its.pooled, its.scale, its.ratio
    ),
    (Setting((2, 3), 1.0, 2, True), Setting((2, 2), 0.5, 0, True)),
    per_bin=True,
)
# torchvision leaves the last row and column of a map out of the values, and not out of the gradient: where a region
# reaches them, its gradient is no derivative of its values, and nothing can be held beside it.
PS_ROI_POOL = Pooling(
    lambda features, regions, its: ps_roi.ps_roi_pool(features, regions, its.pooled, its.scale),
    lambda gradient, features, regions, its: ps_roi.ps_roi_pool_gradient(
        gradient, regions, shape_of(features), its.pooled, its.scale
    ),
    (Setting((2, 4), 1.0, 0, False), Setting((2, 2), 0.5, 0, False)),
    per_bin=True,
    sloped=tuple(region for region in REGIONS if region[3] < WIDTH and region[4] < HEIGHT) + REGIONS[5:6],
)


def in_radians(regions):
    # type: (Sequence[Sequence[float]]) -> Sequence[Sequence[float]]
    return [tuple(region[:5]) + (region[5] * pi / 180,) for region in regions]


ROI_ALIGN_ROTATED = Pooling(
    lambda features, regions, its: rotated.roi_align_rotated(
        features, in_radians(regions), its.pooled, its.scale, its.ratio
    ),
    lambda gradient, features, regions, its: rotated.roi_align_rotated_gradient(
        gradient, in_radians(regions), shape_of(features), its.pooled, its.scale, its.ratio
    ),
    (Setting((2, 3), 1.0, 2, True), Setting((3, 2), 0.5, 0, True)),
    regions=ROTATED_REGIONS,
)


def shape_of(features):
    # type: (Any) -> Tuple[int, int, int, int]
    return len(features), len(features[0]), len(features[0][0]), len(features[0][0][0])


def autograd(pool):
    # type: (Pool) -> Backward
    """The gradient that torch itself finds for an op."""

    def backward(gradient, features, regions, setting):
        # type: (Any, Any, Any, Setting) -> Any
        torch = import_module("torch")
        features = features.detach().requires_grad_(True)
        return torch.autograd.grad(pool(features, regions, setting), features, gradient)[0]

    return backward


def one_region(device, dtype, kind, pool):
    # type: (str, str, Pooling, Pool) -> Any
    """What an op makes of one region, to see whether it takes a type."""
    setting = kind.settings[0]
    image = tensor(kind.features(setting, 50), dtype, device)
    return pool(image, tensor(kind.regions[:1], dtype, device), setting)


def pooling_cases(device, dtypes, kind, pool, backward=None, gaps=True, empty=True):
    # type: (str, Sequence[str], Pooling, Pool, Optional[Backward], bool, bool) -> Iterator[Comparison]
    """All cases of one kind of pooling, values and gradients.

    `gaps` where the op takes tensors of any strides, `empty` where it takes tensors without elements. Without
    `backward`, and in float16, where sums of many terms have no useful tolerance, no gradient is compared.
    """
    for number, setting in enumerate(kind.settings):
        features = kind.features(setting, number)
        label, shape = _label(len(kind.regions), setting), (len(kind.regions), 2) + setting.pooled
        want = kind.reference(features, kind.regions, setting)
        scale = max(abs(each) for image in features for plane in image for row in plane for each in row)
        for dtype in dtypes:
            image, regions = tensor(features, dtype, device), tensor(kind.regions, dtype, device)
            yield check(label, dtype, pool(image, regions, setting), want, shape, scale)
            if gaps:
                got = pool(scattered(image), scattered(regions), setting)
                yield check(label + ", gaps in memory", dtype, got, want, shape, scale)
        for case in _gradient_cases(device, dtypes, kind, setting, features, backward, gaps):
            yield case
    for case in _few_regions(device, dtypes[0], kind, pool, backward, (1, 0) if empty else (1,)):
        yield case


def _gradient_cases(device, dtypes, kind, setting, features, backward, gaps):
    # type: (str, Sequence[str], Pooling, Setting, Any, Optional[Backward], bool) -> Iterator[Comparison]
    shape = (len(kind.sloped), 2) + setting.pooled
    above = Numbers(len(features[0])).block(shape)
    want = kind.gradient(above, features, kind.sloped, setting)
    label = "gradient: " + _label(len(kind.sloped), setting)
    for dtype in dtypes:
        if backward is None or dtype == "float16":
            continue
        given = tensor(above, dtype, device)
        image, regions = tensor(features, dtype, device), tensor(kind.sloped, dtype, device)
        for suffix, gradient in (("", given), (", gaps in memory", scattered(given)))[: 2 if gaps else 1]:
            found = backward(gradient, image, regions, setting)
            yield check(label + suffix, dtype, found, want, kind.shape(setting))


def _few_regions(device, dtype, kind, pool, backward, counts):
    # type: (str, str, Pooling, Pool, Optional[Backward], Sequence[int]) -> Iterator[Comparison]
    """One region, and none, which is an empty result and a gradient of zeros."""
    setting = kind.settings[0]
    features = kind.features(setting, 50)
    image = tensor(features, dtype, device)
    for count in counts:
        regions = kind.regions[:count]
        given = tensor(regions, dtype, device, (count, len(kind.regions[0])))
        want = kind.reference(features, regions, setting)
        shape = (count, 2) + setting.pooled
        yield check(_label(count, setting), dtype, pool(image, given, setting), want, shape)
        if backward is None:
            continue
        above = Numbers(60).block(shape)
        found = backward(tensor(above, dtype, device, shape), image, given, setting)
        slope = kind.gradient(above, features, regions, setting)
        yield check("gradient: " + _label(count, setting), dtype, found, slope, kind.shape(setting))


def _label(regions, setting):
    # type: (int, Setting) -> str
    parts = ["%d regions" % regions if regions != 1 else "1 region", "%dx%d bins" % setting.pooled]
    if setting.scale != 1:
        parts.append("scale %g" % setting.scale)
    if setting.ratio:
        parts.append("%d samples" % setting.ratio)
    if setting.aligned:
        parts.append("aligned")
    return ", ".join(parts)
