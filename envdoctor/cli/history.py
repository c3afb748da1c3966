"""`envdoctor history`."""

import typer

from envdoctor.cli.options import Project

EPILOG = """\
\b
Examples:
  envdoctor history --project ~/DensePose
"""


def history(project: Project = None) -> int:
    """Show the runs of `fix` in a project: what each did, and whether it stands, was undone or was interrupted."""
    from envdoctor.cli.workplace import project_folder
    from envdoctor.errors import UsageError
    from envdoctor.repair.journal import entries
    from envdoctor.repair.overlay import folder_of
    from envdoctor.repair.steps import StepError

    try:
        runs = entries(folder_of(project_folder(project)))
    except StepError as error:
        raise UsageError(str(error)) from error
    if not runs:
        typer.echo("`envdoctor fix` has not been used in this project.")
    for run in runs:
        state = {"running": "interrupted", "applied": "stands", "undone": "undone"}[run.state]
        typer.echo(f"{run.id:4}  {run.started}  {state}")
        for step in run.steps:
            mark = {"begun": "cut off", "done": "", "undone": "undone"}[step.state]
            typer.echo(f"      {step.recipe}: {step.summary}" + (f" ({mark})" if mark else ""))
    return 0
