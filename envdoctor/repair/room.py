"""Which place is full: the errors of a full disk seldom name it."""

import os
import tempfile
from collections.abc import Mapping, Sequence

FULL = ("No space left on device", "Disk quota exceeded")
MEGABYTE = 1 << 20


def reason_of(error: Exception) -> str:
    """What an error says in one line, the file first where the system names one."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def with_places(reason: str, folders: Sequence[str]) -> str:
    """The reason; where it is that of a full disk, with what is free in each of these folders, the fullest first."""
    if not any(sign in reason for sign in FULL):
        return reason
    free: dict[int, tuple[int, str]] = {}
    for folder in folders:
        there = _nearest(folder)
        try:
            about = os.statvfs(there)
            free.setdefault(os.stat(there).st_dev, (about.f_bavail * about.f_frsize, folder))
        except OSError:
            continue
    told = ", ".join(f"{size / MEGABYTE:.1f} MB for {folder}" for size, folder in sorted(free.values()))
    return f"{reason} (free now: {told})" if told else reason


def written_to(overlay: str, cache: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The folders that steps write to: the overlay, the user's cache, and the one for temporary files."""
    temporary = next((environment[name] for name in ("TMPDIR", "TEMP", "TMP") if environment.get(name)), None)
    return (overlay, cache, temporary or tempfile.gettempdir())


def _nearest(folder: str) -> str:
    while not os.path.isdir(folder) and folder not in ("", "/"):
        folder = os.path.dirname(folder)
    return folder or "/"
