"""Errors that a user sees as one line (or, in JSON mode, as one object)."""


class UsageError(Exception):
    """Wrong usage, nothing selected, a file that is not what it should be. Exit status 2."""

    kind = "usage"


class ExtensionError(UsageError):
    """A check or recipe package that cannot be loaded. Exit status 2."""

    kind = "extension"
