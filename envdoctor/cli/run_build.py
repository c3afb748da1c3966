"""`envdoctor run`."""

from typing import Annotated

import typer

from envdoctor.cli.options import Project

CONTEXT = {"ignore_unknown_options": True, "allow_interspersed_args": False}
EPILOG = """\
\b
Examples:
  envdoctor run -- make ops
  envdoctor run --project ~/DensePose -- cmake -S . -B build

Exit status: the command's own; 2 where it cannot be started.
"""


def run_build(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="The command and its arguments.")],
    project: Project = None,
) -> int:
    """Run a command with the environment of the overlay. Its output and exit status pass through untouched."""
    import os

    from envdoctor.cli.workplace import project_folder
    from envdoctor.errors import UsageError
    from envdoctor.repair.overlay import applied, folder_of
    from envdoctor.repair.steps import StepError, load_overlay

    overlay = folder_of(project_folder(project))
    try:
        environment = applied(load_overlay(overlay), overlay, os.environ)
        os.execvpe(command[0], command, environment)
    except StepError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"{command[0]} cannot be started: {error.strerror or error}") from error
