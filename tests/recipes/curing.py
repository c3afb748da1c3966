"""Applies a recipe to a real folder as `envdoctor fix` does: facts, plan, journal, steps; and takes it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from envdoctor.checking.check import Check
from envdoctor.checking.discover import load_checks
from envdoctor.facts import Facts
from envdoctor.files import LiveFiles
from envdoctor.probes.gather import gather
from envdoctor.programs import LivePrograms
from envdoctor.repair.examination import examine
from envdoctor.repair.journal import Journal
from envdoctor.repair.overlay import applied, folder_of
from envdoctor.repair.recipe import Answer, Options, Plan, Recipe
from envdoctor.repair.running import run_command
from envdoctor.repair.steps import Hands, load_overlay
from envdoctor.target import Target


def machine(
    project: Path, variables: Mapping[str, str], python: str | Path | None = None, profile: str | None = None
) -> Target:
    """This machine with these environment variables alone, its project, and an interpreter where one matters."""
    return Target(
        kind="machine",
        files=LiveFiles(),
        environment=dict(variables),
        programs=LivePrograms(),
        python=None if python is None else str(python),
        project=str(project),
        profile=profile,
    )


def overlay_of(target: Target) -> str:
    """The overlay's folder of the target's project."""
    assert target.project is not None
    return folder_of(target.project)


def environment_of(target: Target) -> dict[str, str]:
    """What `envdoctor run` gives to a command: the target's variables with what the overlay sets now."""
    overlay = overlay_of(target)
    return applied(load_overlay(overlay), overlay, target.environment)


def facts_of(target: Target, areas: Sequence[str]) -> Facts:
    """Facts as a recipe gets them: with the overlay's environment."""
    return gather(replace(target, environment=environment_of(target)), areas)


def plan_of(recipe: Recipe, target: Target, in_place: bool = False, facts: Facts | None = None) -> Answer:
    """What the recipe answers to the facts of the target, or to `facts`."""
    known = facts if facts is not None else facts_of(target, recipe.needs)
    return recipe.plan(known, Options(overlay_of(target), in_place))


def faults(target: Target, *codes: str) -> tuple[str, ...]:
    """Those of these codes that the checks find as `fail` or `warn` in the target with its overlay."""
    return examine(target, overlay_of(target), _checks(codes)).faults(codes)


@dataclass(frozen=True)
class Cured:
    """A recipe that was applied. `environment` is what `envdoctor run` then gives to a command."""

    environment: dict[str, str]
    plan: Plan
    journal: Journal
    hands: Hands

    def take_back(self) -> tuple[str, ...]:
        """Undo it; the summaries of the steps, last first."""
        return self.journal.take_back(lambda words: self.hands.run(words, None, None))


def cure(recipe: Recipe, target: Target, cache: Path, in_place: bool = False, facts: Facts | None = None) -> Cured:
    """Perform the plan that the recipe makes of the target's facts, or of `facts`, each step with its journal.

    `cache` stands for the user's cache folder. A step that fails raises StepError and is left to be taken back.
    """
    answer = plan_of(recipe, target, in_place, facts)
    assert isinstance(answer, Plan), answer
    hands = hands_of(target, cache)
    journal = Journal.begin(overlay_of(target))
    for step in answer.steps:
        journal.before(recipe.name, step, lambda words: hands.run(words, None, None))
        step.perform(hands)
        journal.after(lambda words: hands.run(words, None, None))
    journal.close()
    return Cured(environment_of(target), answer, journal, hands)


def hands_of(target: Target, cache: Path) -> Hands:
    """Real hands: programs are really started, with the target's variables; progress goes nowhere."""
    environment = environment_of(target)

    def run(words: Sequence[str], extra: Mapping[str, str] | None, folder: str | None) -> str:
        return run_command(words, {**environment, **(extra or {})}, folder)

    return Hands(run=run, say=lambda _text, _share: None, cache=str(cache), environment=environment)


def tree(folder: Path, without_overlay: bool = True) -> dict[str, bytes]:
    """Every file and link of a folder with its content: to see that a project is as before."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if without_overlay and name.split("/")[0] == ".envdoctor":
            continue
        if path.is_symlink():
            found[name] = str(path.readlink()).encode()
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def _checks(codes: Sequence[str]) -> list[Check]:
    return [check for check in load_checks() if check.code in codes]
