"""A suite for tests: an op of a Caffe2 that tests imitate."""

from __future__ import absolute_import

from ..case import Comparison, Op


def load(_path):
    import caffe2.python.workspace  # noqa: F401


def compare(device):
    yield Comparison("on " + device, "float32", 0.0, 1e-4)


def ops():
    return [Op("first", compare)]
