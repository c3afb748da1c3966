"""What the commands that read logs share: a file or a pipe as blocks of bytes, and the way to an explanation."""

import os
import sys
from collections.abc import Iterator

from envdoctor import __version__
from envdoctor.checking.report import SCHEMA_VERSION, ToolInfo
from envdoctor.errors import UsageError
from envdoctor.explain.catalogue import load_signatures
from envdoctor.explain.diagnose import diagnose
from envdoctor.explain.diagnosis import Explanation
from envdoctor.explain.matching import Matcher
from envdoctor.explain.reading import read_log

BLOCK = 1 << 18


class LogFile:
    """A log to be read once. `interrupted` and `problem` say afterwards why it was not read to its end."""

    def __init__(self, name: str) -> None:
        """`-` is standard input. Raises UsageError for what cannot be opened."""
        self.name = name
        self.interrupted = False
        self.problem = ""
        try:
            self._descriptor = sys.stdin.fileno() if name == "-" else os.open(name, os.O_RDONLY | os.O_CLOEXEC)
            if os.path.isdir(self._descriptor):
                raise UsageError(f"{name} is a folder, not a log")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise UsageError(f"the log {name} cannot be read: {reason}") from error

    def blocks(self) -> Iterator[bytes]:
        """The bytes as they come; ends early where the user interrupts or the file cannot be read on."""
        try:
            while block := os.read(self._descriptor, BLOCK):
                yield block
        except KeyboardInterrupt:
            self.interrupted = True
        except OSError as error:
            self.problem = error.strerror or str(error)


def explained(log: LogFile, project: str | None) -> Explanation:
    """What the log tells by itself. Raises SignatureError for a file of signatures that is wrong."""
    matcher = Matcher(load_signatures(project))
    reading = read_log(log.blocks(), matcher)
    found = diagnose(reading)
    tool = ToolInfo("envdoctor", __version__)
    return Explanation(SCHEMA_VERSION, tool, log.name, reading.lines, found, 1 if found else 0)
