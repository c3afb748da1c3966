"""A project that links the old name of Caffe2's target is built against a release that has another."""

import ctypes
import subprocess
from pathlib import Path

import pytest
from envdoctor.recipes.caffe2_target_renamed import caffe2_target_renamed
from envdoctor.recipes.cpu_only import cpu_only

from envdoctor.facts import Tool, Toolchain, Variable
from envdoctor.repair.recipe import Options, Plan, Refusal
from envdoctor.repair.steps import WriteFile
from tests.checks.builders import caffe2_box, changed, known, with_caffe2
from tests.recipes.curing import cure, faults, tree
from tests.recipes.small_caffe2 import TARGETS, Bench, bench, needs_tools

RENAMED = {
    TARGETS: """\
get_filename_component(_IMPORT_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
add_library(torch SHARED IMPORTED)
set_target_properties(torch PROPERTIES
  IMPORTED_LOCATION "${_IMPORT_PREFIX}/lib/libtorch.so" INTERFACE_INCLUDE_DIRECTORIES "${_IMPORT_PREFIX}/lib/include")
"""
}
USES_IT = {
    "ops/double_op.cc": '#include "caffe2/core/context.h"\nint core();\nextern "C" int twice() { return 2 * core(); }\n'
}


@pytest.fixture
def box(tmp_path: Path) -> Bench:
    made = bench(tmp_path, RENAMED, USES_IT)
    source, library = tmp_path / "core.cc", made.site / "torch" / "lib" / "libtorch.so"
    source.write_text("int core() { return 21; }\n")
    subprocess.run(["g++", "-shared", "-fPIC", source, "-o", library], check=True, timeout=60)
    return made


@needs_tools
@pytest.mark.parametrize("in_place", [False, True])
def test_the_old_name_links_what_it_is_called_now(box: Bench, in_place: bool) -> None:
    target = box.found()
    before = tree(box.project)["CMakeLists.txt"]
    failed = box.make_ops(target.environment)
    assert "context.h: No such file" in failed.stderr or "cannot find -lcaffe2_library" in failed.stderr
    assert faults(target, "C2006") == ("C2006",)

    cured = cure(caffe2_target_renamed, target, box.cache, in_place=in_place)

    assert cured.plan.safety == ("unsafe" if in_place else "safe")
    assert faults(target, "C2006") == ()
    built = box.make_ops(cured.environment)
    assert built.returncode == 0, built.stderr
    assert ctypes.CDLL(str(box.project / "build" / "libcaffe2_tiny_ops.so")).twice() == 42
    cured.take_back()
    assert tree(box.project)["CMakeLists.txt"] == before
    assert faults(target, "C2006") == ("C2006",)
    assert box.make_ops(target.environment).returncode != 0


def test_what_the_users_own_toolchain_file_has_included_is_included_still() -> None:
    own = Toolchain("/own.cmake", (Variable("CMAKE_PROJECT_INCLUDE", "/own/first.cmake"),))
    facts = with_caffe2(changed(caffe2_box(), "project", toolchain=known(own)), cmake_targets=("c10", "torch"))

    answer = caffe2_target_renamed.plan(facts, Options("/o"))

    assert isinstance(answer, Plan)
    (main,) = [step for step in answer.steps if isinstance(step, WriteFile) and step.path == "/o/project.cmake"]
    assert main.text.splitlines()[1] == "include([==[/own/first.cmake]==])"


@pytest.mark.parametrize(("release", "reads"), [("3.20.6", False), ("3.21.0", True)])
def test_a_cmake_that_reads_no_toolchain_file_from_the_environment_is_told(release: str, reads: bool) -> None:
    tool = Tool("/usr/bin/cmake", known(release))
    facts = changed(with_caffe2(caffe2_box(), cmake_targets=("c10", "torch")), "cmake", cmake=known(tool))

    answers = [recipe.plan(facts, Options("/o")) for recipe in (caffe2_target_renamed, cpu_only)]

    assert [isinstance(answer, Plan) for answer in answers] == [reads, reads]
    assert all("--in-place" in answer.reason for answer in answers if isinstance(answer, Refusal))
