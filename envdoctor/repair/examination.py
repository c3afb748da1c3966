"""Looks at a target as a build with its overlay would find it: the same probes and checks before and after a cure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from envdoctor.assume import assume
from envdoctor.checking.check import Check, State
from envdoctor.checking.fold import fold
from envdoctor.checking.judge import judge, severity
from envdoctor.checking.report import ReportedFinding
from envdoctor.facts import Facts
from envdoctor.probes.gather import gather
from envdoctor.repair.overlay import applied
from envdoctor.repair.steps import load_overlay
from envdoctor.target import Target


@dataclass(frozen=True)
class Examination:
    """Facts and what the checks say of them: each code's worst state, and the findings with their causes."""

    facts: Facts
    states: dict[str, State]
    findings: tuple[ReportedFinding, ...]

    def faults(self, codes: Sequence[str]) -> tuple[str, ...]:
        """Those of the codes that are found as `fail` or `warn`."""
        return tuple(code for code in codes if self.states.get(code) in ("fail", "warn"))

    @property
    def codes(self) -> tuple[str, ...]:
        """Every code found as `fail` or `warn`, causes only, in the order of the report."""
        return tuple(dict.fromkeys(one.code for one in self.findings if one.state in ("fail", "warn")))

    def new_since(self, earlier: "Examination") -> tuple[str, ...]:
        """Codes, causes only, that are found now and were not found earlier."""
        return tuple(code for code in self.codes if earlier.states.get(code) not in ("fail", "warn"))

    def broken_since(self, earlier: "Examination") -> tuple[str, ...]:
        """Codes, causes only, that fail now and were judged as sound earlier: what lay between has done it.

        What could not be judged earlier may have been broken then, too.
        """
        sound = ("ok", "note", "warn")
        failing = {one.code for one in self.findings if one.state == "fail"}
        return tuple(code for code in self.codes if code in failing and earlier.states.get(code) in sound)


def examine(
    target: Target,
    overlay: str,
    checks: Sequence[Check],
    areas: Sequence[str] = (),
    notify: Callable[[str], None] | None = None,
    assumed: Sequence[str] = (),
) -> Examination:
    """Probe and judge. `areas` are gathered besides those of the checks; `assumed` replaces facts (KEY=VALUE).

    Raises StepError for a damaged overlay, UsageError for what cannot be assumed.
    """
    environment = applied(load_overlay(overlay), overlay, target.environment)
    needed = {area for check in checks for area in check.needs} | set(areas)
    facts = assume(gather(replace(target, environment=environment), needed, notify), tuple(assumed))
    outcomes = judge(facts, checks)
    states: dict[str, State] = {}
    for outcome in outcomes:
        states[outcome.check.code] = max(states.get(outcome.check.code, "skipped"), outcome.state, key=severity)
    return Examination(facts, states, fold(outcomes))
