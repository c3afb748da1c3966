"""Runs a program of the target with a time limit on its whole process group."""

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Protocol

import msgspec

OUTPUT_LIMIT = 4 * 1024 * 1024
SECONDS_TO_DIE = 2


class Completed(msgspec.Struct, frozen=True):
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
            status: int | None = None
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                problem = f"`{words[0]}` gave no answer in {seconds:g} s and was ended"
            finally:
                end_group(process, with_runaways=status is None)
            if status is not None and status < 0:
                problem = f"`{words[0]}` was ended by {signal_name(-status)}"
            return Completed(words, status, _text(out.fileno()), _text(err.fileno()), problem)


def _memory_file() -> BinaryIO:
    return os.fdopen(os.memfd_create("output"), "w+b")


def end_group(process: subprocess.Popen[bytes], with_runaways: bool) -> None:
    """Kill a process and its group; `with_runaways` its descendants that left the group as well."""
    runaways = _descendants(process.pid) if with_runaways else []
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for pid in runaways:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    # A process that hangs inside the kernel outlives even SIGKILL; it is left behind.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(SECONDS_TO_DIE)


def _descendants(pid: int) -> list[int]:
    # Those that made a session of their own are in no group of ours.
    import psutil

    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def signal_name(number: int) -> str:
    """Such as `SIGSEGV`, for a positive number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _text(descriptor: int) -> str:
    return os.pread(descriptor, OUTPUT_LIMIT, 0).decode("utf-8", "replace")
