"""Makes a signature of a line and of what a person knows about it, so that nobody loses the time twice."""

import json
import re

import msgspec
import re2

from envdoctor.errors import UsageError
from envdoctor.explain.matching import Matcher
from envdoctor.explain.messages import Message, grammar, message
from envdoctor.explain.signature import Signature, parse_signatures

# The field that tells one fault of a kind from another.
IDENTITY = {
    "undefined-symbol": "symbol",
    "undefined-reference": "symbol",
    "missing-library": "library",
    "missing-version": "version",
    "missing-link-library": "library",
    "missing-header": "header",
    "missing-module": "module",
    "missing-name": "name",
    "cmake-package": "package",
    "no-member": "member",
    "undeclared": "name",
    "unsupported-arch": "arch",
    "command-not-found": "program",
}


class Knowledge(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says about a line."""

    name: str
    category: str
    cause: str
    cure: str
    commands: tuple[str, ...] = ()


def learned(line: str, known: Knowledge) -> str:
    """A TOML file with one signature that matches the line, and lines that say the same of other paths and numbers.

    Raises SignatureError for a name that is none, UsageError for a line that no pattern can be made of.
    """
    rows = [
        ("name", known.name),
        ("category", known.category),
        ("title", re.split(r"(?<=\w)[.;:](?:\s|$)", known.cause, maxsplit=1)[0]),
        *_recognition(line),
        ("cause", known.cause),
        ("cure", known.cure),
        ("commands", list(known.commands)),
        ("examples", [line]),
    ]
    text = "[[signature]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in rows if value)
    (signature,) = parse_signatures(text, known.name)
    if not is_recognised(line, signature):
        raise UsageError("no pattern can be made of that line; name another one with --line")
    return text


def is_recognised(line: str, signature: Signature) -> bool:
    """True where the signature is found in the line."""
    return bool(Matcher((signature,)).match(line))


def _recognition(line: str) -> list[tuple[str, object]]:
    """By its message where the grammar knows one, else by its words."""
    for said in messages_in(line):
        field = IDENTITY.get(said.kind)
        if field is not None and field in said.fields:
            return [("message", said.kind), ("where", {field: f"^{_escaped(said.fields[field])}$"})]
    return [("pattern", generalised(line))]


def messages_in(line: str) -> list[Message]:
    """The messages that the grammar sees in a line."""
    found = ((rule.kind, re2.compile(rule.pattern).search(line)) for rule in grammar())
    return [message(kind, hit.groupdict()) for kind, hit in found if hit is not None]


def generalised(line: str) -> str:
    """A pattern for lines that differ in paths, numbers and addresses alone."""
    pattern = ""
    for piece in re.split(r"((?:[A-Za-z]:)?[\w.~+-]*/[^\s:'\"`,;()]+|0x[0-9a-fA-F]+|[0-9]+)", line.strip()):
        # Not \d, which has digits of other scripts in Python and not in RE2.
        if re.fullmatch(r"[0-9]+", piece):
            pattern += "[0-9]+"
        elif re.fullmatch(r"0x[0-9a-fA-F]+", piece):
            pattern += "0x[0-9a-fA-F]+"
        elif "/" in piece:
            pattern += r"\S+"
        else:
            pattern += _escaped(piece)
    return pattern


def _escaped(text: str) -> str:
    return re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", text)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    # A basic string of TOML is a string of JSON, but for one control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
