"""Bad days of `fix`: no network, no room, no right to write, two at once. Nothing is lost, and the next run goes on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.disks import Disks, disks
from tests.recipes.curing import tree
from tests.recipes.package_index import Day, Index, serving
from tests.recipes.small_caffe2 import CORE, Bench, bench, write_wheel

DEAD = "http://127.0.0.1:9/simple"
SECONDS = 60
WHEEL = "mkl_include-2019.0-py2.py3-none-manylinux1_x86_64.whl"
INSIDE = "mkl_include-2019.0.data/data/include"
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Patient:
    """A project that lacks MKL's headers, and an index that has them."""

    box: Bench
    index: Index

    @property
    def project(self) -> Path:
        return self.box.project

    @property
    def overlay(self) -> Path:
        return self.project / ".envdoctor"

    def environment(self, **variables: str) -> dict[str, str]:
        plain = dict(self.box.found().environment)
        del plain["PIP_NO_INDEX"], plain["PIP_FIND_LINKS"]
        own = {"PIP_INDEX_URL": self.index.url, "XDG_CACHE_HOME": str(self.box.cache), "PIP_RETRIES": "0"}
        return {**plain, **own, "HOME": str(self.box.cache.parent / "home"), **variables}

    def words(self, *arguments: str) -> list[str]:
        program = [sys.executable, "-c", "from envdoctor.cli import main; main()"]
        return [*program, *arguments, "--project", str(self.project)]

    def fix(self, *arguments: str) -> list[str]:
        return self.words("fix", *arguments, "--yes", "--python", str(self.box.python), "-o", "json")

    def run(self, words: list[str], **variables: str) -> "subprocess.CompletedProcess[str]":
        environment = self.environment(**variables)
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=SECONDS)


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Patient]:
    box = bench(
        tmp_path,
        {
            CORE: '#pragma once\n#include "caffe2/core/macros.h"\n#include <mkl_cblas.h>\n',
            "torch/lib/include/caffe2/core/macros.h": "#define CAFFE2_USE_MKL\n",
        },
    )
    headers = {f"{INSIDE}/mkl_cblas.h": "", f"{INSIDE}/large.h": "// 3 MB of nothing\n" * (3 * MEGABYTE // 19)}
    write_wheel(box.index, WHEEL, headers)
    with serving(box.index) as index:
        yield Patient(box, index)


@pytest.fixture
def view() -> Iterator[Disks]:
    with disks() as found:
        yield found


def rolled_back(ended: "subprocess.CompletedProcess[str]") -> str:
    """The message of the one recipe that was rolled back."""
    assert ended.returncode == 1, ended.stdout + ended.stderr
    report: dict[str, Any] = json.loads(ended.stdout)
    (result,) = report["recipes"]
    assert result["state"] == "rolled-back" and not report["applied"]
    message: str = result["message"]
    return message


def verified(ended: "subprocess.CompletedProcess[str]") -> None:
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads(ended.stdout)["verified"]


def headers(project: Path) -> Path:
    return project / ".envdoctor" / "prefix" / "include" / "mkl" / "mkl_cblas.h"


def test_without_a_network_the_index_is_named_and_the_same_command_goes_on_later(patient: Patient) -> None:
    before = tree(patient.project)

    message = rolled_back(patient.run(patient.fix("mkl"), PIP_INDEX_URL=DEAD))

    assert message == (
        f"mkl-include==2019.0 cannot be downloaded: the package index {DEAD} cannot be reached (Connection refused): "
        "try again when it can be reached, or name another index by PIP_INDEX_URL; "
        "nothing of mkl stands, and the same command goes on from here"
    )
    assert tree(patient.project) == before
    assert not (patient.overlay / "prefix").exists()
    verified(patient.run(patient.fix("mkl")))


def test_an_index_that_never_answers_is_not_asked_over_and_over(patient: Patient) -> None:
    patient.index.day = "silent"
    environment = patient.environment(PIP_DEFAULT_TIMEOUT="1")
    del environment["PIP_RETRIES"]

    ended = subprocess.run(patient.fix("mkl"), env=environment, capture_output=True, text=True, timeout=SECONDS)

    assert f"{patient.index.url} cannot be reached (no answer in time)" in rolled_back(ended)
    assert len(patient.index.asked) <= 4


@pytest.mark.parametrize(
    ("day", "reason"),
    [("cut off", WHEEL), ("wrong hash", "the index states 0000000000000000"), ("forbidden", "refuses (403")],
)
def test_a_download_that_goes_wrong_leaves_nothing_half_written(patient: Patient, day: Day, reason: str) -> None:
    patient.index.day = day

    message = rolled_back(patient.run(patient.fix("mkl")))

    assert reason in message
    kept = patient.box.cache / "envdoctor"
    assert [path.name for path in kept.rglob("*") if path.is_file() and path.suffix != ".lock"] == []
    patient.index.day = "good"
    verified(patient.run(patient.fix("mkl")))
    assert headers(patient.project).is_file()


def test_an_index_without_the_release_is_told_with_what_it_has(patient: Patient) -> None:
    other = "mkl_include-2018.0-py2.py3-none-manylinux1_x86_64.whl"
    (patient.box.index / WHEEL).rename(patient.box.index / other)

    message = rolled_back(patient.run(patient.fix("mkl")))

    assert f"there is no mkl-include==2019.0 in {patient.index.url}, which has 2018.0;" in message


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["fix", "mkl", "--yes"], id="fix"),
        pytest.param(["fix", "mkl", "--yes", "--in-place", "--unsafe"], id="in place"),
    ],
)
def test_a_read_only_project_is_named_and_as_it_was(patient: Patient, view: Disks, arguments: list[str]) -> None:
    before = tree(patient.project)
    view.read_only(patient.project)

    words = patient.words(*arguments, "--python", str(patient.box.python))
    ended = view.run(words, patient.environment())

    assert ended.returncode == 2
    assert ended.stderr == f"envdoctor: {patient.overlay} cannot be written: Read-only file system\n"
    assert tree(patient.project, without_overlay=False) == before


