"""A copy in the cache is whole or not there, whoever makes it and whatever stops him."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from envdoctor.recipes.kept_copies import kept

from envdoctor.repair.steps import Hands, StepError

SLOW_MAKER = """
import sys, time
from envdoctor.recipes.kept_copies import kept
from envdoctor.repair.steps import Hands
hands = Hands(run=print, say=print, cache=sys.argv[1], environment={})
def make(folder):
    open(f"{folder}/first", "w").close()
    print("begun", flush=True)
    time.sleep(float(sys.argv[2]))
    open(f"{folder}/second", "w").close()
kept(hands, "headers/a", make)
"""


def hands(cache: Path, told: list[str] | None = None) -> Hands:
    """Hands that keep copies in `cache` and add to `told` what is shown to the user."""

    def run(words: Sequence[str], _extra: Mapping[str, str] | None, _folder: str | None) -> str:
        raise AssertionError(words)

    tell = (told if told is not None else []).append
    return Hands(run=run, say=lambda _text, _share: None, cache=str(cache), environment={}, tell=tell)


def maker(cache: Path, seconds: float) -> "subprocess.Popen[str]":
    """A process that makes the copy slowly, once it has begun."""
    words = [sys.executable, "-c", SLOW_MAKER, str(cache), str(seconds)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    return process


def never(_folder: str) -> None:
    raise AssertionError("it was made again")


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    folder = kept(hands(tmp_path), "headers/a", lambda folder: Path(folder, "one").touch())

    assert kept(hands(tmp_path), "headers/a", never) == folder == f"{tmp_path}/headers/a"
    assert os.listdir(folder) == ["one"]


def test_a_maker_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: str) -> None:
        Path(folder, "half").touch()
        raise StepError("no network")

    with pytest.raises(StepError, match="no network"):
        kept(hands(tmp_path), "headers/a", fail)

    assert [path.name for path in (tmp_path / "headers").iterdir() if path.is_dir()] == []


def test_what_a_killed_maker_left_is_no_copy(tmp_path: Path) -> None:
    killed = maker(tmp_path, 60)
    killed.send_signal(signal.SIGKILL)
    killed.wait(10)

    folder = kept(hands(tmp_path), "headers/a", lambda folder: Path(folder, "whole").touch())

    assert os.listdir(folder) == ["whole"]


def test_a_second_one_says_for_whom_it_waits_and_takes_the_copy_of_the_first(tmp_path: Path) -> None:
    began = time.monotonic()
    told: list[str] = []
    first = maker(tmp_path, 0.3)

    folder = kept(hands(tmp_path, told), "headers/a", never)

    assert told == [f"waiting for process {first.pid}, which is making {tmp_path}/headers/a"]
    assert time.monotonic() - began >= 0.3
    assert sorted(os.listdir(folder)) == ["first", "second"]
    assert first.wait(10) == 0


def test_a_cache_that_cannot_be_written_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StepError, match=r"cannot be written .*XDG_CACHE_HOME"):
        kept(hands(tmp_path / "file"), "headers/a", never)
