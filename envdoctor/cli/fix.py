"""`envdoctor fix`."""

from typing import TYPE_CHECKING, Annotated

import typer

from envdoctor.cli.completion import complete_recipe
from envdoctor.cli.options import Color, Outputs, Profile, Project, PythonExe

if TYPE_CHECKING:
    from collections.abc import Callable

    from envdoctor.cli.progress import Progress
    from envdoctor.repair.recipe import Plan, Recipe

EPILOG = """\
\b
Examples:
  envdoctor fix protobuf --dry-run
  envdoctor fix --all --unsafe --yes --python ~/envs/densepose
  envdoctor fix C2001 MKL001 --project ~/DensePose
  envdoctor fix cuda-arch --assume driver.gpus='RTX 3090'

Exit status: 0 verified, 1 still failing (rolled back unless --keep), 2 wrong usage, 3 cannot be verified.
"""


def fix(
    recipes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RECIPE|CODE]...", help="Recipes, or codes to cure.", autocompletion=complete_recipe),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that the findings ask for, in order.")] = False,
    project: Project = None,
    python: PythonExe = None,
    profile: Profile = None,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            "--assume",
            metavar="KEY=VALUE",
            help="Plan and verify as if a fact were so. GPUs of another machine: driver.gpus=A100 or 8.6,9.0",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and touch nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Permit what changes packages or sources, or works around a fault.")
    ] = False,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Edit the project's files in marked blocks instead of the overlay.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep what could not be verified.")] = False,
    output: Outputs = None,
    color: Color = "auto",
) -> int:
    """Cure what `check` finds: plan, ask, apply, verify with the same checks, roll back what does not help.

    Changes go to the folder .envdoctor of the project (the current folder by default): `envdoctor run -- COMMAND`
    builds with them, `envdoctor undo` takes them back.
    """
    import os
    from contextlib import nullcontext

    from envdoctor.checking.discover import load_checks
    from envdoctor.cli.output import deliver, parse_outputs, terminal_style
    from envdoctor.cli.progress import Progress
    from envdoctor.cli.targets import live_target
    from envdoctor.cli.workplace import locked_overlay, project_folder, take_back_interrupted, workshop
    from envdoctor.errors import UsageError
    from envdoctor.privacy import without_home
    from envdoctor.render import FIX_FORMATS, render_fix
    from envdoctor.repair.discover import find_recipes, load_recipes
    from envdoctor.repair.fixing import Wishes
    from envdoctor.repair.fixing import fix as cure
    from envdoctor.repair.journal import ConflictError
    from envdoctor.repair.overlay import folder_of
    from envdoctor.repair.recipe import Options
    from envdoctor.repair.room import with_places
    from envdoctor.repair.steps import StepError

    outputs = parse_outputs(output, FIX_FORMATS)
    terminal_style(color)
    if everything == bool(recipes):
        raise UsageError("name recipes or codes, or give --all (`envdoctor list recipes` shows them)")
    installed = load_recipes()
    chosen = installed if everything else find_recipes(installed, recipes or ())
    folder = project_folder(project)
    overlay = folder_of(folder)
    target = live_target(python, folder, profile)
    try:
        with Progress() as progress, nullcontext() if dry_run else locked_overlay(folder):
            if not dry_run:
                take_back_interrupted(overlay)
            options = Options(overlay=overlay, in_place=in_place)
            wishes = Wishes(options, dry_run, unsafe, keep, _confirmation(yes, folder, progress))
            shop = workshop(target, load_checks(), installed, overlay, progress, assume or ())
            report = cure(chosen, everything, wishes, shop)
    except (StepError, ConflictError) as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        reason = f"{error.filename or folder}: {error.strerror or error}"
        raise UsageError(with_places(reason, (overlay,))) from error
    hidden = without_home(report, os.path.expanduser("~"))
    deliver(outputs, lambda name, style: render_fix(hidden, name, style), color)
    return report.exit_code


def _confirmation(yes: bool, folder: str, progress: "Progress") -> "Callable[[Recipe, Plan], bool]":
    import sys

    from envdoctor.render.fix_text import plan_text
    from envdoctor.repair.fixing import refuse_to_ask

    if yes:
        return lambda _recipe, _plan: True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return refuse_to_ask

    def ask(recipe: "Recipe", plan: "Plan") -> bool:
        progress.pause()
        sys.stderr.write(plan_text(recipe.name, plan, folder))
        answer = typer.confirm(f"Apply {recipe.name}?", err=True)
        progress.resume()
        return answer

    return ask
