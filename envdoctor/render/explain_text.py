"""A diagnosis as text: the lines of the log, what is wrong, why, what to do, what strikes next."""

from typing import TYPE_CHECKING

from envdoctor.render.paper import Paper
from envdoctor.render.style import Style

if TYPE_CHECKING:
    from envdoctor.explain.diagnosis import Explanation


def explain_text(report: "Explanation", style: Style) -> str:
    """The root cause first, the others after it."""
    paper = Paper(style)
    if not report.diagnoses:
        paper.line("No failure of the environment found in this log.")
    for diagnosis in report.diagnoses:
        paper.headline([(diagnosis.category, "bold red")], diagnosis.title)
        paper.rows([("why", diagnosis.cause), ("do", diagnosis.cure)], 8, 9)
        for command in diagnosis.commands:
            paper.verbatim(command, 18, "green")
    return paper.text
