"""Copies in the user's cache that take long to make: made once, whole or not at all, one maker at a time."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from envdoctor.repair.steps import Hands, StepError


def kept(hands: Hands, name: str, make: Callable[[str], None]) -> str:
    """The folder `name` of the cache; where it is not there yet, `make` fills a new one, which then gets that name.

    Two that want the same wait for each other, and the second says for whom. What a killed one left is cleared away.
    Raises StepError where the cache cannot be written, and what `make` raises.
    """
    folder = f"{hands.cache}/{name}"
    if os.path.isdir(folder):
        return folder
    with _alone(hands, folder):
        if not os.path.isdir(folder):
            _make(folder, make)
    return folder


@contextmanager
def _alone(hands: Hands, folder: str) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock, maker = FileLock(f"{folder}.lock"), f"{folder}.maker"
    try:
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            hands.tell(f"waiting for {_who(maker)}, which is making {folder}")
            lock.acquire()
        # Not in the lock itself: whoever tries it empties it.
        with open(maker, "w", encoding="utf-8") as file:
            file.write(str(os.getpid()))
    except (OSError, NotImplementedError) as error:
        lock.release()
        raise _unwritable(hands.cache, error) from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(maker)
        lock.release()


def _who(maker: str) -> str:
    try:
        with open(maker, encoding="utf-8") as file:
            return f"process {int(file.read(20))}"
    except (OSError, ValueError):
        return "another envdoctor"


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
    """A folder on the disk of the cache that goes when it is left: the usual place for such may be small.

    Raises StepError where the cache cannot be written.
    """
    try:
        os.makedirs(cache, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix="scratch-", dir=cache)
    except OSError as error:
        raise _unwritable(cache, error) from error


def _unwritable(cache: str, error: Exception) -> StepError:
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return StepError(f"the cache {cache} cannot be written ({reason}); XDG_CACHE_HOME names another place")