def test_what_stands_in_a_project_that_became_read_only_is_shown_and_stays(patient: Patient, view: Disks) -> None:
    verified(patient.run(patient.fix("mkl")))
    before = tree(patient.project, without_overlay=False)
    view.read_only(patient.project)

    undone = view.run(patient.words("undo", "--yes"), patient.environment())
    shown = view.run(patient.words("history"), patient.environment())

    assert undone.returncode == 2
    assert "Read-only file system" in undone.stderr and "Traceback" not in undone.stderr
    assert "stands" in shown.stdout
    assert tree(patient.project, without_overlay=False) == before


def test_a_read_only_cache_is_named_with_what_to_do(patient: Patient, view: Disks) -> None:
    view.read_only(patient.box.cache)

    message = rolled_back(view.run(patient.fix("mkl"), patient.environment()))

    assert f"the cache {patient.box.cache}/envdoctor cannot be written (Read-only file system)" in message
    assert "XDG_CACHE_HOME names another place" in message
    verified(patient.run(patient.fix("mkl")))


def test_copies_in_a_read_only_cache_serve(patient: Patient, view: Disks) -> None:
    verified(patient.run(patient.fix("mkl")))
    assert patient.run(patient.words("undo", "--yes")).returncode == 0
    view.read_only(patient.box.cache)

    verified(view.run(patient.fix("mkl"), patient.environment(PIP_INDEX_URL=DEAD)))


def test_a_user_without_a_home_is_cured_as_well(patient: Patient) -> None:
    environment = patient.environment(HOME="/dev/null/home")
    del environment["XDG_CACHE_HOME"]

    verified(subprocess.run(patient.fix("mkl"), env=environment, capture_output=True, text=True, timeout=SECONDS))

    assert (patient.overlay / "cache" / "headers").is_dir()


def on_a_small_disk(patient: Patient, view: Disks, size: str) -> Path:
    """Put the project on a disk of that size; where it is seen from here."""
    files = tree(patient.project)
    inside = view.small(patient.project, size)
    for name, content in files.items():
        (inside / name).parent.mkdir(parents=True, exist_ok=True)
        (inside / name).write_bytes(content)
    return inside


def test_a_full_project_disk_is_named_and_the_next_run_goes_on_after_room_is_made(
    patient: Patient, view: Disks
) -> None:
    inside = on_a_small_disk(patient, view, "1m")
    files = tree(inside)

    message = rolled_back(view.run(patient.fix("mkl"), patient.environment()))

    assert "No space left on device" in message and f"MB for {patient.overlay}" in message
    assert tree(inside) == files
    assert not (inside / ".envdoctor" / "prefix").exists()
    view.resized(patient.project, "16m")
    verified(view.run(patient.fix("mkl"), patient.environment()))
    assert headers(inside).is_file()


