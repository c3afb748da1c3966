"""Reads a log in one pass and bounded memory, and finds the lines that a signature matches."""

from collections.abc import Iterable

import msgspec

from envdoctor.explain.matching import Match, Matcher
from envdoctor.explain.signature import CONTEXT_LINES


class Hit(msgspec.Struct, frozen=True):
    """A line with the signatures that it matches, best first. `first` and `last` count lines of the log from 1."""

    first: int
    last: int
    text: str
    matches: tuple[Match, ...]
    around: tuple[str, ...]


def read_hits(blocks: Iterable[bytes], matcher: Matcher) -> tuple[list[Hit], int]:
    """The hits in order, and how many lines the log has."""
    lines = b"".join(blocks).decode("utf-8", "replace").split("\n")
    hits = []
    for number, line in enumerate(lines, 1):
        around = lines[max(0, number - 1 - CONTEXT_LINES) : number + CONTEXT_LINES]
        matches = matcher.match(line, around)
        if matches:
            hits.append(Hit(number, number, line, tuple(matches), tuple(around)))
    return hits, len(lines)
