"""The one line of a tool's output that says what is wrong."""

import re
from collections.abc import Iterable, Iterator, Sequence

MESSAGE_LIMIT = 400
LINES_AT_MOST = 20_000
LINE_LIMIT = 2000

# What a tool says first is the cause; what the tools above it say of that is not. So the strong signs are looked for in
# the whole output before the weak ones.
STRONG = (
    ": fatal error:",
    ": error:",
    "): error:",
    "): error ",
    "nvcc fatal",
    "ptxas fatal",
    "cannot find -l",
    "undefined reference to",
    ": command not found",
    "Killed signal terminated program",
    "No space left on device",
)
# `collect2: error: ld returned 1 exit status` and `error: command 'g++' failed` only repeat that something failed.
REPEATING = ("collect2:", "ninja: build stopped", "make: ***", "gmake: ***", "make[", "gmake[", "error: command ")
WEAK = ("error:", "Error:", "ERROR:", "cannot ", "No such file or directory", "not found", "fatal:")
NOTE_OF_CMAKE = ("Call Stack", "-- Configuring incomplete")


def complaint(output: str, hidden: Sequence[str] = ()) -> str:
    """The first line that tells the cause; the last line where none does; empty for no output.

    `hidden` are folders that mean nothing to the reader: paths below them are shown without them.
    """
    lines = [plain(line) for line in output.splitlines()[:LINES_AT_MOST]]
    found = next(_of_cmake(lines), "") or _first(lines)
    for folder in hidden:
        found = found.replace(f"{folder}/", "").replace(folder, ".")
    return found if len(found) <= MESSAGE_LIMIT else found[:MESSAGE_LIMIT] + "..."


def plain(line: str) -> str:
    """A line without the colours of terminals and other control characters."""
    shown = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line[:LINE_LIMIT])
    return "".join(sign for sign in shown if sign.isprintable() or sign == "\t").rstrip()


def _first(lines: Sequence[str]) -> str:
    said = [line.strip() for line in lines if line.strip()]
    telling = [line for line in said if not line.startswith(REPEATING)]
    for signs in (STRONG, WEAK):
        found = next((line for line in telling if any(sign in line for sign in signs)), None)
        if found is not None:
            return found
    return next(reversed(telling or said), "")


def _of_cmake(lines: Sequence[str]) -> Iterator[str]:
    """CMake's errors: a head, and paragraphs below it, indented."""
    for number, line in enumerate(lines):
        if line.startswith("CMake Error"):
            paragraphs = list(_paragraphs(lines[number + 1 :]))
            # CMake first tells how it searched, and then that it did not find; a colon leads to the names.
            start = next((place for place, text in enumerate(paragraphs) if text.startswith("Could not find")), None)
            if start is not None:
                paragraphs = paragraphs[start : start + (2 if paragraphs[start].endswith(":") else 1)]
            yield f"{line} {' '.join(paragraphs)}".strip()


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
    held: list[str] = []
    for line in lines:
        ended = (line and not line[0].isspace()) or line.startswith(NOTE_OF_CMAKE)
        if line.strip() and not ended:
            held.append(line.strip())
            continue
        if held:
            yield " ".join(held)
            held = []
        if ended:
            return
    if held:
        yield " ".join(held)
