"""A std::function that Caffe2 and its operators call differently, and the header or compiler that a recipe brings."""

import shutil
import signal
from pathlib import Path

import pytest
from envdoctor.recipes.std_function_abi import CHANGES, ChangedHeader, std_function_abi

from envdoctor.facts import Absent, Compiler, Facts
from envdoctor.repair.overlay import Setting
from envdoctor.repair.recipe import Options, Plan, Refusal
from envdoctor.repair.steps import Contribute, StepError
from tests.checks.builders import PROJECT, caffe2_box, changed, known, with_caffe2
from tests.recipes.curing import cure, environment_of, faults, hands_of, tree
from tests.recipes.miniature import OLD_STRINGS, Workbench, needs_tools, workbench_without_protobuf

BOX = caffe2_box()
OVERLAY = f"{PROJECT}/.envdoctor"
FUNCTION_ABI = ("ABI002", "ABI003")


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    """A project whose operators use no protobuf, so that nothing but std::function keeps them from running."""
    return workbench_without_protobuf(tmp_path / "a bench")


@needs_tools
def test_a_call_between_the_two_crashes_no_more(bench: Workbench, tmp_path: Path) -> None:
    target = bench.target(CXXFLAGS=OLD_STRINGS)
    assert bench.make_ops(target.environment).returncode == 0
    assert bench.load_ops().returncode == 0
    assert bench.run_ops().returncode == -signal.SIGSEGV
    assert faults(target, *FUNCTION_ABI) == ("ABI002",)
    shutil.rmtree(bench.project / "build")
    before = tree(bench.project)

    cured = cure(std_function_abi, target, tmp_path / "cache")

    assert cured.plan.safety == "unsafe"
    assert tree(bench.project) == before
    assert faults(target, *FUNCTION_ABI) == ()
    assert bench.make_ops(cured.environment).returncode == 0
    ran = bench.run_ops()
    assert (ran.returncode, ran.stdout) == (0, "42\n")
    assert faults(target, *FUNCTION_ABI) == ()
    shutil.rmtree(bench.project / "build")
    cured.take_back()
    bench.make_ops(environment_of(target))
    assert bench.run_ops().returncode == -signal.SIGSEGV


@needs_tools
def test_objects_that_were_compiled_without_the_copy_are_compiled_again(bench: Workbench, tmp_path: Path) -> None:
    target = bench.target(CXXFLAGS=OLD_STRINGS)
    bench.make_ops(target.environment)
    before = tree(bench.project)

    cured = cure(std_function_abi, target, tmp_path / "cache")

    assert faults(target, *FUNCTION_ABI) == ()
    cured.take_back()
    assert tree(bench.project) == before
    again = cure(std_function_abi, target, tmp_path / "cache")
    assert bench.make_ops(again.environment).returncode == 0
    assert bench.run_ops().stdout == "42\n"
    again.take_back()
    assert bench.make_ops(target.environment).returncode == 0
    assert bench.run_ops().returncode == -signal.SIGSEGV


# A lambda of an inline function, which both sides would share as they share those of Caffe2's headers.
SHARED_FUNCTOR = """
#include "caffe2/core/operator.h"
namespace caffe2 {
inline Creator Times(int factor) { return [factor](Workspace* workspace) { return factor * workspace->value; }; }
static Registerer doubles("Double", Times(2));
}
"""


@needs_tools
def test_by_value_alone_is_told_from_the_whole_form_of_gcc_49(bench: Workbench, tmp_path: Path) -> None:
    target = bench.target(CXXFLAGS=OLD_STRINGS)
    (bench.project / "ops/double_op.cc").write_text(SHARED_FUNCTOR)
    cured = cure(std_function_abi, target, tmp_path / "cache")
    copy = bench.project / ".envdoctor/function-by-value/bits/std_function.h"
    before, after = CHANGES[2]
    copy.write_text(copy.read_text().replace(after, before))
    assert bench.make_ops(cured.environment).returncode == 0
    assert faults(target, *FUNCTION_ABI) == ("ABI003",)

    cure(std_function_abi, target, tmp_path / "cache")

    assert faults(target, *FUNCTION_ABI) == ()
    assert bench.make_ops(environment_of(target)).returncode == 0
    assert faults(target, *FUNCTION_ABI) == ()


HEADER = "\n".join(before for before, _ in CHANGES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER.replace("_ArgTypes&&", "_ArgTypes"), "is not there once"),
        (HEADER + HEADER, "is not there once"),
        ("", "is not there once"),
    ],
    ids=["by value already", "twice", "empty"],
)
def test_a_header_of_another_form_is_left_alone(tmp_path: Path, bench: Workbench, text: str, said: str) -> None:
    header, copy = tmp_path / "std_function.h", tmp_path / "copy" / "std_function.h"
    header.write_text(text)

    with pytest.raises(StepError, match=said):
        ChangedHeader("", str(header), str(copy)).perform(hands_of(bench.target(), tmp_path / "cache"))

    assert not copy.exists()


def planned(facts: Facts) -> Plan:
    answer = std_function_abi.plan(facts, Options(OVERLAY))
    assert isinstance(answer, Plan), answer
    return answer


def installed(*compilers: tuple[str, str, str], facts: Facts = BOX) -> Facts:
    found = tuple(Compiler(path, kind, known(version)) for path, kind, version in compilers)
    return changed(facts, "compilers", installed=found, cxx=known(found[0]))


def test_a_compiler_of_caffe2s_age_comes_before_a_changed_header() -> None:
    facts = installed(
        ("/usr/bin/g++", "g++", "12.2.0"),
        ("/opt/gcc/bin/g++-4.8", "g++", "4.8.5"),
        ("/opt/gcc/bin/g++-4.9", "g++", "4.9.4"),
        ("/opt/gcc/bin/gcc-4.9", "gcc", "4.9.4"),
    )

    plan = planned(facts)

    assert plan.safety == "safe"
    (overlay,) = plan.steps
    assert isinstance(overlay, Contribute)
    assert overlay.contribution.settings == (
        Setting("CC", "set", "/opt/gcc/bin/gcc-4.9"),
        Setting("CXX", "set", "/opt/gcc/bin/g++-4.9"),
    )


def test_a_caffe2_of_a_later_gcc_gets_a_later_gcc() -> None:
    facts = with_caffe2(BOX, function_abi=known("reference"))

    (overlay,) = planned(
        installed(("/usr/bin/g++", "g++", "4.9.2"), ("/usr/bin/g++-9", "g++", "9.4.0"), facts=facts)
    ).steps

    assert isinstance(overlay, Contribute)
    assert overlay.contribution.settings == (Setting("CXX", "set", "/usr/bin/g++-9"),)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (with_caffe2(BOX, function_abi=Absent("no invoker")), "not known"),
        (with_caffe2(installed(("/usr/bin/g++", "g++", "4.9.2")), function_abi=known("reference")), "no GCC 5"),
        (installed(("/usr/bin/g++", "g++", "5.4.0")), "no GCC 7"),
        (installed(("/usr/bin/clang++", "clang++", "14.0.6")), "no GCC 7"),
        (changed(BOX, "compilers", include_directories=Absent("no compiler")), "no GCC 7"),
    ],
)
def test_where_neither_is_known_to_work_nothing_is_tried(facts: Facts, reason: str) -> None:
    answer = std_function_abi.plan(facts, Options(OVERLAY))

    assert isinstance(answer, Refusal)
    assert reason in answer.reason


def test_it_has_no_in_place_form() -> None:
    assert isinstance(std_function_abi.plan(BOX, Options(OVERLAY, in_place=True)), Refusal)
