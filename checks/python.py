"""The interpreter: usable, with headers, and the one that extensions were made for."""

import shlex
from collections.abc import Iterator

from envdoctor.checking.check import (
    BEFORE,
    COMPILE,
    LOAD,
    Evidence,
    Finding,
    Judgement,
    NotApplicable,
    Remedy,
    check,
    seen,
    undetermined,
)
from envdoctor.facts import Absent, Extension, Facts, Known, Unreadable, value_of
from envdoctor.knowledge.versions import series

from . import building, remedies
from .extension_tags import fits


@check("PY001", "python-headers-missing", needs=("python", "project", "headers", "host"), strikes=COMPILE + 3)
def python_headers_missing(facts: Facts) -> Iterator[Judgement]:
    """Python.h is not installed for this interpreter

    What it finds:
        An extension module to be built, and no Python.h where this interpreter keeps its headers.
    Why it breaks:
        torch/extension.h includes it. Distributions pack the headers apart from the interpreter.
    Example:
        fatal error: Python.h: No such file or directory
    What to do:
        Install the headers of this very interpreter, or build with another one.
    Sources:
        Debian 12, python3.11 without python3.11-dev
    """
    headers = facts.python.headers
    wanted = building.builds_extension(facts) or "Python.h" in (value_of(facts.headers.missing) or ())
    if not wanted:
        yield NotApplicable("no extension module is built here")
    elif isinstance(headers, Unreadable):
        yield undetermined("it is not known whether the interpreter has its headers", headers, "Python.h")
    elif isinstance(headers, Absent):
        version = series(value_of(facts.python.version) or "") or ""
        commands = remedies.install(facts, "python-headers", version=version) if version else ()
        yield Finding(
            state="fail",
            title=f"Python.h is not installed for Python {version or '(version unknown)'}",
            why="Every extension module includes it; distributions pack it apart from the interpreter.",
            evidence=(seen("Python.h", headers), seen("interpreter", facts.python.executable)),
            remedy=Remedy("Install the headers of this interpreter.", commands, recipe="python-headers"),
        )


@check("PY002", "python2-missing", needs=("project", "python"), strikes=BEFORE + 10)
def python2_missing(facts: Facts) -> Iterator[Judgement]:
    """The Makefile starts a Python that is not there

    What it finds:
        `python2`, `python` or `python3` in a recipe of the project's Makefile, and no such program on PATH.
    Why it breaks:
        Projects of that time call python2, which current distributions no longer have; many lack `python` too.
    Example:
        make: python2: No such file or directory
        /bin/sh: 1: python2: not found
    What to do:
        Put a program of that name on PATH that starts the interpreter to use, or pass it to make where the Makefile
        has a variable for it.
    Sources:
        https://peps.python.org/pep-0394/
    """
    if not isinstance(facts.project.root, Known):
        yield NotApplicable("no project")
        return
    found: dict[str, str] = {}
    for use in facts.project.missing_programs:
        if use.name.startswith("python"):
            found.setdefault(use.name, f"{use.path}:{use.line}")
    folder = remedies.overlay(facts, "bin")
    for name, place in found.items():
        link = f"ln -sf {remedies.python(facts)} {shlex.quote(f'{folder}/{name}')}"
        yield Finding(
            state="fail",
            title=f"the Makefile starts {name}, which is not on PATH",
            why="make stops at the recipe that starts it.",
            evidence=(Evidence("program", name, place), seen("interpreter", facts.python.executable)),
            remedy=Remedy(
                f"Put a {name} on PATH that is the interpreter to use; code for Python 2 may need changes for another.",
                (f"mkdir -p {shlex.quote(folder)} && {link}", remedies.put_first("PATH", folder)),
            ),
            subject=name,
        )


@check("PY003", "interpreter-unusable", needs=("python",), strikes=BEFORE + 1)
def interpreter_unusable(facts: Facts) -> Iterator[Judgement]:
    """The interpreter gives no answer

    What it finds:
        The interpreter that was named hangs, crashes, prints something else than was asked, or cannot be read.
    Why it breaks:
        What it would import, and with it torch, cannot be told for sure.
    Example:
        pyenv: version `3.7.17' is not installed
    What to do:
        Start it by hand and see; name another one with --python.
    Sources:
        the interpreter itself, started as `EXE -E -s -S -c ...`
    """
    executable, version = facts.python.executable, facts.python.version
    if isinstance(executable, Unreadable):
        yield undetermined(
            "the interpreter cannot be examined", executable, "the interpreter", explains=("TOR007", "C2002", "SYM006")
        )
    elif isinstance(executable, Absent) and executable.looked:
        yield undetermined(
            f"the interpreter {executable.looked[0]} is not there", Unreadable(executable.reason), "the interpreter"
        )
    elif isinstance(executable, Absent):
        yield NotApplicable(executable.reason)
    elif isinstance(version, Unreadable):
        yield undetermined("the interpreter's version is not known", version, "its version")


@check("PY004", "extension-of-another-python", needs=("python", "extensions"), strikes=LOAD + 2)
def extension_of_another_python(facts: Facts) -> Iterator[Judgement]:
    """A compiled extension was made for another Python

    What it finds:
        Extension modules whose file name carries the tag of another interpreter, with none for this one beside them.
    Why it breaks:
        An interpreter imports modules with its own tag, or none, and does not see the others.
    Example:
        ModuleNotFoundError: No module named 'detectron2._C'
    What to do:
        Build or install it with this interpreter.
    Sources:
        https://peps.python.org/pep-3149/
    """
    suffix = value_of(facts.python.extension_suffix)
    if suffix is None:
        yield NotApplicable("the interpreter does not tell its tag")
        return
    for extension in facts.extensions.found:
        if extension.python_tag and not fits(extension, suffix) and not _has_twin(facts, extension, suffix):
            project = extension.owner == "project"
            yield Finding(
                state="warn" if project else "fail",
                title=f"{extension.path} is made for {extension.python_tag}, the interpreter takes {suffix}",
                why="An interpreter does not see extension modules with the tag of another one.",
                evidence=(
                    Evidence("tag", extension.python_tag, extension.path),
                    seen("suffix of the interpreter", facts.python.extension_suffix),
                ),
                remedy=Remedy(f"Build {'it' if project else extension.owner} again with this interpreter."),
                subject=extension.path,
            )


def _has_twin(facts: Facts, extension: Extension, suffix: str) -> bool:
    """Whether the same module lies beside it for this interpreter."""
    stem = extension.path.partition(f".{extension.python_tag}")[0]
    names = {f"{stem}{suffix}", f"{stem}.abi3.so", f"{stem}.so"}
    return any(other.path in names for other in facts.extensions.found)
