"""What `explain` answers. Its JSON form is a contract; keys are only ever added."""

import msgspec

from envdoctor.checking.check import Evidence
from envdoctor.checking.report import ToolInfo


class ShownLine(msgspec.Struct, frozen=True):
    """A line of the log; `culprit` marks the one that gives the fault away."""

    number: int
    text: str
    culprit: bool


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """One cause. `lines` are the first and the last line of the log that tell it, counted from 1.

    `confidence` goes from 0 to 1. `confirmed`: the suspected checks found it on the target (true), did not (false), or
    could not tell (null); `evidence` is then theirs, after the log's own.
    """

    category: str
    title: str
    cause: str
    lines: tuple[int, int]
    evidence: tuple[Evidence, ...]
    codes: tuple[str, ...]
    recipe: str | None
    confidence: float
    confirmed: bool | None
    next: tuple[str, ...]
    signature: str
    strikes: str
    cure: str
    commands: tuple[str, ...]
    shown: tuple[ShownLine, ...]
    note: str = ""
    """What the facts say where they contradict the message."""


class Explanation(msgspec.Struct, frozen=True):
    """The diagnoses, root cause first; none where the log is no failure of an environment."""

    schema_version: int
    tool: ToolInfo
    log: str
    lines: int
    diagnoses: tuple[Diagnosis, ...]
    exit_code: int
