"""What supplies a need: the commands for pip, apt, dnf and conda."""

import shlex
from functools import cache
from typing import Literal

import msgspec

from envdoctor.knowledge.tables import Row, load

Channel = Literal["pip", "apt", "dnf", "conda"]

_COMMANDS: dict[Channel, str] = {
    "pip": "python -m pip install",
    "apt": "apt-get install",
    "dnf": "dnf install",
    "conda": "conda install -c conda-forge",
}


class Provider(Row, frozen=True):
    """Arguments for the installers, words in braces to be filled in; empty where a channel has nothing."""

    need: str
    pip: str
    apt: str
    conda: str
    dnf: str = ""


class InstallCommand(msgspec.Struct, frozen=True):
    channel: Channel
    text: str
    note: str
    source: str


class _Table(msgspec.Struct, frozen=True):
    provider: tuple[Provider, ...]


@cache
def _table() -> _Table:
    return load("providers", _Table)


def provider(need: str) -> Provider | None:
    """The row of a need, `cmake` or `mkl-headers`; None when no table has it."""
    return next((row for row in _table().provider if row.need == need), None)


def install_commands(need: str, **words: str) -> tuple[InstallCommand, ...]:
    """The commands that supply a need, `words` put into their places, pip first.

    A channel that has nothing, or whose words were not given, is left out. None of them is run.
    """
    row = provider(need)
    if row is None:
        return ()
    commands: list[InstallCommand] = []
    arguments: dict[Channel, str] = {"pip": row.pip, "apt": row.apt, "dnf": row.dnf, "conda": row.conda}
    for channel, template in arguments.items():
        # Split before filling in, so that a word with blanks stays one argument.
        filled = [_fill(argument, words) for argument in template.split()]
        if filled and all(filled):
            text = " ".join([_COMMANDS[channel], *map(shlex.quote, filled)])
            commands.append(InstallCommand(channel, text, _fill(row.note, words) or row.note, row.source))
    return tuple(commands)


def _fill(template: str, words: dict[str, str]) -> str:
    """The template with its words put in; empty when one was not given."""
    try:
        return template.format_map(words)
    except KeyError:
        return ""
