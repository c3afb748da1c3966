"""Files written whole or not at all."""

import contextlib
import os
import tempfile

# A name has 255 bytes at most, and one letter up to four of them.
NAME_LENGTH = 50


def write_whole(path: str, data: bytes, mode: int | None = None) -> None:
    """Write beside `path`, force it to the disk, and rename. Raises OSError; nothing half-written is left.

    `mode` are permission bits; otherwise those that a new file gets.
    """
    directory, prefix = _temporary(path)
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=prefix)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode if mode is not None else 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def clear_away_partial(path: str) -> None:
    """Remove what killed writers of this path left beside it. None may be at work. Raises OSError."""
    directory, prefix = _temporary(path)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for name in os.listdir(directory):
            if name.startswith(prefix):
                os.unlink(os.path.join(directory, name))


def _temporary(path: str) -> tuple[str, str]:
    """Folder and first part of the names of files that are to become this path."""
    directory, name = os.path.split(os.path.abspath(path))
    return directory, f".envdoctor-{name[:NAME_LENGTH]}-"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
