"""The CMake language: from a file's text to its commands, after the grammar of cmake-language(7).

Own code after weighing the libraries: tree-sitter-cmake has no wheels for Linux (a doctor of broken compilers cannot
ask for a compiler), cmake-parser takes 50 ms to import and tears `-DX="a b"` in two, cmakelang is GPL.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

COMMAND_LIMIT = 50_000
EXPANDED_LIMIT = 64 * 1024
NESTING_LIMIT = 20


class CMakeSyntaxError(Exception):
    """The text is no CMake file; the message says where and why in one line."""


@dataclass(frozen=True)
class Argument:
    """One argument as written, without its quotes or brackets. `kind` is `unquoted`, `quoted` or `bracket`."""

    text: str
    kind: str = "unquoted"


@dataclass(frozen=True)
class Command:
    """One command invocation. `name` is in lower case, as CMake takes it; `line` counts from 1.

    A parenthesis within the arguments is an unquoted argument of its own, as it is for CMake.
    """

    name: str
    arguments: tuple[Argument, ...]
    line: int


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


@cache
def _pattern() -> re.Pattern[str]:
    # The character classes are those of CMake's own lexer, its legacy forms (-DX="a b", $(MAKEVAR)) included.
    # Every alternative is linear: an opened bracket that never closes is `broken` and ends the reading.
    plain = r'(?:[^ \0\t\r\n()#"\[=\\]|\\[^\0\n])'
    makevar = r"\$\([A-Za-z0-9_]*\)"
    legacy = rf'(?:{makevar}|{plain}|"(?:{makevar}|{plain}|[ \t\[=])*")'
    return re.compile(
        r"(?P<space>[ \t\r\n]+)"
        r"|(?P<comment>\#\[(?P<hashes>=*)\[.*?\](?P=hashes)\]|\#(?!\[=*\[)[^\n]*)"
        r"|(?P<bracket>\[(?P<equals>=*)\[(?:\r?\n)?(?P<body>.*?)\](?P=equals)\])"
        r"|(?P<broken>\#?\[=*\[)"
        r'|"(?P<quoted>(?:[^\\"]|\\.)*)"'
        r"|(?P<open>\()"
        r"|(?P<close>\))"
        rf"|(?P<unquoted>(?:{makevar}|{plain}|=|\[=*{legacy})(?:{legacy}|[\[=])*|\[=*)",
        re.DOTALL,
    )


def _tokens(text: str) -> Iterator[_Token]:
    position = 1 if text.startswith("\ufeff") else 0
    line = 1
    match = _pattern().match
    while position < len(text):
        found = match(text, position)
        if found is None or found.lastgroup == "broken":
            raise CMakeSyntaxError(f"line {line}: {_excerpt(text, position)} cannot be read")
        # The group that closes last is the alternative itself, not a group within it.
        kind = found.lastgroup or ""
        if kind not in ("space", "comment"):
            yield _Token(kind, found["body" if kind == "bracket" else kind], line)
        line += text.count("\n", position, found.end())
        position = found.end()


def parse(text: str) -> tuple[Command, ...]:
    """The commands of a CMake file, in order. Raises CMakeSyntaxError."""
    commands: list[Command] = []
    tokens = _tokens(text)
    for token in tokens:
        if token.kind != "unquoted" or not token.text.isidentifier():
            raise CMakeSyntaxError(f"line {token.line}: a command is expected, not {_excerpt(token.text, 0)}")
        opened = next(tokens, None)
        if opened is None or opened.kind != "open":
            raise CMakeSyntaxError(f"line {token.line}: `(` is expected after {_excerpt(token.text, 0)}")
        commands.append(Command(token.text.lower(), _arguments(tokens, token), token.line))
        if len(commands) > COMMAND_LIMIT:
            raise CMakeSyntaxError(f"line {token.line}: more than {COMMAND_LIMIT} commands")
    return tuple(commands)


def _arguments(tokens: Iterator[_Token], command: _Token) -> tuple[Argument, ...]:
    arguments: list[Argument] = []
    depth = 1
    for token in tokens:
        depth += (token.kind == "open") - (token.kind == "close")
        if depth == 0:
            return tuple(arguments)
        kind = token.kind if token.kind in ("quoted", "bracket") else "unquoted"
        arguments.append(Argument(token.text, kind))
    raise CMakeSyntaxError(f"line {command.line}: {_excerpt(command.text, 0)}( is never closed")


def expand(arguments: tuple[Argument, ...], variables: Mapping[str, str]) -> tuple[str, ...]:
    """The arguments as the command gets them: references replaced, escapes undone, unquoted ones split at `;`.

    A variable that is not known stays as written, `${NAME}`: what it holds is not known either.
    """
    words: list[str] = []
    for argument in arguments:
        if argument.kind == "bracket":
            words.append(argument.text)
        elif argument.kind == "quoted":
            joined = argument.text.replace("\\\r\n", "").replace("\\\n", "")
            words.append(_unescaped(_replaced(joined, variables)))
        else:
            words.extend(_unescaped(word) for word in _listed(_replaced(argument.text, variables)) if word)
    return tuple(words)


def _replaced(text: str, variables: Mapping[str, str]) -> str:
    """References replaced from the inside out: `${A_${B}}` is `${A_x}` first."""
    if "${" not in text:
        return text
    reference = re.compile(r"(?<!\\)\$\{([A-Za-z0-9/_.+-]*)\}")
    for _ in range(NESTING_LIMIT):
        replaced = reference.sub(lambda found: variables.get(found[1], found[0]), text)
        if replaced == text or len(replaced) > EXPANDED_LIMIT:
            break
        text = replaced
    return text


def _listed(text: str) -> list[str]:
    return re.split(r"(?<!\\);", text)


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    named = {"t": "\t", "r": "\r", "n": "\n"}
    return re.sub(r"\\(.)", lambda found: named.get(found[1], found[1]), text, flags=re.DOTALL)


def _excerpt(text: str, position: int) -> str:
    return repr(text[position : position + 30].splitlines()[0] if text[position : position + 30].strip() else "")
