"""The text of one file of the target as a fact, so that every probe tells absent from unreadable in the same words."""

from envdoctor.facts import Absent, Fact, Known, Unreadable
from envdoctor.files import READ_LIMIT, FileView


def text_of(files: FileView, path: str, limit: int = READ_LIMIT) -> Fact[str]:
    """At most `limit` bytes of a file as text, undecodable bytes replaced."""
    try:
        return Known(files.read(path, limit).decode("utf-8", "replace"), path)
    except (FileNotFoundError, NotADirectoryError):
        return Absent("no such file", (path,))
    except OSError as error:
        return Unreadable(reason_of(error), path)


def first_text(files: FileView, paths: tuple[str, ...], limit: int = READ_LIMIT) -> Fact[str]:
    """The first of several files that is there; the first that refuses to be read stops the search."""
    for path in paths:
        text = text_of(files, path, limit)
        if not isinstance(text, Absent):
            return text
    return Absent("no such file", paths)


def names_in(files: FileView, directory: str, at_most: int = 4096) -> tuple[str, ...]:
    """Entries of a directory, bounded; none when it is not there or cannot be read."""
    try:
        return files.names(directory)[:at_most]
    except OSError:
        return ()


def reason_of(error: OSError) -> str:
    """`permission denied` and the like, without the path that the fact names already."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def whole_number(text: str) -> int | None:
    """The number that a text is, of at most 18 digits; None for any other text."""
    text = text.strip()
    return int(text) if len(text) <= 18 and text.isascii() and text.isdecimal() else None
