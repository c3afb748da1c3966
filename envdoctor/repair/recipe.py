"""What a recipe is: from facts to a plan. It never acts by itself and decides nothing that a check has not found."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from envdoctor.facts import AREAS, Facts
from envdoctor.repair.steps import Step

Safety: TypeAlias = Literal["safe", "unsafe", "manual"]

PAGE_SECTIONS = ("What it does", "What it changes", "When it is not enough", "Sources")


@dataclass(frozen=True)
class Options:
    """What the user asked for besides the recipe. `overlay` is the overlay's folder, an absolute path."""

    overlay: str
    in_place: bool = False


@dataclass(frozen=True)
class Plan:
    """Steps in order. `safe` stays inside the overlay; `unsafe` changes an environment or a source, or works around."""

    safety: Literal["safe", "unsafe"]
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manual:
    """What the user has to do: it needs root, or a download that nobody may do for them. Commands for this machine."""

    text: str
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """The recipe cannot help here, and why."""

    reason: str


Answer: TypeAlias = Plan | Manual | Refusal
Planner: TypeAlias = Callable[[Facts, Options], Answer]


@dataclass(frozen=True)
class Recipe:
    """A cure with its name, the codes that it cures, and the areas of facts that its plan rests on."""

    name: str
    cures: tuple[str, ...]
    needs: tuple[str, ...]
    plan: Planner
    page: str


def recipe(name: str, *, cures: tuple[str, ...], needs: tuple[str, ...]) -> Callable[[Planner], Recipe]:
    """Make a recipe of a function from facts and options to an answer. The docstring is its page.

    Raises ValueError for an area that does not exist.
    """
    unknown = [area for area in needs if area not in AREAS]
    if unknown:
        raise ValueError(f"recipe {name} needs {', '.join(unknown)}: no such area of facts")

    def make(planner: Planner) -> Recipe:
        return Recipe(name, cures, needs, planner, inspect.getdoc(planner) or "")

    return make
