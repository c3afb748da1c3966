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
    """The command that sets the variable to its entries but the unwanted and the empty ones, or unsets it."""
    bad = {normpath(directory) for directory in unwanted}
    kept = [entry for entry in entries(environment, variable) if entry and normpath(entry) not in bad]
    if not kept:
        return f"unset {variable}"
    return f"export {variable}={shlex.quote(':'.join(kept))}"
