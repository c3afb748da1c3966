"""Where output goes: standard output holds the chosen format alone, files are written whole or not at all."""

import io
import os
import sys
from collections.abc import Callable, Sequence

import msgspec

from envdoctor.atomic_file import write_whole
from envdoctor.errors import UsageError
from envdoctor.render.style import PLAIN, Style


class Output(msgspec.Struct, frozen=True):
    """One requested format and its file; standard output where `path` is None."""

    format: str
    path: str | None


def parse_outputs(words: Sequence[str] | None, formats: Sequence[str]) -> tuple[Output, ...]:
    """The outputs that `-o` asked for; text where it was not given. Raises UsageError."""
    outputs = tuple(_parse(word, formats) for word in words or ["text"])
    if sum(output.path is None for output in outputs) > 1:
        raise UsageError("only one format can go to standard output; give the others a file: -o json=report.json")
    return outputs


def json_is_wanted(arguments: Sequence[str]) -> bool:
    """True where the command line asks for JSON on standard output: errors are JSON then, too."""
    for index, argument in enumerate(arguments):
        if argument == "--":
            return False
        following = arguments[index + 1] if index + 1 < len(arguments) else ""
        if (argument in ("-o", "--output") and following == "json") or argument in ("-ojson", "--output=json"):
            return True
    return False


def deliver(outputs: Sequence[Output], render: Callable[[str, Style], str], color: str) -> None:
    """Render each format and put it where it belongs. Raises UsageError for a file that cannot be written."""
    for output in outputs:
        if output.path is not None:
            _write(output.path, render(output.format, PLAIN))
    for output in outputs:
        if output.path is None:
            if isinstance(sys.stdout, io.TextIOWrapper):
                # A terminal in the C locale shows a substitute rather than nothing at all.
                sys.stdout.reconfigure(errors="replace")
            sys.stdout.write(render(output.format, terminal_style(color)))
            sys.stdout.flush()


def _write(path: str, text: str) -> None:
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            _write_through(path, text)
        else:
            write_whole(path, text.encode())
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error


def terminal_style(color: str) -> Style:
    """Width, colour and characters for standard output. Raises UsageError for an unknown `color`."""
    if color not in ("auto", "always", "never"):
        raise UsageError(f"--color takes auto, always or never, not `{color}`")
    is_terminal = sys.stdout.isatty()
    width = os.get_terminal_size(sys.stdout.fileno()).columns if is_terminal else 80
    return Style(max(40, min(width or 80, 110)), _color(color, is_terminal), _speaks_unicode())


def _color(color: str, is_terminal: bool) -> bool:
    if color != "auto":
        return color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE"):
        return True
    return is_terminal and os.environ.get("TERM") != "dumb"


def _speaks_unicode() -> bool:
    try:
        "✓✗→".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _parse(word: str, formats: Sequence[str]) -> Output:
    name, equals, path = word.partition("=")
    if name not in formats:
        raise UsageError(f"there is no output format `{name}` here; it is one of {', '.join(formats)}")
    if equals and not path:
        raise UsageError(f"-o {word} names no file")
    return Output(name, path or None)


def _write_through(path: str, text: str) -> None:
    # A device or a pipe, such as /dev/stderr, cannot be replaced by a rename.
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
