"""The checks of CMake and the tools that it drives."""

import msgspec
import pytest
from envdoctor.checks import cmake

from envdoctor.checking.check import Check
from envdoctor.facts import BuildDirectory, CMakeProject, Facts, Known, SourceUse, Tool, Variable, value_of
from tests.checks.builders import (
    CANNOT_READ,
    NOWHERE,
    PROJECT,
    TORCH,
    caffe2_box,
    changed,
    judged,
    known,
    modern_box,
    skipped,
    states,
    with_variables,
)

BOX = caffe2_box()
EVERY = (cmake.cmake_missing, cmake.cmake_refuses_old_minimum, cmake.cmake_older_than_required, cmake.several_cmakes)


def tool(version: str, path: str = "/usr/bin/cmake") -> Known[Tool]:
    return known(Tool(path, known(version)))


def asking(minimum: str, have: str) -> Facts:
    project = value_of(BOX.project.cmake)
    assert isinstance(project, CMakeProject)
    facts = changed(BOX, "project", cmake=known(msgspec.structs.replace(project, minimum=known(minimum))))
    return changed(facts, "cmake", cmake=tool(have))


@pytest.mark.parametrize("check", EVERY, ids=lambda check: check.code)
def test_without_a_cmake_project_cmake_is_not_judged(check: Check) -> None:
    assert skipped(check, modern_box())


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, []),
        (changed(BOX, "cmake", cmake=NOWHERE), ["fail"]),
        (changed(BOX, "cmake", cmake=CANNOT_READ), ["unknown"]),
    ],
)
def test_a_cmake_project_needs_cmake(facts: Facts, expected: list[str]) -> None:
    assert states(cmake.cmake_missing, facts) == expected


@pytest.mark.parametrize(
    ("distribution", "kind", "command"),
    [
        ("debian", "venv", "apt-get install cmake"),
        ("fedora", "venv", "/env/bin/python -m pip install cmake"),
        ("debian", "conda", "conda install -c conda-forge cmake"),
    ],
)
def test_the_remedy_speaks_to_the_installer_of_the_machine(distribution: str, kind: str, command: str) -> None:
    facts = changed(changed(BOX, "cmake", cmake=NOWHERE), "host", distribution_id=known(distribution))
    (finding,) = judged(cmake.cmake_missing, changed(facts, "python", kind=known(kind)))
    assert finding.remedy is not None
    assert finding.remedy.commands == (command,)


@pytest.mark.parametrize(
    ("minimum", "have", "expected"),
    [
        ("2.8.12", "3.25.1", []),
        ("2.8.12", "4.4.4", ["fail"]),
        ("3.4", "4.0.0", ["fail"]),
        ("3.5", "4.0.0", []),
        ("2.8...3.10", "4.4.4", []),
        ("2.8...3.4", "4.4.4", ["fail"]),
    ],
)
def test_cmake_4_refuses_projects_for_what_came_before_3_5(minimum: str, have: str, expected: list[str]) -> None:
    assert states(cmake.cmake_refuses_old_minimum, asking(minimum, have)) == expected


@pytest.mark.parametrize(("value", "expected"), [("3.5", []), ("3.10", []), ("3.4", ["fail"]), ("", ["fail"])])
def test_the_policy_variable_lets_cmake_4_go_on(value: str, expected: list[str]) -> None:
    facts = with_variables(asking("2.8.12", "4.4.4"), CMAKE_POLICY_VERSION_MINIMUM=value)
    assert states(cmake.cmake_refuses_old_minimum, facts) == expected


@pytest.mark.parametrize(
    ("minimum", "have", "expected"),
    [
        ("3.18", "3.10.2", ["fail"]),
        ("3.18", "3.18.0", []),
        ("3.5...3.31", "3.10.2", []),
        ("${SOME_VERSION}", "3.10.2", []),
    ],
)
def test_cmake_must_be_as_new_as_the_project_asks(minimum: str, have: str, expected: list[str]) -> None:
    assert states(cmake.cmake_older_than_required, asking(minimum, have)) == expected


