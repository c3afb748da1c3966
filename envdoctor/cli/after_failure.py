"""What `run` does where the command failed: explains its log, applies what helps, says what is left to do."""

import os
import shlex
import sys
from collections.abc import Sequence

import msgspec

from envdoctor.checking.check import Check
from envdoctor.checking.discover import load_checks
from envdoctor.cli.output import terminal_style
from envdoctor.cli.progress import Progress
from envdoctor.cli.reading_logs import LogFile, explained
from envdoctor.cli.targets import live_target
from envdoctor.cli.workplace import locked_overlay, take_back_interrupted, tell, workshop
from envdoctor.errors import UsageError
from envdoctor.explain.confirm import confirm, suspected
from envdoctor.explain.diagnosis import Explanation
from envdoctor.privacy import without_home
from envdoctor.render.explain_text import explain_text
from envdoctor.repair.discover import load_recipes
from envdoctor.repair.examination import examine
from envdoctor.repair.fixing import FixReport, RecipeResult, Wishes, fix
from envdoctor.repair.journal import ConflictError
from envdoctor.repair.overlay import folder_of
from envdoctor.repair.recipe import Options, Recipe
from envdoctor.repair.steps import StepError

CURED = ("verified", "kept")


class AfterFailure:
    """One failed build of a project. Raises UsageError for an interpreter that does not exist."""

    def __init__(self, project: str, python: str | None, unsafe: bool) -> None:
        self._project = project
        self._overlay = folder_of(project)
        self._python = python
        self._unsafe = unsafe
        self._target = live_target(python, project, None)
        self._checks: Sequence[Check] = load_checks()
        self._recipes: Sequence[Recipe] = load_recipes()
        self._blocked: dict[str, RecipeResult] = {}

    def explain(self, log: str, status: int) -> Explanation:
        """The diagnoses of a log, confirmed in this project, told on standard error."""
        report = explained(LogFile(log), self._project)
        if report.diagnoses:
            with Progress() as progress:
                checks = suspected(report.diagnoses, self._checks)
                facts = examine(self._target, self._overlay, checks, (), progress.notify).facts
            found = confirm(report.diagnoses, facts, self._checks, "this machine", True)
            report = msgspec.structs.replace(report, diagnoses=found)
        sys.stderr.write("\n")
        if report.diagnoses:
            hidden = without_home(report, os.path.expanduser("~"))
            sys.stderr.write(explain_text(hidden, terminal_style("auto" if sys.stderr.isatty() else "never")))
        else:
            tell(f"the command ended with status {status}; no failure of the environment is in its output")
        return report

    def cure(self, report: Explanation) -> bool:
        """Apply the recipes that the findings ask for, the root cause's first. True where any of them helped."""
        helped = False
        first = [one.recipe for one in report.diagnoses if one.recipe is not None and one.confirmed]
        with Progress() as progress, locked_overlay(self._project):
            take_back_interrupted(self._overlay)
            for name in dict.fromkeys(first):
                chosen = [recipe for recipe in self._recipes if recipe.name == name and name not in self._blocked]
                if chosen:
                    helped |= self._apply(chosen, False, progress)
            while True:
                open_to_us = [recipe for recipe in self._recipes if recipe.name not in self._blocked]
                before = len(self._blocked)
                helped |= self._apply(open_to_us, True, progress)
                if len(self._blocked) == before:
                    return helped

    def say_what_to_do(self, report: Explanation, log: str, command: Sequence[str]) -> None:
        """The commands that are left, on standard error."""
        where = [] if self._project == os.getcwd() else ["--project", self._project]
        whose = [] if self._python is None else ["--python", self._python]
        again = shlex.join(["envdoctor", "run", *where, "--", *command])
        lines = [f"log: {os.path.relpath(log)}"]
        for result in self._blocked.values():
            lines.append(f"{result.name} was not applied: {result.message}")
            lines += [f"  {one}" for one in result.commands]
        recipes = dict.fromkeys(one.recipe for one in report.diagnoses[:1] if one.recipe)
        for name in recipes:
            lines.append(f"cure: {shlex.join(['envdoctor', 'fix', str(name), *where, *whose])}, then {again}")
        for line in lines:
            tell(line)

    def _apply(self, recipes: Sequence[Recipe], everything: bool, progress: Progress) -> bool:
        """True where one of them helped. Those that did not, or may not act, are not asked again."""
        options = Options(overlay=self._overlay)
        wishes = Wishes(options, False, self._unsafe, False, lambda _recipe, _plan: True)
        try:
            report = fix(
                recipes,
                everything,
                wishes,
                workshop(self._target, self._checks, self._recipes, self._overlay, progress),
            )
        except (StepError, ConflictError) as error:
            raise UsageError(str(error)) from error
        self._tell(report)
        for result in report.recipes:
            if result.state in ("manual", "refused", "not-permitted", "rolled-back"):
                self._blocked[result.name] = result
        return any(result.state in CURED for result in report.recipes)

    def _tell(self, report: FixReport) -> None:
        for result in report.recipes:
            if result.state != "not-needed":
                tell(f"fix {result.name}: {result.state}{f', {result.message}' if result.message else ''}")
