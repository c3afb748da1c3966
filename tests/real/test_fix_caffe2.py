"""From nothing to operators that run: `fix --all`, `run -- make ops`, the real Caffe2, and back to a clean tree.

`python -m pytest -m real -s tests/real/test_fix_caffe2.py` prints what it took, with an empty and with a filled cache.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from envdoctor.recipes.detectron_ops_path import detectron_ops_path

from tests.real import build_variants
from tests.real.environments import Environment, clean_environment
from tests.recipes import small_caffe2
from tests.recipes.curing import cure, environment_of, faults, machine

SECONDS_AT_MOST = 1200


def run(words: Sequence[object], project: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """A command in the project, with nothing set but a cache of its own for what is built."""
    return subprocess.run(
        [str(word) for word in words],
        cwd=project,
        env=clean_environment({"XDG_CACHE_HOME": str(cache)}),
        capture_output=True,
        text=True,
        timeout=SECONDS_AT_MOST,
        stdin=subprocess.DEVNULL,
    )


def envdoctor(*words: object) -> list[object]:
    return [sys.executable, "-c", "from envdoctor.cli import main; main()", *words]


def git(project: Path, *words: str) -> str:
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@example.org")
    return subprocess.run(["git", *identity, *words], cwd=project, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    copied = Path(shutil.copytree(build_variants.PROJECT, tmp_path / "DensePose"))
    (copied / ".gitignore").write_text("build/\n")
    git(copied, "init", "--quiet")
    git(copied, "add", "--all")
    git(copied, "commit", "--quiet", "--message", "as it came")
    return copied


def cured_and_built(caffe2: Environment, project: Path, cache: Path) -> tuple[dict[str, Any], float]:
    """The report of `fix`, and the seconds from nothing to libraries."""
    began = time.monotonic()
    fixed = run(envdoctor("fix", "--all", "--unsafe", "--yes", "--python", caffe2.python, "-o", "json"), project, cache)
    assert fixed.returncode == 0, fixed.stdout + fixed.stderr
    built = run(envdoctor("run", "--", "make", "ops"), project, cache)
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    report: dict[str, Any] = json.loads(fixed.stdout)
    return report, time.monotonic() - began


def values(caffe2: Environment, project: Path, cache: Path) -> dict[str, Any]:
    """What the operators give in the real Caffe2."""
    (library,) = (project / "build").rglob("lib*ops*.so")
    script = project / "python" / "run_ops.py"
    ended = run(envdoctor("run", "--", caffe2.python, script, library, "run"), project, cache)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def test_from_nothing_to_operators_that_run_and_back(caffe2: Environment, project: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    report, cold = cured_and_built(caffe2, project, cache)
    found = values(caffe2, project, cache)

    assert report["applied"] and report["verified"] and report["after"] == []
    assert {"C2001", "C2004", "PB001", "MKL001", "C2005", "OPS001", "PB002", "ABI001", "ABI002"} <= set(
        report["before"]
    )
    assert found["zero_even"] == [0, 2, 0, 4, 0, 6, 0]
    # At the corner (0, 0), between four values, and at the corner (2, 1); the second channel is ten times the first.
    assert [row[0] for row in found["pooled"][:3]] == [0, 2, 5]
    assert [row[1] for row in found["pooled"][:3]] == [0, 20, 50]
    assert found["weighted_pooled"] == pytest.approx(found["weighted_gradient"])

    assert run(envdoctor("undo", "--yes"), project, cache).returncode == 0
    assert git(project, "status", "--short") == ""
    shutil.rmtree(project / "build")
    failing = run(["make", "ops"], project, cache)
    assert failing.returncode != 0
    assert "Caffe2Config.cmake" in failing.stderr

    _, warm = cured_and_built(caffe2, project, cache)
    print(f"\nfix --all and make ops: {cold:.0f} s with an empty cache, {warm:.0f} s with a filled one")


LOOK = """
from densepose_ops.lookup import detectron_ops_lib
found = detectron_ops_lib()
from caffe2.python import dyndep, workspace
dyndep.InitOpsLibrary(found)
import torch
print("UpsampleNearest" in workspace.RegisteredOperators(), torch.__version__)
"""


def test_the_operators_of_detectron_are_found_loaded_and_lost_again(
    caffe2: Environment, project: Path, tmp_path: Path
) -> None:
    variables = clean_environment({"PYTHONPATH": str(project / "python")})
    target = machine(project, variables, caffe2.python)
    look = [str(caffe2.python), "-c", LOOK]
    lost = "Detectron ops lib not found; make sure that your Caffe2 version includes Detectron"
    assert lost in small_caffe2.run(look, variables, project).stderr
    assert faults(target, "OPS001") == ("OPS001",)

    cured = cure(detectron_ops_path, target, tmp_path / "cache")

    assert faults(target, "OPS001") == ()
    assert small_caffe2.run(look, cured.environment, project).stdout == "True 1.0.1\n"
    cured.take_back()
    assert lost in small_caffe2.run(look, environment_of(target), project).stderr
