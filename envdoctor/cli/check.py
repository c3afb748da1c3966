"""`envdoctor check`."""

from typing import TYPE_CHECKING, Annotated

import typer

from envdoctor.cli.completion import complete_area_or_code
from envdoctor.cli.options import Color, FactsFile, Outputs, Overlay, Profile, Project, PythonExe, Smoke

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envdoctor.checking.check import Check
    from envdoctor.checking.report import TargetInfo
    from envdoctor.facts import Facts

EPILOG = """\
\b
Examples:
  envdoctor check --project .
  envdoctor check protobuf cmake --python ~/envs/densepose
  envdoctor check --facts gpu17.json --assume driver.nvml=410.48
  envdoctor check -o text -o json=report.json
  envdoctor check --project . --smoke

Exit status: 0 nothing at or above --fail-on, 1 findings, 2 wrong usage or a crash of ours, 3 could not be determined.
"""


def check(
    areas: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[AREA]...", help="Areas to check; all otherwise.", autocompletion=complete_area_or_code
        ),
    ] = None,
    project: Project = None,
    python: PythonExe = None,
    facts: FactsFile = None,
    profile: Profile = None,
    assume: Annotated[
        list[str] | None,
        typer.Option("--assume", metavar="KEY=VALUE", help="Judge as if a fact were so: driver.nvml=535.104.05"),
    ] = None,
    select: Annotated[
        list[str] | None,
        typer.Option("--select", metavar="CODE|AREA", help="Run these only.", autocompletion=complete_area_or_code),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="CODE", help="Leave these out.", autocompletion=complete_area_or_code),
    ] = None,
    fail_on: Annotated[str, typer.Option("--fail-on", metavar="STATE", help="warn or fail.")] = "fail",
    smoke: Smoke = False,
    overlay: Overlay = True,
    output: Outputs = None,
    color: Color = "auto",
) -> int:
    """Probe the environment and report the whole chain of faults at once, each with evidence and a command to copy.

    Nothing is imported, loaded, written or sent. Only the named interpreter and version queries are run. `--smoke`
    loads the compiled ops of the environment besides, and runs them.
    """
    import os
    import time
    from datetime import datetime, timezone

    from envdoctor.checking.compose import compose
    from envdoctor.checking.discover import load_checks
    from envdoctor.checking.judge import judge
    from envdoctor.checking.select import select_checks
    from envdoctor.cli.output import deliver, parse_outputs, terminal_style
    from envdoctor.errors import UsageError
    from envdoctor.privacy import without_home
    from envdoctor.render import REPORT_FORMATS, render_report

    began = time.monotonic()
    started = datetime.now(timezone.utc)
    outputs = parse_outputs(output, REPORT_FORMATS)
    terminal_style(color)
    if fail_on not in ("warn", "fail"):
        raise UsageError(f"--fail-on takes warn or fail, not `{fail_on}`")
    chosen = select_checks(load_checks(), areas or (), select or (), ignore or ())
    if not smoke and facts is None and all("smoke" in check.needs for check in chosen):
        raise UsageError("these checks judge ops that were run: add --smoke")
    if facts is None:
        known, info = _probe(python, project, profile, overlay, chosen, smoke)
    else:
        known, info = _read(facts, python, project, profile, smoke)
    if assume:
        from envdoctor.assume import assume as assume_facts

        known = assume_facts(known, tuple(assume))
    outcomes = judge(known, chosen)
    took = round((time.monotonic() - began) * 1000)
    composed = compose(known, outcomes, info, started, took, "warn" if fail_on == "warn" else "fail")
    report = without_home(composed, os.path.expanduser("~"))
    deliver(outputs, lambda name, style: render_report(report, name, style), color)
    return report.exit_code


def _probe(
    python: str | None,
    project: str | None,
    profile: str | None,
    overlay: bool,
    chosen: "Sequence[Check]",
    smoke: bool,
) -> "tuple[Facts, TargetInfo]":
    import os

    from envdoctor.checking.chain import CHAIN_AREAS
    from envdoctor.cli.progress import Progress
    from envdoctor.cli.targets import live_target, target_info
    from envdoctor.privacy import without_home
    from envdoctor.probes.gather import gather

    target = live_target(python, project, profile, overlay)
    needed = {area for check in chosen for area in check.needs}
    shown = needed & set(CHAIN_AREAS)
    if smoke:
        from envdoctor.cli.smoking import with_ops
        from envdoctor.smoke.libraries import AREAS

        needed |= set(AREAS)
    with Progress() as progress:
        known = gather(target, {"host", "python", "project", *needed, *shown}, progress.notify)
        if smoke:
            known = with_ops(target, known, progress.notify)
    info = target_info(target, known, overlay)
    home = os.path.expanduser("~")
    return without_home(known, home), without_home(info, home)


def _read(
    path: str, python: str | None, project: str | None, profile: str | None, smoke: bool
) -> "tuple[Facts, TargetInfo]":
    from envdoctor.errors import UsageError
    from envdoctor.snapshot import load_snapshot

    live_only = {"--python": python, "--project": project, "--profile": profile, "--smoke": smoke or None}
    given = [option for option, value in live_only.items() if value is not None]
    if given:
        raise UsageError(f"{given[0]} and --facts exclude each other: saved facts name their own")
    loaded = load_snapshot(path)
    return loaded.facts, loaded.target
