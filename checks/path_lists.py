"""Variables that hold a list of directories, and the commands that mend them."""

import shlex
from posixpath import normpath

from envdoctor.facts import Environment


def entries(environment: Environment, variable: str) -> tuple[str, ...]:
    """The entries as written, empty ones included; none where the variable is unset or empty."""
    value = environment.get(variable)
    return tuple(value.split(":")) if value else ()


def entry_of(environment: Environment, variable: str, path: str) -> str | None:
    """The first entry that is the directory of a file, or the path itself."""
    directory = path.rpartition("/")[0]
    wanted = {normpath(path), normpath(directory) if directory else "/"}
    return next((entry for entry in entries(environment, variable) if entry and normpath(entry) in wanted), None)


def without(environment: Environment, variable: str, *unwanted: str) -> str:
    """The command that takes the unwanted directories and empty entries off the variable, or unsets it.

    It starts from what the variable holds when it is run, so that several of them can follow each other.
    """
    bad = {normpath(directory) for directory in unwanted}
    listed = [entry for entry in entries(environment, variable) if entry]
    taken = [entry for entry in dict.fromkeys(listed) if normpath(entry) in bad]
    if len(taken) == len(set(listed)):
        return f"unset {variable}"
    patterns = " ".join(f"-e {shlex.quote(entry)}" for entry in ("", *taken))
    lines = f"printf %s \"${variable}\" | tr : '\\n' | grep -vxF {patterns} | paste -sd: -"
    return f'export {variable}="$({lines})"'
