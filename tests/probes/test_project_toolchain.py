"""A CMake toolchain file as it is followed here, against what CMake itself makes of it."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.facts import Absent, BuildDirectory, Known, Toolchain, Unreadable, Variable
from envdoctor.files import LiveFiles
from envdoctor.probes.project_toolchain import FILE_LIMIT, read_toolchain
from envdoctor.repair.overlay import CMakeSetting, Contribution, Overlay, toolchain
from tests.filetree import RootedFiles, write_tree

CMAKE = shutil.which("cmake")
needs_cmake = pytest.mark.skipif(CMAKE is None, reason="no cmake here")
NO_BUILD = Absent("no build")

LISTS = """cmake_minimum_required(VERSION 3.10)
project(asks LANGUAGES CXX)
file(WRITE "${CMAKE_BINARY_DIR}/flags" "${CMAKE_CXX_FLAGS}")
file(WRITE "${CMAKE_BINARY_DIR}/libraries" "${CMAKE_CXX_STANDARD_LIBRARIES}")
foreach(name caffe2::cudart caffe2::cudnn caffe2_library)
  if(TARGET ${name})
    file(APPEND "${CMAKE_BINARY_DIR}/targets" "${name}\\n")
  endif()
endforeach()
"""


def read(folder: Path, text: str, environment: Mapping[str, str] | None = None) -> Toolchain:
    """The toolchain file /t.cmake with this text, in a file system of its own."""
    write_tree(folder, {"/t.cmake": text})
    found = read_toolchain(RootedFiles(folder), {"CMAKE_TOOLCHAIN_FILE": "/t.cmake", **(environment or {})}, NO_BUILD)
    assert isinstance(found, Known), found
    return found.value


@needs_cmake
@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ('set(CMAKE_CXX_FLAGS_INIT "-DA -DB")', {}),
        ("set(CMAKE_CXX_FLAGS_INIT [=[-DA]=])\nstring(APPEND CMAKE_CXX_FLAGS_INIT [=[ -DB]=])", {}),
        (
            'set(CMAKE_CXX_FLAGS_INIT)\nforeach(A B C)\nstring(APPEND CMAKE_CXX_FLAGS_INIT " -D${A}")\nendforeach()',
            {},
        ),
        ('if(DEFINED ENV{MORE})\n  set(CMAKE_CXX_FLAGS_INIT "$ENV{MORE}")\nendif()', {"MORE": "-DM"}),
        (
            "if(DEFINED ENV{MORE})\nset(CMAKE_CXX_FLAGS_INIT -DM)\nelse()\nset(CMAKE_CXX_FLAGS_INIT -DN)\nendif()",
            {},
        ),
        (
            "set(A ON)\nif(NOT A)\nset(CMAKE_CXX_FLAGS_INIT -DA)\nelse()\nset(CMAKE_CXX_FLAGS_INIT -DB)\nendif()",
            {},
        ),
        ('set(CMAKE_CXX_STANDARD_LIBRARIES [=[-lm "-ldl"]=])', {}),
        ('include("${CMAKE_CURRENT_LIST_DIR}/nothing.cmake" OPTIONAL)\nset(CMAKE_CXX_FLAGS_INIT "-DA")', {}),
    ],
)
def test_what_it_sets_is_what_cmake_gets(tmp_path: Path, text: str, environment: dict[str, str]) -> None:
    flags, libraries, _ = asked_cmake(tmp_path, text, environment)

    found = of_disk(tmp_path, environment)

    assert ((found.get("CMAKE_CXX_FLAGS_INIT") or "").strip(), found.get("CMAKE_CXX_STANDARD_LIBRARIES") or "") == (
        flags.strip(),
        libraries,
    )
    assert found.unfollowed == ()


@needs_cmake
def test_the_targets_of_the_file_that_project_includes_are_those_that_cmake_then_has(tmp_path: Path) -> None:
    included = tmp_path / "included.cmake"
    included.write_text(
        "foreach(library cudart cudnn)\n  if(NOT TARGET caffe2::${library})\n"
        "    add_library(caffe2::${library} INTERFACE IMPORTED)\n  endif()\nendforeach()\n"
        "function(cuda_add_library name)\n  add_library(${name} EXCLUDE_FROM_ALL ${ARGN})\nendfunction()\n"
    )

    _, _, targets = asked_cmake(tmp_path, f"set(CMAKE_PROJECT_INCLUDE [=[{included}]=])", {})
    found = of_disk(tmp_path, {})

    assert list(found.targets) == targets == ["caffe2::cudart", "caffe2::cudnn"]
    assert found.functions == ("cuda_add_library",)
    assert found.unfollowed == ()


@needs_cmake
def test_the_toolchain_of_an_overlay_is_followed_whole_with_the_users_own_that_it_reads_first(tmp_path: Path) -> None:
    settings = (CMakeSetting("CMAKE_CXX_FLAGS_INIT", "append", "-D_GLIBCXX_USE_CXX11_ABI=0"),)
    text = toolchain(Overlay((Contribution("cxx11-abi", cmake=settings),)))
    (tmp_path / "own.cmake").write_text('set(CMAKE_CXX_FLAGS_INIT "-DOWN")\n')
    environment = {"ENVDOCTOR_NEXT_TOOLCHAIN": str(tmp_path / "own.cmake")}

    flags, _, _ = asked_cmake(tmp_path, text, environment)
    found = of_disk(tmp_path, environment)

    assert flags.strip() == found.get("CMAKE_CXX_FLAGS_INIT") == "-DOWN -D_GLIBCXX_USE_CXX11_ABI=0"
    assert found.unfollowed == ()


def asked_cmake(folder: Path, text: str, environment: Mapping[str, str]) -> tuple[str, str, list[str]]:
    """Flags, libraries and targets of a project that CMake configured with this toolchain file."""
    assert CMAKE is not None
    file = folder / "toolchain.cmake"
    file.write_text(text)
    (folder / "source").mkdir()
    (folder / "source" / "CMakeLists.txt").write_text(LISTS)
    variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), **environment}
    subprocess.run(
        [CMAKE, "-S", str(folder / "source"), "-B", str(folder / "build"), f"-DCMAKE_TOOLCHAIN_FILE={file}"],
        env=variables,
        check=True,
        capture_output=True,
        timeout=60,
    )
    targets = folder / "build" / "targets"
    return (
        (folder / "build" / "flags").read_text(),
        (folder / "build" / "libraries").read_text(),
        targets.read_text().split() if targets.exists() else [],
    )


def of_disk(folder: Path, environment: Mapping[str, str]) -> Toolchain:
    named = {"CMAKE_TOOLCHAIN_FILE": str(folder / "toolchain.cmake"), **environment}
    found = read_toolchain(LiveFiles(), named, NO_BUILD)
    assert isinstance(found, Known), found
    return found.value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("execute_process(COMMAND a)", "/t.cmake:1 execute_process"),
        ("\ninclude(GNUInstallDirs)", "/t.cmake:2 include(GNUInstallDirs)"),
        ("include(/gone.cmake)", "/t.cmake:1 include(/gone.cmake): no such file"),
        ("if(CMAKE_HOST_WIN32)\nset(Caffe2_DIR /a)\nendif()", "/t.cmake:1 a condition"),
        ("set(CMAKE_CXX_FLAGS_INIT ${CMAKE_SOURCE_DIR}/a)", "/t.cmake:1 what CMAKE_CXX_FLAGS_INIT holds"),
        ("include_directories(/a)", "/t.cmake:1 include_directories"),
        ("set(CMAKE_SYSROOT /other)", "CMAKE_SYSROOT is set"),
        ("set(CMAKE_CXX_COMPILER /other/g++)", "CMAKE_CXX_COMPILER is set"),
        ("set(CMAKE_PROJECT_INCLUDE /gone.cmake)", "/gone.cmake (named by CMAKE_PROJECT_INCLUDE)"),
        ("file(GLOB A /b/*)", "/t.cmake:1 file"),
    ],
)
def test_what_is_not_followed_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    assert read(tmp_path, text).unfollowed == (said,)


def test_only_variables_that_matter_are_kept(tmp_path: Path) -> None:
    text = "set(SECRET hunter2)\nset(Caffe2_DIR /c)\nset(ENV{TOKEN} x)\nset(CMAKE_PREFIX_PATH /a /b)\nunset(Caffe2_DIR)"

    found = read(tmp_path, text)

    assert found.variables == (Variable("CMAKE_PREFIX_PATH", "/a;/b"),)
    assert found.unfollowed == ()


def test_a_configured_build_directory_keeps_its_own_or_none(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/one.cmake": "set(Caffe2_DIR /one)", "/two.cmake": "set(Caffe2_DIR /two)"})
    environment = {"CMAKE_TOOLCHAIN_FILE": "/two.cmake"}
    kept = Known(BuildDirectory("/b", (Variable("CMAKE_TOOLCHAIN_FILE", "/one.cmake"),)), "test")

    of_cache = read_toolchain(RootedFiles(tmp_path), environment, kept)
    of_none = read_toolchain(RootedFiles(tmp_path), environment, Known(BuildDirectory("/b"), "test"))

    assert isinstance(of_cache, Known) and of_cache.value.path == "/one.cmake"
    assert isinstance(of_none, Absent)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, Absent("no such file", ("/t.cmake",))),
        ("set(A", Unreadable("no CMake file: line 1: 'set'( is never closed", "/t.cmake")),
        ("if(A)\nset(B 1)", Unreadable("no CMake file: line 1: if( is never ended", "/t.cmake")),
        ("if(A)\n" * 40, Unreadable("no CMake file: blocks within blocks, too deep", "/t.cmake")),
    ],
)
def test_one_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path, text: str | None, problem: object) -> None:
    write_tree(tmp_path, {"/t.cmake": text} if text is not None else {"/other": ""})

    assert read_toolchain(RootedFiles(tmp_path), {"CMAKE_TOOLCHAIN_FILE": "/t.cmake"}, NO_BUILD) == problem


@pytest.mark.parametrize(("release", "reads"), [("3.20.6", False), ("3.21.0", True), ("4.4.3", True), (None, True)])
def test_the_variable_is_nothing_to_a_cmake_that_does_not_read_it(
    tmp_path: Path, release: str | None, reads: bool
) -> None:
    write_tree(tmp_path, {"/t.cmake": "set(Caffe2_DIR /c)"})

    found = read_toolchain(RootedFiles(tmp_path), {"CMAKE_TOOLCHAIN_FILE": "/t.cmake"}, NO_BUILD, release)

    assert isinstance(found, Known) == reads


def test_a_relative_path_is_not_guessed(tmp_path: Path) -> None:
    found = read_toolchain(RootedFiles(tmp_path), {"CMAKE_TOOLCHAIN_FILE": "t.cmake"}, NO_BUILD)

    assert isinstance(found, Unreadable)


@pytest.mark.parametrize(
    "text",
    [
        "include(/t.cmake)",
        "set(A x)\n" + "set(A ${A}${A}${A}${A})\n" * 200,
        "foreach(a " + "x " * 4000 + ")\nforeach(b " + "y " * 4000 + ")\nset(C ${a})\nendforeach()\nendforeach()",
        "foreach(a " + "x " * 100 + ")\ninclude(/t.cmake)\nendforeach()",
        "set(CMAKE_PROJECT_INCLUDE /t.cmake)",
    ],
    ids=["includes itself", "grows", "loops", "loops over itself", "project includes it"],
)
def test_hostile_files_end_soon_and_are_not_called_followed(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text + "\nset(CMAKE_CXX_FLAGS_INIT ${A})")

    assert all(len(variable.value) <= FILE_LIMIT for variable in found.variables)


@given(
    st.lists(
        st.sampled_from(
            [
                "set(A 1)",
                "if(A)",
                "else()",
                "endif()",
                "foreach(B 1 2)",
                "endforeach()",
                "include(/t.cmake)",
                "(",
                "]]",
                "${",
            ]
        ),
        max_size=30,
    )
)
def test_any_text_is_either_followed_or_told(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    folder = tmp_path_factory.mktemp("t")
    write_tree(folder, {"/t.cmake": "\n".join(lines)})

    found = read_toolchain(RootedFiles(folder), {"CMAKE_TOOLCHAIN_FILE": "/t.cmake"}, NO_BUILD)

    assert isinstance(found, Known | Unreadable)
