"""From hits to causes: the root cause first, consequences and harmless lines left out."""

import re
import string
from collections.abc import Mapping
from functools import cache
from typing import Any

from envdoctor.checking.check import Evidence
from envdoctor.explain.diagnosis import Diagnosis, ShownLine
from envdoctor.explain.matching import Match
from envdoctor.explain.reading import LAST_LINES, Hit, Reading
from envdoctor.explain.signature import HARMLESS
from envdoctor.explain.tables import told_by_tables

SURE, UNSURE = 0.9, 0.6
SHOWN_AROUND = 2


def diagnose(reading: Reading) -> tuple[Diagnosis, ...]:
    """One diagnosis a category, root cause first; none for a log that ends well.

    A line counts as weak where it is a warning, a status or a note, or its signature says so: it may be the cause only
    where nothing stronger is found. Among equals the earlier line is the cause, the later its consequence.
    """
    faults = [(hit, hit.matches[0]) for hit in reading.hits if hit.matches[0].signature.category != HARMLESS]
    if not faults or _ends_well(reading, max(hit.last for hit, _ in faults)):
        return ()
    raised = {match.signature.name for hit, match in faults if not _is_quoted_source(hit)}
    faults = [(hit, match) for hit, match in faults if match.signature.name not in raised or not _is_quoted_source(hit)]
    faults.sort(key=lambda fault: (_is_weak(*fault), fault[0].first))
    by_category: dict[str, tuple[Hit, Match]] = {}
    for hit, match in faults:
        by_category.setdefault(match.signature.category, (hit, match))
    return tuple(_diagnosis(hit, match) for hit, match in by_category.values())


def _ends_well(reading: Reading, last_fault: int) -> bool:
    """True where the last word is success: after the last failure and after the last suspicious line."""
    trouble = max([last_fault, *(mark.number for mark in reading.marks if mark.kind == "failed")])
    if any(mark.number > trouble for mark in reading.marks if mark.kind == "succeeded"):
        return True
    return trouble <= reading.lines - LAST_LINES and _is_complete(reading.ending)


def _is_complete(ending: tuple[str, ...]) -> bool:
    """True where a counted build came to its last step: `[12/12] Linking`."""
    for line in reversed(ending):
        found = _step().match(line)
        if found is not None:
            return found.group(1) == found.group(2)
    return False


@cache
def _step() -> "re.Pattern[str]":
    return re.compile(r"\[(\d+)/(\d+)\]")


def _is_quoted_source(hit: Hit) -> bool:
    """True for the line of code that a traceback shows beneath a frame; the error that it raised says more."""
    return bool(hit.before) and _frame().search(hit.before[-1]) is not None


@cache
def _frame() -> "re.Pattern[str]":
    return re.compile(r'File "[^"]*", line \d+')


def _is_weak(hit: Hit, match: Match) -> bool:
    return match.signature.weak or _soft().search(hit.raw[:200]) is not None


@cache
def _soft() -> "re.Pattern[str]":
    """Words of a line that reports and does not fail."""
    return re.compile(r"^\s*-- |\bwarning:|\bnote:|^WARNING\b|Warning: |^\s*\[?W[ \]]|\bDEBUG\b|^\s*#|^\s*\+ ")


def _diagnosis(hit: Hit, match: Match) -> Diagnosis:
    signature = match.signature
    return Diagnosis(
        category=signature.category,
        title=filled(signature.title, match.fields),
        cause=filled(signature.cause, match.fields),
        lines=(hit.first, hit.last),
        evidence=(Evidence("log", hit.text.strip(), _place(hit)), *told_by_tables(hit.text)),
        codes=signature.codes,
        recipe=signature.recipe,
        confidence=UNSURE if _is_weak(hit, match) else SURE,
        confirmed=None,
        next=signature.next,
        signature=signature.name,
        strikes=signature.strikes,
        cure=filled(signature.cure, match.fields),
        commands=tuple(filled(command, match.fields) for command in signature.commands),
        shown=_shown(hit),
    )


def _place(hit: Hit) -> str:
    return f"line {hit.first}" if hit.first == hit.last else f"lines {hit.first} to {hit.last}"


def _shown(hit: Hit) -> tuple[ShownLine, ...]:
    """The culprit between a few of its neighbours."""
    before = hit.before[-SHOWN_AROUND:]
    start = hit.first - len(before)
    shown = [ShownLine(start + index, line, False) for index, line in enumerate(before)]
    shown += [ShownLine(hit.first + index, line, True) for index, line in enumerate(hit.raw.split("\n"))]
    shown += [ShownLine(hit.last + 1 + index, line, False) for index, line in enumerate(hit.after[:SHOWN_AROUND])]
    return tuple(shown)


def filled(template: str, fields: Mapping[str, str]) -> str:
    """The sentence with its words put in; a word that the line did not tell becomes `the <word>`."""
    return _Sentence().vformat(template, (), fields) if "{" in template else template


class _Sentence(string.Formatter):
    def get_field(self, field_name: str, _args: Any, kwargs: Any) -> tuple[Any, str]:
        return kwargs.get(field_name, f"the {field_name}"), field_name

    def format_field(self, value: Any, _format_spec: str) -> str:
        return str(value)
