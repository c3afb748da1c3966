"""`envdoctor run`."""

from typing import TYPE_CHECKING, Annotated

import typer

from envdoctor.cli.options import Project, PythonExe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envdoctor.running.kept_logs import KeptLog

CONTEXT = {"ignore_unknown_options": True, "allow_interspersed_args": False}
EPILOG = """\
\b
Examples:
  envdoctor run -- make ops
  envdoctor run --project ~/DensePose -- cmake -S . -B build
  envdoctor run --fix --unsafe --python ~/envs/densepose -- make ops

Exit status: the command's own, 128 and the number of the signal that ended it; 2 where it cannot be started.
"""
# Of a build against Caffe2 the chain has twelve layers; each cure shows at most one more.
LAYERS = 12


def run_build(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="The command and its arguments.")],
    project: Project = None,
    python: PythonExe = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Where it fails, apply the safe recipes that help and try again.")
    ] = False,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="With --fix: unsafe recipes too, without asking.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Keep no log and say nothing when it fails.")] = False,
) -> int:
    """Run a command with the environment of the overlay. Its output and exit status pass through untouched.

    A log is kept under .envdoctor/logs. Where the command fails, the diagnosis and the cure go to standard error.
    """
    from envdoctor.cli.workplace import project_folder
    from envdoctor.errors import UsageError
    from envdoctor.repair.overlay import folder_of

    if unsafe and not fix:
        raise UsageError("--unsafe goes with --fix")
    if fix and plain:
        raise UsageError("--fix and --plain exclude each other: without a log nothing can be diagnosed")
    folder = project_folder(project)
    overlay = folder_of(folder)
    if plain:
        _become(command, _environment(overlay))
    status, log = _attempt(command, overlay)
    if status == 0 or log is None:
        return status
    from envdoctor.cli.after_failure import AfterFailure
    from envdoctor.cli.workplace import tell

    after = AfterFailure(folder, python, unsafe)
    tries = 1
    while status != 0 and log is not None and not _was_stopped(status):
        found = after.explain(log, status)
        if not fix or tries > LAYERS or not after.cure(found):
            after.say_what_to_do(found, log, command)
            break
        tries += 1
        tell(f"trying again: {' '.join(command)}")
        status, log = _attempt(command, overlay)
    return status


def _was_stopped(status: int) -> bool:
    """True where the user or the system ended it: that is no failure of the build."""
    import signal

    return status - 128 in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def _attempt(command: list[str], overlay: str) -> "tuple[int, str | None]":
    """The status of one run, and the path of its log, None where none could be kept. Raises UsageError."""
    from envdoctor.cli.workplace import tell
    from envdoctor.errors import UsageError
    from envdoctor.running.kept_logs import begin_log
    from envdoctor.running.through import run_through

    environment = _environment(overlay)
    log: KeptLog | None = None
    try:
        log = begin_log(overlay)
    except OSError as error:
        tell(f"no log is kept: {error.filename or overlay}: {error.strerror or error}")
    try:
        status = run_through(command, environment, log.write if log is not None else _forget)
    except OSError as error:
        raise UsageError(f"{command[0]} cannot be started: {error.strerror or error}") from error
    finally:
        if log is not None:
            log.close()
    return status, log.path if log is not None else None


def _forget(_block: bytes) -> None:
    """Without a log nothing is kept."""


def _environment(overlay: str) -> "Mapping[str, str]":
    import os

    from envdoctor.errors import UsageError
    from envdoctor.repair.overlay import applied
    from envdoctor.repair.steps import StepError, load_overlay

    try:
        return applied(load_overlay(overlay), overlay, os.environ)
    except StepError as error:
        raise UsageError(str(error)) from error


def _become(command: list[str], environment: "Mapping[str, str]") -> None:
    """Be the command. Raises UsageError where it cannot be started."""
    import os

    from envdoctor.errors import UsageError

    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        raise UsageError(f"{command[0]} cannot be started: {error.strerror or error}") from error
