"""The kernel that nvcc is tried with: its library loaded, and the kernel run on each GPU that CUDA offers.

Written from the documentation of the CUDA runtime. Never run on a GPU by the authors; the tests imitate a library.
"""

from __future__ import absolute_import, division

import ctypes

from ..case import AbsentError, Op
from ..comparison import compare

MYPY = False
if MYPY:
    from collections.abc import Callable, Iterator
    from typing import Any, Dict, List

    from ..case import Comparison

LOADED = {}  # type: Dict[str, Any]
STEPS = {1: "choosing the device", 2: "memory for the numbers", 3: "copying to the device"}
STEPS.update({4: "the first kernel launch", 5: "running the kernel", 6: "copying from the device"})


def load(path):
    # type: (str) -> None
    """Raises OSError where the library does not load."""
    library = ctypes.CDLL(path)
    library.envdoctor_error.restype = ctypes.c_char_p
    LOADED["library"] = library


def ops():
    # type: () -> List[Op]
    """One for each GPU. Raises AbsentError with CUDA's own words where it offers none."""
    library = LOADED["library"]
    count = ctypes.c_int(0)
    code = library.envdoctor_devices(ctypes.byref(count))
    if code or not count.value:
        said = _said(library, code) if code else "CUDA counts no device"
        raise AbsentError("no GPU to run it on: %s" % said)
    return [Op("cuda:%d" % index, _doubles_on(index)) for index in range(count.value)]


def _doubles_on(index):
    # type: (int) -> Callable[[str], Iterator[Comparison]]
    def doubles(_device):
        # type: (str) -> Iterator[Comparison]
        library = LOADED["library"]
        numbers = (ctypes.c_float * 3)(1.0, -2.0, 3.0)
        step = ctypes.c_int(0)
        code = library.envdoctor_doubled(index, numbers, 3, ctypes.byref(step))
        if code:
            where = STEPS.get(step.value, "step %d" % step.value)
            raise RuntimeError("%s failed: %s" % (where, _said(library, code)))
        yield compare("three numbers", "float32", [float(value) for value in numbers], [2.0, -4.0, 6.0])

    return doubles


def _said(library, code):
    # type: (Any, int) -> str
    text = library.envdoctor_error(code)
    return "%s (CUDA error %d)" % (text.decode("ascii", "replace") if text else "unknown", code)
