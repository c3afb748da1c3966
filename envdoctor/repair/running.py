"""Starts the programs of a step, keeps what they print, and ends them with us."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from envdoctor.repair.steps import CommandError, StepError

REASON_LINES = 3


def run_command(
    words: Sequence[str], environment: Mapping[str, str], folder: str | None = None, log: str | None = None
) -> str:
    """Run without a shell and without input; return standard output. `log` is a file that everything is added to.

    Raises CommandError with the program's own last words where it fails, StepError where it cannot start. When we are
    interrupted, the program and all of its process group end first.
    """
    try:
        process = subprocess.Popen(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise StepError(f"`{words[0]}` could not be started: {reason}") from error
    try:
        out, err = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    _keep(log, words, out, err)
    if process.returncode != 0:
        reason = _reason(out, err, process.returncode)
        printed = (out + b"\n" + err).decode("utf-8", "replace")
        raise CommandError(f"`{' '.join(words[:4])} ...` failed: {reason}", printed)
    return out.decode("utf-8", "replace")


def _reason(out: bytes, err: bytes, status: int) -> str:
    """The lines that say most: those that begin with an error word, else the last ones."""
    lines = [line.strip() for line in (err or out).decode("utf-8", "replace").splitlines() if line.strip()]
    telling = [line for line in lines if line.lower().startswith(("error", "fatal")) or ": error:" in line]
    if telling and telling[-1].endswith(":"):
        # A heading such as pip's `ERROR: Exception:`; the last line says which.
        telling.append(lines[-1])
    return " / ".join((telling or lines)[-REASON_LINES:]) or f"exit status {status}"


def _keep(log: str | None, words: Sequence[str], out: bytes, err: bytes) -> None:
    if log is None:
        return
    # A log that cannot be written, as on a full disk, is no reason to fail.
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(log), exist_ok=True)
        with open(log, "ab") as file:
            file.write(b"$ " + " ".join(words).encode("utf-8", "surrogateescape") + b"\n" + out + err)
