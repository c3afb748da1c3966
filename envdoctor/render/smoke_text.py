"""What running the ops gave, as text: library by library, what failed first, then the causes and what cures them."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from envdoctor.render.paper import Paper
from envdoctor.render.style import Style
from envdoctor.render.text import LOOK, commands, counts, environment_of, shorten

if TYPE_CHECKING:
    from envdoctor.op_results import OpResult
    from envdoctor.smoke.attribution import Cause
    from envdoctor.smoke.report import SmokeReport

LABEL = 9
WIDEST_STATE = len("skipped")
INDENT = 1 + WIDEST_STATE
NAME = 26
WIDEST_NAME = 44


def smoke_text(report: "SmokeReport", style: Style) -> str:
    """The whole report, wrapped to the style's width; commands are never wrapped."""
    paper = Paper(style)
    target = report.target
    environment = environment_of(target.python)
    paper.headline([(f"envdoctor {report.tool.version}", "bold"), ("ran ops on", "")], target.id)
    version = f" ({target.python_version})" if target.python_version else ""
    rows = [
        ("python", f"{target.python}{version}" if target.python else ""),
        ("project", target.project or ""),
        ("overlay", target.overlay or ""),
        ("devices", _devices(report)),
        ("<env>", environment or ""),
    ]
    paper.rows([(label, text) for label, text in rows if text], 2, LABEL)
    for (suite, library), results in _by_library(report.ops):
        paper.blank()
        name = shorten(library, environment)
        paper.headline([(suite or "library", "bold")], name if library != suite else "")
        _library(paper, results, environment)
    _causes(paper, report.causes, environment)
    paper.blank()
    _closing(paper, report)
    return paper.text


def _devices(report: "SmokeReport") -> str:
    if report.gpus is None:
        return "cpu" if report.device == "cpu" else ""
    found = [f"cuda:{index} {gpu.name} (compute {gpu.capability})" for index, gpu in enumerate(report.gpus)]
    named = report.device.startswith("cuda")
    return ", ".join(found if named else ["cpu", *found])


def _by_library(
    results: Sequence["OpResult"],
) -> Iterable[tuple[tuple[str, str], list["OpResult"]]]:
    for key, group in groupby(results, key=lambda result: (result.suite, result.library)):
        yield key, list(group)


def _library(paper: Paper, results: Sequence["OpResult"], environment: str | None) -> None:
    shown = [result for result in results if result.state != "skipped"]
    several = len({result.device for result in shown}) > 1 or any(result.device != "cpu" for result in shown)
    names = [f"{result.op} {result.device}" if several else result.op for result in shown]
    width = max([NAME, *(len(name) for name in names if len(name) <= WIDEST_NAME)])
    for result, name in zip(shown, names, strict=True):
        lead = [(f" {result.state:{WIDEST_STATE}}", LOOK[result.state]), (f"{name:{width}}", "")]
        paper.headline(lead, _measured(result))
        if result.message and (result.state != "ok" or not result.cases):
            paper.rows([("", shorten(result.message, environment))], INDENT, 0)
    _skipped(paper, [result for result in results if result.state == "skipped"])


def _measured(result: "OpResult") -> str:
    """Cases, the largest error beside what is allowed, and the time."""
    parts = []
    if result.cases:
        parts.append(f"{result.cases} case{'s' if result.cases > 1 else ''}")
    if result.max_error is not None:
        allowed = f"{result.tolerance:.1e}" if result.tolerance else "0"
        parts.append(f"error {result.max_error:.2g} of {allowed}")
    elif result.cases and result.state == "ok":
        parts.append(result.message)
    if result.signal:
        parts.append(result.signal)
    parts += [f"{result.took_ms} ms"] if result.took_ms else []
    return ", ".join(parts)


def _skipped(paper: Paper, results: Sequence["OpResult"]) -> None:
    """One line for all that were skipped for the same reason."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        place = "" if result.device == "cpu" else f" ({result.device})"
        reasons.setdefault(result.message, []).append(f"{result.op}{place}" if result.op != "gpu" else "GPU")
    for reason, names in reasons.items():
        paper.headline([(f" {'skipped':{WIDEST_STATE}}", LOOK["skipped"])], f"{', '.join(names)}: {reason}")


def _causes(paper: Paper, causes: Sequence["Cause"], environment: str | None) -> None:
    for cause in causes:
        paper.blank()
        paper.headline([("because", "bold"), (cause.code, "bold")], shorten(cause.title, environment))
        rows = [("why", cause.why)]
        if cause.remedy is not None and cause.remedy.text:
            rows.append(("do", cause.remedy.text))
        paper.rows([(label, shorten(text, environment)) for label, text in rows], 8, LABEL)
        if cause.remedy is not None:
            commands(paper, cause.remedy, 8 + LABEL + 1)


def _closing(paper: Paper, report: "SmokeReport") -> None:
    widest: dict[str, float] = {}
    for result in report.ops:
        for dtype, tolerance in result.tolerances.items():
            widest[dtype] = max(widest.get(dtype, 0.0), tolerance)
    if widest:
        told = ", ".join(
            f"{dtype} {tolerance:.1e}" if tolerance else f"{dtype} exact" for dtype, tolerance in sorted(widest.items())
        )
        paper.line(f"Error: the largest difference from a reference, of what is allowed. Widest: {told}.")
    counts(paper, report.summary, f"{report.took_ms / 1000:.1f}")
    if report.exit_code == 2 and not report.summary.get("crashed"):
        paper.line("Nothing was run: every op was skipped.")
