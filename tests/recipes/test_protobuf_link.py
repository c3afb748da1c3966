"""Operators that nobody links with protobuf, and a library that a recipe builds for them."""

import shutil
from pathlib import Path

import msgspec
import pytest
from envdoctor.recipes.protobuf_build import BuildLibrary
from envdoctor.recipes.protobuf_link import protobuf_link

from envdoctor.facts import Absent, CMakeTarget, Facts, ProtobufHeaders, value_of
from envdoctor.repair.recipe import Options, Plan, Refusal
from tests.checks.builders import PROJECT, caffe2_box, changed, known, with_caffe2, with_library
from tests.recipes.curing import cure, environment_of, faults, tree
from tests.recipes.miniature import OLD_STRINGS, Workbench, needs_tools, workbench, write_headers

UNDEFINED = "undefined symbol: _ZN6google8protobuf8internal13VerifyVersion"
BOX = caffe2_box()
OVERLAY = f"{PROJECT}/.envdoctor"


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return workbench(tmp_path / "a bench")


def with_headers(tmp_path: Path) -> dict[str, str]:
    """What lets the project compile: the headers, and the std::string of its Caffe2."""
    include = write_headers(tmp_path / "headers", 3005000)
    return {"CPATH": str(include), "CXXFLAGS": OLD_STRINGS}


@needs_tools
def test_operators_load_once_their_own_protobuf_is_linked(bench: Workbench, tmp_path: Path) -> None:
    target = bench.target(**with_headers(tmp_path))
    assert bench.make_ops(target.environment).returncode == 0
    assert UNDEFINED in bench.load_ops().stderr
    shutil.rmtree(bench.project / "build")
    assert faults(target, "PB002") == ("PB002",)
    before = tree(bench.project)

    cured = cure(protobuf_link, target, tmp_path / "cache")

    assert cured.plan.safety == "safe"
    assert tree(bench.project) == before
    assert faults(target, "PB002") == ()
    assert bench.make_ops(cured.environment).returncode == 0
    assert bench.load_ops().returncode == 0
    assert faults(target, "PB002") == ()
    shutil.rmtree(bench.project / "build")
    cured.take_back()
    assert bench.make_ops(environment_of(target)).returncode == 0
    assert UNDEFINED in bench.load_ops().stderr


@needs_tools
def test_a_library_that_was_built_without_it_is_set_aside_and_built_anew(bench: Workbench, tmp_path: Path) -> None:
    target = bench.target(**with_headers(tmp_path))
    bench.make_ops(target.environment)
    assert faults(target, "PB002") == ("PB002",)
    before = tree(bench.project)

    cured = cure(protobuf_link, target, tmp_path / "cache")

    assert faults(target, "PB002") == ()
    cured.take_back()
    assert tree(bench.project) == before
    again = cure(protobuf_link, target, tmp_path / "cache")
    assert bench.make_ops(again.environment).returncode == 0
    assert bench.load_ops().returncode == 0
    again.take_back()
    assert bench.make_ops(target.environment).returncode == 0
    assert UNDEFINED in bench.load_ops().stderr


@needs_tools
def test_in_place_the_projects_own_file_links_it(bench: Workbench, tmp_path: Path) -> None:
    target = bench.target(**with_headers(tmp_path))
    before = tree(bench.project)

    cured = cure(protobuf_link, target, tmp_path / "cache", in_place=True)

    assert cured.plan.safety == "unsafe"
    assert faults(target, "PB002") == ()
    assert bench.make_ops(target.environment).returncode == 0
    assert bench.load_ops().returncode == 0
    shutil.rmtree(bench.project / "build")
    cured.take_back()
    assert tree(bench.project) == before


def built(facts: Facts) -> BuildLibrary:
    answer = protobuf_link.plan(facts, Options(OVERLAY))
    assert isinstance(answer, Plan), answer
    step = answer.steps[0]
    assert isinstance(step, BuildLibrary)
    return step


@pytest.mark.parametrize(("new_strings", "flag"), [(False, OLD_STRINGS), (True, "-D_GLIBCXX_USE_CXX11_ABI=1")])
def test_it_is_built_with_the_strings_of_caffe2(new_strings: bool, flag: str) -> None:
    step = built(with_caffe2(BOX, cxx11_abi=known(new_strings)))

    assert step.sources.protobuf == "3.5.0"
    assert step.flags == (flag,)
    assert step.compiler == "/usr/bin/g++"


@pytest.mark.parametrize(
    ("found", "protobuf"),
    [
        (ProtobufHeaders("/opt/include", "3.5.1", "3.5.0", "CPATH"), "3.5.1"),
        (ProtobufHeaders("/usr/include", "3.21.12", "3.21.0", "system"), "3.5.0"),
    ],
)
def test_its_version_is_that_of_the_headers_where_they_take_the_code(found: ProtobufHeaders, protobuf: str) -> None:
    assert built(changed(BOX, "protobuf", default_headers=known(found))).sources.protobuf == protobuf


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (changed(BOX, "protobuf", generated=()), "no archive of grpcio-tools"),
        (changed(BOX, "compilers", cxx=Absent("no compiler")), "no C++ compiler"),
        (with_caffe2(BOX, cxx11_abi=Absent("no symbols")), "which std::string"),
    ],
)
def test_what_would_be_a_guess_is_refused(facts: Facts, reason: str) -> None:
    answer = protobuf_link.plan(facts, Options(OVERLAY))

    assert isinstance(answer, Refusal)
    assert reason in answer.reason


def test_in_place_needs_a_library_in_the_first_cmake_file() -> None:
    cmake = value_of(BOX.project.cmake)
    assert cmake is not None
    elsewhere = CMakeTarget("ops", "SHARED", path=f"{PROJECT}/src/CMakeLists.txt")
    facts = changed(BOX, "project", cmake=known(msgspec.structs.replace(cmake, targets=(elsewhere,))))

    assert isinstance(protobuf_link.plan(facts, Options(OVERLAY, in_place=True)), Refusal)


def test_every_built_library_is_set_aside() -> None:
    answer = protobuf_link.plan(with_library(BOX), Options(OVERLAY))

    assert isinstance(answer, Plan)
    assert [step.kind for step in answer.steps] == ["build", "overlay", "set-aside"]
