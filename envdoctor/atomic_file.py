"""Files written whole or not at all."""

import contextlib
import os
import tempfile


def write_whole(path: str, data: bytes, mode: int | None = None) -> None:
    """Write beside `path`, force it to the disk, and rename. Raises OSError; nothing half-written is left.

    `mode` are permission bits; otherwise those that a new file gets.
    """
    directory = os.path.dirname(os.path.abspath(path))
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=".envdoctor-")
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


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
