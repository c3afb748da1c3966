"""cuDNN: version numbers, sonames, wheels, and the CUDA releases that a version was published for."""

import re
from functools import cache

import msgspec

from envdoctor.knowledge.tables import Row, load
from envdoctor.knowledge.versions import compare, numbers, series

HEADER_LIMIT = 1 << 20


class Soname(Row, frozen=True):
    """`parts` are the libraries that `soname` loads on demand."""

    major: int
    soname: str
    parts: str = ""


class Wheels(Row, frozen=True):
    package: str
    cuda_major: int
    versions: str


class Support(Row, frozen=True):
    """`cuda` are releases and ranges of releases; not `complete` when the document lists more than was read."""

    cudnn: str
    cuda: str
    complete: bool


class _Table(msgspec.Struct, frozen=True):
    soname: tuple[Soname, ...]
    wheels: tuple[Wheels, ...]
    support: tuple[Support, ...]


class SupportAnswer(msgspec.Struct, frozen=True):
    supported: bool
    published_for: str
    source: str


@cache
def _table() -> _Table:
    return load("cudnn", _Table)


def decode(number: int) -> str | None:
    """The version in CUDNN_VERSION or cudnnGetVersion: 7402 is `7.4.2`, 92400 is `9.24.0`. None when it is none.

    Up to cuDNN 8 the number is major * 1000 + minor * 100 + patch, from 9 on major * 10000 + minor * 100 + patch.
    """
    if 1000 <= number < 9000:
        return f"{number // 1000}.{number % 1000 // 100}.{number % 100}"
    if 90000 <= number < 1_000_000:
        return f"{number // 10000}.{number % 10000 // 100}.{number % 100}"
    return None


def encode(version: str) -> int | None:
    """The reverse of decode; a fourth part, as in wheels, is left aside. None when the version cannot be written so."""
    parts = numbers(version)
    if len(parts) < 3:
        return None
    major, minor, patch = parts[:3]
    if 1 <= major <= 8 and minor <= 9 and patch <= 99:
        return major * 1000 + minor * 100 + patch
    if 9 <= major <= 99 and minor <= 99 and patch <= 99:
        return major * 10000 + minor * 100 + patch
    return None


def version_from_header(text: str) -> str | None:
    """The version by CUDNN_MAJOR, CUDNN_MINOR and CUDNN_PATCHLEVEL, in cudnn.h up to 7 and cudnn_version.h from 8 on.

    None when the macros are not there: the cudnn.h of 8 and later only includes the other header.
    """
    parts = []
    for macro in ("CUDNN_MAJOR", "CUDNN_MINOR", "CUDNN_PATCHLEVEL"):
        found = re.search(
            rf"^[ \t]*#[ \t]*define[ \t]+{macro}[ \t]+([0-9]{{1,4}})\b", text[:HEADER_LIMIT], re.MULTILINE
        )
        if found is None:
            return None
        parts.append(str(int(found[1])))
    return ".".join(parts)


def soname(major: int) -> Soname | None:
    return next((row for row in _table().soname if row.major == major), None)


def supports_cuda(cudnn: str, cuda: str) -> SupportAnswer | None:
    """Whether a cuDNN release was published for a CUDA release; None when no table says."""
    wanted, release = series(cudnn, 3), series(cuda)
    row = next((row for row in _table().support if row.cudnn == wanted), None)
    if row is None or release is None:
        return None
    if any(_in_span(release, span) for span in row.cuda.split()):
        return SupportAnswer(True, row.cuda, row.source)
    return SupportAnswer(False, row.cuda, row.source) if row.complete else None


def wheel(cudnn: str, cuda_major: int) -> tuple[str, str] | None:
    """Package and exact version on PyPI of a cuDNN release (three parts, or four) for a CUDA major."""
    wanted = numbers(cudnn)
    for row in _table().wheels:
        for version in row.versions.split():
            if row.cuda_major == cuda_major and len(wanted) >= 3 and numbers(version)[: len(wanted)] == wanted:
                return row.package, version
    return None


def _in_span(cuda: str, span: str) -> bool:
    first, dash, last = span.partition("-")
    return compare(cuda, first) == 0 if not dash else compare(first, cuda) <= 0 <= compare(last, cuda)
