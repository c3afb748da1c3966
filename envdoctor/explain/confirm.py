"""Sets what a log says against what the facts of a target say. Where they contradict each other, the facts win."""

from collections.abc import Mapping, Sequence

import msgspec

from envdoctor.checking.check import Check, Finding
from envdoctor.checking.judge import Outcome, judge, severity
from envdoctor.explain.diagnosis import Diagnosis
from envdoctor.facts import Facts, Known, SetupExtension
from envdoctor.probes.gather import with_area

CERTAIN, DOUBTED = 0.98, 0.4
BUILDING = ("configure", "compile", "link")
# Areas of checks that judge what a build of an extension of torch needs.
OF_EXTENSIONS = ("CC", "CUDA", "TOR")
THE_LOG = "the log"


def suspected(diagnoses: Sequence[Diagnosis], checks: Sequence[Check]) -> tuple[Check, ...]:
    """The installed checks that can confirm any of these diagnoses."""
    codes = {code for diagnosis in diagnoses for code in diagnosis.codes}
    return tuple(check for check in checks if check.code in codes)


def confirm(
    diagnoses: Sequence[Diagnosis], facts: Facts, checks: Sequence[Check], target: str, is_theirs: bool
) -> tuple[Diagnosis, ...]:
    """The diagnoses with what the checks say of this target.

    `is_theirs`: the target was named as the one that the log is of. Then a diagnosis that its facts bear out comes
    before one that they contradict; otherwise the log may be of another machine and its order stands.
    """
    judged = []
    for diagnosis in diagnoses:
        outcomes = judge(_with_its_build(facts, diagnosis), suspected((diagnosis,), checks))
        judged.append(_confirmed(diagnosis, {outcome.check.code: outcome for outcome in outcomes}, target, is_theirs))
    if is_theirs:
        judged.sort(key=lambda diagnosis: diagnosis.confirmed is False)
    return tuple(judged)


def _with_its_build(facts: Facts, diagnosis: Diagnosis) -> Facts:
    """The facts with what the log proves where no project was named: that an extension with CUDA code was built."""
    named = isinstance(facts.project.root, Known)
    if (
        named
        or diagnosis.strikes not in BUILDING
        or not any(code.startswith(OF_EXTENSIONS) for code in diagnosis.codes)
    ):
        return facts
    project = msgspec.structs.replace(
        facts.project,
        profile=Known("torch-extension", THE_LOG),
        setup_extensions=(SetupExtension(THE_LOG, "CUDAExtension", diagnosis.lines[0]),),
    )
    return with_area(facts, "project", project)


def _confirmed(diagnosis: Diagnosis, outcomes: Mapping[str, Outcome], target: str, is_theirs: bool) -> Diagnosis:
    said = [outcomes[code] for code in diagnosis.codes if code in outcomes]
    found = [(outcome.check, finding) for outcome in said for finding in outcome.findings]
    faults = [pair for pair in found if pair[1].state in ("fail", "warn")]
    if faults:
        # Of several, the check that the signature names first is the likeliest; a failure outranks a warning.
        return _borne_out(diagnosis, *max(faults, key=lambda pair: severity(pair[1].state)), target)
    unclear = any(outcome.crash is not None or outcome.state == "unknown" for outcome in said)
    passed = [outcome.check for outcome in said if outcome.state in ("ok", "note")]
    # The check that the signature names first is the one that must have judged: others only add to it.
    if unclear or not passed or said[0].check not in passed:
        return diagnosis
    return _contradicted(diagnosis, passed, target, is_theirs)


def _borne_out(diagnosis: Diagnosis, check: Check, finding: Finding, target: str) -> Diagnosis:
    remedy = finding.remedy
    changed = msgspec.structs.replace(
        diagnosis,
        confirmed=True,
        confidence=CERTAIN,
        evidence=(*diagnosis.evidence, *finding.evidence),
        note=f"{check.code} on {target}: {finding.title}. {finding.why}",
    )
    if remedy is None:
        return changed
    return msgspec.structs.replace(
        changed,
        cure=remedy.text or changed.cure,
        commands=remedy.commands or (() if remedy.recipe else changed.commands),
        recipe=remedy.recipe or changed.recipe,
    )


def _contradicted(diagnosis: Diagnosis, passed: Sequence[Check], target: str, is_theirs: bool) -> Diagnosis:
    names = ", ".join(f"{check.code} {check.name}" for check in passed)
    whose = "the message may name the wrong cause, or it is cured by now"
    if not is_theirs:
        whose = "it is cured by now, the log is of another machine, or the message names the wrong cause"
    return msgspec.structs.replace(
        diagnosis,
        confirmed=False,
        confidence=DOUBTED if is_theirs else diagnosis.confidence,
        note=f"{target} does not show it ({names}: nothing found): {whose}",
    )
