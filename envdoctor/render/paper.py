"""Wrapped, indented and coloured lines for a terminal or a file.

Written out here because loading a library for it takes as long as a probe.
"""

import unicodedata
from collections.abc import Iterator

from envdoctor.render.style import Style

# SGR parameters (ECMA-48) of the words that styles are made of.
_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}
_TAB = 8


class Paper:
    """Collects lines; `text` is what was written."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._lines: list[str] = []

    def line(self, *parts: str | tuple[str, str], indent: int = 0) -> None:
        """One wrapped paragraph of plain strings and (string, style) pairs."""
        text, looks = "", []
        for part in parts:
            words, look = (part, "") if isinstance(part, str) else part
            words = printable(words)
            looks.append((len(text), len(text) + len(words), look))
            text += words
        for start, end in _wrapped(text, self._style.width - indent):
            pieces = [(text[max(start, first) : min(end, last)], look) for first, last, look in looks]
            self._lines.append(" " * indent + "".join(self._styled(piece, look) for piece, look in pieces if piece))

    def headline(self, lead: list[tuple[str, str]], text: str) -> None:
        """Styled words, then a text that wraps beside them."""
        words = [(printable(word), look) for word, look in lead]
        self._beside("".join(f"{self._styled(word, look)} " for word, look in words), _cells_of(words), text)

    def blank(self) -> None:
        """An empty line."""
        self._lines.append("")

    def verbatim(self, text: str, indent: int, look: str = "") -> None:
        """A line to copy: never wrapped."""
        self._lines.append(" " * indent + self._styled(printable(text), look))

    def rows(self, rows: list[tuple[str, str]], indent: int, label_width: int) -> None:
        """Labels with wrapped text beside them."""
        for label, text in rows:
            shown = f"{label[:label_width]:{label_width}}"
            self._beside(
                " " * indent + self._styled(shown, "dim" if label else "") + " ", indent + label_width + 1, text
            )

    @property
    def text(self) -> str:
        """Everything written, without blanks at the ends of lines."""
        return "".join(f"{line.rstrip()}\n" for line in self._lines)

    def _beside(self, lead: str, width: int, text: str) -> None:
        """`lead`, which takes `width` columns, with the text beside it."""
        clean = printable(text)
        for number, (start, end) in enumerate(_wrapped(clean, self._style.width - width)):
            self._lines.append((" " * width if number else lead) + clean[start:end])

    def _styled(self, text: str, look: str) -> str:
        if not self._style.color or not look:
            return text
        return f"\x1b[{';'.join(_CODES[word] for word in look.split())}m{text}\x1b[0m"


def _wrapped(text: str, width: int) -> Iterator[tuple[int, int]]:
    """Where lines of at most `width` columns begin and end. Longer words break, at a `/` if they have one."""
    width = max(width, 1)
    position = 0
    for paragraph in text.split("\n"):
        start, end = position, position + len(paragraph)
        while columns(text[start:end]) > width:
            fits = _fitting(text[start:end], width)
            if text[start + fits] == " ":
                fits += 1
            cut = text.rfind(" ", start, start + fits) + 1
            if not text[start:cut].strip():
                cut = text.rfind("/", start, start + fits) + 1
            cut = cut if cut > start else start + fits
            yield start, cut
            start = cut
            while start < end and text[start] == " ":
                start += 1
        yield start, end
        position = end + 1


def _fitting(text: str, width: int) -> int:
    """How many characters, one at least, take no more than `width` columns."""
    if text.isascii():
        return max(1, width)
    used = 0
    for index, character in enumerate(text):
        used += columns(character)
        if used > width:
            return max(1, index)
    return len(text)


def columns(text: str) -> int:
    """Columns on a terminal: two for wide characters of East Asian scripts, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _cells_of(words: list[tuple[str, str]]) -> int:
    return sum(columns(word) + 1 for word, _ in words)


def printable(text: str) -> str:
    """The text with control characters written out and tabs as blanks."""
    # Text of the target may hold escape sequences that would act on the reader's terminal.
    return "".join(
        character if character.isprintable() or character == "\n" else f"\\x{ord(character):02x}"
        for character in text.expandtabs(_TAB)
    )
