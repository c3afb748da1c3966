"""Programs of the target: bounded in time and output, whatever they start."""

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from envdoctor.programs import OUTPUT_LIMIT, LivePrograms

PROGRAMS = LivePrograms()


def test_what_a_program_prints_and_its_status_are_told() -> None:
    ended = PROGRAMS.run(["sh", "-c", "echo out; echo err >&2; exit 3"], seconds=5)

    assert (ended.stdout, ended.stderr, ended.status, ended.problem) == ("out\n", "err\n", 3, "")
    assert not ended.ok


def test_a_program_gets_no_input_and_starts_from_the_root() -> None:
    assert PROGRAMS.run(["sh", "-c", "pwd; cat"], seconds=5).stdout == "/\n"


def test_a_program_gets_the_environment_that_is_given_and_nothing_else() -> None:
    ended = PROGRAMS.run([sys.executable, "-c", "import os; print(sorted(os.environ))"], 5, {"LC_CTYPE": "C"})

    assert ended.stdout == "['LC_CTYPE']\n"


def test_a_program_that_cannot_start_is_no_exception() -> None:
    ended = PROGRAMS.run(["/nonexistent/gcc"], seconds=5)

    assert ended.status is None
    assert ended.problem == "`/nonexistent/gcc` could not be started: No such file or directory"


def test_a_hang_ends_at_the_limit_and_is_told_with_the_seconds() -> None:
    began = time.monotonic()

    ended = PROGRAMS.run(["sleep", "60"], seconds=0.2)

    assert ended.status is None
    assert ended.problem == "`sleep` gave no answer in 0.2 s and was ended"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("start", ["sleep 60 &", "setsid sleep 60 &"], ids=["same group", "own session"])
def test_what_a_hung_program_started_ends_with_it(start: str, tmp_path: Path) -> None:
    note = tmp_path / "pid"

    PROGRAMS.run(["sh", "-c", f"{start} echo $! > {note}; sleep 60"], seconds=0.5)

    pid = int(note.read_text())
    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_grandchild_that_keeps_the_output_open_does_not_hold_us() -> None:
    began = time.monotonic()

    ended = PROGRAMS.run(["sh", "-c", "sleep 60 & echo done"], seconds=30)

    assert ended.stdout == "done\n"
    assert time.monotonic() - began < 10


def test_a_crash_names_its_signal() -> None:
    ended = PROGRAMS.run(["sh", "-c", "kill -SEGV $$"], seconds=5)

    assert ended.status == -11
    assert ended.problem == "`sh` was ended by SIGSEGV"


def test_endless_output_is_cut_and_the_program_ended() -> None:
    ended = PROGRAMS.run(["yes"], seconds=20)

    assert len(ended.stdout) == OUTPUT_LIMIT
    assert ended.status != 0


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert PROGRAMS.run(["printf", r"\377ok"], seconds=5).stdout == "\ufffdok"


def test_no_descriptor_of_ours_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))

    PROGRAMS.run(["true"], seconds=5)

    assert len(os.listdir("/proc/self/fd")) == before
