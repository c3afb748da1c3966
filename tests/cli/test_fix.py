"""`fix`, `undo`, `history` and `run` on a project, with checks and recipes that come from another package."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

PLUGIN = '''
from collections.abc import Iterator

from envdoctor.checking.check import COMPILE, Evidence, Finding, Judgement, check
from envdoctor.facts import Facts
from envdoctor.repair.overlay import Contribution, Setting
from envdoctor.repair.recipe import Answer, Manual, Options, Plan, Refusal, recipe
from envdoctor.repair.steps import Contribute, RunCommand, WriteFile


def wanted(code, word, strikes):
    """A check that finds its fault until CPATH holds a folder of that name."""

    def judge(facts: Facts) -> Iterator[Judgement]:
        if word not in (facts.environment.get("CPATH") or ""):
            yield Finding(state="fail", title=f"no {word} on CPATH", why="Sample.", evidence=(), subject=word)

    return check(code, f"no-{word}", needs=("environment",), strikes=COMPILE + strikes)(judge)


first, second, third, fourth = (wanted(f"ZZ00{n}", f"sample{n}", n) for n in (1, 2, 3, 4))


def bring(name, code, word, safety="safe", extra=()):
    def plan(facts: Facts, options: Options) -> Answer:
        """Sample."""
        folder = f"{options.overlay}/prefix/{word}"
        settings = (Setting("CPATH", "prepend", folder),)
        return Plan(
            safety,
            (
                WriteFile(f"write {word}", f"{folder}/header.h", "content"),
                *(step(options) for step in extra),
                Contribute(f"put {word} on CPATH", options.overlay, Contribution(name, settings)),
            ),
        )

    return recipe(name, cures=(code,), needs=("environment",))(plan)


good = bring("good", "ZZ001", "sample1")
useless = bring("useless", "ZZ002", "other")
risky = bring("risky", "ZZ003", "sample3", "unsafe")
failing = bring(
    "failing",
    "ZZ004",
    "sample4",
    extra=(lambda options: RunCommand("fail", ("sh", "-c", "echo error: no luck >&2; exit 1"), ()),),
)


@recipe("by-hand", cures=("ZZ004",), needs=("environment",))
def by_hand(facts: Facts, options: Options) -> Answer:
    """Sample."""
    return Manual("Root is needed.", ("sudo apt-get install sample",))


@recipe("unable", cures=("ZZ004",), needs=("environment",))
def unable(facts: Facts, options: Options) -> Answer:
    """Sample."""
    return Refusal("there is nothing to take it from")
'''

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs envdoctor in the project with the plugin's checks and recipes beside its own."""
    plugin = tmp_path / "plugin"
    metadata = plugin / "sample-1.0.dist-info"
    metadata.mkdir(parents=True)
    (plugin / "sample_cures.py").write_text(PLUGIN)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[envdoctor.checks]\nsample = sample_cures\n[envdoctor.recipes]\nsample = sample_cures\n"
    )
    (tmp_path / "project").mkdir()
    start = (
        f"import sys; sys.path.append({str(plugin)!r}); from envdoctor.cli.app import run; sys.exit(run(sys.argv[1:]))"
    )

    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", start, *arguments],
            cwd=tmp_path / "project",
            env={**os.environ, "HOME": str(tmp_path), **variables},
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )

    return call


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path / "project"


def below(project: Path) -> set[str]:
    """Files below the project but for the journal, the logs and what the overlay always has."""
    kept = (".envdoctor/journal", ".envdoctor/logs", ".envdoctor/.gitignore", ".envdoctor/lock")
    names = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    return {name for name in names if not name.startswith(kept)}


def test_a_cure_is_applied_verified_shown_and_taken_back(run: Run, project: Path) -> None:
    ended = run("fix", "good", "--yes", "-o", "json")

    report = json.loads(ended.stdout)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (report["applied"], report["verified"], report["journal"]) == (True, True, 1)
    assert "ZZ001" in report["before"] and "ZZ001" not in report["after"]
    assert [step["kind"] for step in report["recipes"][0]["steps"]] == ["write", "overlay"]
    built = run("run", "--", "sh", "-c", "echo $CPATH; exit 7", CPATH="/mine")
    assert built.stdout == f"{project}/.envdoctor/prefix/sample1:/mine\n"
    assert built.returncode == 7
    assert "good: write sample1" in run("history").stdout
    assert run("undo").returncode == 0
    assert below(project) == set()
    assert "undone" in run("history").stdout
    assert run("undo").returncode == 1


def test_check_judges_a_project_with_its_overlay_and_says_so(run: Run, project: Path) -> None:
    run("fix", "good", "--yes")

    cured = run("check", "sample_cures", "--project", str(project), "-o", "json")
    shown = run("check", "sample_cures", "--project", str(project))
    bare = run("check", "sample_cures", "--project", str(project), "--no-overlay", "-o", "json")

    assert "ZZ001" in json.loads(cured.stdout)["passed"]
    assert "applied as `envdoctor run -- COMMAND` does" in " ".join(shown.stdout.split())
    assert "ZZ001" in [finding["code"] for finding in json.loads(bare.stdout)["findings"]]


def test_the_overlay_is_invisible_to_git(run: Run, project: Path) -> None:
    subprocess.run(["git", "init", "-q", "."], cwd=project, check=True)

    run("fix", "good", "--yes")

    assert subprocess.run(["git", "status", "--short"], cwd=project, capture_output=True, text=True).stdout == ""


