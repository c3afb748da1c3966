"""A read-only view of one file system. Probes and the ELF reader see files through it and nothing else."""

import mmap
import os
import stat
from typing import Protocol

READ_LIMIT = 8 * 1024 * 1024


class FileView(Protocol):
    """Paths are absolute POSIX strings as the target sees them. Every method follows links as the target would."""

    def is_file(self, path: str) -> bool:
        """True for a regular file that can be seen."""
        ...

    def is_dir(self, path: str) -> bool:
        """True for a directory that can be seen."""
        ...

    def names(self, directory: str) -> tuple[str, ...]:
        """Sorted entry names; empty when there is no such directory. Raises PermissionError when it cannot be read."""
        ...

    def size(self, path: str) -> int:
        """Bytes. Raises OSError."""
        ...

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        """At most `limit` bytes of a regular file. Raises OSError; never blocks on a pipe or a device."""
        ...

    def map(self, path: str) -> mmap.mmap:
        """The whole of a regular, non-empty file, read-only. Raises OSError."""
        ...

    def real(self, path: str) -> str:
        """The path with every link resolved; the path itself where that is impossible."""
        ...

    def link(self, path: str) -> str | None:
        """The text of a symbolic link, or None."""
        ...


class LiveFiles:
    """The file system of this machine."""

    def is_file(self, path: str) -> bool:
        try:
            return stat.S_ISREG(os.stat(path).st_mode)
        except (OSError, ValueError):
            return False

    def is_dir(self, path: str) -> bool:
        try:
            return stat.S_ISDIR(os.stat(path).st_mode)
        except (OSError, ValueError):
            return False

    def names(self, directory: str) -> tuple[str, ...]:
        try:
            return tuple(sorted(os.listdir(directory)))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return ()

    def size(self, path: str) -> int:
        return os.stat(path).st_size

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        descriptor = _open_regular(path)
        try:
            pieces: list[bytes] = []
            left = limit
            while left > 0:
                piece = os.read(descriptor, min(left, 1 << 20))
                if not piece:
                    break
                pieces.append(piece)
                left -= len(piece)
            return b"".join(pieces)
        finally:
            os.close(descriptor)

    def map(self, path: str) -> mmap.mmap:
        descriptor = _open_regular(path)
        try:
            return mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise OSError(f"{path}: the file is empty") from error
        finally:
            os.close(descriptor)

    def real(self, path: str) -> str:
        try:
            return os.path.realpath(path)
        except (OSError, ValueError):
            return path

    def link(self, path: str) -> str | None:
        try:
            return os.readlink(path)
        except (OSError, ValueError):
            return None


def read_text(files: FileView, path: str, limit: int = READ_LIMIT) -> str | None:
    """The text of a file, undecodable bytes replaced; None when there is no such file. Raises other OSErrors."""
    try:
        return files.read(path, limit).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return None


def _open_regular(path: str) -> int:
    # O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError as error:
        raise FileNotFoundError(f"{path!r} is no path") from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    kind = "a directory" if stat.S_ISDIR(mode) else "no regular file"
    raise IsADirectoryError(f"{path} is {kind}") if stat.S_ISDIR(mode) else OSError(f"{path} is {kind}")
