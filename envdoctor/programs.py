"""Runs a program of the target with a time limit on its whole process group."""

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol

OUTPUT_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True)
class Completed:
    """What a program left. `status` is negative for a signal, None when it was ended for time or never started."""

    command: tuple[str, ...]
    status: int | None
    stdout: str
    stderr: str
    problem: str = ""

    @property
    def ok(self) -> bool:
        return self.status == 0


class Programs(Protocol):
    """The right to run a program of the target. Absent from targets that are only files."""

    def run(
        self,
        command: Sequence[str],
        seconds: float,
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run without a shell, from `/`, with no standard input. Never raises for what the program does."""
        ...


class LivePrograms:
    """Programs of this machine."""

    def run(
        self,
        command: Sequence[str],
        seconds: float,
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        words = tuple(command)
        # Memory files, not pipes: a grandchild that keeps a pipe open would hold us past the limit.
        with _memory_file() as out, _memory_file() as err:
            try:
                process = subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    cwd="/",
                    env=None if environment is None else dict(environment),
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
                return Completed(words, None, "", "", f"`{words[0]}` could not be started: {reason}")
            with contextlib.suppress(OSError):
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (OUTPUT_LIMIT, OUTPUT_LIMIT))
            problem = ""
            status: int | None
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                status = None
                problem = f"`{words[0]}` gave no answer in {seconds:g} s and was ended"
            finally:
                _end_group(process)
            if status is not None and status < 0:
                problem = f"`{words[0]}` was ended by {_signal_name(-status)}"
            return Completed(words, status, _text(out.fileno()), _text(err.fileno()), problem)


def _memory_file() -> BinaryIO:
    return os.fdopen(os.memfd_create("output"), "w+b")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _text(descriptor: int) -> str:
    return os.pread(descriptor, OUTPUT_LIMIT, 0).decode("utf-8", "replace")
