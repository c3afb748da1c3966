"""The grammar of messages: what a tool says, whatever surrounds it and whatever language it speaks.

The patterns are in `messages.toml`; here is what is derived from their fields. A symbol is demangled (`demangled`) and
the std::string in it is told (`abi`: new, old or none). A module has its outermost package (`package`).
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import msgspec

_TABLE = Path(__file__).with_name("messages.toml")


class Message(msgspec.Struct, frozen=True):
    """What a tool said: its kind and its fields; a field that was not told is not there."""

    kind: str
    fields: dict[str, str]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way in which a kind of message is written."""

    kind: str
    pattern: str


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    words: dict[str, str | tuple[str, ...]]
    message: tuple[Rule, ...]


@cache
def grammar() -> tuple[Rule, ...]:
    """The rules, words written out. Raises msgspec.ValidationError where the table is wrong; tests keep it right."""
    import tomli

    table = msgspec.convert(tomli.loads(_TABLE.read_text("utf-8")), _Table)
    words = {name: _pattern(word) for name, word in table.words.items()}
    return tuple(Rule(rule.kind, _written_out(rule.pattern, words)) for rule in table.message)


@cache
def fields() -> Mapping[str, frozenset[str]]:
    """The fields of every kind of message, derived ones included."""
    found: dict[str, set[str]] = {}
    for rule in grammar():
        derived = _DERIVED[rule.kind][0] if rule.kind in _DERIVED else ()
        found.setdefault(rule.kind, set(derived)).update(re.findall(r"\(\?P<(\w+)>", rule.pattern))
    return {kind: frozenset(names) for kind, names in found.items()}


def message(kind: str, groups: Mapping[str, str | None]) -> Message:
    """The message of a line that one of the kind's patterns was found in."""
    told = {name: text.strip() for name, text in groups.items() if text and text.strip()}
    return Message(kind, _DERIVED[kind][1](told) if kind in _DERIVED else told)


def _pattern(word: str | tuple[str, ...]) -> str:
    return word if isinstance(word, str) else f"(?:{'|'.join(word)})"


def _written_out(pattern: str, words: Mapping[str, str]) -> str:
    for name, word in words.items():
        pattern = pattern.replace(f"%{name}%", word)
    return pattern


def _with_symbol(told: dict[str, str]) -> dict[str, str]:
    from envdoctor.elf.demangle import demangle
    from envdoctor.elf.mangled import qualified

    name = told.get("symbol", "")
    mangled = name[1:] if name.startswith("__Z") else name
    demangled = demangle(mangled.encode())
    if demangled.startswith("_Z"):
        # Damaged or cut off; the names at its beginning still say whose it is.
        demangled = qualified(mangled.encode()) or demangled
    return {**told, "demangled": demangled, "abi": _string_abi(mangled, demangled)}


def _string_abi(mangled: str, demangled: str) -> str:
    """Which std::string takes part in a name: `new`, `old`, or `none`."""
    if "__cxx11" in mangled + demangled or "B5cxx11" in mangled or "[abi:cxx11]" in demangled:
        return "new"
    is_old = "std::string" in demangled or re.search(r"\bstd::basic_string<char\b", demangled)
    return "old" if is_old else "none"


def _with_package(told: dict[str, str]) -> dict[str, str]:
    return {**told, "package": told["module"].partition(".")[0]}


_DERIVED: Mapping[str, tuple[tuple[str, ...], Callable[[dict[str, str]], dict[str, str]]]] = {
    "undefined-symbol": (("demangled", "abi"), _with_symbol),
    "undefined-reference": (("demangled", "abi"), _with_symbol),
    "missing-module": (("package",), _with_package),
}
