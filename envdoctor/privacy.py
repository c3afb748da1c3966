"""Makes values fit to be shown, saved and posted: no home directory, no bytes that are no text."""

import re
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

# A path begins after anything that is no part of a path, or right after the letter of -I and -L.
_BEGINS = r"(?:(?<![\w./~-])|(?<=-[IL]))"


def hide_home(text: str, home: str) -> str:
    """Prose and paths: the home directory becomes `~`. A home that is no folder below the root hides nothing."""
    if not _hideable(home) or home not in text:
        return text
    return re.sub(rf"{_BEGINS}{re.escape(home)}(?![\w.-])", "~", text)


def hide_home_in_command(command: str, home: str) -> str:
    """A command to copy: the home directory becomes `$HOME`, and the shell still reads the same words.

    A `~` that stands for it already (in facts that were saved) is treated alike: a shell expands it at few places only.
    """
    hidden = hide_home(command, home)
    if "~/" not in hidden:
        return hidden
    begins = {match.start() for match in re.finditer(rf"{_BEGINS}~(?=/)", hidden)}
    pieces: list[str] = []
    quote = ""
    for position, character in enumerate(hidden):
        if character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        if position in begins:
            pieces.append("'\"$HOME\"'" if quote == "'" else "$HOME")
        else:
            pieces.append(character)
    # Quotes that open only to close again say nothing, and plain words need no second pair.
    tidy = re.sub(r"(^|[\s=])''(?=\")", r"\1", "".join(pieces))
    return re.sub(r"\"\$HOME\"'(/[\w@%+=:,./-]*)'", r'"$HOME\1"', tidy)


def without_home(value: T, home: str) -> T:
    """The same value with every string hidden; strings in a field named `commands` stay commands to copy."""
    hidden: T = msgspec.convert(_walk(msgspec.to_builtins(value), home, False), type(value))
    return hidden


def _walk(value: Any, home: str, command: bool) -> Any:
    if isinstance(value, str):
        text = _as_text(value)
        return hide_home_in_command(text, home) if command else hide_home(text, home)
    if isinstance(value, dict):
        return {key: _walk(item, home, key == "commands") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_walk(item, home, command) for item in value]
    return value


def _as_text(value: str) -> str:
    # A file name of other bytes than UTF-8 comes from the system with surrogates, which JSON cannot hold.
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _hideable(home: str) -> bool:
    return len(home) > 1 and home.startswith("/")
