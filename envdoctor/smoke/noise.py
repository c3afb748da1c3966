"""What the output of a process that died says: its last words, and the line of Python that it died in."""

import re

import msgspec

WORDS_LIMIT = 300
FATAL = "Fatal Python error"
# As faulthandler writes a frame, the innermost first.
FRAME = re.compile(r'^  File "([^"\n]{1,4096})", line (\d{1,9}) in (.{1,200})$', re.MULTILINE)
OWN = "/envdoctor_child/"


class Noise(msgspec.Struct, frozen=True):
    words: str
    """The last line before the death; empty where it said nothing."""
    place: str
    """Such as `create_operator (caffe2_project.py:41)`; empty where nothing tells."""


def read_noise(text: str) -> Noise:
    """Read the end of what a process printed."""
    before, fatal, trace = text.rpartition(FATAL)
    said = before if fatal else text
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return Noise(_clip(lines[-1]) if lines else "", _place(trace) if fatal else "")


def _place(trace: str) -> str:
    """The innermost frame of the code that tests; what lies below it is the framework's."""
    for path, line, function in FRAME.findall(trace):
        if OWN in path:
            return f"{function} ({path.rpartition('/')[2]}:{line})"
    return ""


def _clip(text: str) -> str:
    return text if len(text) <= WORDS_LIMIT else text[:WORDS_LIMIT] + "..."
