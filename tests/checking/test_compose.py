from datetime import datetime, timezone
from typing import Literal

import pytest

from envdoctor.checking.check import Judgement, NotApplicable
from envdoctor.checking.compose import compose
from envdoctor.checking.judge import judge
from envdoctor.checking.report import Report, TargetInfo
from envdoctor.facts import Facts
from tests.checking.sample_checks import broken_check, finding, make_check

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def report(*yields: Judgement, fail_on: Literal["warn", "fail"] = "fail", broken: bool = False) -> Report:
    checks = [make_check(f"AA{number:03}", judgement) for number, judgement in enumerate(yields, 1)]
    checks += [make_check("BB001")] + ([broken_check("CC001")] if broken else [])
    return compose(Facts(), judge(Facts(), checks), TargetInfo("machine", "a box"), STARTED, 7, fail_on)


@pytest.mark.parametrize(
    ("states", "fail_on", "broken", "expected"),
    [
        ([], "fail", False, 0),
        (["note", "warn"], "fail", False, 0),
        (["warn"], "warn", False, 1),
        (["fail"], "fail", False, 1),
        (["fail", "unknown"], "fail", True, 1),
        (["unknown"], "fail", False, 3),
        (["unknown", "note"], "warn", False, 3),
        ([], "fail", True, 2),
        (["unknown"], "fail", True, 2),
    ],
)
def test_the_exit_status_follows_the_contract(
    states: list[Literal["note", "warn", "fail", "unknown"]],
    fail_on: Literal["warn", "fail"],
    broken: bool,
    expected: int,
) -> None:
    assert report(*[finding(state=state) for state in states], fail_on=fail_on, broken=broken).exit_code == expected


def test_the_summary_counts_every_check_once() -> None:
    made = report(finding(), finding(state="warn"), NotApplicable("no"), broken=True)

    assert made.summary == {"ok": 1, "note": 0, "warn": 1, "fail": 1, "unknown": 0, "skipped": 1, "crashed": 1}
    assert made.passed == ("BB001",)
    assert [(item.code, item.reason) for item in made.skipped] == [("AA003", "no")]


def test_the_start_is_utc_and_iso_8601() -> None:
    assert report().started == "2026-01-02T03:04:05+00:00"
