"""Takes off what terminals, CI systems, containers, mail and web pages put around a line of a log."""

import re
from collections.abc import Iterator
from functools import cache

_PREFIXES_AT_MOST = 8
_FORMS_AT_MOST = 400


def plain(text: bytes) -> bytes:
    """Without colours, cursor movements and other control characters; lines stay lines."""
    if b"\x1b" in text or b"\x08" in text:
        text = _escapes().sub(b"", text)
    if b"\x00" in text:
        text = text.replace(b"\x00", b"")
    return text


def is_encoded(text: bytes) -> bool:
    """True where a line may hide its words: URL encoding, an escaped string, HTML."""
    return b"%20" in text or b"%3A" in text or b"\\n" in text or b"\\u" in text or b"&#" in text or b"&gt;" in text


def forms(line: bytes) -> Iterator[str]:
    """The texts to read in one line of a log, without their prefixes: itself, what a carriage return overwrote, and
    what an encoding hides.
    """
    text = line.decode("utf-8", "replace")
    for piece in text.split("\r") if "\r" in text else (text,):
        if piece.strip():
            yield without_prefix(piece)
    if is_encoded(line):
        yield from _decoded(text)


def without_prefix(text: str) -> str:
    """The line without quotation marks of mail, times, names of containers, boxes of pip and blanks around it."""
    text = text.strip()
    for _ in range(_PREFIXES_AT_MOST):
        found = _prefix().match(text)
        if found is None or found.end() == 0:
            break
        text = text[found.end() :]
    return text


def _decoded(text: str) -> Iterator[str]:
    from html import unescape
    from urllib.parse import unquote

    decoded = text
    if "%20" in decoded or "%3A" in decoded:
        decoded = unquote(decoded)
    if "&#" in decoded or "&gt;" in decoded:
        decoded = unescape(decoded)
    if "\\" in decoded:
        decoded = _escaped().sub(_unescape, decoded)
    if decoded == text:
        return
    for number, piece in enumerate(re.split(r"[\r\n]+", decoded)):
        if number >= _FORMS_AT_MOST:
            return
        if piece.strip():
            yield without_prefix(plain(piece.encode("utf-8", "replace")).decode("utf-8", "replace"))


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
