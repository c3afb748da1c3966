"""Files of the package index, fetched by pip: it knows the user's index, proxy and certificates, and keeps a cache.

pip refuses a file whose bytes are not those of the hash that the index states.
"""

import os
import sys
from collections.abc import Callable, Sequence

from envdoctor.facts import Facts, value_of
from envdoctor.repair.pip import IndexUnreachableError, run_pip
from envdoctor.repair.steps import Hands, StepError

NO_PIP = "No module named pip"


def interpreter(facts: Facts) -> str:
    """The interpreter whose pip is asked: that of the target. Reads `python`."""
    return value_of(facts.python.executable) or sys.executable


def command(python: str, requirement: str, options: tuple[str, ...], folder: str) -> tuple[str, ...]:
    """The command that fetches one file."""
    quiet = ("--quiet", "--disable-pip-version-check", "--no-deps")
    return (python, "-m", "pip", "download", *quiet, *options, "--dest", folder, requirement)


def by_pip(hands: Hands, python: str, command_of: Callable[[str], tuple[str, ...]]) -> None:
    """Start what is made of an interpreter; where that has no pip, of the one that runs envdoctor. Raises StepError."""

    def run(words: Sequence[str]) -> str:
        return hands.run(words, None, None)

    try:
        run_pip(run, command_of(python))
    except StepError as error:
        if NO_PIP not in str(error) or python == sys.executable:
            raise
        run_pip(run, command_of(sys.executable))


def download(hands: Hands, python: str, requirement: str, options: tuple[str, ...], folder: str) -> str:
    """The path of the one file that pip fetched for the requirement into an empty folder.

    Raises IndexUnreachableError where no index answers, StepError for every other reason of pip's.
    """
    try:
        by_pip(hands, python, lambda one: command(one, requirement, options, folder))
    except IndexUnreachableError as error:
        raise IndexUnreachableError(f"{requirement} cannot be downloaded: {error}") from error
    except StepError as error:
        raise StepError(f"{requirement} cannot be downloaded: {error}") from error
    names = os.listdir(folder)
    if len(names) != 1:
        raise StepError(f"{requirement} cannot be downloaded: pip left {len(names)} files")
    return f"{folder}/{names[0]}"
