"""torch releases on PyPI for Linux x86-64: what each was built with and which torchvision belongs to it."""

from functools import cache
from typing import Literal

import msgspec

from envdoctor.knowledge.tables import Row, load
from envdoctor.knowledge.versions import at_least, numbers, series


class Release(Row, frozen=True):
    """A release of torch. Lists are separated by blanks (`build_archs` by `;`); empty fields are not known.

    `archs` are in nearly every fatbin of the wheel, `build_archs` the list that the build was given. `cudnn_from` says
    how cuDNN was found: in the wheel, pinned by its requirements, or in the build image, which is not verified. `gcc`
    is the compiler of torch, or of its torchvision where torch itself was not read. `other_cuda` are builds outside
    PyPI, not verified.
    """

    version: str
    python: str
    cuda: str
    cudnn: str
    cudnn_from: Literal["wheel", "requires", "image"]
    cxx11_abi: int | None = None
    gcc: str = ""
    archs: str = ""
    build_archs: str = ""
    nccl: str = ""
    torchvision: str = ""
    torchvision_archs: str = ""
    torchvision_requires: str = ""
    other_cuda: str = ""


class Pair(msgspec.Struct, frozen=True):
    """A torch and the torchvision that was published with it. `requires` is what torchvision asks of torch."""

    torch: str
    torchvision: str
    requires: str
    source: str


class _Table(msgspec.Struct, frozen=True):
    release: tuple[Release, ...]


@cache
def _table() -> _Table:
    return load("torch", _Table)


def release(version: str) -> Release | None:
    """The release of a version (`2.13.0`, `2.1.0+cu118`; the local part names another build and is left aside)."""
    wanted = _public(version)
    return next((row for row in _table().release if row.version == wanted), None)


def matching_torchvision(torch: str) -> Pair | None:
    """The torchvision published with a torch; None when no table says."""
    row = release(torch)
    return _pair(row) if row is not None and row.torchvision else None


def matching_torch(torchvision: str) -> Pair | None:
    """The torch that a torchvision was published with; None when no table says."""
    wanted = _public(torchvision)
    row = next((row for row in _table().release if wanted and row.torchvision == wanted), None)
    return _pair(row) if row is not None else None


def is_published_pair(torch: str, torchvision: str) -> bool | None:
    """Whether torchvision was published for this torch; None when one of the two is in no table."""
    pair = matching_torch(torchvision)
    have = _public(torch)
    if pair is None or release(torch) is None or have is None:
        return None
    if pair.requires.startswith(">="):
        return at_least(have, pair.requires.removeprefix(">="))
    return have == pair.torch


def releases_for(python: str, cuda: str | None = None) -> tuple[Release, ...]:
    """The releases with a wheel for a Python (`3.7`) and, where given, built for a CUDA release; newest first."""
    wanted = series(python)
    rows = [row for row in _table().release if wanted in row.python.split() and cuda in (None, row.cuda)]
    return tuple(reversed(rows))


def _pair(row: Release) -> Pair:
    return Pair(row.version, row.torchvision, row.torchvision_requires or f"=={row.version}", row.source)


def _public(version: str) -> str | None:
    """The version without a local part; None for pre-releases and what is no full version."""
    public = version.partition("+")[0].strip()
    found = numbers(public)
    return public if len(found) == 3 and ".".join(map(str, found)) == public else None
