"""libstdc++ symbol versions by GCC release, ceilings of manylinux tags, and what distributions carry."""

from functools import cache

import msgspec

from envdoctor.knowledge.tables import Row, load
from envdoctor.knowledge.versions import compare, numbers


class GccRelease(Row, frozen=True):
    """The newest versions in the libstdc++ of a GCC release. `cxxabi` is empty where no source tells it."""

    gcc: str
    glibcxx: str
    file: str
    cxxabi: str = ""


class Manylinux(Row, frozen=True):
    """The newest symbol versions that a wheel of this tag may need."""

    tag: str
    glibc: str
    glibcxx: str
    cxxabi: str
    alias: str = ""


class Distribution(Row, frozen=True):
    """`id` and `version` as in os-release. `gcc` is the default compiler. Empty fields are not known."""

    id: str
    version: str
    name: str
    glibc: str
    libstdcxx: str = ""
    gcc: str = ""
    gxx_packages: str = ""
    cmake: str = ""
    protobuf: str = ""


class _Table(msgspec.Struct, frozen=True):
    release: tuple[GccRelease, ...]
    manylinux: tuple[Manylinux, ...]
    distribution: tuple[Distribution, ...]


@cache
def _table() -> _Table:
    return load("libstdcxx", _Table)


def gcc_that_provides(symbol_version: str) -> GccRelease | None:
    """The oldest GCC release known to bring `GLIBCXX_3.4.30` or `CXXABI_1.3.13`; None for any other version."""
    kind, _, version = symbol_version.partition("_")
    for row in _table().release:
        have = row.glibcxx if kind == "GLIBCXX" else row.cxxabi if kind == "CXXABI" else ""
        if have and have == version:
            return row
    return None


def release_of_gcc(gcc: str) -> GccRelease | None:
    """What the libstdc++ of a GCC release holds: a release that is not listed has what the one before it has.

    None before GCC 3.4 and after the newest release that is known, and for a major alone (`13`), whose releases differ.
    """
    rows = _table().release
    if len(numbers(gcc)) < 2 or compare(gcc, rows[-1].gcc) > 0:
        return None
    before = [row for row in rows if compare(row.gcc, gcc) <= 0]
    if not before or numbers(before[-1].gcc)[0] != numbers(gcc)[0]:
        return None
    return before[-1]


def release_of_file(file: str) -> GccRelease | None:
    """The oldest GCC release with a library file of this name (`libstdc++.so.6.0.30`)."""
    return next((row for row in _table().release if row.file == file), None)


def manylinux(tag: str) -> Manylinux | None:
    """The ceilings of a wheel tag, with or without the machine: `manylinux2014`, `manylinux_2_28_x86_64`."""
    for row in _table().manylinux:
        for name in filter(None, (row.tag, row.alias)):
            rest = tag.removeprefix(name)
            if rest != tag and (not rest or (rest.startswith("_") and not rest[1:2].isdigit())):
                return row
    return None


def distribution(id_: str, version: str) -> Distribution | None:
    """What a distribution release carries, by ID and VERSION_ID of os-release."""
    exact = (row for row in _table().distribution if row.id == id_ and version in (row.version, f"{row.version}.0"))
    found = next(exact, None)
    if found is None and id_ in ("rhel", "centos"):
        # Minor releases of these keep glibc.
        major = version.partition(".")[0]
        return next((row for row in _table().distribution if row.id == id_ and row.version == major), None)
    return found


def distributions_with_glibc(version: str) -> tuple[Distribution, ...]:
    """The distribution releases whose glibc is at least `version`, oldest glibc first."""
    rows = [row for row in _table().distribution if compare(row.glibc, version) >= 0]
    return tuple(sorted(rows, key=lambda row: numbers(row.glibc)))
