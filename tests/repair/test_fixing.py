"""How `fix` judges what a cure did, and that it can die at any moment."""

import subprocess
import sys
from pathlib import Path

import pytest

from envdoctor.checking.check import State
from envdoctor.checking.report import ReportedFinding
from envdoctor.facts import Facts
from envdoctor.repair.examination import Examination
from envdoctor.repair.fixing import FixReport, Wishes, Workshop, fix
from envdoctor.repair.journal import Journal
from envdoctor.repair.recipe import Options, Plan, Recipe
from envdoctor.repair.steps import Hands, WriteFile

REPOSITORY = Path(__file__).parents[2]


def test_fix_all_and_its_undo_can_be_killed_anywhere_and_nothing_is_lost(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.repair.killed_fixes", str(tmp_path)]

    ended = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)

    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 100


def seen(**states: State) -> Examination:
    """What the checks say of a machine: the state of each code."""
    findings = tuple(
        ReportedFinding(code, code, "zz", state, "", "", (), None, (), (), (), code)
        for code, state in states.items()
        if state in ("fail", "warn", "unknown")
    )
    return Examination(Facts(), states, findings)


def fixed(folder: Path, before: Examination, after: Examination, keep: bool = False) -> FixReport:
    """`fix` with a recipe for ZZ001 that writes a file, where the checks say `after` as long as the file is there."""
    overlay = f"{folder}/.envdoctor"
    made = folder / "made"
    plan = Plan("safe", (WriteFile("write", str(made), ""),))
    recipe = Recipe("sample", ("ZZ001",), (), lambda _facts, _options: plan, "")
    hands = Hands(lambda _words, _extra, _folder: "", lambda _text, _share: None, overlay, {})
    wishes = Wishes(Options(overlay), False, False, keep, lambda _recipe, _plan: True)
    shop = Workshop(lambda: after if made.exists() else before, lambda: hands, lambda: Journal.begin(overlay))
    return fix((recipe,), False, wishes, shop)


def test_a_cure_that_breaks_what_was_sound_is_rolled_back_and_the_fault_named(tmp_path: Path) -> None:
    report = fixed(tmp_path, seen(ZZ001="fail", ZZ002="ok"), seen(ZZ001="ok", ZZ002="fail"))

    (result,) = report.recipes
    assert (result.state, result.message) == ("rolled-back", "ZZ002 was not there before and is now")
    assert result.appeared == ("ZZ002",)
    assert not (tmp_path / "made").exists()
    assert (report.exit_code, report.after, report.appeared) == (1, ("ZZ001",), ())


def test_a_cure_that_breaks_something_stands_where_it_is_to_be_kept(tmp_path: Path) -> None:
    report = fixed(tmp_path, seen(ZZ001="fail", ZZ002="ok"), seen(ZZ001="ok", ZZ002="fail"), keep=True)

    assert (report.recipes[0].state, report.exit_code) == ("kept", 1)
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("before", "after", "appeared"),
    [
        ("unknown", "fail", ("ZZ002",)),
        ("skipped", "fail", ("ZZ002",)),
        ("ok", "warn", ("ZZ002",)),
        ("fail", "fail", ()),
        ("ok", "note", ()),
    ],
)
def test_what_is_only_seen_now_or_is_no_failure_is_named_and_the_cure_stands(
    tmp_path: Path, before: State, after: State, appeared: tuple[str, ...]
) -> None:
    report = fixed(tmp_path, seen(ZZ001="fail", ZZ002=before), seen(ZZ001="ok", ZZ002=after))

    assert report.recipes[0].state == "verified"
    assert report.appeared == report.recipes[0].appeared == appeared
    assert (tmp_path / "made").exists()
