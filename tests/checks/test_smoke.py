"""What running the ops showed, as findings: one a library and kind of failure, beneath its cause."""

from datetime import datetime, timezone
from typing import Any

import msgspec
import pytest
from envdoctor.checks import abi, smoke

from envdoctor.checking.check import Finding, NotApplicable
from envdoctor.checking.compose import compose
from envdoctor.checking.judge import judge
from envdoctor.checking.report import Report, TargetInfo
from envdoctor.facts import Facts, Smoke
from envdoctor.op_results import EXIT, FIRST_KERNEL, LOAD, Case, OpResult
from envdoctor.probes.gather import with_area
from tests.checks.builders import LIBRARY, caffe2_box, with_library

CHECKS = (smoke.values_wrong, smoke.does_not_run, smoke.do_not_load, smoke.gpu_runs_nothing, smoke.not_determined)
WRONG = (Case("three boxes", "float32", 0.5, 1e-4),)


def op(name: str = "nms", state: str = "ok", **details: object) -> OpResult:
    return msgspec.convert(
        {"op": name, "library": LIBRARY, "suite": "caffe2-project", "state": state, **details}, OpResult
    )


def with_ops(*ops: OpResult, facts: Facts | None = None) -> Facts:
    return with_area(facts or Facts(), "smoke", Smoke(ops=ops))


def found(facts: Facts) -> dict[str, Finding]:
    return {outcome.check.code: one for outcome in judge(facts, CHECKS) for one in outcome.findings}


FAILURES = [
    (op("nms", "fail", wrong=[msgspec.to_builtins(case) for case in WRONG], message="off by 0.5"), "SMK001", "fail"),
    (op("nms", "fail", signal="SIGSEGV", message="ended by SIGSEGV"), "SMK002", "fail"),
    (op("nms", "fail", message="it raised RuntimeError"), "SMK002", "fail"),
    # A crash after wrong values is the graver of both.
    (
        op("nms", "fail", signal="SIGSEGV", wrong=[msgspec.to_builtins(case) for case in WRONG], message="ended"),
        "SMK002",
        "fail",
    ),
    (op(EXIT, "fail", signal="SIGABRT", message="ended by SIGABRT"), "SMK002", "fail"),
    (op(LOAD, "fail", message="undefined symbol"), "SMK003", "fail"),
    (op(FIRST_KERNEL, "fail", device="cuda:0", message="no kernel image"), "SMK004", "fail"),
    (op("nms", "unknown", message="not run"), "SMK005", "unknown"),
    (op("nms", "crashed", message="NameError"), "SMK005", "unknown"),
]


@pytest.mark.parametrize(("failure", "code", "state"), FAILURES)
def test_each_kind_of_failure_has_its_code(failure: OpResult, code: str, state: str) -> None:
    findings = found(with_ops(failure, op("roi_align")))

    assert {its: finding.state for its, finding in findings.items()} == {code: state}
    assert findings[code].subject == LIBRARY
    assert findings[code].evidence[0].value == failure.message


def test_the_ops_of_a_library_are_one_finding_that_counts_them() -> None:
    crash: dict[str, Any] = {"state": "fail", "signal": "SIGSEGV", "message": "ended by SIGSEGV"}
    ops = (op(LOAD), op("a", **crash), op("b", **crash), op("c"), op("d", "skipped"), op(EXIT, **crash))

    finding = found(with_ops(*ops))["SMK002"]

    assert finding.title == "2 of 3 ops of libcaffe2_ops.so do not run"


def test_a_crash_at_the_end_alone_says_that_the_ops_ran() -> None:
    finding = found(with_ops(op("a"), op(EXIT, "fail", signal="SIGABRT", message="ended by SIGABRT")))["SMK002"]

    assert finding.title.endswith("run, and their process crashes at its end")


def test_right_and_skipped_ops_pass() -> None:
    outcomes = judge(with_ops(op(LOAD), op("nms"), op("roi_pool", "skipped", message="no kernel")), CHECKS)

    assert [outcome.state for outcome in outcomes] == ["ok"] * 5


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (Facts(), "no op was run: `envdoctor check --smoke` runs them"),
        (with_ops(), "this environment has no op to run"),
        (with_ops(op(LOAD, "skipped", message="nothing is installed")), "every op was skipped: nothing is installed"),
    ],
)
def test_where_nothing_was_run_nothing_is_judged_and_the_reason_is_told(facts: Facts, reason: str) -> None:
    outcomes = judge(facts, CHECKS)

    assert [(outcome.state, outcome.skipped) for outcome in outcomes] == [("skipped", reason)] * 5


def report(facts: Facts) -> Report:
    outcomes = judge(facts, (*CHECKS, abi.function_abi_differs))
    return compose(facts, outcomes, TargetInfo("machine", "test"), datetime.now(timezone.utc), 1)


def test_a_crash_folds_beneath_the_finding_whose_code_it_names() -> None:
    box = with_library(caffe2_box(), function_abi="reference")
    crash = op("ZeroEven", "fail", signal="SIGSEGV", message="ended by SIGSEGV", codes=["ABI002"])

    findings = report(with_ops(crash, facts=box)).findings

    assert [finding.code for finding in findings] == ["ABI002"]
    assert "SMK002" in findings[0].explains


def test_a_crash_that_names_no_code_stands_beside_other_findings() -> None:
    box = with_library(caffe2_box(), function_abi="reference")
    crash = op("ZeroEven", "fail", signal="SIGSEGV", message="ended by SIGSEGV")

    assert {finding.code for finding in report(with_ops(crash, facts=box)).findings} == {"ABI002", "SMK002"}


def test_the_report_holds_every_op_that_was_run() -> None:
    assert [one.op for one in report(with_ops(op(LOAD), op("nms"))).ops] == [LOAD, "nms"]


def test_a_check_of_ops_says_why_it_does_not_apply() -> None:
    assert all(isinstance(one, NotApplicable) for check in CHECKS for one in check.judge(with_ops()))
