"""What the loader would do with a library, as text."""

from typing import TYPE_CHECKING

from envdoctor.render.paper import Paper
from envdoctor.render.style import Style

if TYPE_CHECKING:
    from envdoctor.elf.analysis import SymbolsReport, Undefined

SHOWN_PER_GROUP = 5


def symbols_text(report: "SymbolsReport", style: Style) -> str:
    """The closure, what is missing, what is undefined and why, and how the library was built."""
    paper = Paper(style)
    paper.line((report.library, "bold"))
    paper.rows(_traits(report), 2, 14)
    _closure(paper, report)
    _missing(paper, report)
    _versions(paper, report)
    _undefined(paper, report)
    paper.blank()
    paper.line(
        f"{len(report.closure)} libraries, {len(report.missing)} missing, "
        f"{len(report.undefined)} symbols undefined, {len(report.versions)} versions not provided"
    )
    return paper.text


def _traits(report: "SymbolsReport") -> list[tuple[str, str]]:
    return [
        ("string ABI", report.string_abi),
        ("std::function", f"arguments by {report.function_abi}" if report.function_abi != "unknown" else "unknown"),
        ("compilers", "; ".join(report.compilers) or "unknown"),
        ("CUDA code", ", ".join(report.cuda_archs) or "none"),
    ]


def _closure(paper: Paper, report: "SymbolsReport") -> None:
    if report.closure:
        paper.blank()
        paper.line(("closure", "bold"))
    for library in report.closure:
        paper.verbatim(f"{library.name} => {library.path} [{library.found_via}]", 2)


def _missing(paper: Paper, report: "SymbolsReport") -> None:
    for library in report.missing:
        paper.blank()
        paper.line(("missing", "bold red"), f"  {library.name}, needed by {library.needed_by}; paths tried:")
        for path in library.tried:
            paper.verbatim(path, 4)


def _versions(paper: Paper, report: "SymbolsReport") -> None:
    for needed in report.versions:
        paper.blank()
        paper.line(
            ("version", "bold red"),
            f"  {needed.version} needed by {needed.needed_by}; {needed.library} has {needed.have or 'none'}",
        )


def _undefined(paper: Paper, report: "SymbolsReport") -> None:
    groups: dict[tuple[str, str], list[Undefined]] = {}
    for symbol in report.undefined:
        groups.setdefault((symbol.needed_by, symbol.reason), []).append(symbol)
    for (needed_by, reason), symbols in groups.items():
        paper.blank()
        paper.line(("undefined", "bold red"), f"  {len(symbols)} in {needed_by}; reason: {reason}")
        for symbol in symbols[:SHOWN_PER_GROUP]:
            version = f" version {symbol.version}" if symbol.version else ""
            paper.line(f"{symbol.demangled}{version}", indent=4)
            if symbol.demangled != symbol.symbol:
                paper.line((symbol.symbol, "dim"), indent=6)
            if symbol.candidates:
                paper.line(f"defined by {', '.join(symbol.candidates)}", indent=6)
        if len(symbols) > SHOWN_PER_GROUP:
            paper.line(f"and {len(symbols) - SHOWN_PER_GROUP} more (-o json shows all)", indent=4)
