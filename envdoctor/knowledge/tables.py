"""Reads one table of this directory into frozen rows."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec
import tomli

T = TypeVar("T")

HERE = Path(__file__).parent


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`source` says where the fact was read, `verified` that it was read from the thing itself, not only about it."""

    source: str
    verified: bool
    note: str = ""


def load(name: str, shape: type[T]) -> T:
    """The table `name`.toml as a value of type `shape`, each row's source written out.

    Raises KeyError, msgspec.ValidationError or tomli.TOMLDecodeError where the table is wrong; tests keep it right.
    """
    raw = read(name)
    sources: dict[str, str] = raw.pop("sources")
    for rows in raw.values():
        for row in rows:
            row["source"] = sources[row["source"]].format_map(row)
    return msgspec.convert(raw, shape)


def read(name: str) -> dict[str, Any]:
    """The table as it is written."""
    return tomli.loads((HERE / f"{name}.toml").read_text("utf-8"))
