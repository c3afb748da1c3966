"""From what an op told, or from how its process died, to its result."""

import time

from envdoctor.op_results import Case, OpResult, OpState
from envdoctor.programs import signal_name
from envdoctor.smoke.libraries import Library
from envdoctor.smoke.limits import Limits
from envdoctor.smoke.noise import read_noise
from envdoctor.smoke.protocol import CHANNEL_LOST, CaseDone, OpDone
from envdoctor.smoke.supervise import Ending

WRONG_SHOWN = 5
# As the CHECK macros of glog and of Caffe2 print before they abort.
FAILED_CHECK = "Check failed"
GIBIBYTE = 1024**3


class OpRun:
    """What one op on one device has told so far."""

    def __init__(self, op: str, device: str) -> None:
        self._began = time.monotonic()
        self.op = op
        self.device = device
        self.cases = 0
        self.wrong: list[CaseDone] = []
        self.worst: CaseDone | None = None
        self.tolerances: dict[str, float] = {}
        self.named = ""
        self.garbled = False
        self.done: OpDone | None = None

    @property
    def took_ms(self) -> int:
        """Of the op itself where it told, else until now."""
        return self.done.took_ms if self.done else round((time.monotonic() - self._began) * 1000)

    def add(self, case: CaseDone) -> None:
        """Count one case. One without an element type compares no values: it says that something exists or happened."""
        self.cases += 1
        if not case.right:
            self.wrong.append(case)
        if not case.dtype:
            self.named = case.label
        elif case.tolerance is not None:
            self.tolerances[case.dtype] = max(self.tolerances.get(case.dtype, 0.0), case.tolerance)
            if self.worst is None or _excess(case) > _excess(self.worst):
                self.worst = case


def _excess(case: CaseDone) -> float:
    """How often the error holds the tolerance. What could not be subtracted has no size and is named by its message."""
    if case.max_error is None:
        return -1.0
    if not case.tolerance:
        return float("inf") if case.max_error else 0.0
    return case.max_error / case.tolerance


def verdict(run: OpRun, library: Library, limits: Limits, ending: Ending | None) -> OpResult:
    """The result of an op. `ending` is given where its process died of it."""
    if ending is not None:
        state, message = _died(run, limits, ending)
    else:
        state, message = _told(run)
    return OpResult(
        op=run.op,
        library=library.name,
        suite=library.label,
        device=run.device,
        state=state,
        max_error=run.worst.max_error if run.worst else None,
        tolerance=run.worst.tolerance if run.worst else None,
        took_ms=run.took_ms,
        signal=signal_of(ending) if state == "fail" else None,
        message=message,
        cases=run.cases,
        tolerances=run.tolerances,
        wrong=tuple(
            Case(one.label, one.dtype, one.max_error, one.tolerance, one.message) for one in run.wrong[:WRONG_SHOWN]
        ),
    )


def _told(run: OpRun) -> tuple[OpState, str]:
    told = run.done
    if run.garbled or told is None:
        return "unknown", "a line that it told was garbled"
    if told.outcome == "broke":
        return "crashed", told.message
    if told.outcome == "raised":
        return "fail", f"it raised {told.message}" + _after(run)
    if run.wrong:
        return "fail", _wrong(run)
    if told.outcome == "absent":
        return "skipped", told.message
    if not run.cases:
        return "skipped", "no case was compared"
    return "ok", "" if run.tolerances else run.named


def _wrong(run: OpRun) -> str:
    first = max(run.wrong, key=_excess)
    count = f"{len(run.wrong)} of {run.cases} cases {'is' if len(run.wrong) == 1 else 'are'} wrong"
    kind = f" ({first.dtype})" if first.dtype else ""
    if first.message or first.max_error is None:
        return f"{count}: {first.label}{kind}: {first.message}"
    return f"{count}: {first.label}{kind} is off by {first.max_error:.3g}, {first.tolerance or 0:.2g} is allowed"


def _died(run: OpRun, limits: Limits, ending: Ending) -> tuple[OpState, str]:
    if ending.status == CHANNEL_LOST:
        return "unknown", "it closed the descriptor that its results are told over" + _after(run)
    if run.named and not run.tolerances and signal_of(ending) == "SIGABRT":
        words = read_noise(ending.noise).words
        if FAILED_CHECK in words:
            # No op of known meaning is given too few arguments; of this one nobody knows which it wants.
            return "skipped", f"registered; it refuses to be created without arguments: {words}"
    return "fail", death(ending, limits.op, limits.memory) + _after(run)


def _after(run: OpRun) -> str:
    return f", after {run.cases} right case{'s' if run.cases > 1 else ''}" if run.cases and not run.wrong else ""


def signal_of(ending: Ending | None) -> str | None:
    """The signal that ended a process by itself; what envdoctor ended is no signal of the op."""
    if ending is None or ending.status is None or ending.status >= 0:
        return None
    return signal_name(-ending.status)


def death(ending: Ending, seconds: float, memory: int, at_end: bool = False) -> str:
    """How a process ended that should not have, and what it said last. `at_end`: everything was done by then."""
    if ending.cause == "time":
        return f"it did not come to an end in {seconds:g} s and was ended"
    if ending.cause == "memory":
        return f"it took more than {memory / GIBIBYTE:.2g} GiB of memory and was ended"
    if ending.cause == "flood":
        return "it wrote without end into the descriptor that results are told over, and was ended"
    noise = read_noise(ending.noise)
    signal = signal_of(ending)
    if signal is None:
        how = f"the process ended {'' if at_end else 'in the middle, '}with status {ending.status}"
    else:
        how = f"the process was ended by {signal}"
        how += ", as the kernel does where memory runs out" if signal == "SIGKILL" else ""
    how += f" in {noise.place}" if noise.place else ""
    return how + (f"; last words: {noise.words}" if noise.words else "")
