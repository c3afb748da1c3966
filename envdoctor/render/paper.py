"""Wrapped, indented and coloured lines for a terminal or a file.

textwrap and typer do the work: loading rich and laying out its tables took as long as half of the probes.
"""

import textwrap
from collections.abc import Iterator

from envdoctor.render.style import Style

# The words that styles are made of, as typer.style names them.
_LOOKS = ("bold", "dim")


class Paper:
    """Collects lines; `text` is what was written."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._lines: list[str] = []

    def line(self, *parts: str | tuple[str, str], indent: int = 0) -> None:
        """One paragraph of plain strings and (string, style) pairs; it wraps between parts and inside plain ones."""
        margin, room = " " * indent, self._style.width - indent
        lines: list[str] = [""]
        used = 0
        for part in parts:
            words, look = (part, "") if isinstance(part, str) else part
            for piece in _pieces(_printable(words), keep_whole=bool(look), room=room):
                if used and used + len(piece.rstrip()) > room:
                    lines.append("")
                    used, piece = 0, piece.lstrip()
                lines[-1] += self._styled(piece, look)
                used += len(piece)
        self._lines += [f"{margin}{line.rstrip()}" for line in lines]

    def headline(self, lead: list[tuple[str, str]], text: str) -> None:
        """Styled words, then a text that wraps beside them."""
        words = [(_printable(word), look) for word, look in lead]
        styled = "".join(f"{self._styled(word, look)} " for word, look in words)
        self._beside(styled, sum(len(word) + 1 for word, _ in words), text)

    def blank(self) -> None:
        """An empty line."""
        self._lines.append("")

    def verbatim(self, text: str, indent: int, look: str = "") -> None:
        """A line to copy: never wrapped."""
        self._lines.append(" " * indent + self._styled(_printable(text), look))

    def rows(self, rows: list[tuple[str, str]], indent: int, label_width: int) -> None:
        """Labels with wrapped text beside them."""
        for label, text in rows:
            shown = self._styled(f"{label[:label_width]:{label_width}}", "dim")
            self._beside(f"{' ' * indent}{shown} ", indent + label_width + 1, text)

    @property
    def text(self) -> str:
        """Everything written, without blanks at the ends of lines."""
        return "".join(f"{line.rstrip()}\n" for line in self._lines)

    def _beside(self, lead: str, width: int, text: str) -> None:
        wrapped = _wrapped(_printable(text), max(self._style.width - width, 1)) or [""]
        self._lines += [lead + wrapped[0], *(" " * width + line for line in wrapped[1:])]

    def _styled(self, text: str, look: str) -> str:
        if not self._style.color or not look:
            return text
        import typer

        words = look.split()
        color = next((word for word in words if word not in _LOOKS), None)
        return typer.style(text, fg=color, bold="bold" in words or None, dim="dim" in words or None)


def _pieces(text: str, keep_whole: bool, room: int) -> list[str]:
    """Parts of a line that may not be broken: words with the blanks before them, or all of it."""
    if keep_whole and len(text) <= room:
        return [text]
    pieces: list[str] = []
    for word in text.split(" "):
        piece = f" {word}" if pieces else word
        pieces += [piece] if len(piece) <= room else [piece[at : at + room] for at in range(0, len(piece), room)]
    return pieces


def _wrapped(text: str, width: int) -> list[str]:
    lines = textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)
    return [piece for line in lines for piece in _folded(line, width)]


def _folded(line: str, width: int) -> Iterator[str]:
    """A line that is one long word, such as a path, in pieces that end at a `/` where they can."""
    while len(line) > width:
        end = line.rfind("/", 0, width) + 1 or width
        yield line[:end]
        line = line[end:]
    yield line


def _printable(text: str) -> str:
    # Text of the target may hold escape sequences that would act on the reader's terminal.
    return "".join(
        character if character.isprintable() or character in "\n\t" else f"\\x{ord(character):02x}"
        for character in text
    )
