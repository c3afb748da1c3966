"""GPU architectures: which a CUDA toolkit emits, and on which GPU code for one runs.

An architecture is a number and perhaps a letter: `86`, `90a` (this chip alone), `100f` (its family).
"""

from functools import cache
from typing import Literal

import msgspec

from envdoctor.knowledge.tables import Row, load
from envdoctor.knowledge.versions import at_least, compare, series

CodeKind = Literal["elf", "ptx"]
Runs = Literal["native", "jit", "no", "unknown"]
Suffix = Literal["", "a", "f"]


class Arch(msgspec.Struct, frozen=True, order=True):
    number: int
    suffix: Suffix = ""

    def __str__(self) -> str:
        return f"{self.number}{self.suffix}"

    @property
    def capability(self) -> str:
        """`8.6` for 86."""
        return f"{self.number // 10}.{self.number % 10}"


class ToolkitTargets(Row, frozen=True):
    """What a toolkit release emits, machine code and PTX alike. `tool` is the release of ptxas that was asked."""

    cuda: str
    targets: str
    tool: str = ""


class ArchRange(Row, frozen=True):
    """First and last CUDA release that emit an architecture. No `last`: the newest known release still does."""

    arch: str
    first: str
    last: str | None = None


class Family(Row, frozen=True):
    arch: str
    runs_on: str


class Tegra(Row, frozen=True):
    arch: str
    product: str


class _Table(msgspec.Struct, frozen=True):
    toolkit: tuple[ToolkitTargets, ...]
    range: tuple[ArchRange, ...]
    family: tuple[Family, ...]
    tegra: tuple[Tegra, ...]


# Releases older than the oldest whose ptxas was asked; what they emit follows from the ranges.
_OLDER_RELEASES = (
    "8.0",
    "9.0",
    "9.1",
    "9.2",
    "10.0",
    "10.1",
    "10.2",
    "11.0",
    "11.1",
    "11.2",
    "11.3",
    "11.4",
    "11.5",
    "11.6",
)


@cache
def _table() -> _Table:
    return load("cuda_arch", _Table)


def parse_arch(text: str) -> Arch | None:
    """`sm_90a`, `compute_75`, `90a`, `9.0a`, `lto_80`; None when it names no architecture."""
    name = text.strip().removeprefix("sm_").removeprefix("compute_").removeprefix("lto_")
    suffix: Suffix = "a" if name.endswith("a") else "f" if name.endswith("f") else ""
    digits = name.removesuffix(suffix)
    major, dot, minor = digits.partition(".")
    if dot and (len(minor) != 1 or not major):
        return None
    joined = major + minor
    if not (joined.isascii() and joined.isdecimal()) or not 2 <= len(joined) <= 3 or joined.startswith("0"):
        return None
    return Arch(int(joined), suffix)


def targets(cuda: str) -> ToolkitTargets | None:
    """What a CUDA release emits; None for a release that no table has."""
    wanted = series(cuda)
    row = next((row for row in _table().toolkit if row.cuda == wanted), None)
    if row is not None or wanted not in _OLDER_RELEASES:
        return row
    ranges = [row for row in _table().range if _within(wanted, row)]
    sources = dict.fromkeys(row.source for row in ranges)
    return ToolkitTargets(
        cuda=wanted, targets=" ".join(row.arch for row in ranges), source="; ".join(sources), verified=False
    )


def emits(cuda: str, arch: str) -> bool | None:
    """Whether a CUDA release emits an architecture; None when the release is not known."""
    parsed, row = parse_arch(arch), targets(cuda)
    if parsed is None or row is None:
        return None
    return str(parsed) in row.targets.split()


def arch_range(arch: str) -> ArchRange | None:
    """First and last CUDA release for an architecture; None when no table has it."""
    parsed = parse_arch(arch)
    return next((row for row in _table().range if parsed is not None and row.arch == str(parsed)), None)


def newest_known_cuda() -> str:
    return _table().toolkit[-1].cuda


def runs_on(kind: CodeKind, arch: Arch, cc: str) -> Runs:
    """Whether code for `arch` runs on a GPU of compute capability `cc` (`8.6`).

    Machine code runs on the same major and the same or a higher minor; with `a` on exactly its own chip, with `f`
    within its family. PTX is compiled on loading (`jit`) for every equal or higher capability, with the same limits
    for `a` and `f`; the driver must know its PTX release. Between desktop GPUs and Tegra NVIDIA promises nothing:
    `unknown`.
    Sources: NVIDIA CUDA C++ Programming Guide, binary and PTX compatibility; PTX ISA, family-specific targets.
    """
    device = parse_arch(cc)
    if device is None or device.suffix:
        return "unknown"
    good: Runs = "jit" if kind == "ptx" else "native"
    if device.number == arch.number:
        return good
    if arch.suffix == "a":
        return "no"
    if arch.suffix == "f":
        return _in_family(arch, device, good)
    if kind == "ptx":
        return good if device.number > arch.number else "no"
    if device.number // 10 != arch.number // 10 or device.number < arch.number:
        return "no"
    tegra = {row.arch for row in _table().tegra}
    return "unknown" if (str(arch) in tegra) != (str(device) in tegra) else good


def _in_family(arch: Arch, device: Arch, good: Runs) -> Runs:
    if device.number // 10 != arch.number // 10 or device.number < arch.number:
        return "no"
    row = next((row for row in _table().family if row.arch == str(arch)), None)
    return good if row is not None and device.capability in row.runs_on.split() else "unknown"


def _within(cuda: str, row: ArchRange) -> bool:
    return at_least(cuda, row.first) and (row.last is None or compare(cuda, row.last) <= 0)
