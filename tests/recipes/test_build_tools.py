"""A build program that is missing comes out of a wheel. cmake and Caffe2's modules are tried in tests/real."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from envdoctor.recipes.build_tools import InstallTool, build_tools

from envdoctor.facts import Absent, CMakeProject, Facts, SourceUse, Tool
from envdoctor.repair.pip import IndexUnreachableError
from envdoctor.repair.recipe import Answer, Manual, Options, Plan, Refusal
from envdoctor.repair.steps import MakeLink
from envdoctor.target import Target
from tests.checks.builders import NOWHERE, caffe2_box, changed, known
from tests.recipes.curing import cure, environment_of, faults, machine

OPTIONS = Options("/src/ops/.envdoctor")
CMAKE = "cmake_minimum_required(VERSION 3.10)\nproject(ops NONE)\nfind_package(Caffe2)\nadd_custom_target(ops ALL)\n"


@pytest.fixture
def for_ninja(tmp_path: Path) -> Target:
    """A project whose build directory is made for Ninja, on a machine without it."""
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("cmake", "make", "gcc", "g++", "cc", "c++", "sh"):
        found = shutil.which(name, path="/usr/bin:/bin")
        if found is not None:
            (programs / name).symlink_to(found)
    project = tmp_path / "project"
    project.mkdir()
    (project / "CMakeLists.txt").write_text(CMAKE)
    steering = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HTTP", "http", "SSL"))}
    variables = {"PATH": str(programs), "HOME": os.environ.get("HOME", "/"), "LC_ALL": "C", **steering}
    return machine(project, variables, sys.executable, profile="caffe2-ops")


def configured(target: Target, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = ["cmake", "-G", "Ninja", "-S", str(target.project), "-B", f"{target.project}/build"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_a_build_directory_for_ninja_is_configured_with_the_ninja_of_the_overlay(
    for_ninja: Target, tmp_path: Path
) -> None:
    missing = 'CMake was unable to find a build program corresponding to "Ninja"'
    assert missing in configured(for_ninja, dict(for_ninja.environment)).stderr
    assert faults(for_ninja, "CMK005") == ("CMK005",)

    try:
        cured = cure(build_tools, for_ninja, tmp_path / "cache")
    except IndexUnreachableError as reason:
        pytest.skip(str(reason))

    assert cured.plan.safety == "safe"
    done = configured(for_ninja, cured.environment)
    assert done.returncode == 0, done.stderr
    assert faults(for_ninja, "CMK005") == ()
    cured.take_back()
    (Path(str(for_ninja.project)) / "build" / "CMakeCache.txt").unlink()
    assert missing in configured(for_ninja, environment_of(for_ninja)).stderr
    assert not Path(f"{for_ninja.project}/.envdoctor/prefix").exists()


def answer(facts: Facts) -> Answer:
    return build_tools.plan(facts, OPTIONS)


def asking_for(minimum: str, have: str | None, *others: Tool) -> Facts:
    """A project that asks for a CMake, on a machine with one (None: without)."""
    tool = NOWHERE if have is None else known(Tool("/usr/bin/cmake", known(have)))
    facts = changed(caffe2_box(), "cmake", cmake=tool, others=others)
    project = CMakeProject(path="/src/ops/CMakeLists.txt", minimum=known(minimum), packages=("Caffe2",))
    return changed(facts, "project", cmake=known(project))


@pytest.mark.parametrize(
    ("minimum", "have", "requirement"),
    [
        ("2.8.12", None, "cmake>=3.21,<4"),
        ("3.5...3.26", None, "cmake>=3.21,<4"),
        ("3.27", "3.25.1", "cmake>=3.27,<4"),
        ("4.1", "3.25.1", "cmake>=4.1"),
    ],
)
def test_cmake_is_new_enough_for_the_project_and_old_enough_for_its_policies(
    minimum: str, have: str | None, requirement: str
) -> None:
    plan = answer(asking_for(minimum, have))

    assert isinstance(plan, Plan) and plan.safety == "safe"
    install = plan.steps[0]
    assert isinstance(install, InstallTool) and install.requirement == requirement


def test_a_newer_cmake_that_is_on_path_is_taken_before_one_is_fetched() -> None:
    plan = answer(asking_for("3.27", "3.25.1", Tool("/opt/cmake/bin/cmake", known("3.31.2"))))

    assert isinstance(plan, Plan)
    assert isinstance(plan.steps[0], MakeLink) and plan.steps[0].target == "/opt/cmake/bin/cmake"


def test_without_make_a_cmake_project_is_built_with_ninja() -> None:
    facts = changed(asking_for("3.10", "3.25.1"), "cmake", make=Absent("none"))

    plan = answer(facts)

    assert isinstance(plan, Plan)
    assert [type(step).kind for step in plan.steps] == ["pip", "overlay"]
    assert "CMAKE_GENERATOR" in str(plan.steps[1])


def test_a_makefile_needs_make_and_root_has_to_install_it() -> None:
    facts = changed(asking_for("3.10", "3.25.1"), "cmake", make=Absent("none"))
    facts = changed(facts, "project", programs=(SourceUse("make", "/src/ops/Makefile", 3),))

    assert answer(facts) == Manual(
        "The project's own Makefile needs make, which no wheel brings.", ("apt-get install make",)
    )


def test_modules_go_to_the_interpreter_and_protobuf_stays_below_what_breaks_caffe2() -> None:
    facts = caffe2_box()
    left = tuple(one for one in facts.packages.installed if one.name == "numpy")

    plan = answer(changed(facts, "packages", installed=left))

    assert isinstance(plan, Plan) and plan.safety == "unsafe"
    assert plan.steps[0].command[-3:] == ("future", "six", "protobuf<3.21")


def test_where_nothing_is_missing_nothing_is_brought() -> None:
    assert isinstance(answer(asking_for("3.10", "3.25.1")), Refusal)
