"""`envdoctor smoke`."""

from typing import TYPE_CHECKING, Annotated

import typer

from envdoctor.cli.options import Color, Outputs, Overlay, Profile, Project, PythonExe

if TYPE_CHECKING:
    from envdoctor.smoke.report import SmokeReport
    from envdoctor.smoke.run import Wanted

EPILOG = """\
\b
Examples:
  envdoctor smoke --python ~/envs/densepose
  envdoctor smoke torchvision
  envdoctor smoke nms roi_align --device cuda:0
  envdoctor smoke --project . ZeroEven -o json=smoke.json
  envdoctor smoke toolchain --project .

Exit status: 0 all that ran are right, 1 an op fails, 2 wrong usage or nothing was run, 3 could not be determined.
"""


def smoke(
    ops: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[OP]...",
            help="Ops, or kinds of library (torchvision, caffe2-detectron, ...), or `toolchain`; all ops otherwise.",
        ),
    ] = None,
    library: Annotated[
        str | None, typer.Option("--library", metavar="FILE", help="Run the ops of this library alone.")
    ] = None,
    project: Project = None,
    python: PythonExe = None,
    profile: Profile = None,
    device: Annotated[
        str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or cuda:N. auto: the CPU, then each GPU.")
    ] = "auto",
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", metavar="SECONDS", help="Longest time of one op; above 120 also of loading.", min=0.1
        ),
    ] = 30.0,
    overlay: Overlay = True,
    output: Outputs = None,
    color: Color = "auto",
) -> int:
    """Run the compiled ops in the target's own interpreter and compare their values with references.

    Each library is loaded into a process of its own, so that a crash or a hang is a result. `toolchain` compiles,
    links and loads a few lines with what the project's build will use.
    """
    import os

    from envdoctor.cli.output import deliver, parse_outputs, terminal_style
    from envdoctor.privacy import without_home
    from envdoctor.render import SMOKE_FORMATS, render_smoke
    from envdoctor.smoke.limits import Limits
    from envdoctor.smoke.run import Wanted

    outputs = parse_outputs(output, SMOKE_FORMATS)
    terminal_style(color)
    wanted = Wanted(
        words=tuple(dict.fromkeys(word.lower() for word in ops or ())),
        library=_file(library),
        device=device.lower(),
        limits=Limits(load=max(Limits().load, timeout), op=timeout),
    )
    report = without_home(_run(wanted, python, project, profile, overlay), os.path.expanduser("~"))
    deliver(outputs, lambda name, style: render_smoke(report, name, style), color)
    return report.exit_code


def _file(library: str | None) -> str | None:
    import os

    from envdoctor.errors import UsageError

    if library is None:
        return None
    path = os.path.abspath(os.path.expanduser(library))
    if not os.path.isfile(path):
        raise UsageError(f"--library {library} is no file" if os.path.exists(path) else f"there is no {library}")
    return path


def _run(
    wanted: "Wanted", python: str | None, project: str | None, profile: str | None, overlay: bool
) -> "SmokeReport":
    import time
    from datetime import datetime, timezone

    from envdoctor.cli.progress import Progress
    from envdoctor.cli.targets import live_target, target_info
    from envdoctor.probes.gather import gather
    from envdoctor.smoke.libraries import AREAS
    from envdoctor.smoke.report import smoke_report
    from envdoctor.smoke.run import run_smoke

    began, started = time.monotonic(), datetime.now(timezone.utc)
    target = live_target(python, project, profile, overlay)
    with Progress() as progress:
        known = gather(target, {"host", *AREAS}, progress.notify)
        run = run_smoke(target, known, wanted, progress.notify)
    info = target_info(target, known, overlay)
    return smoke_report(run, info, wanted.device, started, round((time.monotonic() - began) * 1000))
