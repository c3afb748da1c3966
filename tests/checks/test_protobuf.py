"""The checks of protobuf, over the facts of the real Caffe2 with one thing changed."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from envdoctor.checks import protobuf

from envdoctor.facts import (
    BuildDirectory,
    CMakeTarget,
    Facts,
    GeneratedCode,
    LibraryFile,
    ProtobufHeaders,
    SourceUse,
    Tool,
    UndefinedSymbol,
    Variable,
    value_of,
)
from tests.checks.builders import (
    CANNOT_READ,
    INCLUDE,
    LIBRARY,
    NOWHERE,
    PROJECT,
    SITE,
    caffe2_box,
    changed,
    judged,
    known,
    modern_box,
    states,
    with_caffe2,
    with_library,
    with_variables,
)

BOX = caffe2_box()


def headers(version: str | None, min_protoc: str | None, include: str = "/usr/include") -> ProtobufHeaders:
    return ProtobufHeaders(include, version, min_protoc, "system")


def finding_headers(version: str | None, min_protoc: str | None) -> Facts:
    found = headers(version, min_protoc)
    return changed(BOX, "protobuf", default_headers=known(found, found.include), headers=(found,))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, ["fail"]),
        (finding_headers("3.5.0", "3.5.0"), []),
        (finding_headers("3.5.1", "3.5.0"), []),
        (finding_headers("3.3.0", "3.3.0"), ["fail"]),
        (finding_headers("3.6.1", "3.6.1"), ["fail"]),
        (finding_headers("3.21.12", "3.21.0"), ["fail"]),
        (finding_headers(None, None), ["unknown"]),
        (finding_headers("3.6.1", None), ["unknown"]),
        (changed(BOX, "protobuf", default_headers=CANNOT_READ), ["unknown"]),
        (changed(BOX, "protobuf", generated=()), ["skipped"]),
        (modern_box(), ["skipped"]),
    ],
)
def test_headers_must_lie_in_the_range_of_the_generated_code(facts: Facts, expected: list[str]) -> None:
    assert states(protobuf.headers_outside_range, facts) == expected


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (finding_headers("3.3.0", "3.3.0"), "newer version of protoc"),
        (finding_headers("3.6.1", "3.6.1"), "older version of protoc"),
    ],
)
def test_the_reason_is_the_one_that_the_compiler_will_print(facts: Facts, said: str) -> None:
    (finding,) = judged(protobuf.headers_outside_range, facts)
    assert said in finding.why


def test_since_protoc_26_one_version_alone_is_taken() -> None:
    code = GeneratedCode(f"{PROJECT}/model.pb.h", "5.26.1", "5.26.1", True, "project")
    facts = changed(finding_headers("5.27.2", "5.27.0"), "protobuf", generated=(code,))
    assert states(protobuf.headers_outside_range, facts) == ["fail"]


def test_several_files_with_one_demand_are_one_finding() -> None:
    (code,) = BOX.protobuf.generated
    other = msgspec.structs.replace(code, path=f"{INCLUDE}/caffe2/proto/hsm.pb.h")
    (finding,) = judged(protobuf.headers_outside_range, changed(BOX, "protobuf", generated=(other, code)))
    assert finding.title.startswith("caffe2.pb.h")


def test_generated_code_of_a_caffe2_that_is_not_built_against_says_nothing() -> None:
    code = GeneratedCode("/opt/other/include/caffe2/proto/caffe2.pb.h", "3.11.4", "3.11.0", False, "caffe2")
    facts = changed(finding_headers("3.5.0", "3.5.0"), "protobuf", generated=(*BOX.protobuf.generated, code))
    assert states(protobuf.headers_outside_range, facts) == []


def test_headers_that_lie_elsewhere_and_fit_are_the_remedy() -> None:
    facts = changed(
        BOX,
        "protobuf",
        default_headers=known(headers("3.21.12", "3.21.0")),
        headers=(headers("3.21.12", "3.21.0"), headers("3.5.1", "3.5.0", "/opt/pb 3.5/include")),
    )
    (finding,) = judged(protobuf.headers_outside_range, facts)
    assert finding.remedy is not None
    assert finding.remedy.commands == ("export CPATH='/opt/pb 3.5/include'\"${CPATH:+:$CPATH}\"",)


def test_a_source_archive_with_the_exact_version_is_the_remedy_where_no_headers_fit() -> None:
    (finding,) = judged(protobuf.headers_outside_range, BOX)
    assert finding.remedy is not None
    assert "grpcio-tools==1.8.6" in finding.remedy.commands[0]


ARENA = UndefinedSymbol(
    "_ZN6google8protobuf8internal9ArenaImpl28AllocateAlignedAndAddCleanupEmPFvPvE",
    "google::protobuf::internal::ArenaImpl::AllocateAlignedAndAddCleanup(unsigned long, void (*)(void*))",
    "",
    LIBRARY,
    "hidden",
)
TAKES_MESSAGE = UndefinedSymbol("_ZN6caffe24loadERKN6google8protobuf7MessageE", "", "", LIBRARY, "other-release")


def undefined(symbols: Iterable[UndefinedSymbol]) -> Facts:
    return with_library(BOX, undefined=tuple(symbols))


def linking(*links: str) -> Facts:
    cmake = value_of(BOX.project.cmake)
    assert cmake is not None
    target = CMakeTarget("caffe2_ops", "SHARED", ("caffe2_library", *links))
    return changed(BOX, "project", cmake=known(msgspec.structs.replace(cmake, targets=(target,))))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, ["warn"]),
        (with_caffe2(BOX, exports_protobuf=known(True)), ["skipped"]),
        (with_caffe2(BOX, exports_protobuf=CANNOT_READ), ["skipped"]),
        (linking("/opt/lib/libprotobuf.a"), []),
        (linking("protobuf::libprotobuf"), ["warn"]),
        (with_variables(BOX, LDFLAGS="-L/opt/lib -lprotobuf"), []),
        (with_library(BOX), []),
        (undefined([ARENA]), ["fail"]),
        (undefined([msgspec.structs.replace(ARENA, reason="other-release")]), []),
        (undefined([TAKES_MESSAGE]), []),
        (modern_box(), ["skipped"]),
    ],
)
def test_operators_must_link_their_own_protobuf(facts: Facts, expected: list[str]) -> None:
    assert states(protobuf.not_linked, facts) == expected


def test_standard_libraries_of_a_configured_build_count() -> None:
    cache = (Variable("CMAKE_CXX_STANDARD_LIBRARIES", "/opt/libprotobuf.a"),)
    assert states(protobuf.not_linked, changed(BOX, "project", build=known(BuildDirectory("/b", cache)))) == []


@pytest.mark.parametrize(("new_strings", "has_flag"), [(False, True), (True, False)])
def test_the_static_library_gets_the_strings_of_caffe2(new_strings: bool, has_flag: bool) -> None:
    (finding,) = judged(protobuf.not_linked, with_caffe2(BOX, cxx11_abi=known(new_strings)))
    assert finding.remedy is not None
    assert ("-D_GLIBCXX_USE_CXX11_ABI=0" in " ".join(finding.remedy.commands)) is has_flag


PB2 = f"{SITE}/caffe2/proto/caffe2_pb2.py"


def python_side(runtime: Any, generated_by: str | None, style: str, owner: str = "caffe2") -> Facts:
    code = GeneratedCode(PB2, generated_by, None, False, owner, style)
    return changed(BOX, "protobuf", python=runtime, python_generated=(code,))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, []),
        (python_side(known("3.19.6"), None, "descriptors"), []),
        (python_side(known("4.25.9"), None, "descriptors"), ["fail"]),
        (python_side(known("6.33.6"), None, "descriptors"), ["fail"]),
        (python_side(known("3.19.6"), None, "builder"), ["fail"]),
        (python_side(known("4.25.9"), None, "builder"), []),
        (python_side(known("5.29.6"), "6.30.2", "versioned"), ["fail"]),
        (python_side(known("6.33.6"), "6.30.2", "versioned"), []),
        (python_side(known("6.33.6"), None, "descriptors", owner="project"), []),
        (python_side(known("99.1.0"), None, "descriptors"), []),
        (python_side(CANNOT_READ, None, "descriptors"), ["unknown"]),
        (python_side(NOWHERE, None, "descriptors"), ["skipped"]),
        (modern_box(), ["skipped"]),
    ],
)
def test_the_python_package_must_take_the_generated_code(facts: Facts, expected: list[str]) -> None:
    assert states(protobuf.python_rejects_generated_code, facts) == expected


def test_the_pure_python_implementation_takes_old_code() -> None:
    facts = with_variables(
        python_side(known("6.33.6"), None, "descriptors"), PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION="python"
    )
    assert states(protobuf.python_rejects_generated_code, facts) == []


@pytest.mark.parametrize(
    ("runtime", "generated_by", "style", "specifier"),
    [
        ("4.25.9", None, "descriptors", "'protobuf<3.21'"),
        ("3.19.6", None, "builder", "'protobuf>=3.20,<5'"),
        ("5.29.6", "6.30.2", "versioned", "'protobuf>=6.30.2'"),
    ],
)
def test_the_remedy_asks_for_a_package_that_takes_the_code(
    runtime: str, generated_by: str | None, style: str, specifier: str
) -> None:
    (finding,) = judged(protobuf.python_rejects_generated_code, python_side(known(runtime), generated_by, style))
    assert finding.remedy is not None
    assert finding.remedy.commands == (f"/env/bin/python -m pip install {specifier}",)


def generating(protoc: str, found: ProtobufHeaders) -> Facts:
    facts = changed(BOX, "project", programs=(SourceUse("protoc", f"{PROJECT}/Makefile", 3),))
    tool = Tool("/opt/bin/protoc", known(protoc))
    return changed(facts, "protobuf", protoc=known(tool), default_headers=known(found), headers=(found,))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (generating("3.5.0", headers("3.5.1", "3.5.0")), []),
        (generating("3.21.12", headers("3.21.12", "3.21.0")), []),
        (generating("3.21.12", headers("3.12.4", "3.12.0")), ["warn"]),
        (generating("3.5.0", headers("3.21.12", "3.21.0")), ["warn"]),
        (generating("25.5", headers("4.25.1", "4.25.0")), []),
        (generating("26.1", headers("5.26.1", "5.26.0")), []),
        (generating("26.1", headers("5.27.2", "5.27.0")), ["warn"]),
        (generating("99.1", headers("5.27.2", "5.27.0")), []),
        (BOX, ["skipped"]),
    ],
)
def test_protoc_and_headers_must_belong_together(facts: Facts, expected: list[str]) -> None:
    assert states(protobuf.protoc_and_headers_disagree, facts) == expected


def libraries(*versions: str | None) -> tuple[LibraryFile, ...]:
    return tuple(LibraryFile("libprotobuf.so", "/usr/lib/libprotobuf.so", version, "system") for version in versions)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (changed(generating("3.5.0", headers("3.5.0", "3.5.0")), "protobuf", libraries=libraries("3.5.1")), []),
        (changed(generating("3.5.0", headers("3.5.0", "3.5.0")), "protobuf", libraries=libraries("3.21.12")), ["warn"]),
        (changed(generating("3.5.0", headers("3.5.0", "3.5.0")), "protobuf", libraries=libraries(None)), []),
        (changed(generating("3.5.0", headers(None, None)), "protobuf", libraries=libraries("3.21.12")), []),
        (BOX, ["skipped"]),
    ],
)
def test_headers_and_library_must_belong_together(facts: Facts, expected: list[str]) -> None:
    assert states(protobuf.headers_and_library_disagree, facts) == expected


def test_headers_that_hide_others_are_noted() -> None:
    facts = generating("3.5.0", headers("3.5.0", "3.5.0", "/opt/include"))
    both = (headers("3.5.0", "3.5.0", "/opt/include"), headers("3.21.12", "3.21.0"))
    assert states(protobuf.headers_and_library_disagree, changed(facts, "protobuf", headers=both)) == ["note"]
