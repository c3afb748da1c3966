"""A spinner on standard error, shown only on a terminal and only when the work takes longer than half a second."""

import sys
import threading
from types import TracebackType
from typing import Any

DELAY = 0.5


class Progress:
    """Context in which `notify` may be called from any thread with what is being done now."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._now = "starting"
        self._status: Any = None
        self._lock = threading.Lock()
        self._ended = False
        self._timer: threading.Timer | None = None

    def notify(self, doing: str) -> None:
        """Say what is being done."""
        self._now = doing
        status = self._status
        if status is not None:
            status.update(doing)

    def pause(self) -> None:
        """Leave the terminal to a question."""
        with self._lock:
            if self._status is not None:
                self._status.stop()

    def resume(self) -> None:
        """Go on after the answer."""
        with self._lock:
            if self._status is not None:
                self._status.start()

    def __enter__(self) -> "Progress":
        if self._shown:
            self._timer = threading.Timer(DELAY, self._start)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._ended = True
            if self._timer is not None:
                self._timer.cancel()
            if self._status is not None:
                self._status.stop()

    def _start(self) -> None:
        from rich.console import Console

        with self._lock:
            if not self._ended:
                self._status = Console(stderr=True).status(self._now, spinner="line")
                self._status.start()
