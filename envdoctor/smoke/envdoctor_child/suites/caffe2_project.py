"""The operators of a project's own library, as DensePose has them, in the Caffe2 that loads it."""

from __future__ import absolute_import, division

import os
from functools import partial

from ..case import AbsentError, Comparison, Op
from ..inputs import Numbers
from ..references import moving, points
from .caffe2_workspace import Blob, check, create_operators, define, gradient, run, signature

MYPY = False
if MYPY:
    from collections.abc import Callable, Iterator
    from typing import Dict, List

    Cases = Callable[[str], Iterator[Comparison]]

# Batch index, x and y in two maps of 5 rows and 6 columns: on an element, between four, on the last row and column,
# within one element outside of each border, on the very limit, and further outside.
POINTS = (
    (0, 0.0, 0.0),
    (0, 2.5, 1.25),
    (1, 5.0, 4.0),
    (1, 4.75, 3.5),
    (0, -0.5, 2.0),
    (1, 3.25, -0.75),
    (0, 5.5, 1.0),
    (1, 2.0, 4.5),
    (0, -1.0, 5.0),
    (1, 6.0, -1.0),
    (0, -1.25, 0.0),
    (1, 30.0, 2.0),
    (0, 2.5, 1.25),
)
SHAPE = (2, 3, 5, 6)
# What the library of this process has registered; one process loads one library.
_registered = []  # type: List[str]


def load(path):
    # type: (str) -> None
    """Load the library into Caffe2. Raises what the loader raises, and RuntimeError where nothing was registered."""
    from caffe2.python import dyndep, workspace

    # Caffe2 itself only prints when the file is missing.
    if not os.path.isfile(path):
        raise RuntimeError("there is no file %s" % path)
    before = set(workspace.RegisteredOperators())
    dyndep.InitOpsLibrary(path)
    _registered[:] = sorted(set(workspace.RegisteredOperators()) - before)
    if not _registered:
        raise RuntimeError("the library loads and registers no operator")


def describe():
    # type: () -> str
    return "registers " + ", ".join(_registered)


def ops():
    # type: () -> List[Op]
    """Those whose meaning is known are compared; of the others is shown that they can be created."""
    return [Op(name, compared().get(name) or partial(created, name)) for name in _registered]


def compared():
    # type: () -> Dict[str, Cases]
    """The operators whose meaning is known, and what compares them."""
    return {
        "ZeroEven": zero_even,
        "PoolPointsInterp": pool_points,
        "PoolPointsInterpGradient": pool_points_gradient,
    }


def zero_even(device):
    # type: (str) -> Iterator[Comparison]
    for count in (7, 8, 1, 0, 1000):
        vector = Numbers(count).block((count,))
        for gaps in (False, True):
            label = "%d elements%s" % (count, ", gaps in memory" if gaps else "")
            (got,) = run(device, "ZeroEven", [Blob(vector, shape=(count,), gaps=gaps)])
            yield check(label, got, moving.zero_even(vector), (count,))


def pool_points(device):
    # type: (str) -> Iterator[Comparison]
    features = Numbers(1).block(SHAPE)
    for scale, chosen in ((1.0, POINTS), (0.5, POINTS), (0.25, POINTS), (1.0, POINTS[1:2]), (1.0, ())):
        for gaps in (False, True):
            given = [Blob(features, gaps=gaps), Blob(chosen, shape=(len(chosen), 3), gaps=gaps)]
            (got,) = run(device, "PoolPointsInterp", given, spatial_scale=scale)
            want = points.pool_points(features, chosen, scale)
            yield check(_label(len(chosen), scale, gaps), got, want, (len(chosen), SHAPE[1]))


def pool_points_gradient(device):
    # type: (str) -> Iterator[Comparison]
    features = Numbers(2).block(SHAPE)
    for scale, chosen in ((1.0, POINTS), (0.5, POINTS), (1.0, POINTS[1:2]), (1.0, ())):
        shape = (len(chosen), SHAPE[1])
        above = Numbers(3).block(shape)
        given = [Blob(features), Blob(chosen, shape=(len(chosen), 3))]
        got = gradient(device, "PoolPointsInterp", given, Blob(above, shape=shape), spatial_scale=scale)
        want = points.pool_points_gradient(above, chosen, SHAPE, scale)
        yield check("gradient: " + _label(len(chosen), scale, False), got, want, SHAPE)


def _label(count, scale, gaps):
    # type: (int, float, bool) -> str
    parts = ["%d points" % count if count != 1 else "1 point"]
    parts += ["scale %g" % scale] if scale != 1 else []
    return ", ".join(parts + (["gaps in memory"] if gaps else []))


def created(name, device):
    # type: (str, str) -> Iterator[Comparison]
    """An operator that only its project knows: it is created, with no arguments, and not run."""
    from caffe2.python import core, workspace

    yield Comparison("registered", "", 0.0, 0.0)
    inputs, outputs = signature(name)
    names = ["made_%d" % index for index in range(inputs)]
    for blob in names:
        workspace.CreateBlob(blob)
    net = core.Net("envdoctor_created")
    net.Proto().op.extend([define(device, name, names, ["made_out_%d" % index for index in range(outputs)], {})])
    try:
        create_operators(net)
    except RuntimeError as error:
        # Its constructor has run and misses arguments.
        raise AbsentError("registered; not created without arguments: %s" % str(error).strip().split("\n")[0])
    yield Comparison("registered and created; what it computes is not known, so no value is compared", "", 0.0, 0.0)
