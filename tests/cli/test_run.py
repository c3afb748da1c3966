"""`envdoctor run`: the output passes through, the log is kept, a failure is explained and, with --fix, cured."""

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from envdoctor.running.kept_logs import HEAD, KEPT, TAIL, begin_log
from tests.cli.running import ENVDOCTOR, envdoctor

MKL = "a.cc:1:10: fatal error: mkl_cblas.h: No such file or directory"


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return envdoctor("run", "--", *command, cwd=cwd)


def log_of(project: Path) -> bytes:
    """The last log that was kept."""
    return max((project / ".envdoctor" / "logs").glob("*.build.log")).read_bytes()


def test_output_passes_through_byte_by_byte_and_the_streams_stay_apart(tmp_path: Path) -> None:
    script = r"printf 'out\033[1m\r50%%\n\377'; printf 'err\n' >&2"
    process = subprocess.run(
        [ENVDOCTOR, "run", "--", "sh", "-c", script], cwd=tmp_path, capture_output=True, timeout=60
    )

    assert (process.stdout, process.stderr) == (b"out\x1b[1m\r50%\n\xff", b"err\n")
    assert process.returncode == 0
    assert sorted(log_of(tmp_path)) == sorted(process.stdout + process.stderr)


def test_streams_that_go_to_one_place_keep_their_order(tmp_path: Path) -> None:
    script = "for i in 1 2 3 4 5 6; do echo out $i; echo err $i >&2; done"
    process = subprocess.run(
        [ENVDOCTOR, "run", "--", "sh", "-c", script],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
    )  # fmt: skip

    assert process.stdout.split("\n")[:4] == ["out 1", "err 1", "out 2", "err 2"]


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -SEGV $$", 139)]
)
def test_the_exit_status_is_the_commands_own_as_a_shell_tells_it(script: str, status: int, tmp_path: Path) -> None:
    assert run("sh", "-c", script, cwd=tmp_path).returncode == status


def test_standard_input_reaches_the_command(tmp_path: Path) -> None:
    process = subprocess.run(
        [ENVDOCTOR, "run", "--", "cat"], cwd=tmp_path, input=b"typed", capture_output=True, timeout=60
    )

    assert process.stdout == b"typed"


def test_a_command_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    ended = run("/nonexistent/make", cwd=tmp_path)

    assert (ended.returncode, ended.stderr) == (
        2,
        "envdoctor: /nonexistent/make cannot be started: No such file or directory\n",
    )


def test_a_failure_is_explained_with_its_cure_and_its_log(tmp_path: Path) -> None:
    ended = run("sh", "-c", f"echo '{MKL}' >&2; exit 2", cwd=tmp_path)

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith(MKL)
    assert "mkl-symbol" in ended.stderr
    assert "envdoctor fix mkl" in ended.stderr
    assert "envdoctor: log: .envdoctor/logs/" in ended.stderr


def test_a_failure_of_its_own_is_called_so_and_no_cure_is_named(tmp_path: Path) -> None:
    ended = run("sh", "-c", "echo 'AssertionError: 1 != 2'; exit 1", cwd=tmp_path)

    assert (ended.returncode, ended.stdout) == (1, "AssertionError: 1 != 2\n")
    assert "no failure of the environment" in ended.stderr
    assert "fix" not in ended.stderr


def test_a_success_says_nothing_whatever_was_printed(tmp_path: Path) -> None:
    ended = run("sh", "-c", f"echo '{MKL}'", cwd=tmp_path)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_plain_keeps_no_log_and_says_nothing(tmp_path: Path) -> None:
    ended = envdoctor("run", "--plain", "--", "sh", "-c", f"echo '{MKL}'; exit 3", cwd=tmp_path)

    assert (ended.returncode, ended.stderr) == (3, "")
    assert not (tmp_path / ".envdoctor").exists()


