"""Why an op or a library failed: the checks' findings about that very library, in the phase in which it failed.

Nothing is guessed from a message: a failure without such a finding has no code.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from envdoctor.checking.check import LOAD as LOADING
from envdoctor.checking.check import RUN, Check, Finding, Remedy
from envdoctor.checking.judge import judge
from envdoctor.facts import Facts, Known, value_of
from envdoctor.op_results import EXIT, FIRST_KERNEL, GPU, LOAD, OpResult
from envdoctor.smoke.libraries import SUITES, suite_label
from envdoctor.target import Target

Notify = Callable[[str], None]
LABELS = frozenset(map(suite_label, SUITES))
# Findings about the machine's GPU side: they explain a device that does nothing, and no op.
GPU_AREAS = ("driver", "cuda")
# Where a cause is looked for that is about no single library: the framework did not load either.
FRAMEWORK_AREAS = ("torch", "paths", "python", "symbols")


class Cause(msgspec.Struct, frozen=True):
    """A finding of `envdoctor check` that explains a failure."""

    code: str
    title: str
    why: str
    remedy: Remedy | None


class Attributed(msgspec.Struct, frozen=True):
    """The results with the codes of their causes, and the causes themselves, each once."""

    results: tuple[OpResult, ...]
    causes: tuple[Cause, ...] = ()

    def and_then(self, other: "Attributed") -> "Attributed":
        """Both together; a cause that is there already is not told again."""
        told = {cause.code for cause in self.causes}
        more = tuple(cause for cause in other.causes if cause.code not in told)
        return Attributed((*self.results, *other.results), (*self.causes, *more))


def attribute(target: Target, facts: Facts, results: Sequence[OpResult], notify: Notify) -> Attributed:
    """Judge the libraries that failed. Facts that the checks need besides those given are gathered now."""
    if not any(_may_be_explained(result) for result in results):
        return Attributed(tuple(results))
    from envdoctor.checking.discover import load_checks

    checks = [check for check in load_checks() if check.area != "smoke" and check.strikes >= LOADING]
    notify("looking for the reason")
    known = _all_facts(target, facts, checks, notify)
    judged = {path: _findings(about, checks) for path, about in _about_each(target, known, results)}
    found: list[OpResult] = []
    causes: dict[str, Cause] = {}
    for result in results:
        reasons = _reasons(result, judged.get(result.library, ())) if _may_be_explained(result) else []
        for check, finding in reasons:
            causes.setdefault(check.code, _cause(check, finding))
        found.append(_with_codes(result, reasons))
    return Attributed(tuple(found), tuple(causes.values()))


def _cause(check: Check, finding: Finding) -> Cause:
    return Cause(check.code, finding.title, finding.why, finding.remedy)


def _may_be_explained(result: OpResult) -> bool:
    """Values that are merely wrong are nobody's fault but the kernel's."""
    wrong_values = bool(result.wrong) and result.signal is None
    of_library = result.suite in LABELS
    return result.state == "fail" and of_library and not result.codes and not wrong_values


def _all_facts(target: Target, facts: Facts, checks: Iterable[Check], notify: Notify) -> Facts:
    from envdoctor.probes.gather import gather

    needed = {area for check in checks for area in check.needs}
    if needed <= set(facts.probed) | set(facts.failed):
        return facts
    return gather(target, needed, notify)


def _about_each(target: Target, facts: Facts, results: Sequence[OpResult]) -> Iterable[tuple[str, Facts]]:
    """Each library that failed, with facts in which it is examined."""
    examined = {extension.path for extension in facts.extensions.found}
    for path in dict.fromkeys(result.library for result in results if _may_be_explained(result)):
        yield path, facts if path in examined or not path.endswith(".so") else _as_project(target, facts, path)


def _as_project(target: Target, facts: Facts, path: str) -> Facts:
    """Facts as if the library were what the project has built: the checks judge the libraries of projects."""
    from envdoctor.probes import extensions
    from envdoctor.probes.gather import with_area

    project = facts.project
    if not isinstance(project.profile, Known):
        project = msgspec.structs.replace(project, profile=Known("caffe2-ops", path))
    changed = with_area(facts, "project", msgspec.structs.replace(project, libraries=(path,)))
    judged = extensions.probe(target, changed)
    own = next((one for one in judged.found if one.path == path), None)
    if own is not None and own.kind != value_of(project.profile):
        project = msgspec.structs.replace(project, profile=Known(own.kind, path), libraries=(path,))
        changed = with_area(facts, "project", project)
    return with_area(changed, "extensions", judged)


def _findings(facts: Facts, checks: Iterable[Check]) -> tuple[tuple[Check, Finding], ...]:
    """What fails, in the order in which it strikes."""
    pairs = [
        (outcome.check, finding)
        for outcome in judge(facts, checks)
        for finding in outcome.findings
        if finding.state == "fail"
    ]
    return tuple(sorted(pairs, key=lambda pair: (pair[0].strikes, pair[0].code)))


def _reasons(result: OpResult, pairs: Sequence[tuple[Check, Finding]]) -> list[tuple[Check, Finding]]:
    if result.op in (FIRST_KERNEL, GPU):
        return [pair for pair in pairs if pair[0].area in GPU_AREAS]
    about = [pair for pair in pairs if _is_about(pair[1].subject, result)]
    if result.op == LOAD:
        chosen = [pair for pair in about if pair[0].strikes < RUN]
        elsewhere = [pair for pair in pairs if pair[0].area in FRAMEWORK_AREAS and pair[0].strikes < RUN]
        return _roots(chosen or elsewhere)
    running = [pair for pair in about if pair[0].strikes >= RUN]
    if result.op == EXIT or result.device == "cpu":
        running = [pair for pair in running if pair[0].area not in GPU_AREAS]
    # Symbols that are looked up at the first call are missing only then.
    return _roots(running or [pair for pair in about if pair[0].strikes < RUN])


def _is_about(subject: str, result: OpResult) -> bool:
    path = result.library
    return subject in (path, result.suite) or subject.startswith((f"{path}:", f"{path} ", f"{result.suite} "))


def _roots(pairs: Sequence[tuple[Check, Finding]]) -> list[tuple[Check, Finding]]:
    """Without those that another one explains."""
    explained = {code for _, finding in pairs for code in finding.explains}
    return [pair for pair in pairs if pair[0].code not in explained]


def _with_codes(result: OpResult, reasons: Sequence[tuple[Check, Finding]]) -> OpResult:
    if not reasons:
        return result
    codes = tuple(dict.fromkeys(check.code for check, _ in reasons))
    reason = f"probable reason: {reasons[0][1].title} ({codes[0]})"
    message = f"{result.message}; {reason}" if result.message else reason
    return msgspec.structs.replace(result, codes=codes, message=message)
