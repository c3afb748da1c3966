"""`envdoctor explain`."""

from typing import TYPE_CHECKING, Annotated

import typer

from envdoctor.cli.options import Color, FactsFile, Outputs, Profile, Project, PythonExe

if TYPE_CHECKING:
    from envdoctor.explain.diagnosis import Explanation

EPILOG = """\
\b
Examples:
  envdoctor explain build.log
  make ops 2>&1 | envdoctor explain -
  envdoctor explain build.log --facts theirs.json
  envdoctor explain build.log --learn licence-server-busy

Exit status: 0 no failure of the environment found, 1 a diagnosis, 2 wrong usage, 3 the log could not be read.
"""
INTERRUPTED, UNREADABLE = 130, 3


def explain(
    log: Annotated[str, typer.Argument(metavar="LOG|-", help="The log of a build or a run; - reads standard input.")],
    project: Project = None,
    python: PythonExe = None,
    facts: FactsFile = None,
    profile: Profile = None,
    confirm: Annotated[
        bool, typer.Option("--confirm/--no-confirm", help="Run the suspected checks, or read the log alone.")
    ] = True,
    learn: Annotated[
        str | None, typer.Option("--learn", metavar="NAME", help="Write a signature of this name for the log's fault.")
    ] = None,
    category: Annotated[str | None, typer.Option("--category", help="With --learn: what is wrong.")] = None,
    line: Annotated[
        int | None, typer.Option("--line", help="With --learn: the line that gives the fault away, counted from 1.")
    ] = None,
    cause: Annotated[str | None, typer.Option("--cause", help="With --learn: what was wrong, a sentence.")] = None,
    cure: Annotated[str | None, typer.Option("--cure", help="With --learn: what cured it, a sentence.")] = None,
    command: Annotated[
        list[str] | None, typer.Option("--command", help="With --learn: a command that cures it.")
    ] = None,
    for_user: Annotated[
        bool, typer.Option("--user", help="With --learn: keep it for all projects of this user.")
    ] = False,
    output: Outputs = None,
    color: Color = "auto",
) -> int:
    """Find the root cause in a log: the line that matters, what is wrong, the cure, and what will strike next.

    Where a target is at hand (this machine, unless --python, --project or --facts name another) the suspected checks
    run and say whether it is so there.
    """
    from envdoctor.cli.output import deliver, parse_outputs, terminal_style
    from envdoctor.cli.reading_logs import LogFile, explained
    from envdoctor.cli.workplace import tell
    from envdoctor.errors import UsageError
    from envdoctor.render import EXPLAIN_FORMATS, render_explanation

    outputs = parse_outputs(output, EXPLAIN_FORMATS)
    terminal_style(color)
    if learn is not None:
        from envdoctor.cli.learning import Answers, learn_from

        return learn_from(log, learn, Answers(category, line, cause, cure, tuple(command or ())), project, for_user)
    if any((category, line, cause, cure, command, for_user)):
        raise UsageError("--category, --line, --cause, --cure, --command and --user go with --learn NAME")
    opened = LogFile(log)
    report = explained(opened, project)
    if confirm and report.diagnoses:
        report = _with_facts(report, python, project, facts, profile)
    hidden = _without_home(report)
    deliver(outputs, lambda name, style: render_explanation(hidden, name, style), color)
    if opened.interrupted:
        tell("interrupted; this is what was read so far")
        return INTERRUPTED
    if opened.problem:
        tell(f"the log could not be read to its end: {opened.problem}")
        return report.exit_code or UNREADABLE
    return report.exit_code


def _without_home(report: "Explanation") -> "Explanation":
    import os

    from envdoctor.privacy import without_home

    return without_home(report, os.path.expanduser("~"))


def _with_facts(
    report: "Explanation", python: str | None, project: str | None, facts: str | None, profile: str | None
) -> "Explanation":
    import msgspec

    from envdoctor.checking.discover import load_checks
    from envdoctor.explain.confirm import confirm, suspected
    from envdoctor.probes.gather import gather

    checks = load_checks()
    if facts is not None:
        from envdoctor.errors import UsageError
        from envdoctor.snapshot import load_snapshot

        if python or project or profile:
            raise UsageError("--facts excludes --python, --project and --profile: saved facts name their own")
        saved = load_snapshot(facts)
        found = confirm(report.diagnoses, saved.facts, checks, saved.target.id, True)
        return msgspec.structs.replace(report, diagnoses=found)
    from envdoctor.cli.progress import Progress
    from envdoctor.cli.targets import live_target

    target = live_target(python, project, profile, with_overlay=True)
    needed = {area for check in suspected(report.diagnoses, checks) for area in check.needs}
    if not needed:
        return report
    with Progress() as progress:
        known = gather(target, needed, progress.notify)
    named = python is not None or project is not None
    return msgspec.structs.replace(report, diagnoses=confirm(report.diagnoses, known, checks, "this machine", named))
