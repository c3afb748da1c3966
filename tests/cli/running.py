"""Runs the program as a user does, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ENVDOCTOR = str(Path(sys.executable).parent / "envdoctor")


def envdoctor(
    *arguments: str, environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the installed script with output to pipes. `environment` is added to this process's own."""
    return subprocess.run(
        [ENVDOCTOR, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
    )
