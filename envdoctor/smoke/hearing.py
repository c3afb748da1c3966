"""Follows the processes of one library: what each tells, and what it was doing when it died."""

import time
from collections.abc import Callable, Iterator

import msgspec

from envdoctor.op_results import EXIT, FIRST_KERNEL, GPU, LOAD, OpResult, OpState
from envdoctor.smoke import protocol
from envdoctor.smoke.libraries import Library
from envdoctor.smoke.limits import Limits
from envdoctor.smoke.supervise import Ending
from envdoctor.smoke.verdict import OpRun, death, signal_of, verdict

# Phases of a process; LOAD and EXIT are two more.
BETWEEN, OP, FINDING, KERNEL = "between", "op", "finding GPUs", "kernel"


def is_asked_for(op: str, words: frozenset[str] | None) -> bool:
    """By its whole name, or by the one without its namespace; as envdoctor_child/main.py chooses."""
    return words is None or op.lower() in words or op.lower().rpartition("::")[2] in words


class Record:
    """What is known of one library, over all its processes."""

    def __init__(
        self, library: Library, limits: Limits, notify: Callable[[str], None], optional_gpu: bool = True
    ) -> None:
        self.library = library
        self.limits = limits
        self.notify = notify
        self.optional_gpu = optional_gpu
        """Whether a machine without a GPU is an answer, and not an error."""
        self.results: list[OpResult] = []
        self.done: set[tuple[str, str]] = set()
        """Pairs of device and op that need no other try; an empty op means the whole device."""
        self.offered: tuple[str, ...] = ()
        self.loaded = False
        self.gpus: tuple[protocol.Device, ...] | None = None
        self.no_gpu = ""

    @property
    def progress(self) -> int:
        """Grows with every process that was worth starting."""
        return len(self.done)

    def add(self, op: str, state: OpState, message: str, device: str = "cpu", took_ms: int = 0) -> None:
        """A result that is not that of an op."""
        self.results.append(self._result(op, state, message, device, took_ms))

    def add_death(self, op: str, ending: Ending, device: str = "cpu", at_end: bool = False) -> None:
        """A process that died while no op was running; `at_end` after all was done."""
        seconds = self.limits.op if op == EXIT else self.limits.load
        # What is slow before an op has run may be a disk or a network: it says nothing about the library.
        slow = ending.cause == "time" and op != EXIT
        message = death(ending, seconds, self.limits.memory, at_end)
        result = self._result(op, "unknown" if slow else "fail", message, device, 0)
        self.results.append(msgspec.structs.replace(result, signal=signal_of(ending)))

    def end_op(self, run: OpRun, ending: Ending | None = None) -> None:
        """An op that ended by itself, or by the death of its process."""
        self.done.add((run.device, run.op))
        self.results.append(verdict(run, self.library, self.limits, ending))

    def left_out(self, device: str, wanted: frozenset[str] | None) -> Iterator[OpResult]:
        """Ops that were asked for and never came to their turn: nothing is dropped in silence."""
        devices = ["cpu"] if device in ("auto", "cpu") else []
        for index in range(len(self.gpus or ())):
            name = f"cuda:{index}"
            devices += [name] if device in ("auto", "cuda", name) and (name, "") not in self.done else []
        for op in self.offered:
            for name in devices:
                if (name, op) not in self.done and is_asked_for(op, wanted):
                    yield self._result(op, "unknown", "not run: the process ended before its turn", name, 0)

    def _result(self, op: str, state: OpState, message: str, device: str, took_ms: int) -> OpResult:
        return OpResult(
            op=op,
            library=self.library.name,
            suite=self.library.label,
            state=state,
            message=message,
            device=device,
            took_ms=took_ms,
        )


class Hearing:
    """One process, from its start to its end. `complete`: there is nothing left to start another one for."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._phase = LOAD
        self._run: OpRun | None = None
        self._device = "cpu"
        self._garbled = False
        self.complete = False
        self.deadline = time.monotonic() + record.limits.load

    def hear(self, line: bytes) -> None:
        """One line that the process wrote."""
        event = protocol.decode(line)
        match event:
            case None:
                self._garbled = True
            case protocol.OpBegun():
                self._enter(OP, self._record.limits.op)
                self._run = OpRun(event.op, event.device)
                self._record.notify(f"{event.op} on {event.device}")
            case protocol.CaseDone():
                if self._run is not None:
                    self._run.add(event)
            case protocol.OpDone():
                if self._run is not None:
                    self._run.done = event
                    self._run.garbled, self._garbled = self._garbled, False
                    self._record.end_op(self._run)
                self._run = None
                self._enter(BETWEEN, self._record.limits.op)
            case _:
                self._hear_library(event)

    def _hear_library(self, event: protocol.Event) -> None:
        record = self._record
        match event:
            case protocol.Loaded():
                if not record.loaded:
                    record.add(LOAD, "ok", event.message, took_ms=event.took_ms)
                record.loaded, record.offered = True, event.ops
                self._enter(BETWEEN, record.limits.op)
            case protocol.AbsentLibrary():
                record.add(LOAD, "skipped", event.message)
                self._finish()
            case protocol.Refused():
                record.add(LOAD, "fail", event.message, took_ms=event.took_ms)
                self._finish()
            case protocol.Broke():
                record.add(LOAD, "crashed", f"{event.message}\n{event.trace}")
                self._finish()
            case protocol.End():
                self._finish()
            case _:
                self._hear_device(event)

    def _hear_device(self, event: protocol.Event) -> None:
        record = self._record
        match event:
            case protocol.DevicesAsked():
                self._enter(FINDING, record.limits.load)
            case protocol.Devices():
                if not event.found and record.gpus is None and record.optional_gpu:
                    record.add(GPU, "skipped", event.reason, "cuda")
                record.gpus, record.no_gpu = event.found, event.reason
                self._enter(BETWEEN, record.limits.op)
            case protocol.Kernel():
                self._device = event.device
                self._enter(KERNEL, record.limits.load)
            case protocol.KernelDone():
                self._enter(BETWEEN, record.limits.op)
                if event.message:
                    record.done.add((event.device, ""))
                    record.add(FIRST_KERNEL, "fail", event.message, event.device, event.took_ms)
            case protocol.Spoiled():
                self._phase = ""
            case _:
                pass

    def _enter(self, phase: str, seconds: float) -> None:
        self._phase = phase
        self.deadline = time.monotonic() + seconds

    def _finish(self) -> None:
        self.complete = True
        self._enter(EXIT, self._record.limits.op)

    def close(self, ending: Ending) -> None:
        """The process is gone: whatever it was doing has its result now."""
        record = self._record
        if self._run is not None:
            record.end_op(self._run, ending)
        elif ending.cause == "start":
            self.complete = True
            record.add(LOAD, "unknown", f"the interpreter could not be started: {ending.problem}")
        elif self._phase == KERNEL:
            record.done.add((self._device, ""))
            record.add_death(FIRST_KERNEL, ending, self._device)
        elif self._phase == FINDING:
            # A fresh process would meet the same, and what runs on the CPU has been run before.
            self.complete = True
            record.add_death(GPU, ending, "cuda")
        elif self._phase == LOAD:
            self.complete = True
            record.add_death(LOAD, ending)
        elif self._phase == BETWEEN:
            self._end_between(ending)
        elif self._phase == EXIT and (ending.status != 0 or ending.cause):
            record.add_death(EXIT, ending, at_end=True)

    def _end_between(self, ending: Ending) -> None:
        if self._garbled:
            self._record.add(EXIT, "unknown", "the process told something that was garbled, and ended")
        else:
            self._record.add_death(EXIT, ending)
