"""Reads a log in one pass and bounded memory, and finds the lines that a signature matches."""

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from envdoctor.explain.matching import Match, Matcher
from envdoctor.explain.normalise import decoded, forms, is_encoded, plain, without_prefix
from envdoctor.explain.pages import WINDOW, Page, pages
from envdoctor.explain.signature import CONTEXT_LINES

# Of one signature the first lines are kept; a thousand more of them say nothing new.
HITS_OF_ONE = 6
# A pattern that was found in so many lines is not looked for any more.
LINES_OF_ONE = 2000
# So many patterns are looked for in a whole page before its lines are read one by one.
TRIED_AT_ONCE = 12
SHOWN_CHARACTERS, SHOWN_OF_OTHERS = 2000, 500
# A line of a log may be wrapped where it is as long as the longest around it, within a terminal's width.
NARROWEST, WIDEST, LONGEST_WORD = 50, 200, 300
PIECES = 8
LAST_LINES = 12


class Hit(msgspec.Struct, frozen=True):
    """A line with the signatures that it matches, best first. `first` and `last` count lines of the log from 1.

    `before` and `after` are the lines around it as they stand in the log.
    """

    first: int
    last: int
    text: str
    raw: str
    matches: tuple[Match, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]


class Mark(msgspec.Struct, frozen=True):
    """A line that says how something ended."""

    kind: str
    number: int


class Reading(msgspec.Struct, frozen=True):
    """What was found in a log. `marks`: the last of each kind. `ending` are its last lines."""

    hits: tuple[Hit, ...]
    lines: int
    marks: tuple[Mark, ...]
    ending: tuple[str, ...]


def read_log(blocks: Iterable[bytes], matcher: Matcher) -> Reading:
    """Read a stream of bytes to its end."""
    reader = _Reader(matcher)
    before: list[bytes] = []
    page: Page | None = None
    lines = 0
    for following in pages(blocks):
        if page is not None:
            before = reader.read(page, before, following.text[: 1 << 14].split(b"\n")[:CONTEXT_LINES])
        page = following
        lines = page.first + page.text.count(b"\n")
    if page is not None:
        before = reader.read(page, before, [])
    ending = [line.decode("utf-8", "replace").strip() for line in before if line.strip()]
    return Reading(tuple(reader.hits), lines, tuple(reader.marks.values()), tuple(ending[-LAST_LINES:]))


