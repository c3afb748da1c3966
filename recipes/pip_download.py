"""Files of the package index, fetched by pip: it knows the user's index, proxy and certificates, and keeps a cache.

pip refuses a file whose bytes are not those of the hash that the index states.
"""

import os
import sys

from envdoctor.facts import Facts, value_of
from envdoctor.repair.steps import Hands, StepError

NO_PIP = "No module named pip"


def interpreter(facts: Facts) -> str:
    """The interpreter whose pip is asked: that of the target. Reads `python`."""
    return value_of(facts.python.executable) or sys.executable


def command(python: str, requirement: str, options: tuple[str, ...], folder: str) -> tuple[str, ...]:
    """The command that fetches one file."""
    quiet = ("--quiet", "--disable-pip-version-check", "--no-deps")
    return (python, "-m", "pip", "download", *quiet, *options, "--dest", folder, requirement)


def download(hands: Hands, python: str, requirement: str, options: tuple[str, ...], folder: str) -> str:
    """The path of the one file that pip fetched for the requirement into an empty folder.

    Where the interpreter has no pip, the one that runs envdoctor is asked. Raises StepError with pip's own reason.
    """
    try:
        hands.run(command(python, requirement, options, folder), None, None)
    except StepError as error:
        if NO_PIP not in str(error) or python == sys.executable:
            raise StepError(f"{requirement} cannot be downloaded: {error}") from error
        return download(hands, sys.executable, requirement, options, folder)
    names = os.listdir(folder)
    if len(names) != 1:
        raise StepError(f"{requirement} cannot be downloaded: pip left {len(names)} files")
    return f"{folder}/{names[0]}"
