"""Which findings explain a failure: those about that very library, in the phase in which it failed."""

from pathlib import Path

import pytest

from envdoctor.facts import AREAS, Facts, UndefinedSymbol
from envdoctor.op_results import EXIT, LOAD, Case, OpResult, OpState
from envdoctor.smoke.attribution import attribute
from envdoctor.target import Target
from tests.checks.builders import LIBRARY, caffe2_box, with_library
from tests.filetree import RootedFiles

PROTOBUF = UndefinedSymbol(
    "_ZN6google8protobuf8internal9ArenaImplE", "google::protobuf::internal::ArenaImpl", "", "libops.so", "hidden"
)
OLD_STRING = UndefinedSymbol(
    "_ZN6caffe219CPUOperatorRegistryB5cxx11Ev",
    "caffe2::CPUOperatorRegistry[abi:cxx11]()",
    "",
    "libops.so",
    "string-abi",
)
BY_REFERENCE = with_library(caffe2_box(), function_abi="reference")
IN_PLACE = with_library(caffe2_box(), functors_in_place=("caffe2::OpSchema::{lambda()#1}",))
UNLINKED = with_library(caffe2_box(), undefined=(PROTOBUF,), undefined_count=1)
OTHER_STRING = with_library(caffe2_box(), undefined=(OLD_STRING,), undefined_count=1, string_abi="new")
RIGHT = with_library(caffe2_box())


def result(op: str, state: OpState = "fail", signal: str | None = None, wrong: tuple[Case, ...] = ()) -> OpResult:
    return OpResult(
        op=op, library=LIBRARY, state=state, signal=signal, suite="caffe2-project", message="it failed", wrong=wrong
    )


def attributed(facts: Facts, one: OpResult, root: Path) -> OpResult:
    assert set(AREAS) == set(facts.probed)
    target = Target("machine", RootedFiles(root), {})
    return attribute(target, facts, [one], lambda _doing: None).results[0]


@pytest.mark.parametrize(
    ("facts", "op", "signal", "codes"),
    [
        (BY_REFERENCE, "ZeroEven", "SIGSEGV", ("ABI002",)),
        (IN_PLACE, EXIT, "SIGABRT", ("ABI003",)),
        (UNLINKED, LOAD, None, ("PB002",)),
        (OTHER_STRING, LOAD, None, ("ABI001",)),
        # Symbols that are looked up at the first call are missing only then.
        (UNLINKED, "ZeroEven", None, ("PB002",)),
        (BY_REFERENCE, LOAD, None, ()),
        (RIGHT, "ZeroEven", "SIGSEGV", ()),
    ],
)
def test_a_failure_has_the_codes_of_findings_about_its_library_that_strike_then(
    facts: Facts, op: str, signal: str | None, codes: tuple[str, ...], tmp_path: Path
) -> None:
    found = attributed(facts, result(op, signal=signal), tmp_path)

    assert found.codes == codes
    assert ("probable reason" in found.message) == bool(codes)


def test_values_that_are_wrong_are_nobody_elses_fault(tmp_path: Path) -> None:
    wrong = (Case("three boxes", "float32", 0.5, 1e-4),)

    assert attributed(BY_REFERENCE, result("ZeroEven", wrong=wrong), tmp_path).codes == ()


@pytest.mark.parametrize("state", ["ok", "skipped", "unknown", "crashed"])
def test_only_a_failure_is_explained(state: OpState, tmp_path: Path) -> None:
    assert attributed(BY_REFERENCE, result("ZeroEven", state), tmp_path).codes == ()


def test_each_cause_is_told_once_with_its_cure(tmp_path: Path) -> None:
    target = Target("machine", RootedFiles(tmp_path), {})
    results = [result("ZeroEven", signal="SIGSEGV"), result("PoolPointsInterp", signal="SIGSEGV")]

    told = attribute(target, BY_REFERENCE, results, lambda _doing: None)

    (cause,) = told.causes
    assert cause.code == "ABI002"
    assert cause.remedy is not None
    assert cause.remedy.recipe == "std-function-abi"
