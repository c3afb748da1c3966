"""One command from nothing to operators that run, with nobody at hand: `run --fix --unsafe -- make ops`."""

import shutil
from pathlib import Path

import pytest

from tests.real import build_variants
from tests.real.environments import Environment
from tests.real.test_fix_caffe2 import envdoctor, run, values


@pytest.fixture
def densepose(tmp_path: Path) -> Path:
    return Path(shutil.copytree(build_variants.PROJECT, tmp_path / "DensePose"))


def test_a_build_that_fails_is_cured_and_built_unattended(caffe2: Environment, densepose: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    built = run(envdoctor("run", "--fix", "--unsafe", "--python", caffe2.python, "--", "make", "ops"), densepose, cache)

    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    # The first attempt is explained by its root cause, and the rest of the chain never shows.
    assert "cmake-package-not-found" in built.stderr
    assert built.stderr.count("trying again") == 1
    assert "[100%] Built target" in built.stdout
    found = values(caffe2, densepose, cache)
    assert found["zero_even"] == [0, 2, 0, 4, 0, 6, 0]
    assert found["weighted_pooled"] == pytest.approx(found["weighted_gradient"])


def test_without_unsafe_the_safe_cures_are_applied_and_the_rest_is_named(
    caffe2: Environment, densepose: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"

    built = run(envdoctor("run", "--fix", "--python", caffe2.python, "--", "make", "ops"), densepose, cache)

    assert built.returncode != 0
    assert "fix caffe2-dir: verified" in built.stderr
    assert "cpu-only was not applied" in built.stderr
    assert "--unsafe" in built.stderr
    assert list((densepose / ".envdoctor" / "logs").glob("*.build.log"))
