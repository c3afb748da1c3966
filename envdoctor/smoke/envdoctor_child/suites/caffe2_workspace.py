"""Between nested lists and the blobs of the target's Caffe2: one operator created, then run."""

from __future__ import absolute_import, division

from ..case import AbsentError, Comparison
from ..comparison import compare, shape, tolerance

MYPY = False
if MYPY:
    from collections.abc import Sequence
    from typing import Any, Dict, List, Optional, Tuple

NET = "envdoctor"
# How Caffe2 says that there is no such kernel: of an operator that is registered and has none, and of one that is not
# registered for the device.
NO_KERNEL = ("Not Implemented", "implementation for the corresponding device", "Cannot create operator of type")


class Blob(object):
    """Nested lists as an input: `shape` where empty lists do not tell it, `gaps` for other numbers in between."""

    def __init__(self, values, dtype="float32", shape=None, gaps=False):
        # type: (Any, str, Optional[Sequence[int]], bool) -> None
        self.values = values
        self.dtype = dtype
        self.shape = shape
        self.gaps = gaps

    def array(self):
        # type: () -> Any
        import numpy

        dense = numpy.array(self.values, dtype=self.dtype)
        if self.shape is not None:
            dense = dense.reshape(tuple(self.shape))
        if not self.gaps or not dense.ndim:
            return dense
        wide = numpy.full(dense.shape[:-1] + (2 * dense.shape[-1],), 77, dtype=self.dtype)
        wide[..., ::2] = dense
        return wide[..., ::2]


def device_option(device):
    # type: (str) -> Any
    from caffe2.proto import caffe2_pb2
    from caffe2.python import core

    kind, _, index = device.partition(":")
    if kind == "cpu":
        return core.DeviceOption(caffe2_pb2.CPU)
    return core.DeviceOption(getattr(caffe2_pb2, "CUDA", 1), int(index))


def run(device, operator, inputs, outputs=1, **arguments):
    # type: (str, str, Sequence[Blob], int, **Any) -> List[Any]
    """The outputs of an operator as arrays. Raises AbsentError where the device has no kernel of it."""
    definition = define(device, operator, _feed(device, inputs), _names("out", outputs), arguments)
    run_definitions([definition], device)
    return fetch(definition.output)


def gradient(device, operator, inputs, above, outputs=1, at=0, **arguments):
    # type: (str, str, Sequence[Blob], Blob, int, int, **Any) -> Any
    """The gradient at input `at` from the one at the first output, by the operator that Caffe2 itself takes for it.

    Raises AbsentError where there is none on the device.
    """
    from caffe2.python import core, workspace

    option = device_option(device)
    definition = define(device, operator, _feed(device, inputs), _names("out", outputs), arguments)
    workspace.FeedBlob("above", above.array(), option)
    try:
        found = core.GradientRegistry.GetGradientForOp(definition, ["above"] + [None] * (outputs - 1))
    except Exception as error:
        raise AbsentError("Caffe2 knows no gradient of %s: %s" % (operator, str(error).strip().split("\n")[0]))
    steps, slopes = found
    for step in steps:
        step.device_option.CopyFrom(option)
    run_definitions([definition] + list(steps), device)
    return fetch([str(slopes[at])])[0]


def _feed(device, inputs):
    # type: (str, Sequence[Blob]) -> List[str]
    from caffe2.python import workspace

    names = _names("in", len(inputs))
    for name, blob in zip(names, inputs):
        workspace.FeedBlob(name, blob.array(), device_option(device))
    return names


def _names(stem, count):
    # type: (str, int) -> List[str]
    return ["%s_%d" % (stem, index) for index in range(count)]


def define(device, operator, inputs, outputs, arguments):
    # type: (str, str, Sequence[str], Sequence[str], Dict[str, Any]) -> Any
    from caffe2.python import core

    return core.CreateOperator(operator, list(inputs), list(outputs), device_option=device_option(device), **arguments)


def run_definitions(definitions, device):
    # type: (Sequence[Any], str) -> None
    """Create the operators in a net, then run it: a crash tells which of both it was."""
    from caffe2.python import core

    net = core.Net(NET)
    net.Proto().op.extend(definitions)
    try:
        create_operators(net)
        run_operators(net)
    except RuntimeError as error:
        if any(sign in str(error) for sign in NO_KERNEL):
            raise AbsentError("this Caffe2 has no such kernel for %s" % device.partition(":")[0])
        raise


def create_operators(net):
    # type: (Any) -> None
    from caffe2.python import workspace

    workspace.CreateNet(net, overwrite=True)


def run_operators(net):
    # type: (Any) -> None
    from caffe2.python import workspace

    workspace.RunNet(net.Proto().name)


def fetch(names):
    # type: (Sequence[str]) -> List[Any]
    from caffe2.python import workspace

    return [workspace.FetchBlob(name) for name in names]


def check(label, got, want, shape_wanted=None, scale=None):
    # type: (str, Any, Any, Optional[Sequence[int]], Optional[float]) -> Comparison
    """Compare an array with nested lists; `shape_wanted` where empty ones do not show it."""
    wanted = shape(want) if shape_wanted is None else tuple(shape_wanted)
    if tuple(got.shape) != wanted:
        message = "the shape is %s, expected %s" % (tuple(got.shape), wanted)
        return Comparison(label, str(got.dtype), None, tolerance(str(got.dtype)), message)
    return compare(label, str(got.dtype), got.tolist(), want, scale)


def signature(operator):
    # type: (str) -> Tuple[int, int]
    """The least numbers of inputs and outputs that an operator's schema allows; (1, 1) for one without a schema."""
    from caffe2.python import workspace

    schema = workspace.C.OpSchema.get(operator)
    return (int(schema.min_input), int(schema.min_output)) if schema is not None else (1, 1)
