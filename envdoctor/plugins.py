"""Finds checks and recipes through entry points, the door that other packages use too."""

from importlib.metadata import entry_points
from typing import TypeVar

from envdoctor.errors import ExtensionError

T = TypeVar("T")


def load_plugins(group: str, kind: type[T]) -> tuple[T, ...]:
    """Every value of that type in the modules of an entry-point group. Raises ExtensionError for a broken one."""
    found: list[T] = []
    for entry in entry_points(group=group):
        try:
            module = entry.load()
        except Exception as error:
            raise ExtensionError(
                f"`{entry.name}` of {group} ({entry.value}) cannot be loaded: {type(error).__name__}: {error}"
            ) from error
        found.extend(value for value in vars(module).values() if isinstance(value, kind))
    return tuple(found)
