"""Paired measurements: ours and the peer's in turn, so that a change of the machine's speed hits both."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """A measurement in seconds or MB, as `unit` says; `limit` is the bound promised for `ours / peer`."""

    name: str
    ours: float
    peer: float
    peer_name: str
    limit: float | None
    unit: str = "s"

    @property
    def value(self) -> float:
        return self.ours / self.peer

    @property
    def held(self) -> bool:
        return self.limit is None or self.value <= self.limit

    def line(self) -> str:
        measured = (
            f"{self.name:44} {self.ours:8.3f} {self.unit:2} {self.peer:8.3f} {self.unit:2} ratio {self.value:8.4f}"
        )
        verdict = "holds" if self.held else "BROKEN"
        promise = "nothing promised" if self.limit is None else f"promised <= {self.limit:.4f}  {verdict}"
        return f"{measured}  {promise}  (peer: {self.peer_name})"


@dataclass(frozen=True)
class Unmeasured:
    """A promise that could not be measured here, and why."""

    name: str
    reason: str

    def line(self) -> str:
        return f"{self.name:44} not measured: {self.reason}"


def medians(ours: Callable[[], object], peer: Callable[[], object], runs: int = 7) -> tuple[float, float]:
    """Median seconds of each, run in turn after one warm-up of both."""
    ours()
    peer()
    pairs = [(_seconds(ours), _seconds(peer)) for _ in range(runs)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def command(words: Sequence[str], environment: Mapping[str, str] | None = None) -> Callable[[], object]:
    """A whole process, its output thrown away. Its exit status is an answer, not an error."""

    def run() -> None:
        subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
        )

    return run


def peak_anonymous_memory(words: Sequence[str]) -> float:
    """Highest anonymous memory of a process in MB, by asking the kernel every 2 ms while it runs."""
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    highest = 0
    while process.poll() is None:
        highest = max(highest, _anonymous_kilobytes(process.pid))
        time.sleep(0.002)
    return highest / 1024


def _anonymous_kilobytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status") as status:
            fields = dict(line.split(":", 1) for line in status if ":" in line)
    except OSError:
        return 0
    return int(fields.get("RssAnon", "0 kB").split()[0])


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def environment_without(*names: str) -> dict[str, str]:
    """This process's environment less some variables."""
    return {name: value for name, value in os.environ.items() if name not in names}
