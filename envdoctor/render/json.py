"""JSON: sorted keys, so that differences are quiet."""

from typing import TYPE_CHECKING

import msgspec

from envdoctor.checking.report import SCHEMA_VERSION

if TYPE_CHECKING:
    from envdoctor.elf.analysis import SymbolsReport


def to_json(value: object) -> str:
    """Indented JSON with a newline at the end."""
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2).decode() + "\n"


def symbols_to_json(report: "SymbolsReport") -> str:
    """The symbols contract: the report's fields and the schema version."""
    return to_json({"schema_version": SCHEMA_VERSION, **msgspec.to_builtins(report)})
