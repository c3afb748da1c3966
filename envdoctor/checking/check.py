"""What a check is, and the values that it yields."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

import msgspec

from envdoctor.facts import AREAS, Absent, Fact, Facts, Known, Unreadable

State: TypeAlias = Literal["ok", "note", "warn", "fail", "unknown", "skipped", "crashed"]

# When a fault strikes. Within a state, findings come in this order, so that the chain reads as it would be met.
BEFORE, CONFIGURE, COMPILE, LINK, LOAD, RUN = 100, 200, 300, 400, 500, 600

# A search of CMake or of the loader tries dozens of places; the facts hold them all.
PLACES_SHOWN = 4

PAGE_SECTIONS = ("What it finds", "Why it breaks", "Example", "What to do", "Sources")


class Evidence(msgspec.Struct, frozen=True):
    """One fact that the judgement rests on: its name, the value, and the file, command or variable that told it."""

    fact: str
    value: str
    found_via: str


class Remedy(msgspec.Struct, frozen=True):
    """What to do: a sentence, commands to copy, and the recipe that does it where there is one."""

    text: str
    commands: tuple[str, ...] = ()
    recipe: str | None = None
    safety: Literal["safe", "unsafe", "manual"] | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. `subject` is what it is about (a file, a package): with the code it identifies the finding.

    `explains` names the codes of findings that are consequences of this one; they fold beneath it. `consequence_of`
    names the codes of those that this one folds beneath: for what may have many causes and knows its own.
    """

    state: Literal["note", "warn", "fail", "unknown"]
    title: str
    why: str
    evidence: tuple[Evidence, ...] = ()
    remedy: Remedy | None = None
    links: tuple[str, ...] = ()
    subject: str = ""
    explains: tuple[str, ...] = ()
    consequence_of: tuple[str, ...] = ()


class NotApplicable(msgspec.Struct, frozen=True):
    """The check has nothing to judge here; the reason is shown beside its code."""

    reason: str


Judgement: TypeAlias = Finding | NotApplicable
Judge: TypeAlias = Callable[[Facts], Iterator[Judgement]]


class Check(msgspec.Struct, frozen=True):
    """A pure function over facts, with its identity. Yielding nothing means that all is well."""

    code: str
    name: str
    area: str
    needs: tuple[str, ...]
    strikes: int
    judge: Judge
    page: str


def check(code: str, name: str, *, needs: tuple[str, ...], strikes: int) -> Callable[[Judge], Check]:
    """Make a check of a function. `needs` are the fact areas it reads; `strikes` says when the fault is met.

    The docstring is the check's page: a title line, then the sections of PAGE_SECTIONS in order.
    Raises ValueError for an area that does not exist.
    """
    unknown = [area for area in needs if area not in AREAS]
    if unknown:
        raise ValueError(f"check {code} needs {', '.join(unknown)}: no such area of facts")

    def make(judge: Judge) -> Check:
        area = judge.__module__.rpartition(".")[2]
        return Check(code, name, area, needs, strikes, judge, inspect.getdoc(judge) or "")

    return make


def seen(name: str, fact: Fact[Any], shown: str | None = None) -> Evidence:
    """Evidence from a fact: its value (or `shown` in its place), or the reason why there is none."""
    if isinstance(fact, Known):
        return Evidence(name, shown if shown is not None else str(fact.value), fact.found_via)
    if isinstance(fact, Absent):
        return Evidence(name, f"none ({fact.reason})", _places(fact.looked))
    return Evidence(name, f"unknown ({fact.reason})", fact.found_via)


def _places(looked: tuple[str, ...]) -> str:
    if not looked:
        return "not found"
    more = len(looked) - PLACES_SHOWN
    return ", ".join(looked[:PLACES_SHOWN]) + (f" and {more} more places" if more > 0 else "")


def undetermined(title: str, fact: Unreadable, name: str, subject: str = "", explains: tuple[str, ...] = ()) -> Finding:
    """The finding for a fact that is needed and could not be read."""
    return Finding(
        state="unknown",
        title=title,
        why=f"{name} could not be read: {fact.reason}.",
        evidence=(seen(name, fact),),
        subject=subject,
        explains=explains,
    )
