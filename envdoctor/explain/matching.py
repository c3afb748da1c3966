"""Which signatures a line matches. Patterns are RE2; a filter over the words they need spares most lines."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import re2

from envdoctor.explain.alternatives import alternatives
from envdoctor.explain.messages import Message, grammar, message
from envdoctor.explain.signature import Signature, SignatureError

# The lines near one, or what gives them.
Around: TypeAlias = Callable[[], Sequence[str]] | Sequence[str]

# Kinds of message that tell how a step ended, and are no faults by themselves.
MARKS = frozenset({"succeeded", "failed"})

NEAR_THE_END = 2048


class Match(msgspec.Struct, frozen=True):
    """A signature found in a line: `fields` are those of the message and the named groups of the pattern.

    `end` is where the match ends in the line.
    """

    signature: Signature
    fields: dict[str, str]
    end: int


class Matcher:
    """The compiled signatures. Raises SignatureError for a pattern that RE2 does not take."""

    def __init__(self, signatures: Sequence[Signature]) -> None:
        self._quiet = re2.Options()
        self._quiet.log_errors = False
        self._filter = re2.Filter()
        # Of every pattern in the filter the kind of message or the signature that it belongs to.
        self._owners: list[str | _Compiled] = []
        self._all: list[str] = []
        self._by_lines: dict[int, Any] = {}
        self._anchored: set[int] = set()
        wanted = {kind for signature in signatures for kind in signature.kinds} | MARKS
        for rule in grammar():
            if rule.kind in wanted:
                self._add(rule.pattern, rule.kind, f"the grammar of {rule.kind}")
        self._by_kind: dict[str, list[_Compiled]] = {}
        for signature in signatures:
            compiled = _Compiled(signature, self._compile)
            for kind in signature.kinds:
                self._by_kind.setdefault(kind, []).append(compiled)
            if not signature.kinds:
                self._add(signature.pattern, compiled, f"signature {signature.name}")
        self.marking = frozenset(number for number, owner in enumerate(self._owners) if owner in MARKS)
        """The numbers of the patterns of MARKS."""
        self._filter.Compile()
        self._compiled = [self._filter.re(number) for number in range(len(self._owners))]
        self._set_wordless_apart()

    def possible_below(self, text: bytes) -> list[int]:
        """The numbers of the patterns that may be found in any line of a text."""
        return self._filter.Match(text, True) or []

    def found_below(self, number: int, text: bytes) -> bool:
        """False where a pattern is in no line of a text. One search of it all is faster than one of each line."""
        if number in self._anchored:
            return True
        compiled = self._by_lines.get(number)
        if compiled is None:
            compiled = self._by_lines[number] = re2.compile(f"(?m){self._all[number]}", self._quiet)
        return compiled.search(text) is not None

    def possible(self, line: bytes) -> list[int]:
        """The numbers of the patterns that may be found in a line."""
        found = self._filter.Match(line, True) or []
        return found if self._wordless is None else self._with_wordless(found, line)

    def found(self, line: bytes, possible: Iterable[int]) -> list[int]:
        """Those of the possible patterns that are found in a line as it stands, with whatever is before its text.

        A pattern that looks at the beginning or the end counts as found: what stands there may be taken off.
        """
        return [number for number in possible if number in self._anchored or self._compiled[number].search(line)]

    def last_marks(self, text: bytes) -> dict[str, int]:
        """The kinds among MARKS that lines of a text are of, each with where the last of them ends."""
        found: dict[str, int] = {}
        for number in self.marking.intersection(self.possible_below(text)):
            kind = str(self._owners[number])
            found[kind] = max(found.get(kind, 0), self._last_end(number, text))
        return {kind: end for kind, end in found.items() if end}

    def _last_end(self, number: int, text: bytes) -> int:
        """Where the last match of a pattern ends; 0 where there is none. Its end is tried first: most are there."""
        for start in (max(0, len(text) - NEAR_THE_END), 0):
            end = max((hit.end() for hit in self._compiled[number].finditer(text, start)), default=0)
            if end:
                return end
        return 0

    def match(self, line: str, around: Around = ()) -> list[Match]:
        """The signatures that the line matches, best first. `around` are the lines near it, for `near`."""
        found: dict[str, Match] = {}
        for number in self.possible(line.encode("utf-8", "replace")):
            hit = None if number in self.marking else self._compiled[number].search(line)
            if hit is None:
                continue
            owner = self._owners[number]
            if isinstance(owner, _Compiled):
                if owner.agrees(line, around):
                    match = Match(owner.signature, _named(hit), hit.end())
                    found.setdefault(owner.signature.name, match)
                continue
            said = message(owner, hit.groupdict())
            for compiled in self._by_kind.get(owner, ()):
                fields = compiled.reads(said, line, around)
                if fields is not None:
                    found.setdefault(compiled.signature.name, Match(compiled.signature, fields, hit.end()))
        return sorted(found.values(), key=lambda match: match.signature.specificity, reverse=True)

    def _add(self, pattern: str, owner: "str | _Compiled", place: str) -> None:
        for part in alternatives(pattern):
            try:
                number = self._filter.Add(part, self._quiet)
            except re2.error as error:
                raise SignatureError(f"{place}: RE2 does not take the pattern `{part}`: {_reason(error)}") from error
            self._owners.append(owner)
            self._all.append(part)
            if _is_anchored(part):
                self._anchored.add(number)

    def _compile(self, pattern: str, place: str) -> Any:
        try:
            return re2.compile(pattern, self._quiet)
        except re2.error as error:
            raise SignatureError(f"{place}: RE2 does not take the pattern `{pattern}`: {_reason(error)}") from error

    def _set_wordless_apart(self) -> None:
        """Patterns such as `\\w+-\\d` hold no word that a line must have: a set looks for them together."""
        self._wordless_numbers: list[int] = self._filter.Match(b"", True) or []
        self._wordless_set = frozenset(self._wordless_numbers)
        self._wordless: Any = None
        if self._wordless_numbers:
            self._wordless = re2.Set.SearchSet(self._quiet)
            for number in self._wordless_numbers:
                self._wordless.Add(self._compiled[number].pattern)
            self._wordless.Compile()

    def _with_wordless(self, found: list[int], line: bytes) -> list[int]:
        """Without the patterns that have no word to look for, but those of them that the line does match."""
        matched = self._wordless.Match(line) or ()
        if not matched and len(found) == len(self._wordless_numbers):
            return []
        numbers = [self._wordless_numbers[place] for place in matched]
        return [number for number in found if number not in self._wordless_set] + numbers


class _Compiled:
    """A signature with its patterns compiled."""

    def __init__(self, signature: Signature, compile_: Any) -> None:
        self.signature = signature
        self._patterns = {
            key: compile_(pattern, f"signature {signature.name}, `{key}`")
            for key, pattern in signature.patterns.items()
        }

    def agrees(self, line: str, around: Around) -> bool:
        """True where `unless`, `near` and `unless_near` let it."""
        if "unless" in self._patterns and self._patterns["unless"].search(line):
            return False
        if "near" not in self._patterns and "unless_near" not in self._patterns:
            return True
        lines = (line, *(around() if callable(around) else around))
        if "near" in self._patterns and not any(map(self._patterns["near"].search, lines)):
            return False
        return "unless_near" not in self._patterns or not any(map(self._patterns["unless_near"].search, lines))

    def reads(self, said: Message, line: str, around: Around) -> dict[str, str] | None:
        """The fields, where the message and the line are what the signature wants."""
        for field in self.signature.where:
            if not self._patterns[f"where.{field}"].search(said.fields.get(field, "")):
                return None
        named: Mapping[str, str] = {}
        if "pattern" in self._patterns:
            hit = self._patterns["pattern"].search(line)
            if hit is None:
                return None
            named = _named(hit)
        return {**said.fields, **named} if self.agrees(line, around) else None


def _is_anchored(pattern: str) -> bool:
    return re.search(r"(?<![\[\\])\^|(?<!\\)\$", pattern) is not None


def _named(hit: Any) -> dict[str, str]:
    return {name: text for name, text in hit.groupdict().items() if text}


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
