"""Finds checks and recipes through entry points, the door that other packages use too."""

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import TypeVar

from envdoctor.errors import ExtensionError

T = TypeVar("T")


def load_plugins(group: str, kind: type[T]) -> tuple[T, ...]:
    """Every value of that type in the modules of an entry-point group. Raises ExtensionError for a broken one."""
    found: list[T] = []
    for name, module in _entries(group):
        try:
            values = vars(import_module(module))
        except Exception as error:
            raise ExtensionError(
                f"`{name}` of {group} ({module}) cannot be loaded: {type(error).__name__}: {error}"
            ) from error
        found.extend(value for value in values.values() if isinstance(value, kind))
    return tuple(found)


def _entries(group: str) -> Iterator[tuple[str, str]]:
    """Names and modules of the group. Of two installations of a package the first on sys.path counts.

    importlib.metadata finds the same; loading it takes longer than reading all the files.
    """
    if any(os.path.isfile(entry) for entry in sys.path):
        # Packages in an archive.
        from importlib.metadata import entry_points

        yield from ((entry.name, entry.module) for entry in entry_points(group=group))
        return
    seen: set[str] = set()
    for folder in sys.path:
        for name in _metadata_in(folder):
            package = name.rpartition(".")[0].partition("-")[0].lower().replace("_", "-").replace(".", "-")
            if package not in seen:
                seen.add(package)
                yield from _read(f"{folder or '.'}/{name}/entry_points.txt", group)


def _metadata_in(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder or ".") if name.endswith((".dist-info", ".egg-info")))
    except OSError:
        return []


def _read(path: str, group: str) -> Iterator[tuple[str, str]]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line[1:].partition("]")[0].strip()
        elif section == group and "=" in line and not line.startswith(("#", ";")):
            name, _, value = line.partition("=")
            yield name.strip(), value.partition(":")[0].partition("[")[0].strip()
