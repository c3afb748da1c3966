"""One cause, one finding: consequences fold beneath the finding that explains them."""

from collections.abc import Iterable, Sequence

from envdoctor.checking.check import Check, Finding
from envdoctor.checking.judge import Outcome, severity
from envdoctor.checking.report import Consequence, ReportedFinding

CRASH_WHY = "A fault of envdoctor, not of this machine: it says nothing about the target. Please report it."


def fold(outcomes: Iterable[Outcome]) -> tuple[ReportedFinding, ...]:
    """The findings, worst first and in the order in which they strike, each with the consequences it explains.

    A consequence is folded only beneath a cause that is at least as severe, so that nothing gets milder by folding.
    """
    outcomes = tuple(outcomes)
    pairs = [(outcome.check, finding) for outcome in outcomes for finding in outcome.findings]
    pairs.sort(key=lambda pair: (-severity(pair[1].state), pair[0].strikes, pair[0].code))
    cause_of = _causes(pairs)
    reported = [
        _report(*pair, [pairs[other] for other in range(len(pairs)) if _root(cause_of, other) == index != other])
        for index, pair in enumerate(pairs)
        if index not in cause_of
    ]
    crashed = [_report_crash(outcome.check, outcome.crash) for outcome in outcomes if outcome.crash is not None]
    fails = [finding for finding in reported if finding.state == "fail"]
    return (*fails, *crashed, *reported[len(fails) :])


def _causes(pairs: Sequence[tuple[Check, Finding]]) -> dict[int, int]:
    """The cause of each consequence, by position. Of two that explain each other the first is the cause."""
    cause_of: dict[int, int] = {}
    for index, (check, cause) in enumerate(pairs):
        for other, (other_check, finding) in enumerate(pairs):
            told = other_check.code in cause.explains or check.code in finding.consequence_of
            explained = told and other_check.code != check.code
            free = other not in cause_of and _root(cause_of, index) != other
            if explained and free and severity(finding.state) <= severity(cause.state):
                cause_of[other] = index
    return cause_of


def _root(cause_of: dict[int, int], index: int) -> int:
    while index in cause_of:
        index = cause_of[index]
    return index


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
    # A check that finds nothing should not wait for OpenSSL, which comes along.
    import hashlib

    return hashlib.sha256(f"{code}\0{subject}".encode()).hexdigest()[:16]
