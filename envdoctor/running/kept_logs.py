"""Logs of builds in the overlay: the last few, each of bounded size."""

import contextlib
import os
import re
import time
from collections import deque

FOLDER = "logs"
SUFFIX = ".build.log"
KEPT = 10
HEAD, TAIL = 32 * 1024 * 1024, 16 * 1024 * 1024


class KeptLog:
    """A log being written: its beginning and, of a very long one, its end."""

    def __init__(self, path: str) -> None:
        """Raises OSError where it cannot be written."""
        self.path = path
        self._file = open(path, "xb", buffering=0)  # noqa: SIM115 - it outlives this call and is closed by close()
        self._size = 0
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._left_out = 0

    def write(self, block: bytes) -> None:
        """Keep a block. A full disk ends the keeping, not the build."""
        if self._size < HEAD:
            with contextlib.suppress(OSError):
                self._file.write(block)
            self._size += len(block)
            return
        self._tail.append(block)
        self._tail_size += len(block)
        while self._tail_size - len(self._tail[0]) >= TAIL:
            dropped = len(self._tail.popleft())
            self._tail_size -= dropped
            self._left_out += dropped

    def close(self) -> None:
        """Write what is held back."""
        with contextlib.suppress(OSError):
            if self._left_out:
                self._file.write(f"\n[{self._left_out} bytes left out]\n".encode())
            self._file.write(b"".join(self._tail))
        self._tail.clear()
        self._file.close()


def begin_log(overlay: str) -> KeptLog:
    """A new log, the oldest removed. Makes the overlay's folder, hidden from git. Raises OSError."""
    folder = f"{overlay}/{FOLDER}"
    was_there = os.path.isdir(overlay)
    os.makedirs(folder, exist_ok=True)
    if not was_there:
        # The overlay is nobody's source: git does not see it.
        with open(f"{overlay}/.gitignore", "w", encoding="utf-8") as file:
            file.write("*\n")
    old = sorted(name for name in os.listdir(folder) if re.fullmatch(r"\d{8}-\d{6}-\d{3}" + re.escape(SUFFIX), name))
    for name in old[: max(0, len(old) - KEPT + 1)]:
        with contextlib.suppress(OSError):
            os.unlink(f"{folder}/{name}")
    stamp = time.strftime("%Y%m%d-%H%M%S")
    first = int(old[-1][len(stamp) + 1 :].partition(".")[0]) + 1 if old and old[-1].startswith(stamp) else 0
    for number in range(first, 1000):
        with contextlib.suppress(FileExistsError):
            return KeptLog(f"{folder}/{stamp}-{number:03}{SUFFIX}")
    raise FileExistsError(f"{folder} holds a thousand logs of this second")
