"""JSON schemas of what the program prints."""

from typing import Any

import msgspec

from envdoctor.errors import UsageError
from envdoctor.render.json import to_json

NAMES = ("report", "facts", "symbols", "fix", "explain", "smoke", "error")


def schema(name: str | None) -> str:
    """The JSON schema of one of NAMES. Raises UsageError."""
    if name not in NAMES:
        said = f"not `{name}`" if name else "such as `envdoctor list schema report`"
        raise UsageError(f"a schema is one of {', '.join(NAMES)}, {said}")
    return to_json(msgspec.json.schema(_type(name))).rstrip("\n")


class _Error(msgspec.Struct):
    kind: str
    message: str


class _ErrorDocument(msgspec.Struct):
    schema_version: int
    error: _Error


def _type(name: str) -> Any:
    if name == "report":
        from envdoctor.checking.report import Report

        return Report
    if name == "facts":
        from envdoctor.snapshot import Snapshot

        return Snapshot
    if name == "smoke":
        from envdoctor.smoke.report import SmokeReport

        return SmokeReport
    if name == "fix":
        from envdoctor.repair.fixing import FixReport

        return FixReport
    if name == "explain":
        from envdoctor.explain.diagnosis import Explanation

        return Explanation
    if name == "symbols":
        from envdoctor.elf.analysis import SymbolsReport

        fields = [(field.name, field.type) for field in msgspec.structs.fields(SymbolsReport)]
        return msgspec.defstruct("Symbols", [("schema_version", int), *fields])
    return _ErrorDocument
