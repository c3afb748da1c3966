"""The report as text: whom it judges, the chain, the findings worst first, the counts, the next command."""

from collections import Counter
from collections.abc import Mapping

from envdoctor.checking.check import Evidence, Remedy, State
from envdoctor.checking.report import ChainLink, Report, ReportedFinding, TargetInfo
from envdoctor.render.paper import Paper
from envdoctor.render.style import Style

LOOK: dict[State, str] = {
    "fail": "bold red",
    "crashed": "bold magenta",
    "unknown": "bold cyan",
    "warn": "bold yellow",
    "note": "bold blue",
    "ok": "green",
    "skipped": "dim",
}
ORDER: tuple[State, ...] = ("fail", "crashed", "unknown", "warn", "note", "ok", "skipped")
MARKS: dict[State, tuple[str, str]] = {
    "fail": ("✗", "x"),
    "crashed": ("✗", "x"),
    "unknown": ("?", "?"),
    "warn": ("!", "!"),
}
WIDEST_STATE = len("unknown")
INDENT = WIDEST_STATE + 1
LABEL = 9
# Below this a prefix is shorter than what would stand in its place, or is the system's own.
SHORT_PREFIX = len("/usr/local")


def report_text(report: Report, style: Style) -> str:
    """The whole report, wrapped to the style's width; commands are never wrapped.

    The folder of the interpreter's environment is written `<env>` in prose, since most long paths begin with it.
    """
    paper = Paper(style)
    environment = environment_of(report.target.python)
    _heading(paper, report)
    if report.chain:
        paper.blank()
        _chain(paper, report.chain, style)
    for finding in report.findings:
        paper.blank()
        _finding(paper, finding, environment)
    paper.blank()
    _closing(paper, report)
    return paper.text


def _heading(paper: Paper, report: Report) -> None:
    target = report.target
    paper.headline([(f"envdoctor {report.tool.version}", "bold"), ("judges", "")], target.id)
    environment = environment_of(target.python)
    rows = [
        ("python", _python(target)),
        ("project", target.project),
        ("profile", target.profile),
        ("overlay", target.overlay and f"{target.overlay}, applied as `envdoctor run -- COMMAND` does"),
        ("<env>", environment),
    ]
    shown = [(label, text) for label, text in rows if text]
    if shown:
        paper.rows(shown, 2, LABEL)


def _chain(paper: Paper, chain: tuple[ChainLink, ...], style: Style) -> None:
    arrow = " → " if style.unicode else " > "
    parts: list[str | tuple[str, str]] = []
    for link in chain:
        mark = MARKS.get(link.state, ("", ""))[0 if style.unicode else 1]
        text = f"{link.name} {link.text}"
        parts += [arrow] if parts else []
        parts.append((f"{mark} {text}" if mark else text, LOOK[link.state] if mark else ""))
    paper.line(*parts)


def _python(target: TargetInfo) -> str | None:
    if target.python is None:
        return None
    version = f" ({target.python_version})" if target.python_version else ""
    return f"{target.python}{version}" + (f", {target.chosen_by}" if target.chosen_by else "")


def environment_of(python: str | None) -> str | None:
    """The folder of the interpreter's environment, where it is worth a short name."""
    prefix = python.rpartition("/bin/")[0] if python is not None else ""
    return prefix if len(prefix) > SHORT_PREFIX else None


def shorten(text: str, environment: str | None) -> str:
    """The text with `<env>` for that folder."""
    return text if environment is None else text.replace(f"{environment}/", "<env>/")


def _finding(paper: Paper, finding: ReportedFinding, environment: str | None) -> None:
    paper.headline(
        [(f"{finding.state:{WIDEST_STATE}}", LOOK[finding.state]), (f"{finding.code} ", "bold")],
        shorten(finding.title, environment),
    )
    rows = [("why", finding.message)] if finding.message else []
    rows += [("evidence" if not index else "", _evidence(item)) for index, item in enumerate(finding.evidence)]
    rows += [
        ("explains" if not index else "", f"{consequence.code} {consequence.title}")
        for index, consequence in enumerate(finding.consequences)
    ]
    if finding.remedy is not None and finding.remedy.text:
        rows.append(("do", finding.remedy.text))
    if rows:
        paper.rows([(label, shorten(text, environment)) for label, text in rows], INDENT, LABEL)
    if finding.remedy is not None:
        commands(paper, finding.remedy, INDENT + LABEL + 1)


def _evidence(evidence: Evidence) -> str:
    if evidence.found_via in ("", evidence.value):
        return f"{evidence.fact}: {evidence.value}"
    return f"{evidence.fact}: {evidence.value} [{evidence.found_via}]"


def commands(paper: Paper, remedy: Remedy, indent: int) -> None:
    """What to type, each on a line to copy, the recipe last."""
    for command in remedy.commands:
        for line in command.splitlines():
            paper.verbatim(line, indent, "green")
    if remedy.recipe is not None:
        paper.verbatim(f"envdoctor fix {remedy.recipe}", indent, "green")


def counts(paper: Paper, summary: Mapping[str, int], seconds: str) -> None:
    """How many there are of each state, the worst first, and how long it took."""
    parts: list[str | tuple[str, str]] = []
    for state in ORDER:
        count = summary.get(state, 0)
        if count:
            parts += [", "] if parts else []
            parts.append((f"{count} {state}", LOOK[state]))
    paper.line(*parts, f"  ({seconds} s)")


def _closing(paper: Paper, report: Report) -> None:
    counts(paper, report.summary, f"{report.took_ms / 1000:.2f}")
    if report.ops:
        of_ops: Counter[State] = Counter(op.state for op in report.ops)
        paper.line("ops: " + ", ".join(f"{of_ops[state]} {state}" for state in ORDER if of_ops[state]))
    first = report.findings[0] if report.findings else None
    if first is not None and first.state in ("fail", "warn", "unknown"):
        again = "then run the same check again" if first.remedy is not None else "see its page"
        paper.line(f"Next: start with {first.code}, {again}.")
        paper.line(f"      envdoctor rule {first.code} shows its page.")
    elif report.target.project is None:
        paper.line("Next: envdoctor check --project DIR judges what a build there needs.")
