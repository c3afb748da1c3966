"""Where protobuf of one exact version comes from, what its headers take, and what Caffe2 was generated with."""

from functools import cache

import msgspec

from envdoctor.knowledge.protobuf import HeaderRange, encode, header_accepts
from envdoctor.knowledge.tables import Row, load
from envdoctor.knowledge.versions import numbers, series


class Header(Row, frozen=True):
    """`min_protoc` is the oldest generated code that headers of a version take; `sdist` of grpcio-tools has them."""

    protobuf: str
    min_protoc: str
    sdist: str = ""


class GrpcioTools(Row, frozen=True):
    """Releases of grpcio-tools (separated by blanks) that hold protobuf of a C++ version."""

    protobuf: str
    grpcio_tools: str


class Soname(Row, frozen=True):
    """The soname of libprotobuf for a series of releases, `3.21`. CMake builds may carry another."""

    series: str
    soname: str


class Caffe2Gencode(Row, frozen=True):
    """The protoc that made caffe2.pb.h of a torch release, and the oldest headers it takes."""

    torch: str
    gencode: str
    min_runtime: str


class ProtocPackage(Row, frozen=True):
    """A package on PyPI with protoc of the releases `first` to `last`, some missing. `cpp_out`: it makes C++ code."""

    package: str
    first: str
    last: str
    cpp_out: bool


class _Table(msgspec.Struct, frozen=True):
    header: tuple[Header, ...]
    grpcio_tools: tuple[GrpcioTools, ...]
    soname: tuple[Soname, ...]
    caffe2: tuple[Caffe2Gencode, ...]
    protoc: tuple[ProtocPackage, ...]


@cache
def _table() -> _Table:
    return load("protobuf_sources", _Table)


def headers_accepting(demand: HeaderRange) -> tuple[Header, ...]:
    """The known protobuf versions whose headers take generated code, oldest first; there may be others."""
    return tuple(row for row in _table().header if _accepts(row, demand))


def header(protobuf: str) -> Header | None:
    """What the headers of a protobuf version take; None when no table has it."""
    return next((row for row in _table().header if row.protobuf == protobuf), None)


def grpcio_tools_with(protobuf: str) -> GrpcioTools | None:
    """The releases of grpcio-tools whose source archive holds this C++ version under `third_party/protobuf/src`."""
    return next((row for row in _table().grpcio_tools if row.protobuf == protobuf), None)


def soname_of(protobuf: str) -> Soname | None:
    """The soname of libprotobuf of a C++ version; None when no table has its series."""
    wanted = series(protobuf)
    return next((row for row in _table().soname if row.series == wanted), None)


def series_of_soname(soname: str) -> Soname | None:
    """The series of releases that carries a soname (`libprotobuf.so.17` is 3.6)."""
    return next((row for row in _table().soname if row.soname == soname), None)


def caffe2_gencode(torch: str) -> Caffe2Gencode | None:
    """What caffe2.pb.h of a torch release was generated with; the file itself outranks this."""
    wanted = torch.partition("+")[0]
    return next((row for row in _table().caffe2 if row.torch == wanted), None)


def protoc_packages(protoc: str, cpp_out: bool) -> tuple[ProtocPackage, ...]:
    """The packages that may have a protoc release (`3.13.0`, `25.5`) on PyPI; the index is to be asked."""
    wanted = numbers(protoc)
    return tuple(
        row
        for row in _table().protoc
        if wanted and (row.cpp_out or not cpp_out) and numbers(row.first) <= wanted <= numbers(row.last)
    )


def _accepts(row: Header, demand: HeaderRange) -> bool:
    version, min_protoc = encode(row.protobuf), encode(row.min_protoc)
    return version is not None and header_accepts(demand, version, min_protoc).verdict == "ok"