def test_the_logs_are_hidden_from_git_and_the_oldest_go(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    for number in range(KEPT + 3):
        log = begin_log(str(tmp_path / ".envdoctor"))
        log.write(f"log {number}\n".encode())
        log.close()

    kept = sorted((tmp_path / ".envdoctor" / "logs").glob("*.build.log"))
    assert [path.read_text() for path in kept] == [f"log {number}\n" for number in range(3, KEPT + 3)]
    assert subprocess.run(["git", "status", "--short"], cwd=tmp_path, capture_output=True, check=True).stdout == b""


def test_of_a_very_long_log_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    block = b"x" * (1 << 20)
    log = begin_log(str(tmp_path / ".envdoctor"))
    log.write(b"first\n")
    for _ in range((HEAD + 2 * TAIL) // len(block)):
        log.write(block)
    log.write(b"\nlast\n")
    log.close()

    kept = Path(log.path).read_bytes()
    assert kept.startswith(b"first\n") and kept.endswith(b"\nlast\n")
    assert b"bytes left out]" in kept
    assert len(kept) < HEAD + TAIL + 2 * len(block)


def test_a_folder_that_cannot_be_written_stops_no_build(tmp_path: Path) -> None:
    (tmp_path / ".envdoctor").mkdir()
    (tmp_path / ".envdoctor" / "logs").write_text("a file in the way")

    ended = run("sh", "-c", "echo built", cwd=tmp_path)

    assert (ended.returncode, ended.stdout) == (0, "built\n")
    assert "no log is kept" in ended.stderr


def test_a_program_that_is_left_behind_is_not_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    ended = run("sh", "-c", "sleep 20 & echo started", cwd=tmp_path)

    assert ended.stdout == "started\n"
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_command_and_is_no_failure_of_the_build(number: signal.Signals, tmp_path: Path) -> None:
    script = f"trap 'echo caught; exit {128 + number}' TERM INT; echo ready; while :; do sleep 0.05; done"
    process = subprocess.Popen(
        [ENVDOCTOR, "run", "--", "sh", "-c", script],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out, err) == (128 + number, b"caught\n", b"")


@contextmanager
def on_a_terminal(*words: str, cwd: Path) -> Iterator[tuple[int, int]]:
    """The program on a terminal of 100 columns: its process number, and the other side of the terminal."""
    child, master = pty.fork()
    if child == 0:
        os.chdir(cwd)
        os.execv(ENVDOCTOR, [ENVDOCTOR, *words])
    termios.tcsetwinsize(master, (40, 100)) if sys.version_info >= (3, 11) else None
    try:
        yield child, master
    finally:
        os.close(master)


def shown(master: int, until: bytes = b"") -> bytes:
    """What comes on the terminal, to its end or until a text."""
    seen = b""
    ends = time.monotonic() + 30
    while time.monotonic() < ends and not (until and until in seen):
        if not select.select([master], [], [], 0.2)[0]:
            continue
        try:
            block = os.read(master, 4096)
        except OSError:
            break
        if not block:
            break
        seen += block
    return seen


def test_on_a_terminal_the_command_has_one_too_and_reads_what_is_typed(tmp_path: Path) -> None:
    script = "test -t 0 && test -t 1 && test -t 2 && echo all three; read line; echo got $line; exit 5"
    with on_a_terminal("run", "--", "sh", "-c", script, cwd=tmp_path) as (child, master):
        seen = shown(master, b"all three\r\n")
        os.write(master, b"typed\r")
        seen += shown(master)
        _, status = os.waitpid(child, 0)

    assert b"all three\r\n" in seen and b"got typed\r\n" in seen
    assert os.waitstatus_to_exitcode(status) == 5
    assert b"got typed" in log_of(tmp_path)


def test_ctrl_c_on_a_terminal_ends_the_command_and_the_terminal_is_as_before(tmp_path: Path) -> None:
    with on_a_terminal("run", "--", "sh", "-c", "echo ready; sleep 30", cwd=tmp_path) as (child, master):
        before = termios.tcgetattr(master)
        shown(master, b"ready\r\n")
        os.write(master, b"\x03")
        rest = shown(master)
        _, status = os.waitpid(child, 0)
        after = termios.tcgetattr(master)

    assert os.waitstatus_to_exitcode(status) == 130
    assert b"no failure" not in rest and b"Traceback" not in rest
    assert after[:4] == before[:4]
