"""Cuts a stream of bytes into pages of whole lines, in one pass and bounded memory."""

import codecs
from collections.abc import Iterable, Iterator

import msgspec

PAGE = 64 * 1024
# A line longer than this is read in windows that overlap.
WINDOW, OVERLAP = 64 * 1024, 4 * 1024


class Page(msgspec.Struct, frozen=True):
    """Lines of a log: `first` is the number of the first one, counted from 1. `ends` is False for a window of a long
    line that goes on in the next page.
    """

    first: int
    text: bytes
    ends: bool


def pages(blocks: Iterable[bytes]) -> Iterator[Page]:
    """The pages of a stream. A stream of UTF-16, as PowerShell writes it, is read as such."""
    first = 1
    rest = bytearray()
    for block in _utf8(blocks):
        rest += block
        while len(rest) >= PAGE:
            end = rest.rfind(b"\n", 0, PAGE) + 1
            if end == 0:
                end = rest.find(b"\n", PAGE) + 1
                if not 0 < end <= WINDOW and len(rest) < WINDOW + OVERLAP:
                    break
                if not 0 < end <= WINDOW:
                    yield Page(first, bytes(rest[:WINDOW]), False)
                    del rest[: WINDOW - OVERLAP]
                    continue
            text = bytes(rest[: end - 1])
            yield Page(first, text, True)
            del rest[:end]
            first += text.count(b"\n") + 1
    if rest:
        yield Page(first, bytes(rest.removesuffix(b"\n")), True)


def _utf8(blocks: Iterable[bytes]) -> Iterator[bytes]:
    decoder = None
    for number, block in enumerate(blocks):
        if number == 0:
            encoding = _wide(block)
            decoder = codecs.getincrementaldecoder(encoding)("replace") if encoding else None
            block = block.removeprefix(b"\xef\xbb\xbf")
        yield block if decoder is None else decoder.decode(block).encode("utf-8", "replace")


def _wide(block: bytes) -> str:
    """The kind of UTF-16 that a stream begins with, told by its mark or by the zeros of its letters; empty for none."""
    if block[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    start = block[:400]
    most = len(start) * 3 // 8
    if start[1::2].count(0) > most and not start[::2].count(0):
        return "utf-16-le"
    return "utf-16-be" if start[::2].count(0) > most and not start[1::2].count(0) else ""
