"""CMake 4 of the package index, and a project of before 3.5."""

import shutil
import sys
from pathlib import Path

import pytest
from envdoctor.recipes.cmake_policy import cmake_policy

from tests.real.environments import UnavailableError, cache_root, made_once, pip
from tests.recipes.curing import cure, faults, machine, tree
from tests.recipes.small_caffe2 import needs_tools, run, write

RELEASE = "cmake==4.0.3"
LISTS = "cmake_minimum_required(VERSION 2.8.12)\nproject(old CXX)\nadd_library(old STATIC old.cc)\n"


@pytest.fixture(scope="module")
def cmake_4() -> Path:
    """The directory of CMake 4's program."""

    def make(root: Path) -> None:
        pip(Path(sys.executable), "install", "--quiet", "--no-deps", "--target", str(root / "site"), RELEASE)

    try:
        root = made_once(cache_root() / "cmake-4", RELEASE, make)
    except UnavailableError as reason:
        pytest.skip(str(reason))
    return root / "site" / "cmake" / "data" / "bin"


@needs_tools
@pytest.mark.parametrize("in_place", [False, True])
def test_cmake_4_takes_a_project_that_it_refused(cmake_4: Path, tmp_path: Path, in_place: bool) -> None:
    project = tmp_path / "project"
    write(project, {"CMakeLists.txt": LISTS, "old.cc": "int old;\n"})
    path = f"{cmake_4}:{Path(shutil.which('make') or '/usr/bin/make').parent}:/usr/bin:/bin"
    target = machine(project, {"PATH": path, "LC_ALL": "C"})
    configure = ["cmake", "-S", ".", "-B", str(tmp_path / "build")]
    failed = run(configure, target.environment, project)
    assert "Compatibility with CMake < 3.5 has been removed from CMake" in failed.stderr
    assert faults(target, "CMK002") == ("CMK002",)
    before = tree(project)

    cured = cure(cmake_policy, target, tmp_path / "cache", in_place=in_place)

    assert faults(target, "CMK002") == ()
    taken = run(configure, cured.environment, project)
    assert taken.returncode == 0, taken.stderr
    cured.take_back()
    assert tree(project) == before
    shutil.rmtree(tmp_path / "build")
    assert run(configure, target.environment, project).returncode != 0
