"""Wrapped, indented and coloured lines for a terminal or a file."""

import io

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from envdoctor.render.style import Style


class Paper:
    """Collects lines; `text` is what was written."""

    def __init__(self, style: Style) -> None:
        self._console = Console(
            file=io.StringIO(),
            width=style.width,
            force_terminal=style.color,
            color_system="standard" if style.color else None,
            no_color=not style.color,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )

    def line(self, *parts: str | tuple[str, str], indent: int = 0) -> None:
        """One wrapped paragraph of plain strings and (string, style) pairs."""
        text = Text.assemble(*[_clean(part) for part in parts])
        self._console.print(Padding(text, (0, 0, 0, indent)) if indent else text)

    def headline(self, lead: list[tuple[str, str]], text: str) -> None:
        """Styled words, then a text that wraps beside them."""
        grid = Table.grid(padding=(0, 1, 0, 0))
        for _ in lead:
            grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(*[Text(_printable(word), style=look) for word, look in lead], Text(_printable(text)))
        self._console.print(grid)

    def blank(self) -> None:
        """An empty line."""
        self._console.print()

    def verbatim(self, text: str, indent: int, look: str = "") -> None:
        """A line to copy: never wrapped."""
        self._console.print(Text(" " * indent + _printable(text), style=look), soft_wrap=True)

    def rows(self, rows: list[tuple[str, str]], indent: int, label_width: int) -> None:
        """Labels with wrapped text beside them."""
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=label_width, no_wrap=True, style="dim")
        grid.add_column(overflow="fold")
        for label, text in rows:
            grid.add_row(Text(label), Text(_printable(text)))
        self._console.print(Padding(grid, (0, 0, 0, indent)))

    @property
    def text(self) -> str:
        """Everything written, without blanks at the ends of lines."""
        file = self._console.file
        assert isinstance(file, io.StringIO)
        return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def _clean(part: str | tuple[str, str]) -> str | tuple[str, str]:
    return _printable(part) if isinstance(part, str) else (_printable(part[0]), part[1])


def _printable(text: str) -> str:
    # Text of the target may hold escape sequences that would act on the reader's terminal.
    return "".join(
        character if character.isprintable() or character in "\n\t" else f"\\x{ord(character):02x}"
        for character in text
    )
