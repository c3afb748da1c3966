"""Recipes that fetch, on real packages, where no index answers: which one is told, and nothing is changed."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real import build_variants
from tests.real.environments import Environment, clean_environment
from tests.recipes.curing import tree

DEAD = "http://127.0.0.1:9/simple"
SECONDS = 60

Ask = Callable[[str], Environment]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(build_variants.PROJECT, tmp_path / "DensePose"))


def fix(recipe: str, python: Path, project: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """`envdoctor fix` with an empty cache and an index at which nobody listens."""
    own = {name: value for name, value in clean_environment().items() if not name.startswith("PIP_")}
    cache = str(project.parent / "cache")
    environment = {**own, "PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": DEAD, "XDG_CACHE_HOME": cache, **variables}
    words = ["fix", recipe, "--yes", "--unsafe", "--python", str(python), "--project", str(project), "-o", "json"]
    start = [sys.executable, "-c", "from envdoctor.cli import main; main()"]
    return subprocess.run([*start, *words], env=environment, capture_output=True, text=True, timeout=SECONDS)


def path_without(folder: Path, *programs: str) -> str:
    """A PATH with all programs of the system's but these."""
    (folder / "bin").mkdir()
    for program in Path("/usr/bin").iterdir():
        if program.name not in programs:
            (folder / "bin" / program.name).symlink_to(program)
    return str(folder / "bin")


def refused(ended: "subprocess.CompletedProcess[str]", index: str) -> None:
    assert ended.returncode == 1, ended.stdout + ended.stderr
    (result,) = json.loads(ended.stdout)["recipes"]
    assert result["state"] == "rolled-back"
    assert f"the package index {index} cannot be reached (Connection refused)" in result["message"]


@pytest.mark.parametrize("recipe", ["protobuf", "protobuf-link", "mkl", "threadpool-headers"])
def test_what_caffe2_lacks_cannot_be_fetched(caffe2: Environment, project: Path, recipe: str) -> None:
    before, began = tree(project), time.monotonic()
    package = caffe2.site_packages / "torch" / "share" / "cmake" / "Caffe2"

    ended = fix(recipe, caffe2.python, project, Caffe2_DIR=str(package))

    refused(ended, DEAD)
    assert time.monotonic() - began < 30
    assert tree(project) == before
    assert not (project / ".envdoctor" / "prefix").exists()


def test_a_cmake_cannot_be_fetched(caffe2: Environment, project: Path, tmp_path: Path) -> None:
    ended = fix("build-tools", caffe2.python, project, PATH=path_without(tmp_path, "cmake", "ctest", "ninja"))

    refused(ended, DEAD)
    assert not (project / ".envdoctor" / "prefix").exists()


def test_the_torchvision_of_a_torch_cannot_be_fetched(environment: Ask, tmp_path: Path) -> None:
    mismatch = environment("torch-mismatch")
    installed = sorted(path.name for path in mismatch.site_packages.iterdir())
    (tmp_path / "project").mkdir()

    ended = fix("torch-pair", mismatch.python, tmp_path / "project")

    refused(ended, DEAD)
    assert sorted(path.name for path in mismatch.site_packages.iterdir()) == installed
