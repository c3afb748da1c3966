"""The checks of where the Python side finds operators."""

import msgspec
import pytest
from envdoctor.checks import ops

from envdoctor.facts import CMakeTarget, Facts, value_of
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
    states,
    with_caffe2,
)

BOX = caffe2_box()


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, ["fail"]),
        (changed(BOX, "caffe2", detectron_lookup=known("/p/lib/libcaffe2_detectron_ops_gpu.so")), []),
        (changed(BOX, "caffe2", detectron_lookup=CANNOT_READ), ["unknown"]),
        (with_caffe2(BOX, detectron_ops=NOWHERE), ["warn"]),
        (changed(BOX, "project", detectron_uses=()), ["warn"]),
        (changed(with_caffe2(BOX, detectron_ops=NOWHERE), "project", detectron_uses=()), ["note"]),
        (with_caffe2(BOX, detectron_ops=CANNOT_READ), ["unknown"]),
        (changed(BOX, "caffe2", installations=()), ["skipped"]),
        (modern_box(), ["skipped"]),
    ],
)
def test_the_detectron_operators_must_be_found_below_sys_path(facts: Facts, expected: list[str]) -> None:
    assert states(ops.detectron_ops_not_found, facts) == expected


def test_the_remedy_never_puts_torch_itself_on_the_path() -> None:
    (finding,) = judged(ops.detectron_ops_not_found, BOX)
    assert finding.remedy is not None
    assert finding.remedy.commands == (
        f"mkdir -p {PROJECT}/.envdoctor/detectron && ln -sfn {TORCH}/lib {PROJECT}/.envdoctor/detectron/lib",
        f'export PYTHONPATH={PROJECT}/.envdoctor/detectron"${{PYTHONPATH:+:$PYTHONPATH}}"',
    )


def building(target: str) -> Facts:
    cmake = value_of(BOX.project.cmake)
    assert cmake is not None
    return changed(
        BOX, "project", cmake=known(msgspec.structs.replace(cmake, targets=(CMakeTarget(target, "SHARED"),)))
    )


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (building("caffe2_DensePose_ops"), ["note"]),
        (building("caffe2_ops"), []),
        (modern_box(), ["skipped"]),
    ],
)
def test_a_densepose_of_caffe2_is_told_of_its_successor(facts: Facts, expected: list[str]) -> None:
    assert states(ops.densepose_lives_in_detectron2, facts) == expected
