"""Plans and what became of them, as text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from envdoctor.privacy import hide_home_in_command
from envdoctor.render.paper import Paper
from envdoctor.render.style import PLAIN, Style

if TYPE_CHECKING:
    from envdoctor.repair.fixing import FixReport, PlannedStep, RecipeResult
    from envdoctor.repair.recipe import Plan
    from envdoctor.repair.steps import Step

LOOK = {
    "verified": "bold green",
    "planned": "bold",
    "kept": "bold yellow",
    "not-needed": "dim",
    "rolled-back": "bold red",
    "manual": "bold yellow",
    "refused": "bold yellow",
    "not-permitted": "bold yellow",
}


def plan_text(name: str, plan: "Plan", project: str) -> str:
    """The plan, to be read before a yes. Files of the project are named as seen from its folder."""
    paper = Paper(PLAIN)
    paper.line(f"{name} ({plan.safety})")
    _steps(paper, plan.steps, project)
    for note in plan.notes:
        paper.line(note, indent=2)
    return paper.text


def fix_text(report: "FixReport", style: Style) -> str:
    """Each recipe with its steps and its outcome, the codes before and after, and how to undo.

    Files of the project are named as seen from its folder.
    """
    paper = Paper(style)
    if report.recipes:
        paper.rows([("project", report.project)], 0, len("project"))
        paper.blank()
    for result in report.recipes:
        _result(paper, result, report.project)
        paper.blank()
    if report.recipes and not any(result.state == "planned" for result in report.recipes):
        paper.line(f"before: {', '.join(report.before) or 'nothing found'}")
        paper.line(f"after:  {', '.join(report.after) or 'nothing found'}")
        if report.appeared:
            paper.line(f"new:    {', '.join(report.appeared)}   (not found before; `envdoctor check` tells more)")
    if not report.recipes:
        paper.line("Nothing that a recipe cures was found.")
    if report.applied:
        paper.line("Build with it: envdoctor run -- COMMAND   (or source .envdoctor/env.sh)")
        paper.line(f"Take it back:  envdoctor undo {report.journal}")
    return paper.text


def _result(paper: Paper, result: "RecipeResult", project: str) -> None:
    message = f": {result.message}" if result.message else ""
    paper.line((result.name, "bold"), f" ({result.safety})  ", (result.state, LOOK[result.state]), message)
    _steps(paper, result.steps, project)
    for command in result.commands:
        for line in command.splitlines():
            paper.verbatim(line, 4, "green")


def _steps(paper: Paper, steps: "Sequence[PlannedStep | Step]", project: str) -> None:
    import shlex

    inside = f"{project}/"
    for number, step in enumerate(steps, 1):
        paper.headline([(f"  {number}.", "")], step.summary.replace(inside, ""))
        if step.command:
            # Words of a report hide the home directory as `~`, which no shell expands inside quotes.
            paper.verbatim(hide_home_in_command(shlex.join(step.command), ""), 5, "dim")
        paths = (path.removeprefix(inside) for path in step.paths)
        if step.kind == "overlay":
            # The same three files each time.
            paper.line((", ".join(paths), "dim"), indent=5)
        else:
            for path in paths:
                paper.verbatim(path, 5, "dim")