@pytest.mark.parametrize(
    ("arguments", "status", "state", "message"),
    [
        (["useless", "--yes"], 1, "rolled-back", "ZZ002 still found"),
        (["useless", "--yes", "--keep"], 1, "kept", "ZZ002 still found"),
        (["risky", "--yes"], 1, "not-permitted", "--unsafe"),
        (["risky", "--yes", "--unsafe"], 0, "verified", "ZZ003 cured"),
        (["failing", "--yes"], 1, "rolled-back", "error: no luck"),
        (["by-hand", "--yes"], 1, "manual", "Root is needed"),
        (["unable", "--yes"], 1, "refused", "there is nothing to take it from"),
        (["zz001", "--yes"], 0, "verified", "ZZ001 cured"),
        (["good", "--dry-run"], 0, "planned", ""),
        (["by-hand", "--dry-run"], 1, "manual", ""),
    ],
)
def test_every_outcome_has_its_state_and_exit_status(
    run: Run, project: Path, arguments: list[str], status: int, state: str, message: str
) -> None:
    ended = run("fix", *arguments, "-o", "json")

    report = json.loads(ended.stdout)
    assert ended.returncode == report["exit_code"] == status
    assert report["recipes"][0]["state"] == state
    assert message in report["recipes"][0]["message"]
    assert bool(below(project)) == (state in ("verified", "kept"))


def test_a_dry_run_touches_nothing_at_all(run: Run, project: Path) -> None:
    run("fix", "--all", "--dry-run", "--unsafe")

    assert list(project.iterdir()) == []


def test_without_a_yes_and_without_anybody_to_ask_nothing_is_done(run: Run, project: Path) -> None:
    ended = run("fix", "good")

    assert ended.returncode == 2
    assert "nobody is there to ask" in ended.stderr
    assert below(project) == set()


def test_all_goes_through_the_chain_and_stops_where_it_may_not_go_on(run: Run) -> None:
    ended = run("fix", "--all", "--yes", "-o", "json", "--profile", "installed")

    states = {result["name"]: result["state"] for result in json.loads(ended.stdout)["recipes"]}
    assert states["good"] == "verified"
    assert states["useless"] == "rolled-back"
    assert "risky" not in states
    assert ended.returncode == 1


def test_a_recipe_that_is_not_needed_does_nothing(run: Run, project: Path) -> None:
    ended = run("fix", "good", "--yes", CPATH="/sample1")

    assert ended.returncode == 0
    assert "nothing to cure" in ended.stdout
    assert below(project) == set()


def test_two_at_once_do_not_meet(run: Run, project: Path) -> None:
    (project / ".envdoctor").mkdir()

    with FileLock(project / ".envdoctor" / "lock"):
        ended = run("fix", "good", "--yes")

    assert ended.returncode == 2
    assert "another envdoctor is changing" in ended.stderr


def test_an_interrupted_run_is_taken_back_before_the_next(run: Run, project: Path) -> None:
    run("fix", "good", "--yes")
    entry = project / ".envdoctor" / "journal" / "0001" / "entry.json"
    entry.write_text(entry.read_text().replace('"applied"', '"running"'))

    ended = run("fix", "risky", "--yes", "--unsafe")

    assert "run 1 was interrupted; what it had done is taken back first" in ended.stderr
    assert not any("sample1" in name for name in below(project))
    assert ended.returncode == 0


def test_what_somebody_changed_since_is_not_taken_back(run: Run, project: Path) -> None:
    run("fix", "good", "--yes")
    header = project / ".envdoctor" / "prefix" / "sample1" / "header.h"
    header.write_text("mine")

    ended = run("undo")

    assert ended.returncode == 2
    assert "changed since by someone else" in ended.stderr and "header.h" in ended.stderr
    assert header.read_text() == "mine"


def test_an_earlier_run_waits_for_those_that_built_upon_it(run: Run) -> None:
    run("fix", "good", "--yes")
    run("fix", "risky", "--yes", "--unsafe")

    ended = run("undo", "1")

    assert ended.returncode == 2
    assert "`envdoctor undo 2` first" in ended.stderr
    assert run("undo", "2").returncode == run("undo", "1").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fix"], "name recipes or codes, or give --all"),
        (["fix", "good", "--all"], "name recipes or codes, or give --all"),
        (["fix", "godo"], "did you mean `good`"),
        (["fix", "good", "--project", "/nonexistent"], "is no folder"),
        (["fix", "good", "--yes", "--project", "/proc"], "/proc/.envdoctor cannot be written"),
        (["undo", "9"], "nothing of `envdoctor fix` stands"),
        (["run", "--", "/nonexistent/make"], "/nonexistent/make cannot be started"),
    ],
)
def test_bad_calls_are_one_clear_line(run: Run, arguments: list[str], message: str) -> None:
    ended = run(*arguments)

    assert ended.returncode in (1, 2)
    assert message in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.usefixtures("run")
def test_a_full_disk_leaves_what_was_there(project: Path) -> None:
    # No file may grow beyond nothing: every write fails as on a full disk.
    limited = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh"]
    plugin = project.parent / "plugin"
    start = (
        f"import sys; sys.path.append({str(plugin)!r}); from envdoctor.cli.app import run; sys.exit(run(sys.argv[1:]))"
    )

    ended = subprocess.run(
        [*limited, sys.executable, "-c", start, "fix", "good", "--yes"], cwd=project, capture_output=True, text=True
    )

    assert ended.returncode == 2
    assert "File too large" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert below(project) == set()


def test_a_cure_is_planned_and_verified_under_what_is_assumed(run: Run, project: Path) -> None:
    sound = run("fix", "good", "--yes", "--assume", "driver.gpus=8.6")
    refused = run("fix", "risky", "--yes", "--unsafe", "--assume", "driver.gpus=none of these")

    assert sound.returncode == 0, sound.stderr
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "no table has a GPU `none of these`" in refused.stderr
    assert not any("sample3" in name for name in below(project))
