"""The report: what every renderer shows. Its JSON form is a contract; keys are only ever added."""

import msgspec

from envdoctor.checking.check import Evidence, Remedy, State
from envdoctor.op_results import OpResult

SCHEMA_VERSION = 1


class ToolInfo(msgspec.Struct, frozen=True):
    name: str
    version: str


class TargetInfo(msgspec.Struct, frozen=True):
    """Whom the report judges."""

    kind: str
    id: str
    python: str | None = None
    project: str | None = None
    profile: str | None = None
    python_version: str | None = None
    chosen_by: str = ""
    """Why this interpreter is the one: `--python`, an activated environment, `python3 on PATH`."""
    overlay: str | None = None
    """The project's overlay, where its settings were applied."""


class Consequence(msgspec.Struct, frozen=True):
    """A finding that is explained by another one and shown beneath it."""

    code: str
    title: str


class ReportedFinding(msgspec.Struct, frozen=True):
    """A finding with the identity of its check. `state` is any but `ok` and `skipped`."""

    code: str
    name: str
    area: str
    state: State
    title: str
    message: str
    evidence: tuple[Evidence, ...]
    remedy: Remedy | None
    links: tuple[str, ...]
    explains: tuple[str, ...]
    """Codes of the findings that this one is the cause of."""
    consequences: tuple[Consequence, ...]
    fingerprint: str


class SkippedCheck(msgspec.Struct, frozen=True):
    code: str
    reason: str


class ChainLink(msgspec.Struct, frozen=True):
    """One link of the picture from driver to GPU. `state` is the worst finding about it."""

    name: str
    text: str
    state: State


class Report(msgspec.Struct, frozen=True):
    schema_version: int
    tool: ToolInfo
    target: TargetInfo
    started: str
    """UTC, ISO 8601."""
    took_ms: int
    summary: dict[str, int]
    findings: tuple[ReportedFinding, ...]
    passed: tuple[str, ...]
    skipped: tuple[SkippedCheck, ...]
    chain: tuple[ChainLink, ...]
    exit_code: int
    ops: tuple[OpResult, ...] = ()
    """What running the ops gave, where `--smoke` asked for it."""