def test_a_disk_without_room_for_a_journal_stops_it_before_anything_is_done(patient: Patient, view: Disks) -> None:
    inside = on_a_small_disk(patient, view, "8m")
    before = tree(inside)
    (inside / ".envdoctor").mkdir()
    fill(inside / "ballast")

    ended = view.run(patient.fix("mkl"), patient.environment())

    assert ended.returncode == 2
    message = json.loads(ended.stdout)["error"]["message"]
    assert "No space left on device (free now: 0.0 MB for" in message
    (inside / "ballast").unlink()
    assert tree(inside) == before
    verified(view.run(patient.fix("mkl"), patient.environment()))


def test_undo_works_on_a_full_disk(patient: Patient, view: Disks) -> None:
    inside = on_a_small_disk(patient, view, "8m")
    files = tree(inside)
    edited = view.run(patient.fix("mkl", "--in-place", "--unsafe"), patient.environment())
    verified(edited)
    assert tree(inside) != files
    fill(inside / "ballast")

    undone = view.run(patient.words("undo", "--yes"), patient.environment())

    assert undone.returncode == 0, undone.stderr
    (inside / "ballast").unlink()
    assert tree(inside) == files
    assert "undone" in view.run(patient.words("history"), patient.environment()).stdout


def fill(path: Path) -> None:
    """Write until the disk is full, to the last byte."""
    for piece in (MEGABYTE, 4096, 1):
        with path.open("ab", buffering=0) as file:
            try:
                while file.write(bytes(piece)) == piece:
                    pass
            except OSError:
                continue


@pytest.mark.parametrize(
    ("variable", "place"),
    [("XDG_CACHE_HOME", "MB for {}/envdoctor"), ("TMPDIR", "MB for {}")],
    ids=["user cache", "TMPDIR"],
)
def test_a_full_disk_elsewhere_is_named_and_the_next_run_goes_on(
    patient: Patient, view: Disks, tmp_path: Path, variable: str, place: str
) -> None:
    folder = tmp_path / "full"
    inside = view.small(folder, "64k")
    (patient.box.index / WHEEL).unlink()
    write_wheel(
        patient.box.index, WHEEL, {f"{INSIDE}/mkl_cblas.h": "", f"{INSIDE}/large.h": os.urandom(MEGABYTE).hex()}
    )
    before = tree(patient.project)

    message = rolled_back(view.run(patient.fix("mkl"), patient.environment(**{variable: str(folder)})))

    assert "No space left on device" in message and place.format(folder) in message
    assert tree(patient.project) == before
    assert [path.name for path in inside.rglob("*") if path.is_file() and path.suffix != ".lock"] == []
    view.resized(folder, "64m")
    verified(view.run(patient.fix("mkl"), patient.environment(**{variable: str(folder)})))


def started(words: list[str], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(words, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def while_downloading(patient: Patient, words: list[str]) -> "subprocess.Popen[str]":
    """A process that is in the middle of a download that takes a while."""
    patient.index.seconds = 3
    process = started(words, patient.environment())
    while not patient.index.files_asked:
        assert process.poll() is None
        time.sleep(0.05)
    return process


def test_two_in_one_project_do_not_meet(patient: Patient) -> None:
    first = while_downloading(patient, patient.fix("mkl"))

    second = patient.run(patient.fix("mkl"))

    assert second.returncode == 2
    assert json.loads(second.stdout)["error"]["message"].startswith("another envdoctor is changing")
    first.communicate(timeout=SECONDS)
    assert first.returncode == 0


def test_two_that_want_the_same_copy_wait_for_each_other_and_say_so(patient: Patient, tmp_path: Path) -> None:
    second = Patient(bench(tmp_path / "second", {}), patient.index)
    for path in (CORE, "torch/lib/include/caffe2/core/macros.h"):
        (second.box.site / path).parent.mkdir(parents=True, exist_ok=True)
        (second.box.site / path).write_text((patient.box.site / path).read_text())
    first = while_downloading(patient, patient.fix("mkl"))

    ended = second.run(second.fix("mkl"), XDG_CACHE_HOME=str(patient.box.cache))

    verified(ended)
    assert f"envdoctor: waiting for process {first.pid}, which is making {patient.box.cache}/envdoctor" in ended.stderr
    assert len(patient.index.files_asked) == 1
    first.communicate(timeout=SECONDS)
    assert first.returncode == 0


def test_a_run_that_was_killed_in_a_download_is_taken_back_and_done_by_the_next(patient: Patient) -> None:
    first = while_downloading(patient, patient.fix("mkl"))
    first.kill()
    first.communicate(timeout=SECONDS)
    patient.index.seconds = 0

    ended = patient.run(patient.fix("mkl"))

    verified(ended)
    assert "run 1 was interrupted; what it had done is taken back first" in ended.stderr
    assert headers(patient.project).is_file()
