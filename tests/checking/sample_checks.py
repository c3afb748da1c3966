"""Checks of a few lines, for the tests of the engine."""

from collections.abc import Iterator
from typing import Literal

from envdoctor.checking.check import Check, Finding, Judgement, check
from envdoctor.facts import Facts


def finding(
    title: str = "a fault",
    state: Literal["note", "warn", "fail", "unknown"] = "fail",
    explains: tuple[str, ...] = (),
    subject: str = "",
) -> Finding:
    return Finding(state=state, title=title, why="because", explains=explains, subject=subject)


def make_check(code: str, *yields: Judgement, strikes: int = 100, needs: tuple[str, ...] = ()) -> Check:
    def judge(_facts: Facts) -> Iterator[Judgement]:
        yield from yields

    return check(code, f"{code.lower()}-name", needs=needs, strikes=strikes)(judge)


def broken_check(code: str) -> Check:
    def judge(_facts: Facts) -> Iterator[Judgement]:
        raise KeyError("lost")
        yield

    return check(code, "broken", needs=(), strikes=100)(judge)
