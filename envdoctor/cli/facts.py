"""`envdoctor facts`."""

from typing import Annotated

import typer

from envdoctor.cli.completion import complete_fact_area
from envdoctor.cli.options import Color, FactsFile, Outputs, Overlay, Profile, Project, PythonExe, Smoke

EPILOG = """\
\b
Examples:
  envdoctor facts cuda cudnn
  envdoctor facts --project . -o json=facts.json
"""


def facts(
    areas: Annotated[
        list[str] | None,
        typer.Argument(metavar="[AREA]...", help="Areas of facts; all otherwise.", autocompletion=complete_fact_area),
    ] = None,
    project: Project = None,
    python: PythonExe = None,
    facts: FactsFile = None,
    profile: Profile = None,
    smoke: Smoke = False,
    overlay: Overlay = True,
    output: Outputs = None,
    color: Color = "auto",
) -> int:
    """Print what is there, with the file, command or variable that told it. Judges nothing.

    `--smoke` loads the compiled ops of the environment besides, and runs them.
    """
    import os

    from envdoctor.cli.output import deliver, parse_outputs
    from envdoctor.cli.progress import Progress
    from envdoctor.cli.smoking import with_ops
    from envdoctor.cli.targets import live_target, target_info
    from envdoctor.errors import UsageError
    from envdoctor.facts import AREAS, NOT_PROBED
    from envdoctor.privacy import without_home
    from envdoctor.probes.gather import gather
    from envdoctor.render import FACTS_FORMATS, render_facts
    from envdoctor.smoke.libraries import AREAS as AREAS_WITH_OPS
    from envdoctor.snapshot import load_snapshot, snapshot

    outputs = parse_outputs(output, FACTS_FORMATS)
    known_areas = [area for area in AREAS if smoke or facts is not None or area not in NOT_PROBED]
    strange = [area for area in areas or () if area not in known_areas]
    if strange:
        raise UsageError(f"there is no area `{strange[0]}` of facts; it is one of {', '.join(known_areas)}")
    if facts is not None and smoke:
        raise UsageError("--smoke and --facts exclude each other: saved facts hold what was run then")
    if facts is not None:
        found = load_snapshot(facts)
    else:
        target = live_target(python, project, profile, overlay)
        with Progress() as progress:
            known = gather(target, {*(areas or AREAS), *(AREAS_WITH_OPS if smoke else ())}, progress.notify)
            if smoke:
                known = with_ops(target, known, progress.notify)
        found = without_home(snapshot(known, target_info(target, known, overlay)), os.path.expanduser("~"))
    deliver(outputs, lambda name, style: render_facts(found, name, style, tuple(areas or ())), color)
    return 0
