"""A generated project asks for Caffe2 as the real one does; a Caffe2 of a few files stands for the real one."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.facts import (
    BuildDirectory,
    Caffe2,
    Caffe2Installation,
    CMakeProject,
    CMakeTarget,
    Facts,
    Known,
    Project,
    SourceUse,
    Variable,
)
from envdoctor.op_results import OpResult
from envdoctor.probes.gather import gather, with_area
from envdoctor.smoke.toolchain import NEEDS, run_toolchain
from envdoctor.smoke.toolchain.caffe2 import linked, operator_source
from envdoctor.smoke.toolchain.cmake import Package, cache_lines, cmake_lists, standard_of
from envdoctor.smoke.toolchain.workplace import StageLimits
from envdoctor.target import Target
from tests.recipes.small_caffe2 import CORE, Bench, bench, needs_tools

OPERATOR_H = """\
#pragma once
#include <utility>
namespace caffe2 {
struct CPUContext {};
struct Tensor {
  float held[3];
  void ResizeLike(const Tensor&) {}
  template <class T> const T* data() const { return held; }
  template <class T> T* mutable_data() { return held; }
};
template <class Context>
struct Operator {
  Tensor in, out;
  template <class... Args> explicit Operator(Args&&...) {}
  virtual ~Operator() {}
  virtual bool RunOnDevice() = 0;
  const Tensor& Input(int) { return in; }
  Tensor* Output(int) { return &out; }
};
struct Schema {
  Schema& NumInputs(int) { return *this; }
  Schema& NumOutputs(int) { return *this; }
  Schema& SetDoc(const char*) { return *this; }
};
}
#define USE_OPERATOR_CONTEXT_FUNCTIONS using Operator<Context>::Input; using Operator<Context>::Output
#define REGISTER_CPU_OPERATOR(name, ...) extern "C" void* create_##name() { return new __VA_ARGS__(1, 2); }
#define OPERATOR_SCHEMA(name) static Schema schema_##name = Schema()
#define NO_GRADIENT(name) static int gradient_##name
"""
WORKSPACE = """\
def RegisteredOperators(): return %r
def FeedBlob(name, value): pass
def CreateNet(net): pass
def RunNet(name): pass
def FetchBlob(name): return %r
"""
PYTHON_SIDE = {
    "numpy.py": "float32 = 'float32'\ndef array(values, dtype): return values\n",
    "caffe2/python/__init__.py": "",
    "caffe2/python/dyndep.py": "import ctypes\ndef InitOpsLibrary(path): ctypes.CDLL(path)\n",
    "caffe2/python/workspace.py": WORKSPACE % (["EnvdoctorToolchain"], [2.0, -4.0, 6.0]),
    "caffe2/python/core.py": """\
class Net(object):
    name = "net"
    def __init__(self, name): pass
    def AddExternalInput(self, name): pass
    def EnvdoctorToolchain(self, inputs, outputs): pass
    def Proto(self): return self
