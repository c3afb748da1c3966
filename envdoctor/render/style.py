"""How text is to look where it goes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Style:
    """`width` in columns; `unicode` is False where the encoding cannot show marks such as a tick."""

    width: int
    color: bool
    unicode: bool


PLAIN = Style(width=80, color=False, unicode=True)
