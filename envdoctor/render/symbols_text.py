"""What the loader would do with a library, as text."""

import re
from typing import TYPE_CHECKING

from envdoctor.render.paper import Paper
from envdoctor.render.style import Style

if TYPE_CHECKING:
    from envdoctor.elf.analysis import SymbolsReport, Undefined

SHOWN_PER_GROUP = 5

# What the reason of an undefined symbol means.
REASONS = {
    "string-abi": "the same functions exist with the other std::string ABI",
    "other-release": "the library that should define them is of another release",
    "not-linked": "a library defines them, and it is not linked",
    "missing-library": "the library that should define them is missing",
    "hidden": "the libraries that hold them keep them to themselves",
    "version": "they exist with another symbol version",
    "unknown": "nothing that was searched defines them",
}


def symbols_text(report: "SymbolsReport", style: Style) -> str:
    """The closure, what is missing, what is undefined and why, and how the library was built.

    The folder of the environment most files lie in is written `<env>`.
    """
    paper = Paper(style)
    environment = _environment(report)
    short = _Shortener(environment)
    paper.line((report.library, "bold"))
    paper.rows([*_traits(report), *([("<env>", environment)] if environment else [])], 2, 14)
    _closure(paper, report, short)
    _missing(paper, report, short)
    _versions(paper, report, short)
    _undefined(paper, report, short)
    paper.blank()
    paper.line(
        f"{len(report.closure)} libraries, {len(report.missing)} missing, "
        f"{len(report.undefined)} symbols undefined, {len(report.versions)} versions not provided"
    )
    return paper.text


class _Shortener:
    def __init__(self, environment: str | None) -> None:
        self._prefix = f"{environment}/" if environment else None

    def __call__(self, text: str) -> str:
        return text.replace(self._prefix, "<env>/") if self._prefix else text


def _environment(report: "SymbolsReport") -> str | None:
    found = [re.match(r"(.{11,}?)/lib/python[\d.]+/", library.path) for library in report.closure]
    prefixes = [match.group(1) for match in found if match]
    return max(set(prefixes), key=prefixes.count) if prefixes else None


def _traits(report: "SymbolsReport") -> list[tuple[str, str]]:
    return [
        ("process", report.process or "none: judged alone, as ldd -r does"),
        ("string ABI", report.string_abi),
        ("std::function", f"arguments by {report.function_abi}" if report.function_abi != "unknown" else "unknown"),
        ("compilers", "; ".join(report.compilers) or "unknown"),
        ("CUDA code", ", ".join(report.cuda_archs) or "none"),
    ]


def _closure(paper: Paper, report: "SymbolsReport", short: _Shortener) -> None:
    if report.closure:
        paper.blank()
        paper.line(("closure", "bold"))
    for library in report.closure:
        via = re.sub(r"(?<=already loaded by )\S*/", "", library.found_via)
        paper.verbatim(f"{library.name.rpartition('/')[2]} => {short(library.path)} [{short(via)}]", 2)


def _missing(paper: Paper, report: "SymbolsReport", short: _Shortener) -> None:
    for library in report.missing:
        paper.blank()
        paper.line(("missing", "bold red"), f"  {library.name}, needed by {short(library.needed_by)}; paths tried:")
        for path in library.tried:
            paper.verbatim(short(path), 4)


def _versions(paper: Paper, report: "SymbolsReport", short: _Shortener) -> None:
    for needed in report.versions:
        paper.blank()
        have = needed.have or "none"
        paper.line(
            ("version", "bold red"),
            f"  {needed.version}, needed by {short(needed.needed_by)}; {short(needed.library)} has {have}",
        )


def _undefined(paper: Paper, report: "SymbolsReport", short: _Shortener) -> None:
    groups: dict[tuple[str, str], list[Undefined]] = {}
    for symbol in report.undefined:
        groups.setdefault((symbol.needed_by, symbol.reason), []).append(symbol)
    for (needed_by, reason), symbols in groups.items():
        paper.blank()
        count = f"{len(symbols)} symbol{'s' if len(symbols) > 1 else ''} of {needed_by.rpartition('/')[2]}"
        paper.line(("undefined", "bold red"), f"  {count}: {REASONS[reason]} ({reason})")
        holders = dict.fromkeys(candidate for symbol in symbols for candidate in symbol.candidates)
        if holders:
            paper.line(f"held by {', '.join(short(holder) for holder in holders)}", indent=4)
        for symbol in symbols[:SHOWN_PER_GROUP]:
            version = f" version {symbol.version}" if symbol.version else ""
            paper.line(f"{symbol.demangled}{version}", indent=4)
            if symbol.demangled != symbol.symbol:
                paper.verbatim(symbol.symbol, 6, "dim")
        if len(symbols) > SHOWN_PER_GROUP:
            paper.line(f"and {len(symbols) - SHOWN_PER_GROUP} more (-o json shows all)", indent=4)
