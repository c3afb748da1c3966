"""The command line: one small module a command. Parse, call, print."""

import sys


def main() -> None:
    """Entry point of the `envdoctor` script."""
    _forget_python_path()

    from envdoctor.cli.app import run

    sys.exit(run(sys.argv[1:]))


def _forget_python_path() -> None:
    """Take the entries of PYTHONPATH off sys.path, unless envdoctor itself comes from there.

    They belong to the interpreter that is examined; torch's own folder among them would shadow the standard library.
    """
    import os

    home = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    entries = {os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) not in entries - {home}]
