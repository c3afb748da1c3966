"""A signature: how one known problem shows in a log, what causes it, what cures it. Written as TOML.

A file holds any number of tables `[[signature]]`. Keys, all strings where nothing else is said:

- `name`: kebab-case, unique. `category`: what is wrong, in a word that other programs rely on; `none` marks a line that
  is harmless although it looks like an error, and needs no further key.
- `message`: a kind of message (see `envdoctor.explain.messages`), or a list of kinds; `where`: a table of RE2 patterns
  on its fields, all of which must be found. `pattern`: RE2 on the text of the line. With both, both must match.
- `unless`: RE2, the line must not match it. `near`: RE2 that must occur in the lines around it (CONTEXT_LINES on each
  side). `unless_near`: RE2 that must not occur there.
- `title`, `cause`, `cure`: sentences. `{word}` stands for a field of the message or a named group of the pattern.
  `commands`: commands to copy. `recipe`: the recipe that does it. `codes`: the checks that can confirm it.
- `next`: what strikes next once this is cured (names of signatures or categories).
- `strikes`: before, configure, compile, link, load or run.
- `priority`: a number; of several signatures on one line the highest wins, then the one that asks for most.
- `weak`: true for a line that counts only where nothing stronger is found, such as a warning.
- `examples`: lines that a real tool printed and that it matches.

Patterns are searched, not anchored, in one normalised logical line. RE2 takes linear time whatever the line holds.
"""

import re
from typing import Any, Literal, TypeAlias

import msgspec

from envdoctor.errors import UsageError

CONTEXT_LINES = 15
HARMLESS = "none"

Stage: TypeAlias = Literal["before", "configure", "compile", "link", "load", "run"]


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way in which one problem shows. See the module's text for each key."""

    name: str
    category: str
    title: str = ""
    message: str | tuple[str, ...] = ()
    pattern: str = ""
    unless: str = ""
    near: str = ""
    unless_near: str = ""
    where: dict[str, str] = {}
    cause: str = ""
    cure: str = ""
    commands: tuple[str, ...] = ()
    recipe: str | None = None
    codes: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    strikes: Stage = "run"
    priority: int = 0
    weak: bool = False
    examples: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of message that it reads."""
        return (self.message,) if isinstance(self.message, str) else self.message

    @property
    def specificity(self) -> tuple[int, int]:
        """Of two on one line the higher is the better answer."""
        asked = len(self.where) + bool(self.pattern) + bool(self.near) + bool(self.unless) + bool(self.kinds)
        return self.priority, asked

    @property
    def patterns(self) -> dict[str, str]:
        """Every pattern in it, by the key that holds it."""
        plain = {"pattern": self.pattern, "unless": self.unless, "near": self.near, "unless_near": self.unless_near}
        named = {f"where.{field}": pattern for field, pattern in self.where.items()}
        return {key: pattern for key, pattern in {**plain, **named}.items() if pattern}


class SignatureError(UsageError):
    """A file of signatures that is wrong; the text names the file, the signature and the fault in one line."""

    kind = "signature"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    signature: tuple[dict[str, Any], ...] = ()


def parse_signatures(text: str, source: str) -> tuple[Signature, ...]:
    """The signatures of one file. `source` names it in errors. Raises SignatureError."""
    import tomli

    try:
        raw = msgspec.convert(tomli.loads(text), _File)
    except (tomli.TOMLDecodeError, msgspec.ValidationError, RecursionError) as error:
        raise SignatureError(f"{source}: {error}") from error
    return tuple(_one(table, f"{source}: signature {number}") for number, table in enumerate(raw.signature, 1))


def _one(table: dict[str, Any], place: str) -> Signature:
    place = f"{place} (`{table['name']}`)" if isinstance(table.get("name"), str) else place
    try:
        signature = msgspec.convert(table, Signature)
    except msgspec.ValidationError as error:
        raise SignatureError(f"{place}: {error}") from error
    fault = _fault(signature)
    if fault:
        raise SignatureError(f"{place}: {fault}")
    return signature


def _fault(signature: Signature) -> str:
    """What is wrong with it, or nothing."""
    from envdoctor.explain.messages import fields

    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", signature.name):
        return "`name` is small letters, digits and single hyphens"
    if not signature.kinds and not signature.pattern:
        return "it has neither `message` nor `pattern`, so no line can match it"
    unknown = [kind for kind in signature.kinds if kind not in fields()]
    if unknown:
        return f"there is no kind of message `{unknown[0]}`; it is one of {', '.join(sorted(fields()))}"
    known = {field for kind in signature.kinds for field in fields()[kind]}
    strange = [field for field in signature.where if field not in known]
    if strange:
        return f"its message has no field `{strange[0]}`; it has {', '.join(sorted(known)) or 'none'}"
    if signature.category != HARMLESS and not (signature.title and signature.cause and signature.cure):
        return "`title`, `cause` and `cure` must say something"
    return ""
