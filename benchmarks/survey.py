"""`envdoctor check` against torch's own survey, its memory, and the start-up of the program."""

import sys
from pathlib import Path

from benchmarks.ratio import Ratio, Unmeasured, command, environment_without, medians, peak_anonymous_memory
from tests.real.environments import UnavailableError, environment

ENVDOCTOR = str(Path(sys.executable).parent / "envdoctor")

CHECK_LIMIT = 1 / 8
MEMORY_LIMIT_MB = 120.0
START_LIMIT_SECONDS = 0.250


def measure() -> list[Ratio | Unmeasured]:
    """The ratios of a whole `check`, start-up included, and of `--version` and `--help`."""
    try:
        return [
            _check_against_collect_env("torch-cpu", CHECK_LIMIT),
            # torch 1.13 imports in half the time of a current one, so its survey is no measure for the promise.
            _check_against_collect_env("torch-cuda", None),
            _memory(),
            *_starts(),
        ]
    except UnavailableError as error:
        return [Unmeasured("check against collect_env", str(error)), *_starts()]


def _check_against_collect_env(name: str, limit: float | None) -> Ratio:
    python = str(environment(name).python)
    clean = environment_without("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONDONTWRITEBYTECODE")
    ours, peer = medians(
        command([ENVDOCTOR, "check", "--python", python], clean),
        command([python, "-m", "torch.utils.collect_env"], clean),
        runs=5,
    )
    return Ratio(f"check, {name}", ours, peer, "python -m torch.utils.collect_env", limit)


def _memory() -> Ratio:
    python = str(environment("torch-cuda").python)
    used = max(peak_anonymous_memory([ENVDOCTOR, "check", "--python", python]) for _ in range(3))
    return Ratio("anonymous memory of check, torch-cuda", used, MEMORY_LIMIT_MB, "the promise itself", 1.0, "MB")


def _starts() -> list[Ratio]:
    # No peer does the same; the bare interpreter shows how fast this machine is.
    bare = command([sys.executable, "-c", "pass"])
    ratios = []
    for option in ("--version", "--help"):
        ours, _ = medians(command([ENVDOCTOR, option]), bare)
        ratios.append(Ratio(f"envdoctor {option}", ours, START_LIMIT_SECONDS, "the promise itself", 1.0))
    return ratios
