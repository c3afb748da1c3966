"""Which signatures a line matches. Patterns are RE2; a filter over the words they need spares most lines."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import re2

from envdoctor.explain.messages import Message, grammar, message
from envdoctor.explain.signature import Signature, SignatureError

# The lines near one, or what gives them.
Around: TypeAlias = Callable[[], Sequence[str]] | Sequence[str]

# Kinds of message that tell how a log goes on or ends, and are no faults by themselves.
MARKS = frozenset({"succeeded", "failed", "chained"})


class Match(msgspec.Struct, frozen=True):
    """A signature found in a line: `fields` are those of the message and the named groups of the pattern.

    `end` is where it ends in the line; `number` is that of the pattern.
    """

    signature: Signature
    fields: dict[str, str]
    end: int
    number: int


class Matcher:
    """The compiled signatures. Raises SignatureError for a pattern that RE2 does not take."""

    def __init__(self, signatures: Sequence[Signature]) -> None:
        self._quiet = re2.Options()
        self._quiet.log_errors = False
        self._filter = re2.Filter()
        self._all: list[str] = []
        self._kinds: list[str] = []
        wanted = {kind for signature in signatures for kind in signature.kinds} | MARKS
        for rule in grammar():
            if rule.kind in wanted:
                self._add(rule.pattern, f"the grammar of {rule.kind}")
                self._kinds.append(rule.kind)
        self._marks = {index for index, kind in enumerate(self._kinds) if kind in MARKS}
        self._by_kind: dict[str, list[_Compiled]] = {}
        self._by_pattern: list[_Compiled] = []
        for signature in signatures:
            compiled = _Compiled(signature, self._compile)
            for kind in signature.kinds:
                self._by_kind.setdefault(kind, []).append(compiled)
            if not signature.kinds:
                self._add(signature.pattern, f"signature {signature.name}")
                self._by_pattern.append(compiled)
        self._filter.Compile()
        self._set_wordless_apart()
        self._anchored = {number for number, pattern in enumerate(self._all) if "^" in pattern.replace("[^", "")}

    @property
    def marking(self) -> frozenset[int]:
        """The numbers of the patterns of MARKS."""
        return frozenset(self._marks)

    def possible_below(self, text: bytes) -> list[int]:
        """The numbers of the patterns that may be found in any line of a text."""
        return self._filter.Match(text, True) or []

    def possible(self, line: bytes) -> list[int]:
        """The numbers of the patterns that may be found in a line."""
        found = self._filter.Match(line, True) or []
        return found if self._wordless is None else self._with_wordless(found, line)

    def _with_wordless(self, found: list[int], line: bytes) -> list[int]:
        """Without the patterns that have no word to look for, but those of them that the line does match."""
        matched = self._wordless.Match(line) or ()
        if not matched and len(found) == len(self._wordless_numbers):
            return []
        numbers = [self._wordless_numbers[place] for place in matched]
        return [number for number in found if number not in self._wordless_set] + numbers

    def found(self, line: bytes, possible: Sequence[int]) -> list[int]:
        """Those of the possible patterns that are found in a line as it stands, with whatever is before its text.

        A pattern that looks at the beginning counts as found: what stands before the text may be taken off.
        """
        return [number for number in possible if number in self._anchored or self._filter.re(number).search(line)]

    def marks(self, line: bytes, possible: Sequence[int]) -> list[str]:
        """The kinds among MARKS that the line is of."""
        marks = self._marks.intersection(possible)
        return [self._kinds[index] for index in marks if self._filter.re(index).search(line)]

    def match(self, line: str, around: Around = ()) -> list[Match]:
        """The signatures that the line matches, best first. `around` are the lines near it, for `near`."""
        found: list[Match] = []
        messages: list[tuple[Message, int, int]] = []
        for index in self.possible(line.encode("utf-8", "replace")):
            if index in self._marks:
                continue
            hit = self._filter.re(index).search(line)
            if hit is None:
                continue
            if index < len(self._kinds):
                messages.append((message(self._kinds[index], hit.groupdict()), hit.end(), index))
            else:
                compiled = self._by_pattern[index - len(self._kinds)]
                if compiled.agrees(line, around):
                    found.append(Match(compiled.signature, _named(hit), hit.end(), index))
        for said, end, index in messages:
            for compiled in self._by_kind.get(said.kind, ()):
                fields = compiled.reads(said, line, around)
                if fields is not None:
                    found.append(Match(compiled.signature, fields, end, index))
        return sorted(found, key=lambda match: match.signature.specificity, reverse=True)

    def _set_wordless_apart(self) -> None:
        """Patterns such as `a|.*b?` hold no word that a line must have: they are looked for together, by a set."""
        self._wordless_numbers: list[int] = self._filter.Match(b"", True) or []
        self._wordless_set = frozenset(self._wordless_numbers)
        self._wordless: Any = None
        if self._wordless_numbers:
            self._wordless = re2.Set.SearchSet(self._quiet)
            for number in self._wordless_numbers:
                self._wordless.Add(self._filter.re(number).pattern)
            self._wordless.Compile()

    def _add(self, pattern: str, place: str) -> None:
        try:
            self._filter.Add(pattern, self._quiet)
            self._all.append(pattern)
        except re2.error as error:
            raise SignatureError(f"{place}: RE2 does not take the pattern `{pattern}`: {_reason(error)}") from error

    def _compile(self, pattern: str, place: str) -> Any:
        try:
            return re2.compile(pattern, self._quiet)
        except re2.error as error:
            raise SignatureError(f"{place}: RE2 does not take the pattern `{pattern}`: {_reason(error)}") from error


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


def _named(hit: Any) -> dict[str, str]:
    return {name: text for name, text in hit.groupdict().items() if text}


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
