"""A suite for tests: a library whose op is right and whose destructors crash."""

from __future__ import absolute_import

import atexit
import os

from ..case import Comparison, Op


def load(_path):
    atexit.register(os.abort)


def ops():
    return [Op("right", lambda device: iter([Comparison("one box", "float32", 0.0, 1e-4)]))]
