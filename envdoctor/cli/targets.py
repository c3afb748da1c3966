"""From the command line's words to the target."""

import os
import shutil
import sys
from collections.abc import Mapping

from envdoctor.checking.report import TargetInfo
from envdoctor.errors import UsageError
from envdoctor.facts import Facts, value_of
from envdoctor.files import LiveFiles
from envdoctor.programs import LivePrograms
from envdoctor.repair.overlay import STATE_FILE, folder_of
from envdoctor.target import Target

PROFILES = ("caffe2-ops", "torch-extension", "installed")


def live_target(python: str | None, project: str | None, profile: str | None, with_overlay: bool = False) -> Target:
    """This machine, seen from one interpreter; `with_overlay` as a build started by `envdoctor run` sees it.

    Raises UsageError for what does not exist and for a damaged overlay.
    """
    if profile is not None and profile not in PROFILES:
        raise UsageError(f"there is no profile `{profile}`; it is one of {', '.join(PROFILES)}")
    executable, chosen_by = _interpreter(python, os.environ)
    folder = None if project is None else _directory(project)
    return Target(
        kind="machine" if python is None else "interpreter",
        files=LiveFiles(),
        environment=_environment(folder) if with_overlay and folder else dict(os.environ),
        programs=LivePrograms(),
        python=executable,
        chosen_by=chosen_by,
        project=folder,
        profile=profile,
    )


def overlay_in_use(project: str | None) -> str | None:
    """The overlay's folder of a project where `envdoctor fix` has brought something."""
    folder = None if project is None else folder_of(project)
    return folder if folder is not None and os.path.isfile(f"{folder}/{STATE_FILE}") else None


def _environment(project: str) -> dict[str, str]:
    overlay = overlay_in_use(project)
    if overlay is None:
        return dict(os.environ)
    from envdoctor.repair.overlay import applied
    from envdoctor.repair.steps import StepError, load_overlay

    try:
        return applied(load_overlay(overlay), overlay, os.environ)
    except StepError as error:
        raise UsageError(f"the overlay is damaged: {error}") from error


def target_info(target: Target, facts: Facts, with_overlay: bool = False) -> TargetInfo:
    """How the report names this target."""
    distribution = value_of(facts.host.distribution)
    machine = value_of(facts.host.machine)
    name = ", ".join(part for part in (distribution, machine) if part) or "this machine"
    profile = target.profile or value_of(facts.project.profile)
    overlay = overlay_in_use(target.project)
    return TargetInfo(
        kind=target.kind,
        id=name,
        python=target.python,
        project=target.project,
        profile=profile,
        python_version=value_of(facts.python.version),
        chosen_by=target.chosen_by,
        overlay=overlay if with_overlay else None,
    )


def interpreter_beside(library: str) -> str | None:
    """The interpreter of the environment that a library lies in: the nearest folder above it with bin/python."""
    folder = os.path.dirname(library)
    while folder not in ("", "/", "/usr"):
        if os.path.isdir(os.path.join(folder, "lib")) and os.path.exists(os.path.join(folder, "bin", "python")):
            return os.path.join(folder, "bin", "python")
        folder = os.path.dirname(folder)
    return None


def _directory(project: str) -> str:
    path = os.path.abspath(os.path.expanduser(project))
    if not os.path.isdir(path):
        raise UsageError(f"the project {project} is no folder" if os.path.exists(path) else f"there is no {project}")
    return path


def _interpreter(python: str | None, environment: Mapping[str, str]) -> tuple[str | None, str]:
    if python is not None:
        return _named_interpreter(python), "--python"
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        prefix = environment.get(variable, "")
        candidate = os.path.join(prefix, "bin", "python")
        if prefix and os.path.exists(candidate):
            return candidate, f"the active environment ({variable})"
    for name in ("python3", "python"):
        found = shutil.which(name)
        if found is not None:
            return os.path.abspath(found), f"{name} on PATH"
    return sys.executable or None, "the interpreter that runs envdoctor"


def _named_interpreter(python: str) -> str:
    path = os.path.abspath(os.path.expanduser(python))
    if os.path.isdir(path):
        inside = os.path.join(path, "bin", "python")
        if not os.path.lexists(inside):
            raise UsageError(f"--python {python} is a folder without bin/python")
        return inside
    if os.path.lexists(path):
        return path
    found = shutil.which(python) if "/" not in python else None
    if found is None:
        raise UsageError(f"--python {python}: there is no such file" + ("" if "/" in python else " and none on PATH"))
    return os.path.abspath(found)
