"""One child process: what it writes is read as it comes, and it ends in time and within its memory."""

import contextlib
import os
import resource
import selectors
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Literal

import msgspec

from envdoctor.programs import end_group

TICK = 0.02
SECONDS_TO_DRAIN = 1
CHUNK = 65536
LINE_LIMIT = 1024 * 1024
TOTAL_LIMIT = 32 * 1024 * 1024
NOISE_KEPT = 16 * 1024
GIBIBYTE = 1024**3
MEMORY_AT_MOST = 8 * GIBIBYTE
# Importing a framework takes about half of this.
MEMORY_AT_LEAST = GIBIBYTE

Cause = Literal["", "start", "time", "memory", "flood"]


class Ending(msgspec.Struct, frozen=True):
    """How a process ended: by itself (`cause` is empty; `status` is negative for a signal), or by us, and why."""

    status: int | None
    cause: Cause
    noise: str
    """The end of what it printed, standard output and standard error in one."""
    problem: str = ""
    """Why it could not be started."""


def memory_limit() -> int:
    """Bytes that a child may hold: 8 GiB, or half of what the machine or container can spare, at least 1 GiB."""
    import psutil

    spare = min(psutil.virtual_memory().available, _spare_of_container())
    return max(MEMORY_AT_LEAST, min(MEMORY_AT_MOST, spare // 2))


def _spare_of_container() -> int:
    try:
        with open("/sys/fs/cgroup/memory.max") as limit, open("/sys/fs/cgroup/memory.current") as used:
            return max(int(limit.read()) - int(used.read()), 0)
    except (OSError, ValueError):
        return MEMORY_AT_MOST * 2


class Child:
    """A context: the process and its group are gone when it is left, however that happens.

    `command` makes the words from the number of a descriptor, for lines that no other output spoils. It runs in an
    empty folder of its own, with no standard input, and may hold `memory` bytes.
    """

    def __init__(self, command: Callable[[int], Sequence[str]], environment: Mapping[str, str], memory: int) -> None:
        self._command = command
        self._environment = dict(environment)
        self._memory = memory
        self._process: subprocess.Popen[bytes] | None = None
        self._selector = selectors.DefaultSelector()
        self._resources = contextlib.ExitStack()
        self._noise = b""
        self._line = b""
        self._read = 0
        self._cause: Cause = ""
        self._problem = ""

    def __enter__(self) -> "Child":
        with contextlib.ExitStack() as opening:
            opening.callback(self._selector.close)
            try:
                folder = opening.enter_context(
                    tempfile.TemporaryDirectory("", "envdoctor-", ignore_cleanup_errors=True)
                )
            except OSError as error:
                self._cause = "start"
                self._problem = f"there is no temporary folder to be had: {error.strerror or error}"
                return self
            results = self._pipe(opening, "results")
            noise = self._pipe(opening, "noise")
            try:
                self._process = subprocess.Popen(
                    tuple(self._command(results)),
                    stdin=subprocess.DEVNULL,
                    stdout=noise,
                    stderr=noise,
                    pass_fds=(results,),
                    cwd=folder,
                    env=self._environment,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                self._cause = "start"
                self._problem = (error.strerror if isinstance(error, OSError) else None) or str(error)
            finally:
                os.close(results)
                os.close(noise)
            self._resources = opening.pop_all()
        return self

    def _pipe(self, opening: contextlib.ExitStack, name: str) -> int:
        """The writing end; the reading one is watched and closed at the end."""
        reading, writing = os.pipe()
        opening.callback(os.close, reading)
        os.set_blocking(reading, False)
        self._selector.register(reading, selectors.EVENT_READ, name)
        return writing

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._resources.close()

    def _end(self) -> None:
        if self._process is not None:
            end_group(self._process, with_runaways=True)

    def lines(self, deadline: Callable[[], float]) -> Iterator[bytes]:
        """Each line from the descriptor, until the process has ended or is ended for time, memory or a flood.

        `deadline` is asked again and again: it tells the end of what the process is doing now, by time.monotonic().
        """
        if self._process is None:
            return
        while self._process.poll() is None:
            self._pump(TICK)
            yield from self._whole_lines()
            self._cause = self._reason_to_end(deadline())
            if self._cause:
                self._end()
                return
        # What it started may still hold the descriptors and write.
        self._end()
        enough = time.monotonic() + SECONDS_TO_DRAIN
        while self._pump(0) and time.monotonic() < enough:
            yield from self._whole_lines()

    def _whole_lines(self) -> list[bytes]:
        *whole, self._line = self._line.split(b"\n")
        return whole

    def _pump(self, seconds: float) -> bool:
        """Read what is there; whether there was anything."""
        some = False
        for key, _ in self._selector.select(seconds):
            try:
                data = os.read(key.fd, CHUNK)
            except BlockingIOError:
                continue
            if not data:
                self._selector.unregister(key.fd)
                continue
            some = True
            if key.data == "noise":
                self._noise = (self._noise + data)[-NOISE_KEPT:]
            else:
                self._line += data
                self._read += len(data)
        if not some and not self._selector.get_map():
            time.sleep(seconds)
        return some

    def _reason_to_end(self, deadline: float) -> Cause:
        if self._read > TOTAL_LIMIT or len(self._line) > LINE_LIMIT:
            return "flood"
        if self._held() > self._memory:
            return "memory"
        return "time" if time.monotonic() > deadline else ""

    def _held(self) -> int:
        """Bytes of memory that the process holds, the files that it has mapped left out."""
        pid = self._process.pid if self._process is not None else 0
        try:
            with open(f"/proc/{pid}/statm", "rb") as file:
                resident, shared = map(int, file.read().split()[1:3])
                return (resident - shared) * resource.getpagesize()
        except (OSError, ValueError):
            return 0

    def ending(self) -> Ending:
        """How it ended; to be asked when `lines` has come to its end."""
        status = self._process.poll() if self._process is not None and not self._cause else None
        return Ending(status, self._cause, self._noise.decode("utf-8", "replace"), self._problem)
