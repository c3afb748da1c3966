"""How text is to look where it goes."""

import msgspec


class Style(msgspec.Struct, frozen=True):
    """`width` in columns; `unicode` is False where the encoding cannot show marks such as a tick."""

    width: int
    color: bool
    unicode: bool


PLAIN = Style(width=80, color=False, unicode=True)
