"""Takes off what terminals, CI systems, containers, mail and web pages put around a line of a log."""

import re
from collections.abc import Iterator
from functools import cache

_PREFIXES_AT_MOST = 8
# Of a whole log in one string.
LINES_IN_ONE = 20_000
_ENTITIES = (b"&#", b"&gt;", b"&lt;", b"&quot;", b"&amp;", b"&nbsp;")


def plain(text: bytes) -> bytes:
    """Without colours, cursor movements and other control characters; lines stay lines."""
    if b"\x1b" in text or b"\x08" in text:
        text = _escapes().sub(b"", text)
    if b"\x00" in text:
        text = text.replace(b"\x00", b"")
    return text


def is_encoded(text: bytes) -> bool:
    """True where a line may hide its words: URL encoding, an escaped string, HTML."""
    if b"\\" in text and (b"\\n" in text or b"\\u" in text):
        return True
    if b"%" in text and (b"%20" in text or b"%3A" in text):
        return True
    return b"&" in text and any(name in text for name in _ENTITIES)


def forms(line: bytes) -> Iterator[str]:
    """The texts to read in one line of a log, without their prefixes: itself, and what a carriage return overwrote."""
    text = line.decode("utf-8", "replace")
    for piece in text.split("\r") if "\r" in text else (text,):
        if piece.strip():
            yield without_prefix(piece)


def decoded(line: bytes) -> list[str]:
    """The lines that an encoding hides in one line of a log; none where it hides nothing."""
    from html import unescape
    from urllib.parse import unquote, unquote_plus

    text = line.decode("utf-8", "replace")
    plain_text = text
    if "%20" in text or "%3A" in text:
        plain_text = unquote(text) if " " in text else unquote_plus(text)
    if "&" in plain_text:
        plain_text = unescape(plain_text)
    if "\\" in plain_text:
        plain_text = _as_utf8(_escaped().sub(_unescape, plain_text))
    if plain_text == text:
        return []
    pieces = re.split(r"[\r\n]+|<br ?/?>", plain_text)[:LINES_IN_ONE]
    shown = (plain(piece.encode("utf-8", "replace")).decode("utf-8", "replace") for piece in pieces)
    return [without_prefix(piece) for piece in shown if piece.strip()]


def _as_utf8(text: str) -> str:
    """Text whose bytes were escaped one by one, as Python writes them."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def without_prefix(text: str) -> str:
    """The line without quotation marks of mail, times, names of containers, boxes of pip and blanks around it."""
    text = text.strip()
    for _ in range(_PREFIXES_AT_MOST):
        found = _prefix().match(text)
        if found is None or found.end() == 0:
            break
        text = text[found.end() :]
    return text


def _unescape(found: "re.Match[str]") -> str:
    what = found.group(1)
    if what[0] in "ux" and len(what) > 1:
        number = int(what[1:], 16)
        return chr(number) if not 0xD800 <= number <= 0xDFFF else "\ufffd"
    return {"n": "\n", "r": "\r", "t": "\t", "e": "\x1b"}.get(what, what)


@cache
def _escaped() -> "re.Pattern[str]":
    return re.compile(r"\\+(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[nrte\"'/\\])")


@cache
def _escapes() -> "re.Pattern[bytes]":
    control = rb"\x1b\[[0-9;:<=>?]{0,64}[ -/]{0,8}[@-~]"
    title = rb"\x1b\][^\x07\x1b\n]{0,512}(?:\x07|\x1b\\)?"
    return re.compile(rb"|".join([control, title, rb"\x1b[(-/].", rb"\x1b.", rb"\x08"]))


@cache
def _prefix() -> "re.Pattern[str]":
    clock = r"\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?"
    parts = (
        r"[>│|┃╎]+(?=\s)\s*",
        # A time, alone or in brackets: ISO 8601, syslog, a clock.
        rf"\[?\d{{4}}[-/]\d\d[-/]\d\d[T ]{clock}(?:Z|\s?[+-]\d\d:?\d\d)?\]?\s*(?:-\s)?",
        rf"\[?(?:\d\d/\d\d(?:/\d{{2,4}})?\s)?{clock}(?:\s[\w.-]+)?\]:?\s*",
        rf"{clock}\s+",
        rf"(?:[MTWFS][a-z]{{2}} )?[JFMASOND][a-z]{{2}}\s+\d+ {clock} \S+ \S+: ",
        # Docker's builder, compose, kubectl, Jenkins, ninja, MPI.
        r"#\d+ (?:\d+\.\d+ )?(?:\[[^\]]{1,60}\]\s)?",
        r"[A-Za-z_][\w.-]{0,40}\s*\|\s+",
        r"\[(?:pod/)?[\w./:@ -]{1,60}\]:?\s+",
        r"(?:rank\s?\d+|stdout|stderr|[A-Z]+:root):\s?",
        r"\d+>\s?",
    )
    return re.compile("|".join(f"(?:{part})" for part in parts))
