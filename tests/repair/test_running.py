"""Programs of steps: what they printed where they succeed, why where they do not."""

import os
from pathlib import Path

import pytest

from envdoctor.repair.running import run_command
from envdoctor.repair.steps import StepError


def test_what_a_program_prints_is_returned_and_kept(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "fix.log"

    printed = run_command(["sh", "-c", "echo out; echo err >&2"], os.environ, log=str(log))

    assert printed == "out\n"
    assert log.read_text() == "$ sh -c echo out; echo err >&2\nout\nerr\n"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo noise >&2; echo ERROR: no such package >&2; exit 1", "ERROR: no such package"),
        ("echo 'a.c:1: error: bad' >&2; echo more >&2; exit 1", "a.c:1: error: bad"),
        ("printf 'ERROR: Exception:\\nTraceback\\nOSError: No space left on device\\n' >&2; exit 2", "No space left"),
        ("echo only output; exit 1", "only output"),
        ("exit 4", "exit status 4"),
    ],
)
def test_the_line_that_tells_most_is_the_reason(script: str, reason: str) -> None:
    with pytest.raises(StepError, match=reason):
        run_command(["sh", "-c", script], os.environ)


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(StepError, match="`/nonexistent/cmake` could not be started: No such file or directory"):
        run_command(["/nonexistent/cmake"], os.environ)
