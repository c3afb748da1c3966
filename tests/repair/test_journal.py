"""What was done can be taken back: byte for byte, after a kill at any moment, and never over somebody else's work."""

import errno
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from envdoctor.repair import journal
from envdoctor.repair.journal import ConflictError, Journal, entries
from envdoctor.repair.pip import PipInstall
from envdoctor.repair.steps import (
    CommandError,
    Hands,
    MakeLink,
    MarkedBlock,
    ReplaceInLine,
    SetAside,
    Step,
    StepError,
    WriteFile,
)


def no_program(words: Sequence[str]) -> str:
    raise AssertionError(words)


HANDS = Hands(
    run=lambda words, _extra, _folder: no_program(words), say=lambda _text, _share: None, cache="", environment={}
)


@dataclass(frozen=True)
class MakeFolder(Step):
    """A folder with files, as an unpacked archive would be."""

    kind = "unpack"
    path: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    def perform(self, _hands: Hands) -> None:
        Path(self.path, "inside").mkdir(parents=True)
        Path(self.path, "inside", "file").write_text("content")


def tree(root: Path) -> dict[str, object]:
    """Everything below, but the overlay."""
    return {
        str(path.relative_to(root)): (
            os.readlink(path) if path.is_symlink() else path.is_dir() or path.read_bytes(),
            oct(path.lstat().st_mode),
        )
        for path in sorted(root.rglob("*"))
        if ".envdoctor" not in path.parts
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "source.cc").write_bytes(b"first\nGet<T>(x)\r\nlast\xff")
    (tmp_path / "source.cc").chmod(0o640)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "CMakeCache.txt").write_text("cache")
    (tmp_path / "link").symlink_to("source.cc")
    return tmp_path


def all_steps(project: Path) -> tuple[Step, ...]:
    return (
        WriteFile("write", str(project / "new" / "deep" / "file"), "text"),
        ReplaceInLine("edit", str(project / "source.cc"), 2, "Get<T>", "this->template Get<T>"),
        MarkedBlock("block", str(project / "source.cc"), "test", "inserted", at_top=True, comment="//"),
        MakeLink("link", str(project / "link"), "elsewhere"),
        SetAside("set aside", str(project / "build" / "CMakeCache.txt")),
        MakeFolder("unpack", str(project / "made")),
    )


def perform(run: Journal, steps: Sequence[Step]) -> None:
    for step in steps:
        run.before("test", step, no_program)
        step.perform(HANDS)
        run.after(no_program)


def begin(project: Path) -> Journal:
    return Journal.begin(str(project / ".envdoctor"))


def test_undo_restores_everything_byte_for_byte(project: Path) -> None:
    before = tree(project)
    run = begin(project)
    perform(run, all_steps(project))
    run.close()
    assert tree(project) != before

    (entry,) = entries(str(project / ".envdoctor"))
    Journal.of(str(project / ".envdoctor"), entry).take_back(no_program)

    assert tree(project) == before
    assert entries(str(project / ".envdoctor"))[0].state == "undone"


@pytest.mark.parametrize(
    ("path", "spoil"),
    [
        ("new/deep/file", lambda path: path.write_text("theirs")),
        ("source.cc", lambda path: path.write_text("theirs")),
        ("link", lambda path: (path.unlink(), path.write_text("theirs"))),
        ("made/inside/file", lambda path: path.write_text("theirs")),
        ("made/another", lambda path: path.write_text("theirs")),
    ],
)
def test_undo_refuses_what_somebody_else_changed_and_touches_nothing(project: Path, path: str, spoil: object) -> None:
    run = begin(project)
    perform(run, all_steps(project))
    spoil(project / path)  # type: ignore[operator]  # a table of lambdas
    changed = tree(project)

    with pytest.raises(ConflictError, match="changed since by someone else"):
        run.take_back(no_program)

    assert tree(project) == changed


def test_a_cache_that_was_set_aside_comes_back_over_the_one_that_a_build_made(project: Path) -> None:
    before = tree(project)
    run = begin(project)
    perform(run, all_steps(project))
    (project / "build" / "CMakeCache.txt").write_text("made by a later build")

    run.take_back(no_program)

    assert tree(project) == before


def test_a_folder_that_was_removed_since_comes_back_with_what_was_changed_in_it(project: Path) -> None:
    run = begin(project)
    perform(run, (SetAside("set aside", str(project / "build" / "CMakeCache.txt")),))
    (project / "build").rmdir()

    run.take_back(no_program)

    assert (project / "build" / "CMakeCache.txt").read_text() == "cache"


