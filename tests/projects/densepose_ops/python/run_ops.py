"""Runs the operators of this project in the process of a Caffe2, and prints what they gave as JSON.

    python run_ops.py LIBRARY load|create|run

Each stage says that it was reached, so that a crash tells where. Runs on CPython 2.7 as well.
"""

from __future__ import print_function

import json
import sys

import numpy as np
from caffe2.python import core, dyndep, workspace

# Rows 0 1 2 and 3 4 5; the second channel is ten times the first.
PLANE = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
FEATURES = np.concatenate([PLANE, 10 * PLANE], axis=1)
POINTS = np.array(
    [[0, 0, 0], [0, 0.5, 0.5], [0, 2, 1], [0, 2.5, 1], [0, -0.5, 1], [0, -1.5, 0], [0, 9, 0]], dtype=np.float32
)


def run(operator, inputs, **arguments):
    names = ["input_%d" % number for number in range(len(inputs))]
    for name, value in zip(names, inputs):
        workspace.FeedBlob(name, value)
    workspace.RunOperatorOnce(core.CreateOperator(operator, names, ["output"], **arguments))
    return workspace.FetchBlob("output")


def refused(operator, inputs):
    try:
        run(operator, inputs)
    except RuntimeError as error:
        return str(error)
    return ""


def results():
    pooled = run("PoolPointsInterp", [FEATURES, POINTS])
    weights = np.arange(pooled.size, dtype=np.float32).reshape(pooled.shape)
    gradient = run("PoolPointsInterpGradient", [FEATURES, POINTS, weights])
    return {
        "zero_even": run("ZeroEven", [np.arange(1, 8, dtype=np.float32)]).tolist(),
        "zero_even_of_nothing": run("ZeroEven", [np.zeros(0, dtype=np.float32)]).tolist(),
        "pooled": pooled.tolist(),
        "pooled_at_half_scale": run("PoolPointsInterp", [FEATURES, POINTS[:3]], spatial_scale=0.5).tolist(),
        "weighted_pooled": float((weights * pooled).sum()),
        "weighted_gradient": float((gradient * FEATURES).sum()),
        "refused_matrix": refused("ZeroEven", [np.zeros((2, 2), dtype=np.float32)]),
        "refused_batch_index": refused("PoolPointsInterp", [FEATURES, np.array([[3, 0, 0]], dtype=np.float32)]),
    }


def main(library, stage):
    dyndep.InitOpsLibrary(library)
    print("loaded")
    sys.stdout.flush()
    if stage == "load":
        return
    workspace.FeedBlob("X", np.ones(3, dtype=np.float32))
    net = core.Net("one")
    net.ZeroEven(["X"], ["Y"])
    workspace.CreateNet(net)
    print("created")
    sys.stdout.flush()
    if stage == "run":
        print(json.dumps(results()))
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
