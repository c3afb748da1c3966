"""Kills `fix --all` and the undo of it at every place where they can die, each time anew; run by test_fixing.py.

A process of its own, since each run is a fork that ends with SIGKILL. Prints the number of deaths.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from envdoctor.checking.check import State
from envdoctor.checking.report import ReportedFinding
from envdoctor.facts import Facts
from envdoctor.repair import journal as journals
from envdoctor.repair import steps
from envdoctor.repair.examination import Examination
from envdoctor.repair.fixing import FixReport, Wishes, Workshop, fix
from envdoctor.repair.journal import Journal, entries
from envdoctor.repair.overlay import Contribution, Setting
from envdoctor.repair.recipe import Options, Plan, Recipe
from envdoctor.repair.steps import Contribute, Hands, MakeLink, MarkedBlock, ReplaceInLine, SetAside, WriteFile
from tests.repair.test_journal import MakeFolder, tree

SOURCE = "first\nGet<T>(x)\n"
CURED_BY = {"ZZ001": "prefix/include/a.h", "ZZ002": "prefix/lib"}


def no_program(words: Sequence[str]) -> str:
    raise AssertionError(words)


def examined(project: Path) -> Examination:
    """Three faults: two until the overlay has something, one until the source is edited."""
    found: dict[str, State] = {}
    for code, name in CURED_BY.items():
        found[code] = "ok" if os.path.lexists(project / ".envdoctor" / name) else "fail"
    found["ZZ003"] = "ok" if "template" in (project / "source.cc").read_text() else "fail"
    findings = tuple(
        ReportedFinding(code, code, "zz", state, "", "", (), None, (), (), (), code)
        for code, state in found.items()
        if state == "fail"
    )
    return Examination(Facts(), found, findings)


def recipes(project: Path) -> tuple[Recipe, ...]:
    overlay, source = f"{project}/.envdoctor", str(project / "source.cc")
    contribution = Contribution("first", (Setting("CPATH", "prepend", f"{overlay}/prefix/include"),))
    plans = (
        ("first", "ZZ001", (
            WriteFile("write", f"{overlay}/{CURED_BY['ZZ001']}", ""),
            MakeFolder("unpack", f"{overlay}/prefix/share"),
            Contribute("contribute", overlay, contribution),
            SetAside("set aside", f"{project}/build/CMakeCache.txt"),
        )),
        ("second", "ZZ002", (
            MakeLink("link", f"{overlay}/{CURED_BY['ZZ002']}", "/usr/lib"),
            Contribute("contribute", overlay, Contribution("second", (Setting("X", "set", "1"),))),
        )),
        ("third", "ZZ003", (
            MarkedBlock("block", source, "third", "// inserted", at_top=True, comment="//"),
            ReplaceInLine("edit", source, 5, "Get<T>", "this->template Get<T>"),
        )),
    )  # fmt: skip
    return tuple(_recipe(name, code, Plan("unsafe", steps)) for name, code, steps in plans)


def _recipe(name: str, code: str, plan: Plan) -> Recipe:
    return Recipe(name, (code,), (), lambda _facts, _options: plan, "")


def cure(project: Path) -> FixReport:
    overlay = f"{project}/.envdoctor"
    os.makedirs(overlay, exist_ok=True)
    hands = Hands(lambda words, _extra, _folder: no_program(words), lambda _text, _share: None, overlay, {})
    wishes = Wishes(Options(overlay, in_place=True), False, True, False, lambda _recipe, _plan: True)
    shop = Workshop(lambda: examined(project), lambda: hands, lambda: Journal.begin(overlay))
    return fix(recipes(project), True, wishes, shop)


def undo(project: Path) -> None:
    """Take back all that stands, whatever was interrupted."""
    overlay = f"{project}/.envdoctor"
    for entry in reversed(entries(overlay)):
        if entry.state != "undone":
            Journal.of(overlay, entry).take_back(no_program)


def dying(project: Path, after: int) -> bool:
    """Whether `fix` dies when it comes to that place."""
    child = os.fork()
    if child == 0:
        _die_at(after)
        cure(project)
        undo(project)
        os._exit(0)
    ended = os.waitpid(child, 0)[1]
    assert ended == 0 or os.WTERMSIG(ended) == signal.SIGKILL, ended
    return ended != 0


def _die_at(after: int) -> None:
    left = after

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: object, **named: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **named)

        return call

    named = (journals, "write_whole"), (journals, "record_path"), (journals, "restore_path"), (steps, "write_whole")
    for place, name in named:
        setattr(place, name, counted(getattr(place, name)))
    for name in ("replace", "symlink", "unlink", "makedirs"):
        setattr(os, name, counted(getattr(os, name)))


def main(folder: Path) -> int:
    # A kill, unlike a power cut, loses nothing that was written; and a disk that many use makes waiting long.
    os.fsync = lambda _descriptor: None
    for after in count(1):
        project = folder / str(after)
        (project / "build").mkdir(parents=True)
        (project / "source.cc").write_text(SOURCE)
        (project / "build" / "CMakeCache.txt").write_text("cache")
        before = tree(project)
        died = dying(project, after)
        undo(project)
        assert tree(project) == before, f"killed at {after}"
        report = cure(project)
        assert report.verified and report.after == (), f"after a kill at {after}"
        undo(project)
        assert tree(project) == before, f"undone after a kill at {after}"
        shutil.rmtree(project)
        if not died:
            return after - 1
    raise AssertionError


if __name__ == "__main__":
    sys.stdout.write(f"{main(Path(sys.argv[1]))}\n")
