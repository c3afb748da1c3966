"""What the tables know about the versions and architectures that a line names."""

import re
from collections.abc import Callable, Iterator
from functools import cache

from envdoctor.checking.check import Evidence
from envdoctor.knowledge.cuda_arch import arch_range, parse_arch
from envdoctor.knowledge.cuda_driver import newest_cuda_of_driver
from envdoctor.knowledge.libstdcxx import distributions_with_glibc, gcc_that_provides

TOLD_AT_MOST = 4


def told_by_tables(line: str) -> tuple[Evidence, ...]:
    """One line of evidence for each name that a table has, its source beside it. What no table has is left out."""
    found = dict.fromkeys(_names().findall(line))
    evidence = [one for name in found for one in _reader(name)(name)]
    return tuple(evidence[:TOLD_AT_MOST])


@cache
def _names() -> "re.Pattern[str]":
    libraries = r"GLIBCXX_3\.4\.\d+|CXXABI_1\.3\.\d+|GLIBC_2\.\d+"
    architecture, driver = r"(?:sm|compute)_\d{2,3}[af]?", r"[Dd]river [Vv]ersion:? \d{3}\.[\d.]+"
    return re.compile(rf"\b(?:{libraries}|{architecture}|{driver})\b")


def _reader(name: str) -> Callable[[str], Iterator[Evidence]]:
    if name.startswith("GLIBC_"):
        return _glibc
    if name.startswith(("GLIBCXX", "CXXABI")):
        return _libstdcxx
    return _architecture if name.startswith(("sm", "compute")) else _driver


def _libstdcxx(name: str) -> Iterator[Evidence]:
    row = gcc_that_provides(name)
    if row is not None:
        yield Evidence(name, f"came with GCC {row.gcc}, in {row.file}", row.source)


def _glibc(name: str) -> Iterator[Evidence]:
    rows = distributions_with_glibc(name.removeprefix("GLIBC_"))
    if rows:
        yield Evidence(name, f"{rows[0].name} has glibc {rows[0].glibc}", rows[0].source)


def _architecture(name: str) -> Iterator[Evidence]:
    arch = parse_arch(name)
    row = arch_range(str(arch)) if arch is not None else None
    if row is not None:
        releases = f"CUDA {row.first} to {row.last}" if row.last else f"CUDA {row.first} and later"
        yield Evidence(name, f"is emitted by {releases}", row.source)


def _driver(name: str) -> Iterator[Evidence]:
    row = newest_cuda_of_driver(name.rpartition(" ")[2])
    if row is not None:
        yield Evidence(name, f"runs CUDA up to {row.newest_cuda}", row.source)
