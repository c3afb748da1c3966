"""The compiler finds Caffe2's headers where they are, and not where its targets say."""

from pathlib import Path

import pytest
from envdoctor.recipes.include_path import include_path

from envdoctor.facts import Absent
from envdoctor.repair.recipe import Options, Refusal
from tests.checks.builders import caffe2_box, with_caffe2
from tests.recipes.curing import cure, faults, tree
from tests.recipes.small_caffe2 import PACKAGE, TARGETS, Bench, bench, needs_tools

WRONG = {TARGETS: PACKAGE[TARGETS].replace("/lib/include", "/include")}


@pytest.fixture
def box(tmp_path: Path) -> Bench:
    return bench(tmp_path, WRONG)


@needs_tools
@pytest.mark.parametrize("in_place", [False, True])
def test_headers_that_the_targets_name_in_the_wrong_place_are_found(box: Bench, in_place: bool) -> None:
    target = box.found()
    before = tree(box.project)
    failed = box.make_ops(target.environment)
    assert "caffe2/core/context.h: No such file or directory" in failed.stderr
    assert faults(target, "C2004") == ("C2004",)

    cured = cure(include_path, target, box.cache, in_place=in_place)

    assert cured.plan.safety == ("unsafe" if in_place else "safe")
    assert faults(target, "C2004") == ()
    built = box.make_ops(cured.environment)
    assert built.returncode == 0, built.stderr
    cured.take_back()
    (box.project / "build" / "libcaffe2_tiny_ops.so").unlink()
    assert {name: text for name, text in tree(box.project).items() if not name.startswith("build/")} == before
    assert faults(target, "C2004") == ("C2004",)
    (box.project / "ops" / "double_op.cc").touch()
    assert box.make_ops(target.environment).returncode != 0


@needs_tools
def test_what_the_user_has_in_cpath_is_kept_behind_it(box: Bench) -> None:
    target = box.found(CPATH="/mine:/yours")

    cured = cure(include_path, target, box.cache)

    assert cured.environment["CPATH"] == f"{box.site}/torch/lib/include:/mine:/yours"


def test_a_caffe2_without_headers_is_refused_with_the_reason() -> None:
    facts = with_caffe2(caffe2_box(), include=Absent("no include directory holds it"))

    assert include_path.plan(facts, Options("/o")) == Refusal(
        "nothing holds the headers of this Caffe2: no include directory holds it"
    )