class _Reader:
    def __init__(self, matcher: Matcher) -> None:
        self.hits: list[Hit] = []
        self.marks: dict[str, Mark] = {}
        self._matcher = matcher
        self._counts: dict[str, int] = {}
        self._found: Counter[int] = Counter()
        self._seen_enough: set[int] = set(matcher.marking)

    def read(self, page: Page, before: list[bytes], after: list[bytes]) -> list[bytes]:
        """Find what is in a page; return the lines that stand before the next one."""
        text = plain(page.text)
        lines = text.split(b"\n")
        encoded = is_encoded(text)
        cut_at = _width(lines)
        texts = (text, text.replace(b"\n", b""), text.replace(b"\n", b" ")) if cut_at else (text,)
        possible = {number for one in texts for number in self._matcher.possible_below(one)}
        if encoded or self._is_worth_it(possible, texts):
            self._read_lines(page.first, lines, before, after, cut_at, encoded)
        if possible:
            self._mark(page.first, text)
        kept = lines[-CONTEXT_LINES:]
        return [*before, *kept][-CONTEXT_LINES:]

    def _is_worth_it(self, possible: set[int], texts: tuple[bytes, ...]) -> bool:
        """True where a pattern is in a page that has not been found often enough."""
        new = possible - self._seen_enough
        if len(new) > TRIED_AT_ONCE:
            return True
        return any(self._matcher.found_below(number, text) for number in new for text in texts)

    def _read_lines(
        self, first: int, lines: list[bytes], before: list[bytes], after: list[bytes], cut_at: int, encoded: bool
    ) -> None:
        around = [*before, *lines, *after]
        shift = len(before)
        cut = False
        hard = cut_at > 0 and sum(len(line) == cut_at for line in lines) > 1
        for index, line in enumerate(lines):
            hides = encoded and is_encoded(line)
            if self._is_new(line) or hides:
                self._read_line(line, first + index, around, shift + index, hides)
            if cut_at:
                was_cut, cut = cut, index + 1 < len(lines) and _is_cut(line, lines[index + 1], cut_at)
                if cut and not was_cut:
                    self._read_joined(first + index, around, shift + index, cut_at, hard)

    def _mark(self, first: int, text: bytes) -> None:
        """Keep the last mark of each kind in a page."""
        for kind, end in self._matcher.last_marks(text).items():
            self.marks[kind] = Mark(kind, first + text.count(b"\n", 0, end))

    def _read_line(self, line: bytes, number: int, around: list[bytes], at: int, encoded: bool) -> None:
        if encoded and self._read_decoded(line, number):
            return
        context = _Context(around, at, at + 1)
        overwritten = b"\r" in line[:-1]
        for text in forms(line):
            if overwritten and not self._is_new(text.encode("utf-8", "replace")):
                continue
            matches = self._matcher.match(text, context.lines)
            if matches:
                self._keep(number, number, text, line, matches, context)
                return

    def _read_decoded(self, line: bytes, number: int) -> bool:
        """Read the lines that one line hides, as JSON and URLs do. True where any of them matches."""
        pieces = decoded(line)
        around = [piece.encode("utf-8", "replace") for piece in pieces]
        found = False
        for index, piece in enumerate(pieces):
            if not self._is_new(around[index]):
                continue
            context = _Context(around, index, index + 1)
            matches = self._matcher.match(piece, context.lines)
            if matches:
                self._keep(number, number, piece, around[index], matches, context)
                found = True
        return found

    def _read_joined(self, number: int, around: list[bytes], at: int, cut_at: int, hard: bool) -> None:
        """Read a line that seems to be cut together with those it goes on in.

        A fault that one of them tells by itself is told by it, unless it was cut off there: where `hard` says that
        several lines end at the same column.
        """
        pieces = _goes_on(around, at, cut_at)
        for data in _joins(pieces, cut_at):
            if not self._is_new(data):
                continue
            text = without_prefix(data.decode("utf-8", "replace"))
            context = _Context(around, at, at + len(pieces))
            matches = self._matcher.match(text, context.lines)
            if matches:
                whole = {name for piece in pieces for name in self._whole(piece, hard and len(piece) == cut_at)}
                matches = [match for match in matches if match.signature.name not in whole]
            if matches:
                last = number + len(pieces) - 1
                self.hits = [hit for hit in self.hits if not number <= hit.first <= last]
                self._keep(number, last, text, b"\n".join(pieces), matches, context)
                return

    def _whole(self, piece: bytes, cut: bool) -> Iterator[str]:
        """Names of the signatures that a line matches by itself and not up to the place where it was cut."""
        for text in forms(piece):
            for match in self._matcher.match(text):
                if not cut or match.end < len(text):
                    yield match.signature.name

    def _is_new(self, line: bytes) -> bool:
        """True where a pattern is in the line that has not been found often enough."""
        possible = self._matcher.possible(line)
        if self._seen_enough.issuperset(possible):
            return False
        found = self._matcher.found(line, [number for number in possible if number not in self._seen_enough])
        for number in found:
            self._found[number] += 1
            if self._found[number] >= LINES_OF_ONE:
                self._seen_enough.add(number)
        return bool(found)

    def _keep(self, first: int, last: int, text: str, raw: bytes, matches: list[Match], context: "_Context") -> None:
        name = matches[0].signature.name
        count = self._counts.get(name, 0)
        self._counts[name] = count + 1
        if count >= HITS_OF_ONE:
            return
        shown = raw[:SHOWN_CHARACTERS].decode("utf-8", "replace")
        self.hits.append(
            Hit(first, last, text[:SHOWN_CHARACTERS], shown, tuple(matches), context.before, context.after)
        )


class _Context:
    """The lines around one, decoded only where somebody looks."""

    def __init__(self, around: list[bytes], start: int, end: int) -> None:
        self._before = around[max(0, start - CONTEXT_LINES) : start]
        self._after = around[end : end + CONTEXT_LINES]

    @property
    def before(self) -> tuple[str, ...]:
        return _decoded(self._before, SHOWN_OF_OTHERS)

    @property
    def after(self) -> tuple[str, ...]:
        return _decoded(self._after, SHOWN_OF_OTHERS)

    def lines(self) -> tuple[str, ...]:
        """Those before and those after, long ones too: a compiler's command is one line."""
        return _decoded([*self._before, *self._after], WINDOW)


def _decoded(lines: list[bytes], most: int) -> tuple[str, ...]:
    return tuple(line[:most].decode("utf-8", "replace") for line in lines)


def _width(lines: list[bytes]) -> int:
    """The width that these lines seem to be wrapped at; 0 where they are not. A long word may stand beyond it."""
    widest = max((len(line) for line in lines if b" " in line), default=0)
    return widest if NARROWEST <= widest <= WIDEST and len(lines) > 1 else 0


def _is_cut(line: bytes, following: bytes, cut_at: int) -> bool:
    """True where the first word of the following line had no room in this one."""
    room = cut_at - len(line)
    if room > LONGEST_WORD or not line:
        return False
    word = following.split(None, 1)[:1]
    return bool(word) and len(word[0]) >= room


def _goes_on(around: list[bytes], at: int, cut_at: int) -> list[bytes]:
    """A line with those that follow it, as long as each but the last seems to be cut."""
    pieces = [around[at]]
    for following in around[at + 1 : at + PIECES]:
        if not _is_cut(pieces[-1], following, cut_at):
            break
        pieces.append(following)
    return pieces


def _joins(pieces: list[bytes], cut_at: int) -> Iterator[bytes]:
    """A terminal cuts at its width, in the middle of a word; a person or a program before it, between words."""
    if len(pieces) == 1:
        return
    exact = sum(len(piece) == cut_at for piece in pieces[:-1])
    if exact:
        glued = [piece if len(piece) == cut_at else piece.strip() + b" " for piece in pieces]
        yield b"".join(glued)
    if exact < 2:
        yield b" ".join(piece.strip() for piece in pieces)
