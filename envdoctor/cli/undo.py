"""`envdoctor undo`."""

from typing import TYPE_CHECKING, Annotated

import typer

from envdoctor.cli.options import Project

if TYPE_CHECKING:
    from envdoctor.repair.journal import Entry

EPILOG = """\
\b
Examples:
  envdoctor undo
  envdoctor undo 3 --project ~/DensePose --yes

Exit status: 0 taken back, 1 nothing to take back, 2 refused: something was changed since by someone else.
"""


def undo(
    number: Annotated[int | None, typer.Argument(metavar="[ID]", help="The run; the last one otherwise.")] = None,
    project: Project = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Take back what a run of `fix` did: files byte for byte, packages to their versions.

    Refuses, before it touches anything, where something was changed since by someone else.
    """
    import sys

    from envdoctor.cli.workplace import locked_overlay, project_folder, runner, standing, tell
    from envdoctor.errors import UsageError
    from envdoctor.repair.journal import ConflictError, Journal
    from envdoctor.repair.overlay import folder_of
    from envdoctor.repair.room import with_places
    from envdoctor.repair.steps import StepError

    folder = project_folder(project)
    try:
        if not standing(folder_of(folder)):
            tell("nothing of `envdoctor fix` stands in this project")
            return 1
        with locked_overlay(folder) as overlay:
            runs = standing(overlay)
            entry = runs[-1] if number is None else next((run for run in runs if run.id == number), None)
            if entry is None:
                raise UsageError(f"there is no run {number} to undo (`envdoctor history` shows them)")
            _refuse_out_of_order(entry.id, [run.id for run in runs if run.id > entry.id and _share(run, entry)])
            if not yes and sys.stdin.isatty() and not typer.confirm(f"Undo {', '.join(entry.recipes)}?", err=True):
                return 1
            taken = Journal.of(overlay, entry).take_back(runner(overlay, {}))
    except (StepError, ConflictError) as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        reason = f"{error.filename or folder}: {error.strerror or error}"
        raise UsageError(with_places(reason, (folder_of(folder),))) from error
    typer.echo(f"run {entry.id} taken back:")
    for summary in taken:
        typer.echo(f"  {summary}")
    if _configured_with(overlay, folder):
        tell(f"{folder}/build was configured with what is now gone; remove it before the next build")
    return 0


def _configured_with(overlay: str, folder: str) -> bool:
    from envdoctor.files import LiveFiles, read_text

    try:
        return overlay in (read_text(LiveFiles(), f"{folder}/build/CMakeCache.txt") or "")
    except OSError:
        return False


def _share(later: "Entry", entry: "Entry") -> bool:
    def touched(run: "Entry") -> set[str]:
        paths = {path.path for step in run.steps if step.state != "undone" for path in step.paths}
        return paths | {step.packages.python for step in run.steps if step.packages and step.state != "undone"}

    return bool(touched(later) & touched(entry))


def _refuse_out_of_order(number: int, later: list[int]) -> None:
    from envdoctor.errors import UsageError

    if later:
        first = ", then ".join(f"`envdoctor undo {one}`" for one in reversed(later))
        raise UsageError(f"later runs built upon run {number}: {first} first")
