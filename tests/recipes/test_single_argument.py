"""Calls of GetSingleArgument in class templates are written as every compiler takes them, and only on demand."""

import re
from pathlib import Path

import pytest
from envdoctor.recipes.single_argument import CALL, SayTemplate, single_argument

from envdoctor.repair.recipe import Refusal
from envdoctor.repair.steps import StepError
from tests.recipes.curing import cure, faults, hands_of, plan_of, tree
from tests.recipes.small_caffe2 import CORE, Bench, bench, needs_tools

CORE_WITH_ARGUMENTS = """\
#pragma once
struct OperatorBase {
  template <typename T> T GetSingleArgument(const char*, const T& other) const { return other; }
};
template <class Context> struct Operator : OperatorBase {};
"""
OPERATOR = """\
#include "caffe2/core/context.h"
template <class Context>
class ScaleOp : public Operator<Context> {
 public:
  ScaleOp() : first(GetSingleArgument<float>("first", 1.f)),
              second(this->GetSingleArgument<int>("second", 2)), third(GetSingleArgument<int>("third", 3)) {}
  // GetSingleArgument<float> stays as it is in a comment on a line of its own.
  float fourth() { return OperatorBase::GetSingleArgument<float>("fourth", 4.f); }
  float first; int second, third;
};
template class ScaleOp<int>;
"""


@pytest.fixture
def box(tmp_path: Path) -> Bench:
    return bench(tmp_path, {CORE: CORE_WITH_ARGUMENTS}, {"ops/double_op.cc": OPERATOR})


@needs_tools
def test_the_source_that_the_compiler_refuses_compiles_after_it(box: Bench) -> None:
    target = box.found()
    before = (box.project / "ops" / "double_op.cc").read_bytes()
    failed = box.make_ops(target.environment)
    assert "error: " in failed.stderr and "GetSingleArgument" in failed.stderr
    assert faults(target, "C2007") == ("C2007",)

    cured = cure(single_argument, target, box.cache, in_place=True)

    assert cured.plan.safety == "unsafe"
    assert faults(target, "C2007") == ()
    built = box.make_ops(cured.environment)
    assert built.returncode == 0, built.stderr
    changed = (box.project / "ops" / "double_op.cc").read_text()
    assert changed.count("this->template GetSingleArgument<") == 3
    assert "OperatorBase::GetSingleArgument<float>" in changed and "// GetSingleArgument<float>" in changed
    cured.take_back()
    assert (box.project / "ops" / "double_op.cc").read_bytes() == before
    assert box.make_ops(target.environment).returncode != 0


def test_without_in_place_no_source_is_touched(box: Bench) -> None:
    before = tree(box.project)

    answer = plan_of(single_argument, box.found())

    assert answer == Refusal("single-argument edits sources, which it does with --in-place only")
    assert tree(box.project) == before


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ('a(GetSingleArgument<T>("a"))', 'a(this->template GetSingleArgument<T>("a"))'),
        ('a(this->GetSingleArgument<T>("a"))', 'a(this->template GetSingleArgument<T>("a"))'),
        ('a(this -> GetSingleArgument <T>("a"))', 'a(this->template GetSingleArgument <T>("a"))'),
        ("this->template GetSingleArgument<T>()", "this->template GetSingleArgument<T>()"),
        ("helper.GetSingleArgument<T>()", "helper.GetSingleArgument<T>()"),
        ("helper->GetSingleArgument<T>()", "helper->GetSingleArgument<T>()"),
        ("OperatorBase::GetSingleArgument<T>()", "OperatorBase::GetSingleArgument<T>()"),
        ("MyGetSingleArgument<T>()", "MyGetSingleArgument<T>()"),
    ],
)
def test_only_calls_that_lack_it_are_changed(line: str, after: str) -> None:
    assert re.sub(CALL, b"this->template GetSingleArgument", line.encode()) == after.encode()


def test_a_line_that_has_changed_since_is_refused(box: Bench) -> None:
    path = box.project / "ops" / "double_op.cc"
    step = SayTemplate("Say it", str(path), (1,))

    with pytest.raises(StepError, match=r"double_op\.cc:1 no longer holds such a call"):
        step.perform(hands_of(box.found(), box.cache))

    assert path.read_text() == OPERATOR
