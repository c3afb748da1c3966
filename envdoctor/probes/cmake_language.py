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
"""Characters that the references of one argument may bring."""


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
            words.append(_evaluated(argument.text.replace("\\\r\n", "").replace("\\\n", ""), variables))
        else:
            pieces = re.split(r"(?<!\\);", _evaluated(argument.text, variables))
            words.extend(piece.replace("\\;", ";") for piece in pieces if piece)
    return tuple(words)


def _evaluated(text: str, variables: Mapping[str, str]) -> str:
    """Escapes undone and references replaced from the inside out: `${A_${B}}` is `${A_x}` first.

    What a variable holds is taken as it is, and `\\;` stays, as CMake has it. `$ENV{NAME}` is looked up as `ENV{NAME}`.
    """
    if "\\" not in text and "${" not in text and "$ENV{" not in text:
        return text
    # One list of pieces for each reference that is open, after how it opened; the outermost for the text itself.
    opened: list[tuple[str, list[str]]] = [("", [])]
    position = size = 0
    for mark in re.finditer(r"\\.|\$(?:ENV)?\{|\}", text, re.DOTALL):
        opened[-1][1].append(text[position : mark.start()])
        position = mark.end()
        if mark[0].endswith("{") and mark[0].startswith("$"):
            opened.append((mark[0], []))
        elif mark[0] == "}" and len(opened) > 1:
            opening, pieces = opened.pop()
            written = f"{opening}{''.join(pieces)}}}"
            value = variables.get(written[1:] if opening == "$ENV{" else written[2:-1], written)
            size += len(value)
            opened[-1][1].append(value if size <= EXPANDED_LIMIT else "")
        else:
            opened[-1][1].append(_unescaped(mark[0]))
    opened[-1][1].append(text[position:])
    return "".join(f"{opening}{''.join(pieces)}" for opening, pieces in opened)


def _unescaped(mark: str) -> str:
    named = {"\\t": "\t", "\\r": "\r", "\\n": "\n", "\\;": "\\;", "}": "}"}
    return named.get(mark, mark[1:])


def _excerpt(text: str, position: int) -> str:
    return repr(text[position : position + 30].splitlines()[0] if text[position : position + 30].strip() else "")
