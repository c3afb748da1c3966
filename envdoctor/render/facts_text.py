"""The facts as text: area by area, each value with where it was found."""

from typing import Any

import msgspec

from envdoctor.facts import AREAS, Absent, Known, Unreadable, Variable
from envdoctor.render.paper import Paper
from envdoctor.render.style import Style
from envdoctor.snapshot import Snapshot

LABEL = 22


def facts_text(found: Snapshot, style: Style, areas: tuple[str, ...]) -> str:
    """Areas that were probed, of those asked for (all where none was)."""
    paper = Paper(style)
    paper.line((f"envdoctor {found.tool.version}", "bold"), f"  facts of {found.target.id}")
    for area in AREAS:
        if area in found.facts.probed and (not areas or area in areas):
            paper.blank()
            paper.line((area, "bold"))
            rows = _rows(getattr(found.facts, area))
            paper.rows(rows or [("", "nothing found")], 2, LABEL)
    for area, reason in found.facts.failed.items():
        paper.blank()
        paper.line((area, "bold red"), f"  the probe broke: {reason}")
    return paper.text


def _rows(area: msgspec.Struct) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for field in msgspec.structs.fields(type(area)):
        value = getattr(area, field.name)
        if isinstance(value, tuple):
            shown = [_show(item) for item in value]
            rows += [(field.name if not index else "", text) for index, text in enumerate(shown)]
        elif not (isinstance(value, Absent) and value.reason == "not looked for") and value != "":
            rows.append((field.name, _show(value)))
    return rows


def _show(value: Any) -> str:
    if isinstance(value, Known):
        return f"{_show(value.value)} [{value.found_via}]"
    if isinstance(value, Absent):
        return f"none: {value.reason}"
    if isinstance(value, Unreadable):
        return f"unknown: {value.reason}" + (f" [{value.found_via}]" if value.found_via else "")
    if isinstance(value, msgspec.Struct):
        return _show_struct(value)
    if isinstance(value, tuple):
        return ", ".join(_show(item) for item in value) or "none"
    return str(value)


def _show_struct(value: msgspec.Struct) -> str:
    if isinstance(value, Variable):
        return f"{value.name}={value.value}"
    shown = [
        f"{field.name}={_show(getattr(value, field.name))}"
        for field in msgspec.structs.fields(type(value))
        if getattr(value, field.name) not in (None, (), "")
    ]
    return " ".join(shown)
