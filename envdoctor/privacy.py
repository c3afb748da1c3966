"""Keeps home directories out of what is shown or saved, so that a report can be posted as it is."""

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def hide_home(text: str, home: str) -> str:
    """Prose and paths: the home directory becomes `~`."""
    return text.replace(f"{home}/", "~/") if _hideable(home) else text


def hide_home_in_command(command: str, home: str) -> str:
    """A command to copy: the home directory becomes `$HOME`, which a shell expands anywhere, quoted words too.

    A `~` that came with saved facts is treated alike: a shell would not expand it inside a word.
    """
    for prefix in (f"{home}/", "~/") if _hideable(home) else ("~/",):
        pieces = command.split(f"'{prefix}")
        command = pieces[0] + "".join(_double_quoted(piece) for piece in pieces[1:])
        command = command.replace(prefix, "$HOME/")
    return command


def without_home(value: T, home: str) -> T:
    """The same value with every string hidden; strings in a field named `commands` stay commands to copy."""
    if not _hideable(home):
        return value
    hidden: T = msgspec.convert(_walk(msgspec.to_builtins(value), home, False), type(value))
    return hidden


def _walk(value: Any, home: str, command: bool) -> Any:
    if isinstance(value, str):
        return hide_home_in_command(value, home) if command else hide_home(value, home)
    if isinstance(value, dict):
        return {key: _walk(item, home, key == "commands") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_walk(item, home, command) for item in value]
    return value


def _double_quoted(rest: str) -> str:
    inside, quote, after = rest.partition("'")
    escaped = inside.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`")
    return f'"$HOME/{escaped}"{after}' if quote else f"'~/{rest}"


def _hideable(home: str) -> bool:
    return len(home) > 1 and home.startswith("/")
