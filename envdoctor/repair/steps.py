"""Steps: what a plan does, one reversible act each. A step says what it will do, to which files, with which command."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from envdoctor.atomic_file import write_whole
from envdoctor.repair import overlay as overlays
from envdoctor.repair.overlay import Contribution, Overlay


class StepError(Exception):
    """A step could not be done; the text says why in one line."""


class CommandError(StepError):
    """A program failed. `output` is all that it printed."""

    def __init__(self, text: str, output: str) -> None:
        super().__init__(text)
        self.output = output


@dataclass(frozen=True)
class Hands:
    """What a step may use.

    `run(words, extra, folder)` starts a command without a shell, in `folder`, with `extra` variables, returns what it
    printed and raises CommandError where it fails. `say(text, share)` tells progress; `share` goes from 0 to 1 where it
    is known. `cache` is the user's cache folder for copies that take long to make. `environment` holds the overlay's
    settings. `tell(text)` gives a notice that is shown even where progress is not.
    """

    run: Callable[[Sequence[str], Mapping[str, str] | None, str | None], str]
    say: Callable[[str, float | None], None]
    cache: str
    environment: Mapping[str, str]
    tell: Callable[[str], None] = lambda _text: None


@dataclass(frozen=True)
class Step(ABC):
    """One act. `summary` says in the imperative what it does."""

    kind: ClassVar[str]
    summary: str

    @property
    def paths(self) -> tuple[str, ...]:
        """Files, links and new folders that it may create or change: recorded before, restored by undo."""
        return ()

    @property
    def packages_of(self) -> str | None:
        """The interpreter whose installed packages it may change: recorded before, restored by undo."""
        return None

    @property
    def command(self) -> tuple[str, ...]:
        """The same act as a command, for the reader; empty where there is none."""
        return ()

    @abstractmethod
    def perform(self, hands: Hands) -> None:
        """Do it. Raises StepError and OSError."""


@dataclass(frozen=True)
class Contribute(Step):
    """Bring settings to the overlay in `folder`."""

    kind = "overlay"
    folder: str
    contribution: Contribution

    @property
    def paths(self) -> tuple[str, ...]:
        names = (overlays.STATE_FILE, overlays.SCRIPT, overlays.TOOLCHAIN)
        return tuple(f"{self.folder}/{name}" for name in names)

    def perform(self, _hands: Hands) -> None:
        changed = load_overlay(self.folder).including(self.contribution)
        texts = (
            msgspec.json.format(msgspec.json.encode(changed), indent=2),
            overlays.script(changed, self.folder).encode(),
            overlays.toolchain(changed).encode(),
        )
        for path, text in zip(self.paths, texts, strict=True):
            write_whole(path, text)


def load_overlay(folder: str) -> Overlay:
    """The overlay of a folder, empty where there is none. Raises StepError for a damaged one."""
    path = f"{folder}/{overlays.STATE_FILE}"
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(), type=Overlay)
    except FileNotFoundError:
        return Overlay()
    except (OSError, msgspec.DecodeError) as error:
        raise StepError(f"{path} cannot be read: {error}") from error


@dataclass(frozen=True)
class WriteFile(Step):
    """Write a file, whole."""

    kind = "write"
    path: str
    text: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    def perform(self, _hands: Hands) -> None:
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        write_whole(self.path, self.text.encode())


@dataclass(frozen=True)
class MakeLink(Step):
    """Make a symbolic link. Refuses to replace anything but a link."""

    kind = "link"
    path: str
    target: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    @property
    def command(self) -> tuple[str, ...]:
        return ("ln", "-sfn", self.target, self.path)

    def perform(self, _hands: Hands) -> None:
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        if os.path.lexists(self.path):
            if not os.path.islink(self.path):
                raise StepError(f"{self.path} is there and is no link")
            os.unlink(self.path)
        os.symlink(self.target, self.path)


@dataclass(frozen=True)
class SetAside(Step):
    """Take a generated file out of the way; undo puts it back, over one that a build has made since.

    For caches that would outlive a changed environment.
    """

    kind = "set-aside"
    path: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    @property
    def command(self) -> tuple[str, ...]:
        return ("rm", self.path)

    def perform(self, _hands: Hands) -> None:
        os.unlink(self.path)


@dataclass(frozen=True)
class ReplaceInLine(Step):
    """Change one line of a source. Refuses where the line no longer holds the text."""

    kind = "edit"
    path: str
    line: int
    before: str
    after: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    def perform(self, _hands: Hands) -> None:
        with open(self.path, "rb") as file:
            lines = file.read().split(b"\n")
        index = self.line - 1
        if index >= len(lines) or self.before.encode() not in lines[index]:
            raise StepError(f"{self.path}:{self.line} no longer holds `{self.before}`")
        lines[index] = lines[index].replace(self.before.encode(), self.after.encode())
        write_whole(self.path, b"\n".join(lines), os.stat(self.path).st_mode & 0o7777)


@dataclass(frozen=True)
class MarkedBlock(Step):
    """Put a block between marks into a file of the project, at its top or its end, in place of one of the same name."""

    kind = "edit"
    path: str
    name: str
    text: str
    at_top: bool
    comment: str = "#"

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    def perform(self, _hands: Hands) -> None:
        with open(self.path, "rb") as file:
            content = file.read()
        opening = f"{self.comment} >>> envdoctor: {self.name} >>>\n".encode()
        closing = f"{self.comment} <<< envdoctor: {self.name} <<<\n".encode()
        block = opening + self.text.rstrip("\n").encode() + b"\n" + closing
        start, end = content.find(opening), content.find(closing)
        if 0 <= start < end:
            content = content[:start] + content[end + len(closing) :]
        if content and not content.endswith(b"\n"):
            content += b"\n"
        joined = block + content if self.at_top else content + block
        write_whole(self.path, joined, os.stat(self.path).st_mode & 0o7777)


@dataclass(frozen=True)
class RunCommand(Step):
    """Start a program that makes `makes`, files or new folders."""

    kind = "run"
    words: tuple[str, ...]
    makes: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return self.makes

    @property
    def command(self) -> tuple[str, ...]:
        return self.words

    def perform(self, hands: Hands) -> None:
        for path in self.makes:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        hands.say(self.summary, None)
        hands.run(self.words, None, None)
