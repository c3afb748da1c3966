"""A project that asks for an old CMake: what the plan is, and that older CMakes take what it writes.

CMake 4 itself is fetched in tests/real/test_fix_cmake.py.
"""

from pathlib import Path

import pytest
from envdoctor.recipes.cmake_policy import cmake_policy

from envdoctor.facts import CMake, Facts, Known, Tool
from envdoctor.repair.overlay import Setting
from envdoctor.repair.recipe import Options, Plan, Refusal
from envdoctor.repair.steps import Contribute
from tests.checks.builders import NOWHERE, caffe2_box, changed, known
from tests.recipes.curing import cure, tree
from tests.recipes.small_caffe2 import PROJECT, bench, needs_tools


def with_cmake_4() -> Facts:
    return changed(caffe2_box(), "cmake", cmake=CMake(cmake=known(Tool("/usr/bin/cmake", known("4.0.3")))).cmake)


def test_the_variable_is_set_in_the_overlay() -> None:
    answer = cmake_policy.plan(with_cmake_4(), Options("/o"))

    assert isinstance(answer, Plan) and answer.safety == "safe"
    (step,) = answer.steps
    assert isinstance(step, Contribute)
    assert step.contribution.settings == (Setting("CMAKE_POLICY_VERSION_MINIMUM", "set", "3.5"),)


@needs_tools
@pytest.mark.parametrize("asked", ["2.8.12", "3.1...3.4"])
def test_in_place_the_project_says_that_it_knows_the_behaviour_of_3_5(tmp_path: Path, asked: str) -> None:
    lists = PROJECT["CMakeLists.txt"].replace("VERSION 3.5", f"VERSION {asked} FATAL_ERROR")
    box = bench(tmp_path, project={"CMakeLists.txt": lists})
    target = box.found()
    before = tree(box.project)

    cured = cure(cmake_policy, target, box.cache, in_place=True)

    first = (box.project / "CMakeLists.txt").read_text().splitlines()[0]
    assert first == f"cmake_minimum_required(VERSION {asked.partition('...')[0]}...3.5 FATAL_ERROR)"
    built = box.make_ops(target.environment)
    assert built.returncode == 0, built.stderr
    cured.take_back()
    assert tree(box.project)["CMakeLists.txt"] == before["CMakeLists.txt"]


def test_a_project_that_asks_for_nothing_has_no_line_to_change() -> None:
    project = with_cmake_4().project.cmake
    assert isinstance(project, Known)
    lists = changed(with_cmake_4(), "project", cmake=NOWHERE)

    assert isinstance(cmake_policy.plan(lists, Options("/o", in_place=True)), Refusal)
