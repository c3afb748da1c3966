"""From outcomes to the report, its counts and its exit status."""

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Literal, TypeAlias

from envdoctor import __version__
from envdoctor.checking.chain import draw_chain
from envdoctor.checking.fold import fold
from envdoctor.checking.judge import Outcome
from envdoctor.checking.report import (
    SCHEMA_VERSION,
    Report,
    ReportedFinding,
    SkippedCheck,
    TargetInfo,
    ToolInfo,
)
from envdoctor.facts import Facts

FailOn: TypeAlias = Literal["warn", "fail"]

CLEAN, FINDINGS, BROKEN, UNDETERMINED = 0, 1, 2, 3


def compose(
    facts: Facts,
    outcomes: Sequence[Outcome],
    target: TargetInfo,
    started: datetime,
    took_ms: int,
    fail_on: FailOn = "fail",
) -> Report:
    """The report over these outcomes. `started` is an aware time."""
    findings = fold(outcomes)
    return Report(
        schema_version=SCHEMA_VERSION,
        tool=ToolInfo("envdoctor", __version__),
        target=target,
        started=started.astimezone(timezone.utc).isoformat(timespec="seconds"),
        took_ms=took_ms,
        summary=_summary(outcomes, findings),
        findings=findings,
        passed=tuple(outcome.check.code for outcome in outcomes if outcome.state == "ok"),
        skipped=tuple(
            SkippedCheck(outcome.check.code, outcome.skipped or "")
            for outcome in outcomes
            if outcome.state == "skipped"
        ),
        chain=draw_chain(facts, findings),
        ops=facts.smoke.ops,
        exit_code=exit_code(findings, fail_on),
    )


def exit_code(findings: Sequence[ReportedFinding], fail_on: FailOn) -> int:
    """0 nothing at or above `fail_on`; 1 findings; 2 a crash of ours; 3 only unknowns stand in the way."""
    states = {finding.state for finding in findings}
    if "fail" in states or (fail_on == "warn" and "warn" in states):
        return FINDINGS
    if "crashed" in states:
        return BROKEN
    return UNDETERMINED if "unknown" in states else CLEAN


def _summary(outcomes: Sequence[Outcome], findings: Sequence[ReportedFinding]) -> dict[str, int]:
    counts = dict.fromkeys(("ok", "note", "warn", "fail", "unknown", "skipped", "crashed"), 0)
    for finding in findings:
        counts[finding.state] += 1
    for outcome in outcomes:
        if outcome.state in ("ok", "skipped"):
            counts[outcome.state] += 1
    return counts
