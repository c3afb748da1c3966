"""One cause, one finding: consequences fold beneath the finding that explains them."""

import hashlib
from collections.abc import Iterable, Sequence

from envdoctor.checking.check import Check, Finding
from envdoctor.checking.judge import Outcome, severity
from envdoctor.checking.report import Consequence, ReportedFinding

CRASH_WHY = "A fault of envdoctor, not of this machine: it says nothing about the target. Please report it."


def fold(outcomes: Iterable[Outcome]) -> tuple[ReportedFinding, ...]:
    """The findings, worst first and in the order in which they strike, each with the consequences it explains.

    A consequence is folded only beneath a cause that is at least as severe, so that nothing gets milder by folding.
    """
    pairs = [(outcome.check, finding) for outcome in outcomes for finding in outcome.findings]
    pairs.sort(key=lambda pair: (-severity(pair[1].state), pair[0].strikes, pair[0].code))
    folded: set[int] = set()
    reported: list[ReportedFinding] = []
    for index, (check, finding) in enumerate(pairs):
        if index in folded:
            continue
        beneath = _consequences(pairs, index, folded)
        folded.update(beneath)
        reported.append(_report(check, finding, [pairs[other] for other in beneath]))
    crashed = [_report_crash(outcome.check, outcome.crash) for outcome in outcomes if outcome.crash is not None]
    fails = [finding for finding in reported if finding.state == "fail"]
    return (*fails, *crashed, *reported[len(fails) :])


def _consequences(pairs: Sequence[tuple[Check, Finding]], index: int, folded: set[int]) -> list[int]:
    check, cause = pairs[index]
    return [
        other
        for other, (other_check, finding) in enumerate(pairs)
        if other != index
        and other not in folded
        and other_check.code != check.code
        and other_check.code in cause.explains
        and severity(finding.state) <= severity(cause.state)
    ]


def _report(check: Check, finding: Finding, beneath: Sequence[tuple[Check, Finding]]) -> ReportedFinding:
    return ReportedFinding(
        code=check.code,
        name=check.name,
        area=check.area,
        state=finding.state,
        title=finding.title,
        message=finding.why,
        evidence=finding.evidence,
        remedy=finding.remedy,
        links=finding.links,
        explains=tuple(dict.fromkeys(other.code for other, _ in beneath)),
        consequences=tuple(Consequence(other.code, consequence.title) for other, consequence in beneath),
        fingerprint=_fingerprint(check.code, finding.subject),
    )


def _report_crash(check: Check, crash: str) -> ReportedFinding:
    return ReportedFinding(
        code=check.code,
        name=check.name,
        area=check.area,
        state="crashed",
        title=f"the check broke: {crash}",
        message=CRASH_WHY,
        evidence=(),
        remedy=None,
        links=(),
        explains=(),
        consequences=(),
        fingerprint=_fingerprint(check.code, "crash"),
    )


def _fingerprint(code: str, subject: str) -> str:
    return hashlib.sha256(f"{code}\0{subject}".encode()).hexdigest()[:16]
