"""The programs that a Makefile's recipes start, by a reading of its rules; make itself is not asked."""

import re
from collections.abc import Iterator, Mapping

from envdoctor.facts import Known, SourceUse, Unreadable
from envdoctor.files import FileView
from envdoctor.probes.reading import text_of

NAMES = ("GNUmakefile", "makefile", "Makefile")
"""In the order in which make looks for them."""

FILE_LIMIT = 256 * 1024
USES_AT_MOST = 200
NESTING_LIMIT = 8

# Words of the shell itself, and words that are followed by the program they start.
SHELL_WORDS = frozenset(
    (
        *(":", ".", "[", "[[", "alias", "break", "case", "cd", "continue", "echo", "esac", "eval", "exit", "export"),
        *("false", "fi", "for", "done", "printf", "pwd", "read", "return", "select", "set", "shift", "source", "test"),
        *("trap", "true", "type", "ulimit", "umask", "unset", "wait", "in", "}", ")"),
    )
)
STARTERS = frozenset(("if", "then", "else", "elif", "while", "until", "do", "!", "exec", "command", "time", "{", "("))
PROGRAM_STARTERS = frozenset(("sudo", "env", "nohup", "nice", "xargs"))


def read_makefile(
    files: FileView, root: str, environment: Mapping[str, str]
) -> tuple[tuple[SourceUse, ...], tuple[Unreadable, ...]]:
    """Each program once, with the place of its first use. A name that only make can compute is left out."""
    for name in NAMES:
        text = text_of(files, f"{root}/{name}", FILE_LIMIT)
        if isinstance(text, Unreadable):
            return (), (text,)
        if isinstance(text, Known):
            uses: dict[str, SourceUse] = {}
            for program, line in _programs(text.value, environment):
                uses.setdefault(program, SourceUse(program, f"{root}/{name}", line))
            return tuple(uses.values())[:USES_AT_MOST], ()
    return (), ()


def _programs(text: str, environment: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    variables: dict[str, str] = {"MAKE": "make", "SHELL": "/bin/sh"}
    for line, number in _joined(text):
        if line.startswith("\t"):
            for program in _programs_of_shell(_expanded(line.strip(), variables)):
                yield program, number
            continue
        assigned = re.match(r"[ ]*(?:export[ ]+|override[ ]+)?([\w.-]+)[ \t]*(\?=|::?=|=)[ \t]*([^#]*)", line)
        # `?=` gives way to the environment; the others do not.
        if assigned and not (assigned[2] == "?=" and assigned[1] in environment):
            variables[assigned[1]] = assigned[3].strip()[:4096]
        elif assigned:
            variables[assigned[1]] = environment[assigned[1]][:4096]
        elif re.match(r"[^\t#=]*:[^=]*;", line):
            for program in _programs_of_shell(_expanded(line.partition(";")[2], variables)):
                yield program, number


def _joined(text: str) -> Iterator[tuple[str, int]]:
    """Lines with their continuations, and the number of the first."""
    held, start = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        start = start if held else number
        held += line
        if held.endswith("\\"):
            held = held[:-1] + " "
            continue
        yield held, start
        held = ""
    if held:
        yield held, start


def _expanded(text: str, variables: Mapping[str, str]) -> str:
    """Plain references replaced by what the file sets; others stay as written. `$$` is left for the shell."""
    for _ in range(NESTING_LIMIT):
        replaced = re.sub(
            r"(?<!\$)\$(?:\(([\w.-]+)\)|\{([\w.-]+)\})",
            lambda found: variables.get(found[1] or found[2], found[0]),
            text,
        )
        if replaced == text or len(replaced) > 64 * 1024:
            break
        text = replaced
    return text


def _programs_of_shell(line: str) -> Iterator[str]:
    """The first word of each simple command of a shell line."""
    line = re.sub(r"'[^']*'|\"(?:[^\"\\]|\\.)*\"", " _ ", line.lstrip("@-+ \t"))
    for piece in re.split(r"&&|\|\||[;|&\n]", line.partition(" #")[0]):
        words = piece.replace("(", " ( ").replace(")", " ) ").split() if "$" not in piece else piece.split()
        while words and (words[0] in STARTERS or re.fullmatch(r"\w+=\S*", words[0])):
            del words[0]
        if not words or words[0] in SHELL_WORDS or words[0].startswith("#"):
            continue
        yield from _named(words)


def _named(words: list[str]) -> Iterator[str]:
    if re.fullmatch(r"[A-Za-z][\w.+-]*", words[0]):
        yield words[0]
    if words[0] in PROGRAM_STARTERS:
        rest = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        if rest and re.fullmatch(r"[A-Za-z][\w.+-]*", rest[0]):
            yield rest[0]
