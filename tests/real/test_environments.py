"""The cache of real things outlives a kill, serves two runs at once, and says why where it cannot serve."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.real.environments import (
    BuildError,
    UnavailableError,
    cache_root,
    clean_environment,
    find_python,
    made_once,
    pip,
)

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def test_what_is_made_is_not_made_again(tmp_path: Path) -> None:
    made: list[Path] = []

    first = made_once(tmp_path / "thing", "recipe", made.append)
    second = made_once(tmp_path / "thing", "recipe", made.append)

    assert first == second == tmp_path / "thing"
    assert made == [tmp_path / "thing"]


def test_another_recipe_replaces_what_was_made(tmp_path: Path) -> None:
    made_once(tmp_path / "thing", "old", lambda root: (root / "old").touch())

    made_once(tmp_path / "thing", "new", lambda root: (root / "new").touch())

    assert not (tmp_path / "thing" / "old").exists()
    assert (tmp_path / "thing" / "new").exists()


def test_what_failed_half_way_is_made_from_nothing(tmp_path: Path) -> None:
    def fail(root: Path) -> None:
        (root / "half").touch()
        raise BuildError("half-way")

    with pytest.raises(BuildError):
        made_once(tmp_path / "thing", "recipe", fail)
    made_once(tmp_path / "thing", "recipe", lambda root: (root / "whole").touch())

    assert not (tmp_path / "thing" / "half").exists()
    assert (tmp_path / "thing" / "whole").exists()


def test_what_was_killed_half_way_is_made_from_nothing(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from tests.real.environments import made_once
def make(root):
    (root / "half").touch()
    time.sleep(60)
made_once(Path(sys.argv[1]), "recipe", make)
"""
    root = tmp_path / "thing"
    making = subprocess.Popen([sys.executable, "-c", code, root], cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 30
    while not (root / "half").exists() and time.monotonic() < until:
        time.sleep(0.02)
    making.send_signal(signal.SIGKILL)
    making.wait()

    assert (root / "half").exists()
    made_once(root, "recipe", lambda root: (root / "whole").touch())

    assert not (root / "half").exists()
    assert (root / "whole").exists()


def test_two_runs_wait_for_each_other(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(root: Path) -> None:
        time.sleep(0.2)
        made.append(root)

    runs = [threading.Thread(target=made_once, args=(tmp_path / "thing", "recipe", make)) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()

    assert made == [tmp_path / "thing"]


def test_a_registry_that_cannot_be_reached_is_a_reason_to_skip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)

    with pytest.raises(UnavailableError, match="registry"):
        pip(Path(sys.executable), "download", "--quiet", "--dest", str(tmp_path), "no-such-package")


def test_a_package_that_does_not_exist_is_no_reason_to_skip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    with pytest.raises(BuildError, match="no-such-package"):
        pip(Path(sys.executable), "download", "--quiet", "--dest", str(tmp_path), "no-such-package")


def test_an_interpreter_that_is_not_there_is_a_reason_to_skip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    shim = tmp_path / "python3.7"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.7: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(UnavailableError, match=r"needs CPython 3\.7"):
        find_python(["3.7"])


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"ENVDOCTOR_REAL_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/envdoctor/real"),
        ({"HOME": "/c"}, "/c/.cache/envdoctor/real"),
    ],
)
def test_the_cache_lies_where_the_variables_say(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ENVDOCTOR_REAL_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert cache_root() == Path(expected)


@pytest.mark.parametrize(("names", "status"), [(["no-such"], 2), ([], 3)])
def test_the_command_says_by_its_status_what_is_wrong(names: list[str], status: int, tmp_path: Path) -> None:
    bare = {"PATH": str(tmp_path), "PYENV_ROOT": str(tmp_path), "ENVDOCTOR_REAL_CACHE": str(tmp_path / "cache")}
    command: list[str | Path] = [sys.executable, REPOSITORY / "tests" / "real" / "environments.py", *names]

    ran = subprocess.run(command, capture_output=True, text=True, env=clean_environment(bare))

    assert ran.returncode == status
    assert ran.stdout == ""
    assert ("no environment called no-such" if names else "needs CPython 3.7") in ran.stderr
    assert "Traceback" not in ran.stderr
