"""The target's side with the suites of the tests in it, and the interpreters of this machine to run it in."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from envdoctor.smoke import runner

SIDE = Path(__file__).resolve().parent / "side"


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a copy of the target's side and the suites of tests/smoke/side in it."""
    folder = tmp_path_factory.mktemp("code")
    shutil.copytree(Path(runner.HERE) / "envdoctor_child", folder / "envdoctor_child")
    for suite in SIDE.glob("*.py"):
        shutil.copy(suite, folder / "envdoctor_child" / "suites" / suite.name)
    return str(folder)


def interpreter(version: str) -> str:
    """The CPython of pyenv or PATH with that version; the test is skipped where there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser() / "versions"
    candidates = [
        *sorted(pyenv.glob(f"{version}.*/bin/python{version}"), reverse=True),
        shutil.which(f"python{version}"),
    ]
    for candidate in candidates:
        if candidate is not None and _answers(str(candidate), version):
            return str(candidate)
    pytest.skip(f"needs CPython {version}, and neither pyenv nor PATH has it")


def _answers(python: str, version: str) -> bool:
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        asked = subprocess.run([python, "-c", script], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.stdout.strip() == version
