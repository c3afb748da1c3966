"""Interpreters on their bad days: an `unknown` finding and exit status 3, no traceback, and no wait without end."""

import json
import time
from pathlib import Path

import pytest

from tests.cli.running import envdoctor

SCRIPTS = [
    ("#!/bin/sh\nsleep 600\n", "gave no answer in 5 s"),
    ("#!/bin/sh\nsetsid sleep 600 &\nsleep 600\n", "gave no answer in 5 s"),
    ("#!/bin/sh\nkill -SEGV $$\n", "was ended by SIGSEGV"),
    ("#!/bin/sh\necho rubbish\nexit 0\n", "did not answer as a Python interpreter would"),
    ("#!/bin/sh\nprintf '\\377\\000{[\"'\n", "did not answer as a Python interpreter would"),
    ("#!/nonexistent/interpreter\n", "could not be started"),
    ("", "could not be started"),
]


@pytest.mark.parametrize(("script", "reason"), SCRIPTS, ids=[reason + script[-12:-1] for script, reason in SCRIPTS])
def test_an_interpreter_that_cannot_be_asked_is_unknown(script: str, reason: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(script)
    python.chmod(0o755)
    began = time.monotonic()

    ended = envdoctor("check", "python", "torch", "--python", str(python), "-o", "json")

    report = json.loads(ended.stdout)
    assert ended.returncode == report["exit_code"] == 3
    (finding,) = report["findings"]
    assert (finding["code"], finding["state"]) == ("PY003", "unknown")
    assert reason in finding["message"]
    assert time.monotonic() - began < 20


def test_a_broken_link_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to("gone")

    ended = envdoctor("check", "python", "--python", str(tmp_path / "python"))

    assert ended.returncode == 3
    assert "PY003" in ended.stdout


def test_a_folder_that_is_an_environment_stands_for_its_interpreter(tmp_path: Path) -> None:
    ended = envdoctor("check", "python", "--python", str(tmp_path))

    assert ended.returncode == 2
    assert "is a folder without bin/python" in ended.stderr
