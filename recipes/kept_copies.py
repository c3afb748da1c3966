"""Copies in the user's cache that take long to make: made once, whole or not at all, one maker at a time."""

import os
import shutil
import tempfile
from collections.abc import Callable

from envdoctor.repair.steps import StepError


def kept(cache: str, name: str, make: Callable[[str], None]) -> str:
    """The folder `name` of the cache; where it is not there yet, `make` fills a new one, which then gets that name.

    Two that want the same wait for each other. What a killed one left is cleared away. Raises StepError where the cache
    cannot be written, and what `make` raises.
    """
    from filelock import FileLock

    folder = f"{cache}/{name}"
    if os.path.isdir(folder):
        return folder
    try:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        lock = FileLock(f"{folder}.lock")
        lock.acquire()
    except OSError as error:
        reason = error.strerror or error
        raise StepError(
            f"the cache {cache} cannot be written ({reason}); XDG_CACHE_HOME names another place"
        ) from error
    try:
        if not os.path.isdir(folder):
            _make(folder, make)
    finally:
        lock.release()
    return folder


def _make(folder: str, make: Callable[[str], None]) -> None:
    partial = f"{folder}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    os.mkdir(partial)
    try:
        make(partial)
        os.rename(partial, folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def scratch(cache: str) -> "tempfile.TemporaryDirectory[str]":
    """A folder on the disk of the cache that goes when it is left: the usual place for such may be small."""
    os.makedirs(cache, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="scratch-", dir=cache)
