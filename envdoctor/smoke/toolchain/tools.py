"""Starts the tools of a build, with a time limit on all that they start."""

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Protocol

import msgspec

from envdoctor.programs import end_group

OUTPUT_LIMIT = 8 << 20
# A compiler that writes without end shall not fill the disk. An object of a few lines has at most some tens of MB.
FILE_LIMIT = 1 << 30


class Ran(msgspec.Struct, frozen=True):
    """What a tool left. `status` is negative for a signal, and None where it was never started or ended for time."""

    words: tuple[str, ...]
    status: int | None
    output: str = ""
    """Standard output and error, as they came."""
    not_started: str = ""
    """Why it could not be started."""
    waited: float = 0
    """The seconds after which it was ended; 0 where it ended by itself."""
    took_ms: int = 0

    @property
    def ok(self) -> bool:
        return self.status == 0


class Run(Protocol):
    """Starts a tool in a folder, without a shell and without input, and waits at most `seconds`."""

    def __call__(self, words: Sequence[str], environment: Mapping[str, str], folder: str, seconds: float) -> Ran:
        """Never raises for what the tool does."""
        ...


def run_tool(words: Sequence[str], environment: Mapping[str, str], folder: str, seconds: float) -> Ran:
    """Run on this machine. When we are interrupted, the tool and its process group end first."""
    import time

    words = tuple(words)
    began = time.monotonic()
    # A memory file, not a pipe: a grandchild that keeps a pipe open would hold us past the limit.
    with _memory_file() as output:
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            return Ran(words, None, not_started=reason)
        with contextlib.suppress(OSError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (FILE_LIMIT, FILE_LIMIT))
            resource.prlimit(process.pid, resource.RLIMIT_CORE, (0, 0))
        status: int | None = None
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = process.wait(seconds)
        finally:
            end_group(process, with_runaways=status is None)
        text = os.pread(output.fileno(), OUTPUT_LIMIT, 0).decode("utf-8", "replace")
    took = round((time.monotonic() - began) * 1000)
    return Ran(words, status, text, waited=seconds if status is None else 0, took_ms=took)


def _memory_file() -> BinaryIO:
    return os.fdopen(os.memfd_create("output"), "w+b")


def signal_name(status: int | None) -> str | None:
    """`SIGSEGV` for -11; None for a status that is no signal."""
    if status is None or status >= 0:
        return None
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
