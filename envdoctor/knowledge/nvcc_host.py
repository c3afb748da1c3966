"""Which host compilers nvcc takes: read from the toolkit's own header, or from a table where there is no header."""

import re
from functools import cache
from typing import Literal

import msgspec

from envdoctor.knowledge.tables import Row, load
from envdoctor.knowledge.versions import numbers

Compiler = Literal["gcc", "clang"]

HEADER_LIMIT = 1 << 18


class HostLimits(msgspec.Struct, frozen=True):
    """Newest (inclusive) and oldest host compilers; `15` means all of 15, empty that no limit was found."""

    gcc_max: str
    clang_max: str
    clang_min: str
    source: str


class _Limit(Row, frozen=True):
    cuda: str
    gcc_max: str
    clang_max: str
    clang_min: str = ""
    nvcc: str = ""
    nvcc_from: str = ""


class _Table(msgspec.Struct, frozen=True):
    limit: tuple[_Limit, ...]


@cache
def _table() -> _Table:
    return load("nvcc_host", _Table)


def host_limits(cuda: str) -> HostLimits | None:
    """The limits of a CUDA release (`12.4`) or a release of nvcc (`11.4.48`).

    None when no table has it, and for `11.4` alone: the limits changed between its updates.
    """
    wanted = numbers(cuda)
    rows = [row for row in _table().limit if numbers(row.cuda) == wanted[:2]]
    if len(rows) > 1:
        rows = [row for row in rows if len(wanted) > 2 and numbers(row.nvcc_from) <= wanted][-1:]
    if not rows:
        return None
    row = rows[0]
    return HostLimits(row.gcc_max, row.clang_max, row.clang_min, row.source)


def host_limits_from_header(text: str, source: str = "crt/host_config.h") -> HostLimits | None:
    """The limits that a toolkit's `crt/host_config.h` enforces; None when it holds no check of a host compiler.

    The condition in front of each `#error ... unsupported GNU version` and `... unsupported clang version` is read. The
    checks for Grace and HOS clang have messages of their own and are left aside.
    """
    gcc_max = clang_max = clang_min = ""
    condition = ""
    for line in text[:HEADER_LIMIT].replace("\\\n", " ").splitlines():
        directive = line.strip()
        if directive.startswith(("#if", "#elif")):
            condition = directive[:1000]
        elif directive.startswith("#error") and "unsupported GNU version" in directive:
            gcc_max = gcc_max or _ceiling(condition, "__GNUC__", "__GNUC_MINOR__")
        elif directive.startswith("#error") and "unsupported clang version" in directive:
            clang_max = clang_max or _ceiling(condition, "__clang_major__", "__clang_minor__")
            clang_min = clang_min or _floor(condition)
    if not (gcc_max or clang_max):
        return None
    return HostLimits(gcc_max, clang_max, clang_min, source)


def accepts(limits: HostLimits, compiler: Compiler, version: str) -> bool | None:
    """Whether nvcc takes a host compiler; None when the limits or the version do not say."""
    newest = numbers(limits.gcc_max if compiler == "gcc" else limits.clang_max)
    oldest = numbers(limits.clang_min) if compiler == "clang" else ()
    have = numbers(version)
    if not newest or not have or any(len(have) < len(end) and end[: len(have)] == have for end in (newest, oldest)):
        # `4` is on neither side of a limit of 4.9.
        return None
    return have[: len(newest)] <= newest and have >= oldest


def _ceiling(condition: str, major: str, minor: str) -> str:
    """The newest accepted version by `major > N`, `major >= N` or `major == N && minor > M`."""
    bound = re.search(rf"\b{major} *(>=?) *(\d{{1,4}})", condition)
    if bound is None:
        return ""
    newest = int(bound[2]) - (bound[1] == ">=")
    exact = re.search(rf"\b{major} *== *{newest}\)? *&& *\(?{minor} *(>=?) *(\d{{1,4}})", condition)
    if exact is None:
        return str(newest)
    return f"{newest}.{int(exact[2]) - (exact[1] == '>=')}"


def _floor(condition: str) -> str:
    """The oldest accepted clang by `major < N` and `major == N && minor < M`."""
    bound = re.search(r"\b__clang_major__ *< *(\d{1,4})", condition)
    if bound is None:
        return ""
    minor = re.search(rf"\b__clang_major__ *== *{bound[1]}\)? *&& *\(?__clang_minor__ *< *(\d{{1,4}})", condition)
    return f"{bound[1]}.{minor[1]}" if minor else bound[1]
