"""What the target's side tells envdoctor, one JSON object a line, over a descriptor that nothing else knows of."""

from __future__ import absolute_import

import errno
import fcntl
import json
import os

MYPY = False
if MYPY:
    from typing import Any


class Channel(object):
    """Writes events to an inherited descriptor. Raises OSError where the library under test has closed it."""

    def __init__(self, descriptor):
        # type: (int) -> None
        self._descriptor = descriptor
        self._process = os.getpid()
        self._file = self._identity()
        # What the library starts must not hold the channel open.
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFD)
        fcntl.fcntl(descriptor, fcntl.F_SETFD, flags | fcntl.FD_CLOEXEC)

    def send(self, event, **fields):
        # type: (str, **Any) -> None
        """Write one event whole."""
        if os.getpid() != self._process:
            # The library forked, and its copy of the process goes on in here.
            raise OSError(errno.EBADF, "a copy of the process has no channel")
        if self._identity() != self._file:
            raise OSError(errno.EBADF, "the channel's descriptor belongs to another file now")
        line = json.dumps(dict(fields, event=event)) + "\n"
        rest = line.encode("ascii")
        while rest:
            rest = rest[self._write(rest) :]

    def _write(self, data):
        # type: (bytes) -> int
        while True:
            try:
                return os.write(self._descriptor, data)
            except OSError as error:
                if error.errno != errno.EINTR:
                    raise

    def _identity(self):
        # type: () -> Any
        status = os.fstat(self._descriptor)
        return status.st_dev, status.st_ino