def test_a_newer_cmake_further_down_the_path_is_offered() -> None:
    facts = changed(asking("3.18", "3.10.2"), "cmake", others=(Tool("/opt/cmake/bin/cmake", known("3.31.0")),))
    (finding,) = judged(cmake.cmake_older_than_required, facts)
    assert finding.remedy is not None and finding.remedy.commands == ('export PATH=/opt/cmake/bin:"$PATH"',)


NINJA = known(Tool("/usr/bin/ninja", known("1.11.1")))
STARTS_MAKE = (SourceUse("make", f"{PROJECT}/Makefile", 4),)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, []),
        (changed(BOX, "cmake", make=NOWHERE), ["fail"]),
        (changed(BOX, "cmake", make=NOWHERE, ninja=NINJA), []),
        (changed(changed(BOX, "cmake", make=NOWHERE, ninja=NINJA), "project", programs=STARTS_MAKE), ["fail"]),
        (changed(BOX, "cmake", make=CANNOT_READ), ["unknown"]),
        (modern_box(), ["skipped"]),
    ],
)
def test_make_is_needed_where_the_build_runs_it(facts: Facts, expected: list[str]) -> None:
    assert states(cmake.make_missing, facts) == expected


EXTENSION = changed(modern_box(), "project", root=known("/src/ext"), profile=known("torch-extension"))
FOR_NINJA = changed(BOX, "project", build=known(BuildDirectory("/b", (Variable("CMAKE_GENERATOR", "Ninja"),))))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (EXTENSION, ["note"]),
        (changed(EXTENSION, "cmake", ninja=NINJA), []),
        (changed(EXTENSION, "cmake", ninja=CANNOT_READ), ["unknown"]),
        (FOR_NINJA, ["fail"]),
        (BOX, ["skipped"]),
    ],
)
def test_ninja_is_needed_only_where_the_build_is_made_for_it(facts: Facts, expected: list[str]) -> None:
    assert states(cmake.ninja_missing, facts) == expected


def configured(**cache: str) -> Facts:
    build = BuildDirectory(f"{PROJECT}/build", tuple(Variable(*pair) for pair in cache.items()))
    return changed(BOX, "project", build=known(build))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, ["skipped"]),
        (configured(CMAKE_HOME_DIRECTORY=PROJECT, CMAKE_CACHEFILE_DIR=f"{PROJECT}/build"), []),
        (configured(CMAKE_HOME_DIRECTORY="/old/ops"), ["warn"]),
        (configured(CMAKE_CACHEFILE_DIR="/old/ops/build"), ["warn"]),
        (configured(Caffe2_DIR="Caffe2_DIR-NOTFOUND"), []),
        (configured(Caffe2_DIR=f"{TORCH}/share/cmake/Caffe2"), []),
        (configured(Caffe2_DIR="/gone/share/cmake/Caffe2"), ["warn"]),
        (with_variables(configured(CMAKE_CXX_COMPILER="/usr/bin/c++"), CXX="/usr/bin/g++-11"), ["warn"]),
        (with_variables(configured(CMAKE_CXX_COMPILER="/usr/bin/c++"), CXX="g++-11"), []),
    ],
)
def test_a_build_directory_of_something_else_is_told(facts: Facts, expected: list[str]) -> None:
    assert states(cmake.cmake_cache_stale, facts) == expected


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ((), []),
        ((Tool("/opt/bin/cmake", known("3.25.1")),), []),
        ((Tool("/opt/bin/cmake", known("4.4.4")),), ["note"]),
        ((Tool("/opt/bin/cmake", CANNOT_READ),), []),
    ],
)
def test_another_version_of_cmake_behind_the_first_is_noted(others: tuple[Tool, ...], expected: list[str]) -> None:
    assert states(cmake.several_cmakes, changed(BOX, "cmake", others=others)) == expected
