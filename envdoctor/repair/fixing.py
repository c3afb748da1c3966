"""Cures: plan, ask, apply with a journal, verify with the same checks, roll back what did not help."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from posixpath import dirname
from typing import Literal

import msgspec

from envdoctor.checking.report import SCHEMA_VERSION
from envdoctor.repair.examination import Examination
from envdoctor.repair.journal import Journal
from envdoctor.repair.recipe import Manual, Options, Plan, Recipe, Refusal
from envdoctor.repair.resources import Run
from envdoctor.repair.room import reason_of, with_places, written_to
from envdoctor.repair.steps import Hands, StepError

VERIFIED, STILL_FAILING, NOT_VERIFIABLE = 0, 1, 3


class PlannedStep(msgspec.Struct, frozen=True):
    kind: str
    summary: str
    paths: tuple[str, ...]
    command: tuple[str, ...]


class RecipeResult(msgspec.Struct, frozen=True):
    """What became of one recipe. `commands` are what is left to the user."""

    name: str
    safety: str
    state: Literal["planned", "verified", "kept", "rolled-back", "not-needed", "manual", "refused", "not-permitted"]
    message: str = ""
    steps: tuple[PlannedStep, ...] = ()
    commands: tuple[str, ...] = ()
    appeared: tuple[str, ...] = ()
    """Codes that were found after the steps and not before."""


class FixReport(msgspec.Struct, frozen=True):
    """The `fix` contract: codes found before and after, causes only; `journal` is the number to undo by.

    `appeared` are those found after and not before: brought by a cure, or seen only now.
    """

    schema_version: int
    recipes: tuple[RecipeResult, ...]
    applied: bool
    verified: bool
    before: tuple[str, ...]
    after: tuple[str, ...]
    journal: int | None
    exit_code: int
    appeared: tuple[str, ...] = ()
    project: str = ""


@dataclass(frozen=True)
class Wishes:
    """What the user permits. `confirm` is asked once a recipe with the plan and raises where nobody can answer."""

    options: Options
    dry_run: bool
    unsafe: bool
    keep: bool
    confirm: Callable[[Recipe, Plan], bool]


@dataclass(frozen=True)
class Workshop:
    """Where cures happen. `look` examines the target anew; `hands` gives a step what it may use now."""

    look: Callable[[], Examination]
    hands: Callable[[], Hands]
    journal: Callable[[], Journal]


def fix(recipes: Sequence[Recipe], everything: bool, wishes: Wishes, shop: Workshop) -> FixReport:
    """Apply these recipes in turn, or with `everything` those that the findings ask for, in the order of the chain.

    Stops at the first that does not help; what it did is rolled back. Raises StepError where nobody can be asked, and
    ConflictError or OSError where even the way back is barred; the journal then still says what stands.
    """
    first = shop.look()
    work = _Work(wishes, shop, first)
    if everything:
        while (recipe := _next(recipes, work)) is not None and work.goes_on:
            work.cure(recipe)
    else:
        for recipe in recipes:
            if work.goes_on:
                work.cure(recipe)
    if work.journal is not None:
        work.journal.close()
    exit_code = work.exit_code(everything)
    return FixReport(
        schema_version=SCHEMA_VERSION,
        recipes=tuple(work.results),
        applied=any(result.state in ("verified", "kept") for result in work.results),
        verified=exit_code == VERIFIED and not wishes.dry_run,
        before=first.codes,
        after=work.now.codes,
        journal=work.journal.entry.id if work.journal is not None and work.journal.entry.steps else None,
        exit_code=exit_code,
        appeared=work.now.new_since(first),
        project=dirname(wishes.options.overlay),
    )


def _next(recipes: Sequence[Recipe], work: "_Work") -> Recipe | None:
    """The recipe for the first cause in the order of the chain that none was tried for."""
    tried = {result.name for result in work.results}
    for code in work.now.codes:
        for recipe in recipes:
            if code in recipe.cures and recipe.name not in tried:
                return recipe
    return None


class _Work:
    """What has been done so far in one call of `fix`."""

    def __init__(self, wishes: Wishes, shop: Workshop, first: Examination) -> None:
        self.wishes = wishes
        self.shop = shop
        self.now = first
        self.results: list[RecipeResult] = []
        self.journal: Journal | None = None
        self.goes_on = True
        self.unclear = False

    def cure(self, recipe: Recipe) -> None:
        faults = self.now.faults(recipe.cures)
        if not faults:
            message = f"nothing to cure: {', '.join(recipe.cures)} not found"
            self.results.append(RecipeResult(recipe.name, "safe", "not-needed", message))
            return
        answer = recipe.plan(self.now.facts, self.wishes.options)
        if isinstance(answer, Manual):
            self._stop(RecipeResult(recipe.name, "manual", "manual", answer.text, commands=answer.commands))
        elif isinstance(answer, Refusal):
            self._stop(RecipeResult(recipe.name, "manual", "refused", answer.reason))
        elif self.wishes.dry_run:
            self.results.append(_result(recipe, answer, "planned"))
        elif answer.safety == "unsafe" and not self.wishes.unsafe:
            self._stop(
                _result(recipe, answer, "not-permitted", "it changes more than the overlay: allow it with --unsafe")
            )
        elif not self.wishes.confirm(recipe, answer):
            self._stop(_result(recipe, answer, "not-permitted", "declined"))
        else:
            self._apply(recipe, answer, faults)

    def exit_code(self, everything: bool) -> int:
        states = {result.state for result in self.results}
        if self.wishes.dry_run:
            return STILL_FAILING if states & {"manual", "refused"} else VERIFIED
        if self.unclear:
            return NOT_VERIFIABLE
        if states & {"manual", "refused", "not-permitted", "rolled-back", "kept"}:
            return STILL_FAILING
        still_failing = everything and any(finding.state == "fail" for finding in self.now.findings)
        return STILL_FAILING if still_failing else VERIFIED

    def _apply(self, recipe: Recipe, plan: Plan, faults: tuple[str, ...]) -> None:
        if self.journal is None:
            self.journal = self.shop.journal()
        start = len(self.journal.entry.steps)
        hands = self.shop.hands()

        def run(words: Sequence[str]) -> str:
            return hands.run(words, None, None)

        try:
            for number, step in enumerate(plan.steps, 1):
                hands.say(f"{recipe.name}, step {number} of {len(plan.steps)}: {step.summary}", None)
                self.journal.before(recipe.name, step, run)
                step.perform(hands)
                self.journal.after(run)
        except (StepError, OSError) as error:
            reason = with_places(reason_of(error), self._places(hands))
            self._take_back(start, run, reason)
            message = f"{reason}; nothing of {recipe.name} stands, and the same command goes on from here"
            self._stop(_result(recipe, plan, "rolled-back", message))
            return
        except BaseException:
            self._take_back(start, run)
            raise
        before, self.now = self.now, self.shop.look()
        self._verify(recipe, plan, faults, before, start, run)

    def _verify(
        self, recipe: Recipe, plan: Plan, faults: tuple[str, ...], before: Examination, start: int, run: Run
    ) -> None:
        appeared = self.now.new_since(before)
        left = self.now.faults(faults)
        unclear = tuple(code for code in faults if self.now.states.get(code) in ("unknown", "crashed"))
        worse = self.now.broken_since(before)
        if not left and not unclear and not worse:
            self.results.append(_result(recipe, plan, "verified", f"{', '.join(faults)} cured", appeared))
            return
        self.unclear = not left and not worse
        told = (
            (left, "still found"),
            (unclear, "could not be verified"),
            (worse, "was not there before and is now"),
        )
        message = "; ".join(f"{', '.join(codes)} {what}" for codes, what in told if codes)
        if self.wishes.keep:
            self.results.append(_result(recipe, plan, "kept", message, appeared))
            return
        self._take_back(start, run, message)
        self.now = self.shop.look()
        self._stop(_result(recipe, plan, "rolled-back", message, appeared))

    def _take_back(self, start: int, run: Run, why: str = "") -> None:
        """Raises StepError where the way back is barred as well; the journal then still says what stands."""
        assert self.journal is not None
        try:
            self.journal.take_back(run, start)
            if start == 0:
                self.journal.close()
        except (StepError, OSError) as error:
            reason = with_places(reason_of(error), self._places(self.shop.hands()))
            raise StepError(
                f"{why + '; ' if why else ''}what was done could not be taken back yet ({reason}): the next "
                "`envdoctor fix` or `envdoctor undo` does it first"
            ) from error

    def _places(self, hands: Hands) -> tuple[str, ...]:
        return written_to(self.wishes.options.overlay, hands.cache, hands.environment)

    def _stop(self, result: RecipeResult) -> None:
        self.results.append(result)
        self.goes_on = False


def _result(
    recipe: Recipe,
    plan: Plan,
    state: Literal["planned", "verified", "kept", "rolled-back", "not-permitted"],
    message: str = "",
    appeared: tuple[str, ...] = (),
) -> RecipeResult:
    steps = tuple(PlannedStep(step.kind, step.summary, step.paths, step.command) for step in plan.steps)
    told = "; ".join([*([message] if message else []), *plan.notes])
    return RecipeResult(recipe.name, plan.safety, state, told, steps, appeared=appeared)


def refuse_to_ask(recipe: Recipe, _plan: Plan) -> bool:
    """For a place where nobody can answer. Raises StepError."""
    raise StepError(
        f"`{recipe.name}` needs a yes, and nobody is there to ask: give --yes, or --dry-run to see the plan"
    )
