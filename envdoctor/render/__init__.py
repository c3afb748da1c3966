"""One output format a file. A renderer knows the report (or the facts, or the symbols) and nothing else."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envdoctor.checking.report import Report
    from envdoctor.elf.analysis import SymbolsReport
    from envdoctor.explain.diagnosis import Explanation
    from envdoctor.render.style import Style
    from envdoctor.repair.fixing import FixReport
    from envdoctor.smoke.report import SmokeReport
    from envdoctor.snapshot import Snapshot

REPORT_FORMATS = ("text", "json")
FACTS_FORMATS = ("text", "json")
SYMBOLS_FORMATS = ("text", "json")
FIX_FORMATS = ("text", "json")
SMOKE_FORMATS = ("text", "json")
EXPLAIN_FORMATS = ("text", "json")


def render_report(report: "Report", name: str, style: "Style") -> str:
    """The report in one of REPORT_FORMATS."""
    if name == "json":
        from envdoctor.render.json import to_json

        return to_json(report)
    from envdoctor.render.text import report_text

    return report_text(report, style)


def render_facts(found: "Snapshot", name: str, style: "Style", areas: tuple[str, ...]) -> str:
    """The facts in one of FACTS_FORMATS; text shows only `areas` where any are given."""
    if name == "json":
        from envdoctor.render.json import to_json

        return to_json(found)
    from envdoctor.render.facts_text import facts_text

    return facts_text(found, style, areas)


def render_symbols(report: "SymbolsReport", name: str, style: "Style") -> str:
    """The symbols of a library in one of SYMBOLS_FORMATS."""
    if name == "json":
        from envdoctor.render.json import symbols_to_json

        return symbols_to_json(report)
    from envdoctor.render.symbols_text import symbols_text

    return symbols_text(report, style)


def render_fix(report: "FixReport", name: str, style: "Style") -> str:
    """What `fix` did in one of FIX_FORMATS."""
    if name == "json":
        from envdoctor.render.json import to_json

        return to_json(report)
    from envdoctor.render.fix_text import fix_text

    return fix_text(report, style)


def render_explanation(report: "Explanation", name: str, style: "Style") -> str:
    """What `explain` found in one of EXPLAIN_FORMATS."""
    if name == "json":
        from envdoctor.render.json import to_json

        return to_json(report)
    from envdoctor.render.explain_text import explain_text

    return explain_text(report, style)


def render_smoke(report: "SmokeReport", name: str, style: "Style") -> str:
    """What running the ops gave, in one of SMOKE_FORMATS."""
    if name == "json":
        from envdoctor.render.json import to_json

        return to_json(report)
    from envdoctor.render.smoke_text import smoke_text

    return smoke_text(report, style)
