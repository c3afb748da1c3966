"""The report of `envdoctor smoke`. Its JSON form is a contract; keys are only ever added."""

from datetime import datetime, timezone

import msgspec

from envdoctor import __version__
from envdoctor.checking.report import SCHEMA_VERSION, TargetInfo, ToolInfo
from envdoctor.op_results import OpResult, exit_code, summary
from envdoctor.smoke.attribution import Cause
from envdoctor.smoke.protocol import Device
from envdoctor.smoke.run import SmokeRun


class SmokeReport(msgspec.Struct, frozen=True):
    """`device` is what was asked for; `gpus` what the frameworks saw, null where nobody looked.

    `causes` are the findings of `envdoctor check` whose codes the ops name.
    """

    schema_version: int
    tool: ToolInfo
    target: TargetInfo
    started: str
    """UTC, ISO 8601."""
    took_ms: int
    device: str
    gpus: tuple[Device, ...] | None
    ops: tuple[OpResult, ...]
    causes: tuple[Cause, ...]
    summary: dict[str, int]
    exit_code: int


def smoke_report(run: SmokeRun, target: TargetInfo, device: str, started: datetime, took_ms: int) -> SmokeReport:
    """The report over these results. `started` is an aware time."""
    ops = run.attributed.results
    return SmokeReport(
        schema_version=SCHEMA_VERSION,
        tool=ToolInfo("envdoctor", __version__),
        target=target,
        started=started.astimezone(timezone.utc).isoformat(timespec="seconds"),
        took_ms=took_ms,
        device=device,
        gpus=run.gpus,
        ops=ops,
        causes=run.attributed.causes,
        summary=summary(ops),
        exit_code=exit_code(ops),
    )
