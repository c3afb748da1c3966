"""Which NVIDIA driver a CUDA toolkit or runtime needs, on Linux x86-64.

The rules are NVIDIA's: a driver runs every CUDA up to its own; from CUDA 11 on it also runs newer minor releases of
its own major (minor-version compatibility), but then takes no PTX from them; a newer major needs the cuda-compat
libraries (forward compatibility), which work on data-centre GPUs.
"""

from functools import cache
from typing import Literal

import msgspec

from envdoctor.knowledge import gpu
from envdoctor.knowledge.tables import Row, load
from envdoctor.knowledge.versions import at_least, numbers, series

Verdict = Literal["native", "minor-version", "too-old", "unknown"]


class ToolkitDriver(Row, frozen=True):
    """The oldest driver that a toolkit release names. `driver` may be a branch alone."""

    cuda: str
    driver: str
    release: str = ""


class DriverBranch(Row, frozen=True):
    """The newest CUDA of a driver branch, the first number of a driver version."""

    branch: int
    newest_cuda: str


class MinorVersionFloor(Row, frozen=True):
    """The oldest driver that runs every minor release of a CUDA major, by minor-version compatibility."""

    cuda_major: int
    driver: str


class CudaError(Row, frozen=True):
    code: int
    name: str
    meaning: str


class RuntimeJudgement(msgspec.Struct, frozen=True):
    """`needed` is the oldest driver that would do. `ptx_fails`: PTX of this CUDA ends in error 222, machine code runs.

    `source` is empty when nothing is known.
    """

    verdict: Verdict
    driver_cuda: str | None
    needed: str | None
    ptx_fails: bool
    source: str


class _Table(msgspec.Struct, frozen=True):
    toolkit: tuple[ToolkitDriver, ...]
    branch: tuple[DriverBranch, ...]
    minor_version: tuple[MinorVersionFloor, ...]
    error: tuple[CudaError, ...]


@cache
def _table() -> _Table:
    return load("cuda_driver", _Table)


def decode_cuda(number: int) -> str | None:
    """The version in cuDriverGetVersion, CUDA_VERSION or CUDART_VERSION: 13000 is `13.0`. None when it is none."""
    if not 1000 <= number < 1_000_000:
        return None
    return f"{number // 1000}.{number % 1000 // 10}"


def encode_cuda(version: str) -> int | None:
    """major * 1000 + minor * 10: `12.4` is 12040."""
    parts = numbers(version)
    if len(parts) < 2 or not 1 <= parts[0] < 1000 or parts[1] > 99:
        return None
    return parts[0] * 1000 + parts[1] * 10


def driver_for_toolkit(cuda: str) -> ToolkitDriver | None:
    """The oldest driver named for any update of a toolkit release (`12.2`, `12.2.140`); None when no table has it."""
    wanted = series(cuda)
    rows = [row for row in _table().toolkit if row.cuda == wanted]
    if rows:
        return min(rows, key=lambda row: numbers(row.driver))
    for branch in _table().branch:
        # Newer release notes name a branch only.
        if branch.newest_cuda == wanted:
            return ToolkitDriver(
                cuda=branch.newest_cuda, driver=str(branch.branch), source=branch.source, verified=branch.verified
            )
    return None


def newest_cuda_of_driver(driver: str) -> DriverBranch | None:
    """The newest CUDA that a driver (`535.104.05`) runs natively, by its branch.

    None for a branch that is not in the table and for a driver older than the toolkit of its branch asks for.
    """
    parts = numbers(driver)
    for row in _table().branch:
        if parts[:1] == (row.branch,):
            needed = driver_for_toolkit(row.newest_cuda)
            return row if needed is None or at_least(driver, needed.driver) else None
    return None


def minor_version_floor(cuda_major: int) -> MinorVersionFloor | None:
    return next((row for row in _table().minor_version if row.cuda_major == cuda_major), None)


def error(code: int) -> CudaError | None:
    """What a CUDA runtime error number that speaks of driver compatibility means."""
    return next((row for row in _table().error if row.code == code), None)


def judge_runtime(cuda: str, driver: str | None = None, driver_cuda: str | None = None) -> RuntimeJudgement:
    """Whether a driver runs a CUDA runtime.

    `driver` is its version, `driver_cuda` what it says of itself (cuDriverGetVersion), which outranks the table.
    """
    runtime = numbers(cuda)[:2]
    branch = newest_cuda_of_driver(driver) if driver else None
    newest = driver_cuda or (branch.newest_cuda if branch else None)
    source = "cuDriverGetVersion" if driver_cuda else branch.source if branch else ""
    toolkit = driver_for_toolkit(cuda)
    needed = _needed(runtime, toolkit)
    verdict: Verdict = "unknown"
    if len(runtime) == 2 and newest and len(numbers(newest)) >= 2:
        verdict = _judge_by_cuda(runtime, newest, driver)
    elif len(runtime) == 2 and driver and numbers(driver):
        verdict, source = _judge_by_driver(runtime, toolkit, driver)
    if verdict == "unknown":
        return RuntimeJudgement(verdict, newest, needed, False, "")
    floor = minor_version_floor(runtime[0]) if verdict == "minor-version" else None
    if floor is not None:
        source = "; ".join(dict.fromkeys((source, floor.source)))
    return RuntimeJudgement(verdict, newest, needed, verdict == "minor-version", source)


def _needed(runtime: tuple[int, ...], toolkit: ToolkitDriver | None) -> str | None:
    floor = minor_version_floor(runtime[0]) if runtime else None
    candidates = [row.driver for row in (toolkit, floor) if row is not None]
    return min(candidates, key=numbers) if candidates else None


def _judge_by_cuda(runtime: tuple[int, ...], newest: str, driver: str | None) -> Verdict:
    own = numbers(newest)[:2]
    if runtime <= own:
        return "native"
    if runtime[0] != own[0] or runtime[0] < 11:
        return "too-old"
    floor = minor_version_floor(runtime[0])
    if floor is not None and driver and numbers(driver) and not at_least(driver, floor.driver):
        return "too-old"
    return "minor-version"


def _judge_by_driver(runtime: tuple[int, ...], toolkit: ToolkitDriver | None, driver: str) -> tuple[Verdict, str]:
    """For a driver of a branch that no table has: only the published minima speak."""
    floor = minor_version_floor(runtime[0])
    if toolkit is not None and at_least(driver, toolkit.driver):
        return "native", toolkit.source
    if floor is not None and not at_least(driver, floor.driver):
        return "too-old", floor.source
    if toolkit is None:
        return "unknown", ""
    return ("too-old" if floor is None else "minor-version"), toolkit.source


ForwardCompatibility = Literal["supported", "unsupported", "unknown"]


def forward_compatibility(gpu_name: str) -> ForwardCompatibility:
    """Whether the cuda-compat libraries, which bring a newer CUDA major to an older kernel driver, work on a GPU.

    NVIDIA supports data-centre GPUs, Jetson and some RTX workstation cards; GeForce and TITAN end in error 804.
    Source: docs.nvidia.com/deploy/cuda-compatibility, forward compatibility.
    """
    words = gpu_name.split()
    if "GeForce" in words or "TITAN" in words:
        return "unsupported"
    if "Tesla" in words:
        return "supported"
    row = gpu.find(gpu_name)
    if row is not None and row.segment in ("data-center", "jetson"):
        return "supported"
    return "unknown"
