"""Wheels unpacked into a folder of their own by pip, beside no other package and seen by no interpreter."""

from envdoctor.repair.steps import Hands

from .pip_download import by_pip


def command(python: str, folder: str, requirements: tuple[str, ...]) -> tuple[str, ...]:
    """The command that does it. pip refuses a file whose bytes are not those of the hash that the index states."""
    quiet = ("--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:")
    return (python, "-m", "pip", "install", *quiet, "--target", folder, *requirements)


def install(hands: Hands, python: str, folder: str, requirements: tuple[str, ...]) -> None:
    """Do it; where the interpreter has no pip, with that of the one that runs envdoctor. Raises StepError."""
    by_pip(hands, python, lambda one: command(one, folder, requirements))
