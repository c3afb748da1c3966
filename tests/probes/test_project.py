"""A project is read as text: its kind with the evidence, its targets, sources, programs, and what a build left."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.facts import Absent, CMakeTarget, Facts, Known, Project, Unreadable, value_of
from envdoctor.probes.project import probe
from envdoctor.probes.project_build import entries_of_cache
from envdoctor.probes.project_sources import blanked
from envdoctor.programs import Completed, Programs
from tests.filetree import AnsweringPrograms, RootedFiles, make_target, write_tree

DENSEPOSE = {
    "/p/CMakeLists.txt": """
cmake_minimum_required(VERSION 2.8.12 FATAL_ERROR)
find_package(Caffe2 REQUIRED)
file(GLOB CPU_SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/ops/*.cc)
file(GLOB GPU_SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/ops/*.cu)
add_library(ops SHARED ${CPU_SOURCES})
target_link_libraries(ops caffe2_library)
if (CAFFE2_USE_CUDA)
  cuda_add_library(ops_gpu SHARED ${CPU_SOURCES} ${GPU_SOURCES})
endif()
""",
    "/p/Makefile": "ops:\n\tmkdir -p build && cd build && cmake .. && $(MAKE)\n",
    "/p/ops/zero.cc": '#include "caffe2/core/operator.h"\nREGISTER_CPU_OPERATOR(Zero, ZeroOp);\n',
    "/p/ops/zero.cu": '#include "caffe2/core/context_gpu.h"\n',
    "/p/tools/other.cc": "int main() {}\n",
}


def read(
    tmp_path: Path,
    files: Mapping[str, str],
    environment: Mapping[str, str] | None = None,
    denied: tuple[str, ...] = (),
    programs: Programs | None = None,
) -> Project:
    """The project in /p of a file system with these files."""
    write_tree(tmp_path, files)
    return probe(make_target(RootedFiles(tmp_path, denied), environment, programs, project="/p"), Facts())


def cmake(text: str) -> dict[str, str]:
    return {"/p/CMakeLists.txt": text}


# The kind of a project


@pytest.mark.parametrize(
    ("files", "profile", "evidence"),
    [
        (cmake("find_package(Caffe2 REQUIRED)"), "caffe2-ops", "/p/CMakeLists.txt:1"),
        (cmake("\nfind_package(Torch)"), "torch-extension", "/p/CMakeLists.txt:2"),
        ({"/p/op.cc": "REGISTER_CUDA_OPERATOR(A, B);"}, "caffe2-ops", "/p/op.cc:1"),
        ({"/p/op.cc": "\n#include <caffe2/core/operator.h>"}, "caffe2-ops", "/p/op.cc:2"),
        ({"/p/a.cpp": "#include <torch/extension.h>"}, "torch-extension", "/p/a.cpp:1"),
        (
            {"/p/setup.py": "from t import CppExtension\nCppExtension('a', ['a.cpp'])"},
            "torch-extension",
            "/p/setup.py:2",
        ),
        (cmake("add_library(a SHARED a.cc)"), "installed", "no build file or source"),
        (cmake("# find_package(Caffe2)"), "installed", "no build file or source"),
        ({"/p/README": "find_package(Caffe2)"}, "installed", "no build file or source"),
    ],
)
def test_a_profile_comes_with_its_evidence(tmp_path: Path, files: dict[str, str], profile: str, evidence: str) -> None:
    found = read(tmp_path, files)

    assert isinstance(found.profile, Known)
    assert found.profile.value == profile
    assert evidence in found.profile.found_via


def test_without_a_project_what_is_installed_is_judged(tmp_path: Path) -> None:
    found = probe(make_target(RootedFiles(tmp_path)), Facts())

    assert found.profile == Known("installed", "no project was named")
    assert isinstance(found.root, Absent)


def test_a_folder_that_is_not_there_is_absent(tmp_path: Path) -> None:
    assert read(tmp_path, {}).root == Absent("no such folder", ("/p",))


def test_a_folder_that_may_not_be_read_is_unreadable_and_so_is_its_profile(tmp_path: Path) -> None:
    found = read(tmp_path, DENSEPOSE, denied=("/p",))

    assert found.root == Unreadable("permission denied", "/p")
    assert isinstance(found.profile, Unreadable)


# CMake


def test_a_project_of_the_densepose_kind_is_read_whole(tmp_path: Path) -> None:
    found = read(tmp_path, DENSEPOSE)

    project = value_of(found.cmake)
    assert project is not None
    assert value_of(project.minimum) == "2.8.12"
    assert project.packages == ("Caffe2",)
    assert project.targets == (
        CMakeTarget("ops", "SHARED", ("caffe2_library",), "/p/CMakeLists.txt", 6),
        CMakeTarget("ops_gpu", "SHARED", (), "/p/CMakeLists.txt", 9),
    )
    assert found.sources == ("/p/ops/zero.cc", "/p/ops/zero.cu")
    assert found.has_cuda_sources


def test_subdirectories_and_included_files_of_the_project_are_read_with_their_own_directories(tmp_path: Path) -> None:
    files = {
        "/p/CMakeLists.txt": """
set(NAME ops)
include(cmake/flags.cmake)
add_subdirectory(src)
add_library(${NAME} MODULE a.cc)
""",
        "/p/cmake/flags.cmake": """
include_directories(${CMAKE_CURRENT_LIST_DIR}/../inc)
add_definitions(-D_GLIBCXX_USE_CXX11_ABI=0)
""",
        "/p/src/CMakeLists.txt": """
set(NAME inner)
add_library(${NAME} STATIC ${CMAKE_CURRENT_SOURCE_DIR}/b.cc)
find_package(Torch)
""",
        "/p/src/b.cc": "",
        "/p/a.cc": "",
        "/p/inc/a.h": "",
    }

    found = read(tmp_path, files)

    project = value_of(found.cmake)
    assert project is not None
    assert [(each.name, each.kind) for each in project.targets] == [("inner", "STATIC"), ("ops", "MODULE")]
    assert project.packages == ("Torch",)
    assert project.flags == ("-D_GLIBCXX_USE_CXX11_ABI=0",)
    assert found.include_directories == ("/p/inc",)
    assert set(found.sources) == {"/p/a.cc", "/p/src/b.cc"}


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ('set(CMAKE_CXX_FLAGS "${CMAKE_CXX_FLAGS} -std=c++11 -O2")', ("-std=c++11", "-O2")),
        ("add_compile_options(-Wall $<$<CONFIG:Debug>:-g>)", ("-Wall",)),
        ("add_compile_definitions(USE_X=1)", ("-DUSE_X=1",)),
        ("target_compile_options(a PRIVATE -fPIC)", ("-fPIC",)),
        ("target_compile_definitions(a PUBLIC USE_Y)", ("-DUSE_Y",)),
    ],
)
def test_compiler_flags_that_the_files_set_are_told(tmp_path: Path, text: str, flags: tuple[str, ...]) -> None:
    project = value_of(read(tmp_path, cmake(text)).cmake)

    assert project is not None
    assert project.flags == flags


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("project(a)", ()),
        ("project(a CXX CUDA)", ("CXX", "CUDA")),
        ("project(a VERSION 1.0 LANGUAGES CXX)", ("CXX",)),
        ("project(a CXX)\nenable_language(CUDA)", ("CXX", "CUDA")),
    ],
)
def test_languages_are_those_that_the_files_name(tmp_path: Path, text: str, languages: tuple[str, ...]) -> None:
    project = value_of(read(tmp_path, cmake(text)).cmake)

    assert project is not None
    assert project.languages == languages


def test_files_outside_the_project_and_files_that_include_each_other_are_not_followed(tmp_path: Path) -> None:
    files = {
        "/p/CMakeLists.txt": "include(../secret.cmake)\nadd_subdirectory(/q)\ninclude(a.cmake)\nadd_subdirectory(.)",
        "/p/a.cmake": "include(CMakeLists.txt)\nfind_package(A)",
        "/secret.cmake": "find_package(Secret)",
        "/q/CMakeLists.txt": "find_package(Q)",
    }

    project = value_of(read(tmp_path, files).cmake)

    assert project is not None
    assert project.packages == ("A",)


def test_a_damaged_cmake_file_is_unreadable_with_its_line(tmp_path: Path) -> None:
    found = read(tmp_path, cmake("find_package(Caffe2)\nadd_library(ops SHARED"))

    assert isinstance(found.cmake, Unreadable)
    assert "line 2: 'add_library'( is never closed" in found.cmake.reason
    assert found.cmake in found.unreadable


def test_a_file_that_asks_for_endless_text_ends_with_a_word_about_it(tmp_path: Path) -> None:
    doubling = "".join(f'set(A{n + 1} "${{A{n}}}${{A{n}}}")\n' for n in range(40))

    found = read(tmp_path, cmake('set(A0 "0123456789abcdef")\n' + doubling + "project(${A40})\n" * 5000))

    assert any("more text than is read" in each.reason for each in found.unreadable)


# setup.py and pyproject.toml


def test_setup_py_tells_its_extensions_even_behind_a_condition(tmp_path: Path) -> None:
    setup = """
import os
from torch.utils import cpp_extension
extension = cpp_extension.CUDAExtension if os.environ.get("FORCE_CUDA") else cpp_extension.CppExtension
setup(ext_modules=[extension("a._C", ["csrc/a.cpp", "csrc/" + name], include_dirs=["csrc"])])
raise SystemExit("never run")
"""
    found = read(tmp_path, {"/p/setup.py": setup, "/p/csrc/a.cpp": "", "/p/test/b.cpp": ""})

    assert [(each.kind, each.line) for each in found.setup_extensions] == [("CUDAExtension", 5), ("CppExtension", 5)]
    assert (found.sources, found.sources_named) == (("/p/csrc/a.cpp",), True)
    assert found.include_directories == ("/p/csrc",)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"/p/setup.py": "print 'Extension'\n"}, "no Python 3 file (line 1)"),
        ({"/p/setup.py": "Extension\0"}, "no Python 3 file"),
        ({"/p/setup.py": "Extension" + "(" * 5000}, "no Python 3 file"),
        ({"/p/pyproject.toml": "[build-system\n"}, "no TOML"),
    ],
)
def test_a_damaged_build_file_is_unreadable_and_the_rest_is_read(
    tmp_path: Path, files: dict[str, str], reason: str
) -> None:
    found = read(tmp_path, {**files, "/p/a.cpp": "#include <torch/extension.h>"})

    assert any(reason in each.reason for each in found.unreadable)
    assert value_of(found.profile) == "torch-extension"


@pytest.mark.parametrize(
    ("text", "requires"),
    [
        ('[build-system]\nrequires = ["setuptools", "torch==2.1"]\n', ("setuptools", "torch==2.1")),
        ("[build-system]\nrequires = 1\n", ()),
        ("build-system = 1\n", ()),
        ("", ()),
    ],
)
def test_what_a_build_requires_is_in_pyproject(tmp_path: Path, text: str, requires: tuple[str, ...]) -> None:
    assert read(tmp_path, {"/p/pyproject.toml": text}).build_requires == requires


# Sources

IN_TEMPLATE = """
template <typename T, class Context>
class Op final : public Operator<Context> {{
  Op() : scale_({call}<float>("scale", 1.)) {{}}
}};
"""


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("GetSingleArgument", "GetSingleArgument"),
        ("this->GetSingleArgument", "this->GetSingleArgument"),
        ("OperatorBase::GetSingleArgument", "OperatorBase::GetSingleArgument"),
        ("this->template GetSingleArgument", None),
        ("OperatorBase::template GetSingleArgument", None),
        ("helper.GetSingleArgument", None),
        ("helper->GetSingleArgument", None),
        ("ArgumentHelper::GetSingleArgument", None),
        ("/* GetSingleArgument */ other", None),
        ('f("GetSingleArgument<") + other', None),
    ],
)
def test_a_call_that_does_not_say_template_is_told_as_written(tmp_path: Path, call: str, expected: str | None) -> None:
    found = read(tmp_path, {"/p/op.h": IN_TEMPLATE.format(call=call)})

    assert [(each.name, each.line) for each in found.single_argument_calls] == ([(expected, 4)] if expected else [])


