"""The operator that the toolchain is tried with: loaded into Caffe2, created and run."""

from __future__ import absolute_import, division

import os

from ..case import Op
from ..comparison import compare

MYPY = False
if MYPY:
    from collections.abc import Iterator
    from typing import List

    from ..case import Comparison

OPERATOR = "EnvdoctorToolchain"


def load(path):
    # type: (str) -> None
    """Load the library into Caffe2. Raises what Caffe2 raises, and RuntimeError where nothing was registered."""
    from caffe2.python import dyndep, workspace

    # Caffe2 only prints when the file is missing.
    if not os.path.isfile(path):
        raise RuntimeError("there is no %s" % path)
    dyndep.InitOpsLibrary(path)
    if OPERATOR not in workspace.RegisteredOperators():
        raise RuntimeError("the library loads, and its operator is not registered")


def ops():
    # type: () -> List[Op]
    """The one operator."""
    return [Op(OPERATOR, _doubles)]


def _doubles(_device):
    # type: (str) -> Iterator[Comparison]
    import numpy
    from caffe2.python import core, workspace

    workspace.FeedBlob("envdoctor_in", numpy.array([1, -2, 3], dtype=numpy.float32))
    # A net, not RunOperatorOnce: it creates the operator as a program would, and apart from running it.
    net = core.Net("envdoctor_toolchain")
    net.AddExternalInput("envdoctor_in")
    getattr(net, OPERATOR)(["envdoctor_in"], ["envdoctor_out"])
    workspace.CreateNet(net)
    workspace.RunNet(net.Proto().name)
    got = [float(value) for value in workspace.FetchBlob("envdoctor_out")]
    yield compare("three numbers", "float32", got, [2.0, -4.0, 6.0])