""",
}
PACKAGE = {"torch/lib/include/caffe2/core/operator.h": OPERATOR_H, **PYTHON_SIDE}
STAGES = [
    "toolchain: configure against Caffe2",
    "toolchain: compile C++ against Caffe2",
    "toolchain: link with Caffe2",
    "toolchain: load into Caffe2",
    "toolchain: run in Caffe2",
]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return bench(tmp_path_factory.mktemp("small"), PACKAGE)


def tried(target: Target, limits: StageLimits | None = None) -> list[OpResult]:
    """The stages against Caffe2 alone."""
    facts = gather(target, NEEDS)
    return list(run_toolchain(target, facts, "cpu", lambda _: None, limits or StageLimits()).results)[: len(STAGES)]


def states(found: list[OpResult]) -> list[str]:
    return [one.state for one in found]


def changed(folder: Path, package: Mapping[str, str] | None = None, project: Mapping[str, str] | None = None) -> Bench:
    return bench(folder, {**PACKAGE, **(package or {})}, project)


@needs_tools
def test_every_stage_of_a_build_that_can_succeed_is_ok(small: Bench) -> None:
    found = tried(small.found())

    assert [one.op for one in found] == STAGES
    assert states(found) == ["ok"] * 5
    assert all(one.took_ms > 0 for one in found[:4])


@needs_tools
def test_nothing_is_written_in_the_project_and_no_temporary_folder_is_left(
    small: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = sorted(small.project.rglob("*"))

    tried(small.found())

    assert sorted(small.project.rglob("*")) == before
    assert list(tmp_path.iterdir()) == []


@needs_tools
def test_a_caffe2_that_cmake_does_not_find_fails_the_configuration_with_its_code(small: Bench) -> None:
    found = tried(small.target())

    assert states(found) == ["fail", "skipped", "skipped", "skipped", "skipped"]
    assert found[0].codes == ("C2001",)
    assert 'provided by "Caffe2"' in found[0].message


@needs_tools
def test_the_finding_behind_a_code_is_told_with_its_remedy(small: Bench) -> None:
    target = small.target()

    run = run_toolchain(target, gather(target, NEEDS), "cpu", lambda _: None)

    (cause,) = run.causes
    assert cause.code == "C2001"
    assert cause.remedy is not None
    assert cause.remedy.commands


@needs_tools
@pytest.mark.parametrize("variable", ["CC", "CXX"])
def test_a_compiler_that_is_not_there_fails_the_configuration_with_its_code(small: Bench, variable: str) -> None:
    found = tried(small.found(**{variable: "/nowhere/compiler-99"}))

    assert states(found)[:2] == ["fail", "skipped"]
    assert "/nowhere/compiler-99" in found[0].message
    assert found[0].codes == ("CC001",)


@needs_tools
def test_a_missing_header_fails_the_compilation_with_the_code_of_the_check(tmp_path: Path) -> None:
    package = {CORE: '#pragma once\n#include "caffe2/utils/threadpool/ThreadPool.h"\n'}

    found = tried(changed(tmp_path, package).found())

    assert states(found) == ["ok", "fail", "skipped", "skipped", "skipped"]
    assert found[1].message.endswith("fatal error: caffe2/utils/threadpool/ThreadPool.h: No such file or directory")
    assert found[1].codes == ("C2005",)


@needs_tools
def test_a_renamed_target_fails_the_link_under_the_name_that_the_project_uses(tmp_path: Path) -> None:
    package = {
        "torch/share/cmake/Caffe2/Caffe2Targets.cmake": """\
add_library(torch INTERFACE)
include_directories("${CMAKE_CURRENT_LIST_DIR}/../../../lib/include")
"""
    }

    found = tried(changed(tmp_path, package).found())

    assert states(found) == ["ok", "ok", "fail", "skipped", "skipped"]
    assert "cannot find -lcaffe2_library" in found[2].message


@needs_tools
def test_an_operator_that_is_not_registered_fails_the_load(tmp_path: Path) -> None:
    package = {"caffe2/python/workspace.py": WORKSPACE % ([], [])}

    found = tried(changed(tmp_path, package).found())

    assert states(found) == ["ok", "ok", "ok", "fail", "skipped"]
    assert "not registered" in found[3].message


@needs_tools
def test_wrong_values_fail_the_run_with_the_size_of_the_error(tmp_path: Path) -> None:
    package = {"caffe2/python/workspace.py": WORKSPACE % (["EnvdoctorToolchain"], [2.0, -4.0, 6.5])}

    found = tried(changed(tmp_path, package).found())

    assert states(found) == ["ok", "ok", "ok", "ok", "fail"]
    assert found[4].max_error == 0.5


@needs_tools
def test_a_folder_that_nothing_is_run_from_says_nothing_of_the_library(
    small: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("envdoctor.smoke.toolchain.workplace.runs_programs", lambda _folder: False)

    found = tried(small.found())

    assert states(found) == ["ok", "ok", "ok", "unknown", "skipped"]
    assert "noexec" in found[3].message


@needs_tools
def test_nvcc_is_started_with_what_caffe2s_cmake_files_told_it(tmp_path: Path) -> None:
    nvcc = tmp_path / "nvcc"
    # It takes what the CMake files name, and refuses what they do not.
    nvcc.write_text(
        '#!/bin/sh\ncase "$*" in *compute_61*-Xptxas=-v*|*-Xptxas=-v*compute_61*|*-shared*) exit 0 ;; esac\n'
        "echo \"nvcc fatal   : Unsupported gpu architecture 'of $*'\"; exit 1\n"
    )
    nvcc.chmod(0o755)
    told = f"""\