@pytest.mark.parametrize(
    "text",
    [
        "class Op : public Operator<CPUContext> { Op() : s_(GetSingleArgument<float>(1)) {} };",
        "template <class T> void f() { GetSingleArgument<float>(1); }",
        "template <class T> class Op { template <typename U> U GetSingleArgument(const string& name); };",
        "template <class T> class Op; float f() { return GetSingleArgument<float>(1); }",
        "template <class T> class Op {};\nfloat f() { return GetSingleArgument<float>(1); }",
    ],
)
def test_outside_a_class_template_nothing_is_missing(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, {"/p/op.h": text}).single_argument_calls == ()


def test_comments_and_literals_are_blanked_and_places_kept() -> None:
    text = 'a /* b\n { */ c // d\n"}\\"" \'x\' R"(\n{)" e'

    assert blanked(text) == "a     \n      c     \n             \n    e"
    assert len(blanked(text)) == len(text)


@given(st.text(alphabet=st.sampled_from(list("\"'/*\\\nR(){}<> a")), max_size=80))
def test_blanking_keeps_every_line_where_it_was(text: str) -> None:
    plain = blanked(text)

    assert len(plain) == len(text)
    assert [i for i, c in enumerate(plain) if c == "\n"] == [i for i, c in enumerate(text) if c == "\n"]


