"""Python.h that is missing, and the command that brings it: it needs root, so that it is shown and not run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from envdoctor.recipes.python_headers import python_headers

from envdoctor.facts import Absent
from envdoctor.repair.recipe import Manual, Options, Refusal
from tests.checks.builders import changed, gpu_box, known
from tests.recipes import toolkits
from tests.recipes.curing import faults, machine, plan_of

OPTIONS = Options("/src/ops/.envdoctor")
WHERE = "import sysconfig; print(sysconfig.get_path('include'))"


def test_a_real_python_without_headers_is_told_apart_from_the_same_with_them(tmp_path: Path) -> None:
    """A copy of this interpreter without its headers; putting them there is what the command would do."""
    real = Path(sys.base_prefix)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = real / "include" / name
    if shutil.which("g++") is None or not (own / "Python.h").exists():
        pytest.skip("no g++, or this Python itself has no headers")
    prefix, project = tmp_path / "python", tmp_path / "project"
    (prefix / "bin").mkdir(parents=True)
    shutil.copy(Path(sys.executable).resolve(), prefix / "bin" / name)
    (prefix / "lib").symlink_to(real / "lib")
    project.mkdir()
    (project / "setup.py").write_text(toolkits.SETUP)
    (project / "module.cc").write_text("#include <Python.h>\n")
    python = prefix / "bin" / name
    include = subprocess.run([python, "-I", "-c", WHERE], capture_output=True, text=True, check=True).stdout.strip()
    assert include.startswith(str(prefix))
    compiled = ["g++", "-fsyntax-only", f"-I{include}", str(project / "module.cc")]
    target = machine(project, {"PATH": "/usr/bin:/bin"}, python)
    assert "Python.h: No such file" in subprocess.run(compiled, capture_output=True, text=True).stderr
    assert faults(target, "PY001") == ("PY001",)

    answer = plan_of(python_headers, target)

    assert isinstance(answer, Manual)
    assert f"Python {name.removeprefix('python')}" in answer.text
    Path(include).parent.mkdir(parents=True, exist_ok=True)
    Path(include).symlink_to(own)
    assert subprocess.run(compiled, capture_output=True).returncode == 0
    assert faults(target, "PY001") == ()


@pytest.mark.parametrize(
    ("distribution", "kind", "commands"),
    [
        ("debian", "venv", ("apt-get install python3.11-dev",)),
        ("rocky", "system", ("dnf install python3.11-devel",)),
        ("debian", "conda", ("conda install -c conda-forge python=3.11",)),
        ("debian", "pyenv", ("pyenv install --force 3.11.7",)),
        (
            "arch",
            "system",
            (
                "apt-get install python3.11-dev",
                "dnf install python3.11-devel",
                "conda install -c conda-forge python=3.11",
            ),
        ),
    ],
)
def test_the_command_is_that_of_this_machine(distribution: str, kind: str, commands: tuple[str, ...]) -> None:
    facts = changed(gpu_box(), "python", headers=Absent("no Python.h"), kind=known(kind))
    facts = changed(facts, "host", distribution_id=known(distribution))

    answer = python_headers.plan(facts, OPTIONS)

    assert isinstance(answer, Manual) and answer.commands == commands


def test_headers_that_are_there_are_not_asked_for() -> None:
    assert isinstance(python_headers.plan(gpu_box(), OPTIONS), Refusal)