set(CUDA_NVCC_EXECUTABLE {nvcc})
set(CUDA_NVCC_FLAGS -Xptxas=-v -gencode arch=compute_61,code=sm_61 -gencode arch=compute_62,code=sm_62)
"""
    package = {"torch/share/cmake/Caffe2/public/utils.cmake": told, "torch/version.py": "cuda = '9.0'\n"}
    place = changed(tmp_path / "place", package)
    target = place.found(TORCH_CUDA_ARCH_LIST="9.0")
    facts = gather(target, NEEDS)
    # This Caffe2 has no library that tells of CUDA, and the project no kernel.
    built = msgspec.structs.replace(facts.caffe2.installations[0], cuda=Known("9.0", "x"))
    facts = with_area(facts, "caffe2", msgspec.structs.replace(facts.caffe2, installations=(built,)))
    facts = with_area(facts, "project", msgspec.structs.replace(facts.project, has_cuda_sources=True))

    found = {one.op: one.state for one in run_toolchain(target, facts, "auto", lambda _: None).results}

    assert found["toolchain: compile CUDA for sm_61"] == "ok"
    assert found["toolchain: compile CUDA for sm_62"] == "fail"
    assert found["toolchain: link CUDA"] == "skipped"


@needs_tools
def test_a_build_tool_that_hangs_is_unknown(small: Bench, tmp_path: Path) -> None:
    # It answers the probes, which ask for its release and its directories.
    script = '#!/bin/sh\ncase "$*" in *-dump*|*/dev/null) exec g++ "$@" ;; esac\nexec sleep 63\n'
    (tmp_path / "g++").write_text(script)
    (tmp_path / "g++").chmod(0o755)

    found = tried(small.found(CXX=str(tmp_path / "g++")), StageLimits(configure=1.5))

    assert states(found) == ["unknown", "skipped", "skipped", "skipped", "skipped"]
    assert "did not end in 1.5 s" in found[0].message


@needs_tools
@pytest.mark.skipif(shutil.which("ninja") is None, reason="no ninja here")
def test_the_cache_of_the_configured_build_decides_as_it_does_for_the_next_build(tmp_path: Path) -> None:
    place = changed(tmp_path)
    target = place.target()
    given_there = (f"-DCaffe2_DIR={place.config}", "-DCMAKE_CXX_FLAGS=-DNEEDED=1")
    subprocess.run(
        ["cmake", "-S", str(place.project), "-B", str(place.project / "build"), "-G", "Ninja", *given_there],
        check=True,
        capture_output=True,
        env=dict(target.environment),
    )
    header = place.site / "torch/lib/include/caffe2/core/operator.h"
    header.write_text("#ifndef NEEDED\n#error no flag of the cache\n#endif\n" + OPERATOR_H)

    found = tried(target)

    assert states(found) == ["ok"] * 5


@needs_tools
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=30))
@settings(max_examples=15, deadline=None)
def test_a_value_of_the_cache_reaches_cmake_as_it_is(value: str) -> None:
    import tempfile

    # CMake's lists may end in no backslash, and hold brackets in pairs: what no path or flag does either.
    if value.endswith("\\"):
        value += "x"
    build = BuildDirectory("/src/build", (Variable("Caffe2_ANY", value),))
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "cache.cmake"
        written = f'file(WRITE "{folder}/told" "${{Caffe2_ANY}}")\n'
        script.write_text("\n".join(cache_lines(build)) + "\n" + written, encoding="utf-8")
        subprocess.run(["cmake", "-P", str(script)], check=True, capture_output=True)
        told = (Path(folder) / "told").read_text(encoding="utf-8") if not value.endswith("-NOTFOUND") else value

    assert told == value


def test_entries_that_belong_to_the_build_directory_are_left_out() -> None:
    entries = {
        "CMAKE_HOME_DIRECTORY": "/src",
        "CMAKE_GENERATOR": "Ninja",
        "caffe2_ops_LIB_DEPENDS": "general;x",
        "Caffe2_DIR": "Caffe2_DIR-NOTFOUND",
        "CMAKE_CXX_FLAGS": "-DA",
    }
    build = BuildDirectory("/src/build", tuple(Variable(name, value) for name, value in entries.items()))

    assert list(cache_lines(build)) == ['set(CMAKE_CXX_FLAGS [=[-DA]=] CACHE STRING "")']


def facts_of(project: CMakeProject) -> Facts:
    installation = Caffe2Installation(
        root="/t", version=Known("1.4.0", "x"), config=Known("/t/c", "x"), cmake_targets=("torch", "c10")
    )
    return Facts(
        project=Project(cmake=Known(project, "/src/CMakeLists.txt")),
        caffe2=Caffe2(installations=(installation,)),
    )


@pytest.mark.parametrize(
    ("project", "line"),
    [
        (CMakeProject(path="/p", minimum=Known("3.10", "x")), "cmake_minimum_required(VERSION 3.10)"),
        (CMakeProject(path="/p", minimum=Known("3.1...3.20", "x")), "cmake_minimum_required(VERSION 3.1...3.20)"),
        (CMakeProject(path="/p", minimum=Known("${V}", "x")), "cmake_minimum_required(VERSION 2.8.12)"),
        (CMakeProject(path="/p", languages=("CXX", "CUDA")), "project(envdoctor_toolchain CXX)"),
        (CMakeProject(path="/p"), "project(envdoctor_toolchain C CXX)"),
        (CMakeProject(path="/p", variables=(Variable("Caffe2_DIR", "/a b"),)), "set(Caffe2_DIR [=[/a b]=])"),
        (
            CMakeProject(path="/p", flags=("-D_GLIBCXX_USE_CXX11_ABI=0", "-Wall", "-gencode", "-I${X}", "-std=c++14")),
            "add_compile_options([=[-D_GLIBCXX_USE_CXX11_ABI=0]=] [=[-std=c++14]=])",
        ),
        (
            CMakeProject(path="/p", targets=(CMakeTarget("ops", "SHARED", ("caffe2_library", "own")),)),
            "target_link_libraries(envdoctor_toolchain caffe2_library)",
        ),
        (CMakeProject(path="/p"), "target_link_libraries(envdoctor_toolchain torch)"),
        (CMakeProject(path="/p", imported=("caffe2::cudart", "own")), "if(NOT TARGET caffe2::cudart)"),
    ],
)
def test_the_generated_project_asks_as_the_real_one_does(project: CMakeProject, line: str) -> None:
    facts = facts_of(project)
    package = Package("Caffe2", "", linked(facts), "caffe2_toolchain")

    assert line in "\n".join(cmake_lists(facts, package)).splitlines()


@pytest.mark.parametrize(
    ("text", "standard"),
    [
        ("set(CMAKE_CXX_STANDARD 14)", [("CMAKE_CXX_STANDARD", "14")]),
        ("set_property(TARGET x PROPERTY CXX_STANDARD 17)", [("CMAKE_CXX_STANDARD", "17")]),
        ("set_target_properties(x PROPERTIES CXX_EXTENSIONS OFF)", [("CMAKE_CXX_EXTENSIONS", "OFF")]),
        ("target_compile_features(x PRIVATE cxx_std_20)", [("CMAKE_CXX_STANDARD", "20")]),
        ("message(CMAKE_CXX_STANDARD 14)", []),
        ("set(CMAKE_CXX_STANDARD ${X})", []),
        ("set(", []),
    ],
)
def test_the_standard_that_the_project_asks_for_is_asked_for(text: str, standard: list[tuple[str, str]]) -> None:
    assert list(standard_of(text)) == standard


def test_headers_that_the_projects_cpu_sources_include_are_included() -> None:
    uses = [
        SourceUse("caffe2/utils/math.h", "/src/a.cc", 1),
        SourceUse("caffe2/core/context_gpu.h", "/src/a.cu", 1),
        SourceUse("caffe2/utils/eigen.h", "/src/b.cu", 1),
        SourceUse("caffe2/core/operator.h", "/src/a.cc", 2),
    ]

    included = [line for line in operator_source(uses).splitlines() if line.startswith("#include")]

    names = ("caffe2/core/context.h", "caffe2/core/operator.h", "caffe2/utils/math.h")
    assert included == [f'#include "{name}"' for name in names]
