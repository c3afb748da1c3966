"""What the commands that change a project share: its overlay, the lock, interrupted runs, and hands for the steps."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from envdoctor.errors import UsageError
from envdoctor.repair.journal import Entry, Journal, entries
from envdoctor.repair.overlay import applied, folder_of
from envdoctor.repair.pip import PATIENCE
from envdoctor.repair.running import run_command
from envdoctor.repair.steps import Hands, load_overlay

if TYPE_CHECKING:
    from envdoctor.checking.check import Check
    from envdoctor.cli.progress import Progress
    from envdoctor.repair.fixing import Workshop
    from envdoctor.repair.recipe import Recipe
    from envdoctor.target import Target


def project_folder(project: str | None) -> str:
    """The project that is worked on: the one named, else the current folder. Raises UsageError."""
    path = os.path.abspath(os.path.expanduser(project or "."))
    if not os.path.isdir(path):
        raise UsageError(f"the project {project} is no folder")
    return path


@contextmanager
def locked_overlay(project: str) -> Iterator[str]:
    """The overlay's folder, made where it is missing, for this process alone. Raises UsageError where it is taken."""
    from filelock import FileLock, Timeout

    folder = folder_of(project)
    was_there = os.path.isdir(folder)
    try:
        os.makedirs(folder, exist_ok=True)
        if not was_there:
            # The overlay is nobody's source: git does not see it.
            with open(f"{folder}/.gitignore", "w", encoding="utf-8") as file:
                file.write("*\n")
        lock = FileLock(f"{folder}/lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UsageError(f"another envdoctor is changing {project}; wait for it to end") from error
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from error
    try:
        yield folder
    finally:
        lock.release()


def take_back_interrupted(overlay: str) -> None:
    """Take back a run that was killed, so that the next starts from a whole state. Raises ConflictError, OSError."""
    for entry in entries(overlay):
        if entry.state == "running":
            tell(f"run {entry.id} was interrupted; what it had done is taken back first")
            Journal.of(overlay, entry).take_back(runner(overlay, {}))


def runner(overlay: str, environment: Mapping[str, str]) -> Callable[[Sequence[str]], str]:
    """Starts a command with this environment added and the log of the overlay."""

    def run(words: Sequence[str]) -> str:
        return run_command(words, {**PATIENCE, **os.environ, **environment}, None, f"{overlay}/logs/fix.log")

    return run


def workshop(
    target: "Target",
    checks: "Sequence[Check]",
    recipes: "Sequence[Recipe]",
    overlay: str,
    progress: "Progress",
    assumed: Sequence[str] = (),
) -> "Workshop":
    """Where cures of this project happen: what these recipes need is probed, what is done is shown."""
    from envdoctor.repair.examination import examine
    from envdoctor.repair.fixing import Workshop

    areas = tuple({area for recipe in recipes for area in recipe.needs})

    def say(text: str, share: float | None) -> None:
        progress.notify(text if share is None else f"{text}: {share:.0%}")

    def notice(text: str) -> None:
        progress.pause()
        tell(text)
        progress.resume()

    return Workshop(
        look=lambda: examine(target, overlay, checks, areas, progress.notify, assumed),
        hands=lambda: hands(overlay, say, notice),
        journal=lambda: Journal.begin(overlay),
    )


def hands(overlay: str, say: Callable[[str, float | None], None], tell: Callable[[str], None]) -> Hands:
    """What a step may use now: the overlay as it stands is in the environment of what it starts."""
    from platformdirs import user_cache_dir

    environment = applied(load_overlay(overlay), overlay, os.environ)

    def run(words: Sequence[str], extra: Mapping[str, str] | None, folder: str | None) -> str:
        return run_command(words, {**PATIENCE, **environment, **(extra or {})}, folder, f"{overlay}/logs/fix.log")

    # A user without a home has no cache: what is made stays in the project.
    homeless = not os.environ.get("XDG_CACHE_HOME") and not os.path.isdir(os.path.expanduser("~"))
    return Hands(run, say, f"{overlay}/cache" if homeless else user_cache_dir("envdoctor"), environment, tell)


def tell(text: str) -> None:
    """A notice, which is no output."""
    sys.stderr.write(f"envdoctor: {text}\n")


def standing(overlay: str) -> tuple[Entry, ...]:
    """Runs whose steps stand, oldest first."""
    return tuple(entry for entry in entries(overlay) if entry.state != "undone" and entry.recipes)
