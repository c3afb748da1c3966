"""`envdoctor explain --learn`: asks what a log means and keeps the answer as a signature."""

import os
import sys
from collections.abc import Callable

import msgspec
import typer

from envdoctor.atomic_file import write_whole
from envdoctor.cli.reading_logs import LogFile
from envdoctor.cli.workplace import project_folder, tell
from envdoctor.errors import UsageError
from envdoctor.explain import catalogue
from envdoctor.explain.learn import Knowledge, learned
from envdoctor.explain.matching import Matcher
from envdoctor.explain.normalise import forms, plain
from envdoctor.explain.reading import read_log
from envdoctor.explain.signature import parse_signatures

LINES_AT_MOST, CHARACTERS_AT_MOST = 200_000, 1000


class Answers(msgspec.Struct, frozen=True):
    """What the command line told; the rest is asked where somebody is there."""

    category: str | None
    line: int | None
    cause: str | None
    cure: str | None
    commands: tuple[str, ...]


def learn_from(log: str, name: str, answers: Answers, project: str | None, for_user: bool) -> int:
    """Write `envdoctor.d/NAME.toml`. Raises UsageError for what is missing or wrong, SignatureError for a bad name."""
    folder = catalogue.user_folder() if for_user else catalogue.project_folder(project_folder(project))
    path = f"{folder}/{name}.toml"
    if os.path.exists(path):
        raise UsageError(f"{path} is there already; choose another name or edit it")
    if log == "-" and None in (answers.line, answers.category, answers.cause, answers.cure):
        raise UsageError("a log from standard input needs --line, --category, --cause and --cure: nobody can be asked")
    lines = _lines(log)
    text, number = _culprit(lines, answers.line)
    known = Knowledge(
        name=name,
        category=_answer(answers.category, "--category", "What is wrong, in a word such as mkl-symbol"),
        cause=_answer(answers.cause, "--cause", "The cause, a sentence"),
        cure=_answer(answers.cure, "--cure", "The cure, a sentence"),
        commands=answers.commands,
    )
    content = learned(text, known)
    matcher = Matcher(parse_signatures(content, path))
    if not read_log(["\n".join(lines).encode("utf-8", "replace")], matcher).hits:
        raise UsageError(f"the signature of line {number} does not find it in {log}")
    try:
        os.makedirs(folder, exist_ok=True)
        write_whole(path, content.encode())
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
    sys.stdout.write(f"{path}\n")
    tell(f"learned from line {number}: {text[:200]}")
    return 0


def _lines(log: str) -> list[str]:
    data = b"".join(LogFile(log).blocks())
    lines = plain(data).decode("utf-8", "replace").split("\n")
    if len(lines) > LINES_AT_MOST:
        raise UsageError(f"{log} has {len(lines)} lines; cut it down to what matters first")
    return lines


def _culprit(lines: list[str], number: int | None) -> tuple[str, int]:
    """The line that was named, or the one that somebody at the terminal names."""
    if number is None:
        number = _ask("--line", "The line that gives the fault away", _is_number(len(lines)))
    if not 1 <= number <= len(lines):
        raise UsageError(f"there is no line {number}: the log has {len(lines)}")
    text = next(forms(lines[number - 1].encode("utf-8", "replace")), "")
    if not text:
        raise UsageError(f"line {number} is empty")
    return text[:CHARACTERS_AT_MOST], number


def _is_number(most: int) -> Callable[[str], int]:
    def number(answer: str) -> int:
        if not answer.isdigit() or not 1 <= int(answer) <= most:
            raise typer.BadParameter(f"a number from 1 to {most}")
        return int(answer)

    return number


def _answer(given: str | None, option: str, question: str) -> str:
    return given if given is not None else str(_ask(option, question, str))


def _ask(option: str, question: str, kind: Callable[[str], "int | str"]) -> "int":
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"--learn needs {option} where nobody can be asked")
    answer: int = typer.prompt(question, value_proc=kind, err=True)
    return answer