@pytest.mark.parametrize("piece", ['R"(', '\\"', "/*", "template <", "template <>class{", "GetSingleArgument<", '"'])
def test_hostile_sources_are_read_in_linear_time(tmp_path: Path, piece: str) -> None:
    text = "GetSingleArgument<" + piece * (300_000 // len(piece))

    assert read(tmp_path, {"/p/op.h": text}).root == Known("/p", "project that was named")


def test_headers_of_frameworks_are_told_with_their_place(tmp_path: Path) -> None:
    text = '#include <vector>\n  #  include "caffe2/core/context.h"\n#include <ATen/ATen.h>\n// #include <torch/x.h>\n'

    found = read(tmp_path, {"/p/op.h": text})

    assert [(each.name, each.line) for each in found.includes] == [("caffe2/core/context.h", 2), ("ATen/ATen.h", 3)]


def test_where_build_files_name_no_sources_all_count_but_tests_and_examples(tmp_path: Path) -> None:
    files = dict.fromkeys(
        (
            *("/p/a.cpp", "/p/sub/b.cu", "/p/c.h", "/p/build/CMakeFiles/gen.cc", "/p/.git/d.cc"),
            *("/p/test/t.cpp", "/p/Examples/cpp/e.cpp", "/p/third_party/x/x.cc"),
        ),
        "",
    )

    found = read(tmp_path, files)

    assert found.sources == ("/p/a.cpp", "/p/sub/b.cu")
    assert not found.sources_named


# Makefile


@pytest.mark.parametrize(
    ("text", "programs"),
    [
        ("a:\n\tmkdir -p build && cd build && cmake .. && $(MAKE)\n", ["mkdir", "cmake", "make"]),
        ("a:\n\t@python2 setup.py develop\n\t-rm -f x; echo python3\n", ["python2", "rm"]),
        ("PYTHON ?= python2\na:\n\t$(PYTHON) x.py\n", ["python2"]),
        ("CXX = g++\nSRC := $(wildcard *.cc)\na: $(SRC)\n\t${CXX} -o a $^\n", ["g++"]),
        ("a: ; cmake .\n", ["cmake"]),
        ("a:\n\tCC=gcc-7 \\\n\t  cmake .. | tee log\n", ["cmake", "tee"]),
        ("a:\n\tif test -f x; then python x.py; else exit 1; fi\n", ["python"]),
        ("a:\n\tenv CC=gcc nice python2.7 setup.py\n", ["env", "nice"]),
        ('a:\n\t$(shell which x) y\n\t"a b" c\n\t./run.sh\n\t$(UNKNOWN) z\n', []),
        ("a:\n\t(cd x && ninja)\n\tfor f in a b; do patch $$f; done\n", ["ninja", "patch"]),
    ],
)
def test_the_programs_of_a_makefile_are_the_first_words_of_its_commands(
    tmp_path: Path, text: str, programs: list[str]
) -> None:
    assert [each.name for each in read(tmp_path, {"/p/Makefile": text}).programs] == programs


def test_the_environment_gives_what_a_makefile_leaves_open(tmp_path: Path) -> None:
    text = "PYTHON ?= python2\nCXX = g++\na:\n\t$(PYTHON) x.py\n\t$(CXX) x\n"

    found = read(tmp_path, {"/p/Makefile": text}, environment={"PYTHON": "python3", "CXX": "clang++"})

    assert [each.name for each in found.programs] == ["python3", "g++"]


def test_programs_that_path_does_not_offer_are_missing_and_a_shim_is_asked(tmp_path: Path) -> None:
    files = {
        "/p/Makefile": "a:\n\tcmake .\n\tpython2 x.py\n\tpython3 x.py\n\tnowhere\n",
        "/bin/cmake": "",
        "/pyenv/shims/python2": "",
        "/pyenv/shims/python3": "",
    }
    shims = AnsweringPrograms(lambda command: Completed(command, 127 if "python2" in command[0] else 0, "", ""))

    found = read(tmp_path, files, environment={"PATH": "/pyenv/shims:/bin"}, programs=shims)

    assert [each.name for each in found.missing_programs] == ["python2", "nowhere"]
    assert {each.command[0] for each in shims.started} == {"/pyenv/shims/python2", "/pyenv/shims/python3"}


# What a build left

CACHE = """# This is the CMakeCache file.
//Path to a program.
CMAKE_CXX_COMPILER:FILEPATH=/usr/bin/g++-7
Caffe2_DIR:PATH=/t/share/cmake/Caffe2
"Caffe2_X:Y":STRING=a=b
CMAKE_CXX_COMPILER-ADVANCED:INTERNAL=1
SECRET_TOKEN:STRING=hidden
broken line
"""


def test_the_cache_of_a_build_tells_its_compilers_and_packages_and_nothing_else() -> None:
    entries = {each.name: each.value for each in entries_of_cache(CACHE)}

    assert entries["CMAKE_CXX_COMPILER"] == "/usr/bin/g++-7"
    assert entries["Caffe2_DIR"] == "/t/share/cmake/Caffe2"
    assert "SECRET_TOKEN" not in entries
    assert "CMAKE_CXX_COMPILER-ADVANCED" not in entries


@pytest.mark.parametrize("folder", ["build", "build-debug", "_skbuild/linux-x86_64-3.11/cmake-build", "mybuild"])
def test_the_build_directory_is_found_by_its_cache(tmp_path: Path, folder: str) -> None:
    found = read(tmp_path, {f"/p/{folder}/CMakeCache.txt": CACHE})

    assert isinstance(found.build, Known)
    assert found.build.value.path == f"/p/{folder}"
    assert found.build.value.get("Caffe2_DIR") == "/t/share/cmake/Caffe2"


def test_a_cache_that_may_not_be_read_is_unreadable(tmp_path: Path) -> None:
    found = read(tmp_path, {"/p/build/CMakeCache.txt": CACHE}, denied=("/p/build/CMakeCache.txt",))

    assert found.build == Unreadable("permission denied", "/p/build/CMakeCache.txt")


def test_built_libraries_and_generated_code_are_listed_wherever_they_lie(tmp_path: Path) -> None:
    files = dict.fromkeys(
        (
            "/p/build/libops.so",
            "/p/build/lib.linux-x86_64-cpython-311/pkg/_C.cpython-311-x86_64-linux-gnu.so",
            "/p/pkg/_C.so.1",
            "/p/build/gen/a.pb.h",
            "/p/pkg/a_pb2.py",
            "/p/proto/a.proto",
            "/p/pkg/notes.so.txt",
            "/p/venv/pyvenv.cfg",
            "/p/venv/lib/x.so",
        ),
        "",
    )

    found = read(tmp_path, files)

    assert set(found.libraries) == {
        "/p/build/libops.so",
        "/p/build/lib.linux-x86_64-cpython-311/pkg/_C.cpython-311-x86_64-linux-gnu.so",
        "/p/pkg/_C.so.1",
    }
    assert set(found.generated) == {"/p/build/gen/a.pb.h", "/p/pkg/a_pb2.py"}
    assert found.protos == ("/p/proto/a.proto",)


def test_folders_that_link_to_each_other_end(tmp_path: Path) -> None:
    found = read(tmp_path, {"/p/a/x.cc": "", "/p/a/loop": "-> /p", "/p/b": "-> a"})

    assert found.sources == ("/p/a/x.cc",)


def test_a_large_project_is_read_in_part_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envdoctor.probes.project_tree.DIRECTORIES_AT_MOST", 3)

    found = read(tmp_path, {f"/p/d{n}/a.cc": "" for n in range(6)})

    assert len(found.sources) == 2
    assert any("large" in each.reason for each in found.unreadable)


def test_a_folder_of_the_project_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    found = read(tmp_path, {"/p/a/x.cc": "", "/p/b/y.cc": ""}, denied=("/p/b",))

    assert found.sources == ("/p/a/x.cc",)
    assert Unreadable("permission denied", "/p/b") in found.unreadable


@given(
    st.sampled_from(["CMakeLists.txt", "setup.py", "pyproject.toml", "Makefile", "a.cc", "build/CMakeCache.txt"]),
    st.data(),
)
def test_no_damage_to_a_file_breaks_the_reading(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    whole = {
        "CMakeLists.txt": DENSEPOSE["/p/CMakeLists.txt"],
        "setup.py": "from torch.utils import cpp_extension as e\ne.CppExtension('a', ['a.cc'], include_dirs=['.'])\n",
        "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\n',
        "Makefile": "PYTHON ?= python\nops:\n\tmkdir -p build && cd build && cmake .. && $(PYTHON) x.py\n",
        "a.cc": IN_TEMPLATE.format(call="GetSingleArgument"),
        "build/CMakeCache.txt": CACHE,
    }[name].encode()
    position = data.draw(st.integers(0, len(whole)))
    inserted = data.draw(st.binary(max_size=6))
    removed = data.draw(st.integers(0, 20))
    folder = tmp_path_factory.mktemp("damaged")
    write_tree(folder, {f"/p/{name}": whole[:position] + inserted + whole[position + removed :]})

    found = probe(make_target(RootedFiles(folder), project="/p"), Facts())

    assert found.root == Known("/p", "project that was named")


@pytest.mark.parametrize(
    ("line", "use"),
    [
        ('library = "lib/libcaffe2_detectron_ops_gpu.so"', "libcaffe2_detectron_ops"),
        ("envu.get_detectron_ops_lib()", "get_detectron_ops_lib"),
        ("from detectron.utils import env", "from detectron.utils"),
        ("    import detectron", "import detectron"),
        ("import detectron2", None),
        ("from detectron2.config import get_cfg", None),
        ("# the detectron way", None),
    ],
)
def test_a_project_that_looks_for_the_operators_of_detectron_is_told_by_its_python_files(
    tmp_path: Path, line: str, use: str | None
) -> None:
    found = read(tmp_path, {"/p/tools/train.py": f"import sys\n{line}\n"})

    assert [(each.name, each.line) for each in found.detectron_uses] == ([(use, 2)] if use else [])


def test_a_link_that_is_set_as_a_property_counts_as_one(tmp_path: Path) -> None:
    lines = (
        "add_library(ops SHARED ops.cc)",
        "target_link_libraries(ops caffe2_library)",
        "set_property(TARGET ops other APPEND PROPERTY LINK_LIBRARIES /opt/libprotobuf.a)",
        "set_property(TARGET ops PROPERTY CXX_STANDARD 11)",
        "set_property(DIRECTORY PROPERTY LINK_LIBRARIES /opt/no.a)",
    )

    cmake = value_of(read(tmp_path, {"/p/CMakeLists.txt": "\n".join(lines)}).cmake)

    assert cmake is not None
    assert [target.links for target in cmake.targets] == [("caffe2_library", "/opt/libprotobuf.a")]
