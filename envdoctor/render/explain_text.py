"""A diagnosis as text: the lines of the log, what is wrong, why, what to do, what strikes next."""

from typing import TYPE_CHECKING

from envdoctor.checking.check import Evidence
from envdoctor.render.paper import Paper
from envdoctor.render.style import Style

if TYPE_CHECKING:
    from envdoctor.explain.diagnosis import Diagnosis, Explanation, ShownLine

INDENT, LABEL = 2, 8
CONFIRMED = {True: "confirmed here", False: "not confirmed", None: ""}


def explain_text(report: "Explanation", style: Style) -> str:
    """The root cause first, then what else the log tells. Commands and lines of the log are never wrapped."""
    paper = Paper(style)
    lines = f"{report.lines} line{'' if report.lines == 1 else 's'}"
    if not report.diagnoses:
        paper.line(f"No failure of the environment found in {lines}.")
        return paper.text
    root, *others = report.diagnoses
    _diagnosis(paper, root, style)
    if others:
        paper.blank()
        paper.line(("further on in the log", "bold"))
    for diagnosis in others:
        state = f", {CONFIRMED[diagnosis.confirmed]}" if CONFIRMED[diagnosis.confirmed] else ""
        paper.headline([(f"  {diagnosis.category}", "bold")], f"line {diagnosis.lines[0]}{state}: {diagnosis.title}")
    return paper.text


def _diagnosis(paper: Paper, diagnosis: "Diagnosis", style: Style) -> None:
    paper.headline([(diagnosis.category, "bold red")], diagnosis.title)
    paper.blank()
    width = len(str(max(line.number for line in diagnosis.shown)))
    for line in diagnosis.shown:
        _line(paper, line, width, style)
    paper.blank()
    rows = [("cause", diagnosis.cause)]
    if diagnosis.note:
        rows.append(("here" if diagnosis.confirmed else "facts", diagnosis.note))
    rows += [("" if index else "evidence", _evidence(one)) for index, one in enumerate(_of_facts(diagnosis))]
    rows.append(("do", diagnosis.cure))
    paper.rows(rows, INDENT, LABEL)
    cure = () if diagnosis.recipe is None else (f"envdoctor fix {diagnosis.recipe}",)
    for command in dict.fromkeys((*diagnosis.commands, *cure)):
        for part in command.splitlines():
            paper.verbatim(part, INDENT + LABEL + 1, "green")
    closing = []
    if diagnosis.next:
        closing.append(("next", f"once this is cured: {', '.join(diagnosis.next)}"))
    if diagnosis.codes:
        closing.append(("see", " ".join(f"envdoctor rule {code};" for code in diagnosis.codes).rstrip(";")))
    if closing:
        paper.rows(closing, INDENT, LABEL)


def _line(paper: Paper, line: "ShownLine", width: int, style: Style) -> None:
    mark = (">", "→")[style.unicode] if line.culprit else " "
    text = " ".join(line.text.split("\r")[-1].split("\t")).rstrip()
    room = max(style.width - width - 5, 20)
    pieces = [text[at : at + room] for at in range(0, len(text), room)] or [""]
    shown = pieces if line.culprit else pieces[:1]
    for index, piece in enumerate(shown):
        number = f"{line.number:>{width}}" if index == 0 else " " * width
        paper.verbatim(f"{mark} {number} | {piece}", 0, "bold" if line.culprit else "dim")


def _of_facts(diagnosis: "Diagnosis") -> tuple[Evidence, ...]:
    return tuple(one for one in diagnosis.evidence if one.fact != "log")


def _evidence(evidence: Evidence) -> str:
    if evidence.found_via in ("", evidence.value):
        return f"{evidence.fact}: {evidence.value}"
    return f"{evidence.fact}: {evidence.value} [{evidence.found_via}]"