def test_one_recipe_of_a_run_can_be_taken_back_alone(project: Path) -> None:
    steps = all_steps(project)
    run = begin(project)
    perform(run, steps[:1])
    between = tree(project)
    perform(run, steps[1:])

    run.take_back(no_program, first=1)

    assert tree(project) == between
    assert run.entry.recipes == ("test",)


def test_a_line_that_is_no_longer_there_is_not_edited(project: Path) -> None:
    step = ReplaceInLine("edit", str(project / "source.cc"), 1, "Get<T>", "x")

    with pytest.raises(StepError, match="no longer holds `Get<T>`"):
        step.perform(HANDS)


def test_a_block_that_comes_again_replaces_the_first(project: Path) -> None:
    path = str(project / "build" / "CMakeCache.txt")

    for text in ("one", "two"):
        MarkedBlock("block", path, "test", text, at_top=False).perform(HANDS)

    assert Path(path).read_text() == "cache\n# >>> envdoctor: test >>>\ntwo\n# <<< envdoctor: test <<<\n"


def test_a_journal_that_cannot_be_written_stops_before_anything_is_done(project: Path) -> None:
    (project / ".envdoctor").write_text("no folder")

    with pytest.raises(OSError):
        begin(project)


def test_a_damaged_entry_is_told_by_its_path(project: Path) -> None:
    folder = Path(begin(project).folder)
    (folder / "entry.json").write_text("{")

    with pytest.raises(StepError, match=r"0001/entry\.json cannot be read"):
        entries(str(project / ".envdoctor"))


def test_a_write_that_fails_on_the_way_back_is_made_good_by_the_next(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(project)
    run = begin(project)
    perform(run, all_steps(project))
    written: list[str] = []

    def full_at_first(path: str, data: bytes) -> None:
        written.append(path)
        if len(written) < 3:
            raise OSError(errno.ENOSPC, "No space left on device", path)
        Path(path).write_bytes(data)

    monkeypatch.setattr(journal, "write_whole", full_at_first)
    run.take_back(no_program)

    assert tree(project) == before
    (entry,) = entries(str(project / ".envdoctor"))
    assert entry.state == "undone" and {step.state for step in entry.steps} == {"undone"}


class Pip:
    """An interpreter's packages, changed by the commands of pip that an undo gives."""

    def __init__(self, **packages: str) -> None:
        self.packages = packages
        self.online = True

    def __call__(self, words: Sequence[str]) -> str:
        command, *arguments = words[3:]
        named = [word for word in arguments if not word.startswith("-")]
        if command == "list":
            return json.dumps([{"name": name, "version": version} for name, version in self.packages.items()])
        if command == "install" and not self.online:
            raise CommandError("no network", "Could not fetch URL")
        for one in named:
            name, _, version = one.partition("==")
            self.packages.pop(name, None)
            if command == "install":
                self.packages[name] = version
        return ""


def installed(project: Path, pip: Pip) -> Journal:
    """A run that brought `new`, and another `numpy`."""
    run = begin(project)
    run.before("test", PipInstall("install", "python", ("numpy==2",)), pip)
    pip.packages.update(numpy="2", new="1")
    run.after(pip)
    run.close()
    return run


def test_packages_that_cannot_be_fetched_back_stay_all_as_they_are_until_they_can(project: Path) -> None:
    pip = Pip(numpy="1", other="1")
    run = installed(project, pip)
    pip.online = False

    with pytest.raises(StepError, match="no network"):
        run.take_back(pip)

    assert pip.packages == {"numpy": "2", "other": "1", "new": "1"}
    pip.online = True
    run.take_back(pip)
    assert pip.packages == {"numpy": "1", "other": "1"}


def test_an_undo_of_packages_that_was_cut_off_between_two_commands_is_no_conflict(project: Path) -> None:
    pip = Pip(numpy="1")
    run = installed(project, pip)
    pip.packages["numpy"] = "1"

    run.take_back(pip)

    assert pip.packages == {"numpy": "1"}


def test_packages_that_somebody_else_changed_are_named(project: Path) -> None:
    pip = Pip(numpy="1")
    run = installed(project, pip)
    pip.packages["numpy"] = "3"

    with pytest.raises(ConflictError, match=r"the packages of python \(numpy\)"):
        run.take_back(pip)

    assert pip.packages == {"numpy": "3", "new": "1"}
