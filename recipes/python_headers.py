"""The headers of the interpreter."""

from envdoctor.facts import Facts, Known, value_of
from envdoctor.knowledge.versions import series
from envdoctor.repair.recipe import Answer, Manual, Options, Refusal, recipe

from .system_packages import system_commands

NEEDS = ("python", "host", "project", "headers")


@recipe("python-headers", cures=("PY001",), needs=NEEDS)
def python_headers(facts: Facts, _options: Options) -> Answer:
    """Install the headers of this interpreter

    What it does:
        Prints the command that installs Python.h for the interpreter: the distribution's package of the same release,
        or conda's python, which always has it.
    What it changes:
        Nothing by itself: the command needs root, or changes a conda environment.
    When it is not enough:
        An interpreter that is not the distribution's own and came without headers has to be installed anew, or another
        one taken: those of pyenv and of python.org have their headers.
    Sources:
        Debian 12, python3.11 without python3.11-dev
    """
    release = value_of(facts.python.version) or ""
    version = series(release)
    if version is None:
        return Refusal("it is not known which Python this is")
    if isinstance(facts.python.headers, Known):
        return Refusal(f"Python {version} has its headers in {facts.python.headers.value}")
    commands = system_commands(facts, "python-headers", version=version)
    if value_of(facts.python.kind) == "pyenv":
        commands = (f"pyenv install --force {release}",)
    return Manual(
        f"Python.h of Python {version} has to be installed; that needs root, or another interpreter.", commands
    )
