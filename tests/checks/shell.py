"""Runs the commands of a remedy in a real shell."""

import subprocess
from collections.abc import Iterable


def variable_after(commands: Iterable[str], name: str, value: str) -> str:
    """What an environment variable holds after the commands; `unset` where it no longer exists."""
    script = "\n".join([*commands, f'printf %s "${{{name}-unset}}"'])
    variables = {name: value, "PATH": "/usr/bin:/bin", "HOME": "/home/me"}
    done = subprocess.run(["/bin/sh", "-c", script], env=variables, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    return done.stdout
