"""What running an op gave, and the report over all of them. Its JSON form is a contract; keys are only ever added."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

OpState: TypeAlias = Literal["ok", "fail", "unknown", "skipped", "crashed"]
STATES: tuple[OpState, ...] = ("fail", "crashed", "unknown", "ok", "skipped")

LOAD = "load"
"""The name under which the loading of a library is a result beside its ops."""
EXIT = "exit"
"""The end of the process: freeing what a library left can crash after right values."""
FIRST_KERNEL = "first kernel"
"""The smallest thing that a GPU can be asked; where it fails no op is to blame."""
GPU = "gpu"
"""All ops on all GPUs, where there is none to be had."""

CLEAN, FAILED, BROKEN, UNDETERMINED = 0, 1, 2, 3


class Case(msgspec.Struct, frozen=True):
    """One case of an op that was not right."""

    label: str
    dtype: str
    max_error: float | None
    """None where the values could not be subtracted: another shape, not a number."""
    tolerance: float | None
    message: str = ""


class OpResult(msgspec.Struct, frozen=True, kw_only=True):
    """One op of one library on one device.

    `fail`: it ran and is wrong, crashed, hung, or its library does not load. `unknown`: it could not be told.
    `skipped`: not run, for the reason in `message`. `crashed`: a fault of ours, which says nothing about the op.
    """

    op: str
    library: str
    """The path of the library, or the name of what is tested: `toolchain`."""
    state: OpState
    max_error: float | None = None
    """The largest difference from the reference, of the case that is furthest beyond its tolerance."""
    tolerance: float | None = None
    """What is allowed in that case, in the same unit."""
    took_ms: int = 0
    signal: str | None = None
    """Such as `SIGSEGV`, where one ended the process."""
    message: str = ""
    device: str = "cpu"
    """`cpu`, or `cuda:N` as the framework counts."""
    suite: str = ""
    """What kind of library it is tested as: `torchvision`, `caffe2-project`, ..."""
    cases: int = 0
    tolerances: dict[str, float] = {}
    """The widest tolerance of each element type that was compared."""
    wrong: tuple[Case, ...] = ()
    """The first cases that were not right."""
    codes: tuple[str, ...] = ()
    """Codes of the checks whose findings explain a failure, the likeliest first."""


def summary(ops: Iterable[OpResult]) -> dict[str, int]:
    """How many ops are in each state."""
    counts: dict[str, int] = dict.fromkeys(STATES, 0)
    for op in ops:
        counts[op.state] += 1
    return counts


def exit_code(ops: Iterable[OpResult]) -> int:
    """0 all that ran are right; 1 one fails; 2 a crash of ours, or everything was skipped; 3 one could not be told."""
    states = {op.state for op in ops}
    if states <= {"skipped"}:
        return BROKEN
    if "fail" in states:
        return FAILED
    if "crashed" in states:
        return BROKEN
    return UNDETERMINED if "unknown" in states else CLEAN
