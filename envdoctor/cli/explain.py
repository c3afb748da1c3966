"""`envdoctor explain`."""

from typing import TYPE_CHECKING, Annotated

import typer

from envdoctor.cli.options import Color, FactsFile, Outputs, Profile, Project, PythonExe

if TYPE_CHECKING:
    from collections.abc import Iterator

EPILOG = """\
\b
Examples:
  envdoctor explain build.log
  make ops 2>&1 | envdoctor explain -
  envdoctor explain build.log --facts theirs.json

Exit status: 0 no failure of the environment found, 1 a diagnosis, 2 wrong usage, 3 the log could not be read.
"""


def explain(
    log: Annotated[str, typer.Argument(metavar="LOG|-", help="The log of a build or a run; - reads standard input.")],
    project: Project = None,
    python: PythonExe = None,
    facts: FactsFile = None,
    profile: Profile = None,
    confirm: Annotated[
        bool, typer.Option("--confirm/--no-confirm", help="Run the suspected checks here, or read the log alone.")
    ] = True,
    output: Outputs = None,
    color: Color = "auto",
) -> int:
    """Find the root cause in a log: the line that matters, what is wrong, the cure, and what will strike next."""
    from envdoctor import __version__
    from envdoctor.checking.report import SCHEMA_VERSION, ToolInfo
    from envdoctor.cli.output import deliver, parse_outputs, terminal_style
    from envdoctor.explain.catalogue import load_signatures
    from envdoctor.explain.diagnose import diagnose
    from envdoctor.explain.diagnosis import Explanation
    from envdoctor.explain.matching import Matcher
    from envdoctor.explain.reading import read_log
    from envdoctor.render import EXPLAIN_FORMATS, render_explanation

    outputs = parse_outputs(output, EXPLAIN_FORMATS)
    terminal_style(color)
    matcher = Matcher(load_signatures(project))
    reading = read_log(_blocks(log), matcher)
    found = diagnose(reading)
    report = Explanation(
        SCHEMA_VERSION, ToolInfo("envdoctor", __version__), log, reading.lines, found, 1 if found else 0
    )
    deliver(outputs, lambda name, style: render_explanation(report, name, style), color)
    return report.exit_code


def _blocks(log: str) -> "Iterator[bytes]":
    import sys

    if log == "-":
        while block := sys.stdin.buffer.read1(1 << 18):
            yield block
        return
    with open(log, "rb") as file:
        while block := file.read(1 << 18):
            yield block
