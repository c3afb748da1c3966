"""The stages of a build, each resting on the one before."""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from envdoctor.checking.check import COMPILE, CONFIGURE, LINK, LOAD, RUN
from envdoctor.op_results import OpResult, OpState
from envdoctor.smoke.toolchain.complaint import complaint
from envdoctor.smoke.toolchain.tools import Ran, signal_name

SUITE = "toolchain"
# What these say is about this machine at this moment, and not about the toolchain.
OUT_OF_MEANS = ("No space left on device", "Killed signal terminated program", "Cannot allocate memory")

Explain: TypeAlias = Callable[["Stage", "Verdict"], tuple[str, ...]]
Notify: TypeAlias = Callable[[str], None]


class Verdict(msgspec.Struct, frozen=True):
    """What came of a stage. `took_ms` is None where the time that the stage took is all there is to tell."""

    state: OpState
    message: str = ""
    signal: str | None = None
    took_ms: int | None = None
    max_error: float | None = None
    tolerance: float | None = None
    library: str | None = None
    """The library that was loaded or run: its symbols may tell why it failed."""


OK = Verdict("ok")


class Stage(msgspec.Struct, frozen=True):
    """`point` is the moment of a build in the words of the checks: CONFIGURE, COMPILE, LINK, LOAD, RUN."""

    name: str
    point: int
    work: Callable[[], Verdict]
    device: str = "cpu"
    alone: bool = False
    """One of several of which each is tried whatever came of the others: GPU architectures, GPUs."""


POINTS = (CONFIGURE, COMPILE, LINK, LOAD, RUN)


def run_stages(stages: Iterable[Stage], explain: Explain, notify: Notify) -> Iterator[OpResult]:
    """Each stage's result. After one that is not ok the later ones are skipped, but for those that stand alone."""
    stopped = ""
    stopped_at = 0
    for stage in stages:
        if stopped and not (stage.alone and stage.point == stopped_at):
            yield result(stage, Verdict("skipped", f"not tried after `{stopped}`", took_ms=0))
            continue
        notify(f"toolchain: {stage.name}")
        began = time.monotonic()
        try:
            verdict = stage.work()
        except OSError as error:
            # Of the temporary folder: it is full, or somebody has removed it.
            verdict = unusable(error)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
            verdict = Verdict("crashed", f"a fault of envdoctor: {type(error).__name__}: {error} at {place}")
        took = round((time.monotonic() - began) * 1000)
        if verdict.took_ms is None:
            verdict = msgspec.structs.replace(verdict, took_ms=took)
        if verdict.state != "ok" and not stopped:
            stopped, stopped_at = stage.name, stage.point
        yield result(stage, verdict, explain(stage, verdict) if verdict.state == "fail" else ())


def unusable(error: OSError) -> Verdict:
    """The temporary folder cannot be written or read."""
    return Verdict("unknown", f"the temporary folder cannot be used: {error.strerror or error}")


def result(stage: Stage, verdict: Verdict, codes: tuple[str, ...] = ()) -> OpResult:
    """A stage in the words of the report."""
    return OpResult(
        op=f"toolchain: {stage.name}",
        library="toolchain",
        suite=SUITE,
        state=verdict.state,
        message=verdict.message,
        signal=verdict.signal,
        took_ms=verdict.took_ms or 0,
        max_error=verdict.max_error,
        tolerance=verdict.tolerance,
        device=stage.device,
        codes=codes,
    )


def judged(ran: Ran, hidden: Sequence[str]) -> Verdict:
    """What the end of a tool means for its stage. `hidden` are folders left out of its message."""
    tool = ran.words[0]
    if ran.not_started:
        return Verdict("fail", f"{tool} could not be started: {ran.not_started}")
    if ran.waited:
        return Verdict("unknown", f"{tool} did not end in {ran.waited:g} s and was ended")
    if ran.ok:
        return OK
    for sign in OUT_OF_MEANS:
        if sign in ran.output:
            return Verdict("unknown", f"{tool}: {sign}: the machine ran out of it, which says nothing of the toolchain")
    message = complaint(ran.output, hidden)
    name = signal_name(ran.status)
    if name == "SIGKILL":
        return Verdict("unknown", f"{tool} was ended by SIGKILL, as the kernel does where memory runs out", name)
    if name is not None:
        return Verdict("fail", f"{tool} was ended by {name}" + (f": {message}" if message else ""), name)
    return Verdict("fail", message or f"{tool} ended with status {ran.status} and said nothing")
