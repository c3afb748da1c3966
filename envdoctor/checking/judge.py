"""Runs the checks over facts. A check that breaks is our fault and never turns the target red."""

import traceback
from collections.abc import Iterable

import msgspec

from envdoctor.checking.check import Check, Evidence, Finding, NotApplicable, State
from envdoctor.facts import NOT_PROBED, Facts

OPS_NOT_RUN = "no op was run: `envdoctor check --smoke` runs them"


class Outcome(msgspec.Struct, frozen=True):
    """What one check said. `crash` holds the exception where it broke."""

    check: Check
    findings: tuple[Finding, ...] = ()
    skipped: str | None = None
    crash: str | None = None

    @property
    def state(self) -> State:
        if self.crash is not None:
            return "crashed"
        if self.findings:
            return max((finding.state for finding in self.findings), key=severity)
        return "skipped" if self.skipped is not None else "ok"


SEVERITY: tuple[State, ...] = ("skipped", "ok", "note", "warn", "unknown", "crashed", "fail")


def severity(state: State) -> int:
    """Rank for sorting and folding: higher is worse."""
    return SEVERITY.index(state)


def judge(facts: Facts, checks: Iterable[Check]) -> tuple[Outcome, ...]:
    """One outcome a check, in the order given. A probe that broke is told once, by the first check that needs it."""
    told: dict[str, str] = {}
    return tuple(_judge_one(facts, check, told) for check in checks)


def _judge_one(facts: Facts, check: Check, told: dict[str, str]) -> Outcome:
    broken = [area for area in check.needs if area in facts.failed]
    fresh = [area for area in broken if told.setdefault(area, check.code) == check.code]
    if fresh:
        return Outcome(check, tuple(_probe_broke(facts, check, area) for area in fresh))
    if broken:
        return Outcome(check, skipped=f"the {broken[0]} probe broke, as {told[broken[0]]} says")
    absent = [area for area in check.needs if area not in facts.probed]
    if absent:
        nothing = f"the facts hold nothing about {', '.join(absent)}"
        return Outcome(check, skipped=OPS_NOT_RUN if tuple(absent) == NOT_PROBED else nothing)
    findings: list[Finding] = []
    skipped: str | None = None
    try:
        for judgement in check.judge(facts):
            if isinstance(judgement, NotApplicable):
                skipped = judgement.reason
            else:
                findings.append(judgement)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{frame.filename.rpartition('/')[2]}:{frame.lineno}"
        return Outcome(check, crash=f"{type(error).__name__}: {error} at {place}")
    return Outcome(check, tuple(findings), skipped)


def _probe_broke(facts: Facts, check: Check, area: str) -> Finding:
    return Finding(
        state="unknown",
        title=f"{check.name} and whatever else needs {area} could not be judged: the {area} probe broke",
        why="A fault of envdoctor, not of this machine. Please report it with this line.",
        evidence=(Evidence(f"{area} probe", facts.failed[area], "envdoctor"),),
        subject=area,
    )
