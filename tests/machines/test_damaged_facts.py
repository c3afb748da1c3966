"""Recorded machines with one fact lost, unreadable or senseless at a time: no check breaks over any of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from envdoctor.checking.discover import load_checks
from envdoctor.checking.judge import judge
from envdoctor.facts import Facts
from envdoctor.snapshot import load_snapshot

HERE = Path(__file__).parent
SENSELESS = ("", " ", "~", ":", "0", "9999999999999999999999.1", "+", "\x00", "x" * 5000)


def single_facts(tree: Any) -> Iterator[dict[str, Any]]:
    """Every fact with a state, wherever it lies in the tree."""
    if isinstance(tree, dict):
        if "state" in tree:
            yield tree
        for branch in list(tree.values()):
            yield from single_facts(branch)
    elif isinstance(tree, list):
        for branch in tree:
            yield from single_facts(branch)


def plain_texts(tree: Any) -> Iterator[tuple[Any, Any]]:
    """The place of every text: its container, and its key or index."""
    places: Any = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for place, value in list(places):
        if isinstance(value, str) and place not in ("state", "name"):
            yield tree, place
        else:
            yield from plain_texts(value)


def crashes(tree: Any) -> list[str]:
    facts = msgspec.convert(tree, Facts)
    return [f"{one.check.code}: {one.crash}" for one in judge(facts, load_checks()) if one.crash is not None]


@pytest.fixture(params=sorted(path.stem for path in HERE.glob("*.json")))
def tree(request: pytest.FixtureRequest) -> Any:
    return msgspec.to_builtins(load_snapshot(str(HERE / f"{request.param}.json")).facts)


@pytest.mark.parametrize("lost", [{"state": "absent", "reason": "gone"}, {"state": "unreadable", "reason": "no"}])
def test_no_check_breaks_over_a_fact_that_is_lost(tree: Any, lost: dict[str, str]) -> None:
    broken: list[str] = []
    for fact in list(single_facts(tree)):
        kept = dict(fact)
        fact.clear()
        fact.update(lost)
        broken += crashes(tree)
        fact.clear()
        fact.update(kept)
    assert broken == []


def test_no_check_breaks_over_texts_without_sense(tree: Any) -> None:
    broken: list[str] = []
    for number, (container, place) in enumerate(
        plain_texts({key: value for key, value in tree.items() if key != "probed"})
    ):
        kept = container[place]
        container[place] = SENSELESS[number % len(SENSELESS)]
        broken += crashes(tree)
        container[place] = kept
    assert broken == []
