"""Plans and what became of them, as text."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from envdoctor.privacy import hide_home_in_command
from envdoctor.render.paper import Paper
from envdoctor.render.style import PLAIN, Style

if TYPE_CHECKING:
    from envdoctor.repair.fixing import FixReport, PlannedStep, RecipeResult
    from envdoctor.repair.recipe import Plan

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


def plan_text(name: str, plan: "Plan") -> str:
    """The plan, to be read before a yes."""
    paper = Paper(PLAIN)
    paper.line(f"{name} ({plan.safety})")
    _steps(paper, [(step.summary, step.paths, step.command) for step in plan.steps])
    for note in plan.notes:
        paper.line(note, indent=2)
    return paper.text


def fix_text(report: "FixReport", style: Style) -> str:
    """Each recipe with its steps and its outcome, the codes before and after, and how to undo."""
    paper = Paper(style)
    for result in report.recipes:
        _result(paper, result)
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


def _result(paper: Paper, result: "RecipeResult") -> None:
    message = f": {result.message}" if result.message else ""
    paper.line((result.name, "bold"), f" ({result.safety})  ", (result.state, LOOK[result.state]), message)
    _steps(paper, _planned(result.steps))
    for command in result.commands:
        for line in command.splitlines():
            paper.verbatim(line, 4, "green")


def _planned(steps: "Iterable[PlannedStep]") -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    return [(step.summary, step.paths, step.command) for step in steps]


def _steps(paper: Paper, steps: list[tuple[str, tuple[str, ...], tuple[str, ...]]]) -> None:
    import shlex

    for number, (summary, paths, command) in enumerate(steps, 1):
        paper.line(f"{number}. {summary}", indent=2)
        if command:
            # Words of a report hide the home directory as `~`, which no shell expands inside quotes.
            paper.verbatim(hide_home_in_command(shlex.join(command), ""), 5, "dim")
        for path in paths:
            paper.verbatim(path, 5, "dim")
