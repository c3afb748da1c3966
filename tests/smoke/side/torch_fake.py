"""A suite for tests: ops of a torch that tests imitate, on as many GPUs as it pretends to have."""

from __future__ import absolute_import

import os

import torch

from ..case import Comparison, Op


def load(_path):
    pass


def compare(device):
    yield Comparison("on " + device, "float32", 0.0, 1e-4)


def illegal_access(device):
    if device != "cpu":
        torch.cuda.spoilt = True
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    yield Comparison("on " + device, "float32", 0.0, 1e-4)


def crash(device):
    if device != "cpu":
        os.abort()
    yield Comparison("on " + device, "float32", 0.0, 1e-4)


def ops():
    return [Op("first", compare), Op("illegal", illegal_access), Op("crash", crash), Op("last", compare)]
