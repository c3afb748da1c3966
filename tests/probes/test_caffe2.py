"""Caffe2 installations of every kind, built small on the spot."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.facts import Absent, Caffe2, Caffe2Installation, Facts, Known, Python, Torch, Unreadable, value_of
from envdoctor.files import FileView
from envdoctor.probes.caffe2 import probe
from envdoctor.probes.caffe2_headers import includes, left_out
from tests.filetree import RootedFiles, make_target, write_tree
from tests.probes.native import build_library, needs_compiler

SITE = "/env/lib/python3.7/site-packages"
TORCH = f"{SITE}/torch"
CMAKE = f"{TORCH}/share/cmake/Caffe2"
CONFIG = """set(CAFFE2_VERSION "1.0.1")
include("${CMAKE_CURRENT_LIST_DIR}/public/utils.cmake")
include ("${CMAKE_CURRENT_LIST_DIR}/Caffe2Targets.cmake")
caffe2_interface_library(caffe2 caffe2_library)
set(CAFFE2_INCLUDE_DIRS "${_INSTALL_PREFIX}/lib/include")
"""
TARGETS = """add_library(c10 SHARED IMPORTED)
set_target_properties(c10 PROPERTIES
  INTERFACE_INCLUDE_DIRECTORIES "${_IMPORT_PREFIX}/include;/opt/x/../include"
)
add_library(caffe2 SHARED IMPORTED)
set_target_properties(caffe2 PROPERTIES
  INTERFACE_INCLUDE_DIRECTORIES "\\$<TARGET_PROPERTY:c10,INTERFACE_INCLUDE_DIRECTORIES>")
"""
REGISTRY = """
#include <functional>
#include <map>
#include <string>
namespace caffe2 {
std::map<std::string, std::function<int(std::string)>> *CPUOperatorRegistry() {
    static std::map<std::string, std::function<int(std::string)>> all;
    all["one"] = [](std::string text) { return int(text.size()); };
    return &all;
}
}
"""
PROTOBUF = (
    "namespace google { namespace protobuf { namespace internal { void VerifyVersion(int, int, const char *) {} } } }"
)


def look(files: FileView, torch: str | None = TORCH, paths: tuple[str, ...] = (SITE,), **variables: str) -> Caffe2:
    python = Python(prefix=Known("/env", "test"), sys_path=paths, site_packages=paths)
    facts = Facts(python=python, torch=Torch(root=Known(torch, "test")) if torch else Torch(root=Absent("no")))
    return probe(make_target(files, variables), facts)


def write_wheel(root: Path, **more: str) -> RootedFiles:
    """A wheel of the 1.0.1 kind: torch with Caffe2's libraries, headers and CMake files, and the caffe2 package."""
    write_tree(
        root,
        {
            f"{SITE}/caffe2/__init__.py": "",
            f"{TORCH}/lib/libcaffe2.so": b"",
            f"{TORCH}/lib/libcaffe2_detectron_ops_gpu.so": "",
            f"{TORCH}/lib/libcaffe2_detectron_ops.so": "",
            f"{TORCH}/lib/include/caffe2/core/context.h": '#include "caffe2/core/macros.h"\n#include "caffe2/gone.h"\n',
            f"{TORCH}/lib/include/caffe2/core/macros.h": "#define CAFFE2_USE_MKLDNN\n#define CAFFE2_USE_MKL\n",
            f"{CMAKE}/Caffe2Config.cmake": CONFIG,
            f"{CMAKE}/Caffe2Targets.cmake": TARGETS,
            f"{CMAKE}/public/utils.cmake": "",
            **more,
        },
    )
    return RootedFiles(root)


def only(found: Caffe2) -> Caffe2Installation:
    (installation,) = found.installations
    return installation


def test_an_installation_is_described_by_its_files(tmp_path: Path) -> None:
    one = only(look(write_wheel(tmp_path)))

    assert one.root == TORCH
    assert (value_of(one.version), value_of(one.config)) == ("1.0.1", f"{CMAKE}/Caffe2Config.cmake")
    assert not one.config_is_build_tree
    assert one.include_named == (f"{TORCH}/include", "/opt/include")
    assert value_of(one.include) == f"{TORCH}/lib/include"
    assert one.headers_missing == ("caffe2/gone.h",)
    assert one.cmake_targets == ("c10", "caffe2", "caffe2_library")
    assert value_of(one.detectron_ops) == f"{TORCH}/lib/libcaffe2_detectron_ops_gpu.so"


@pytest.mark.parametrize(
    ("line", "expected"),
    [("#define CAFFE2_USE_MKL", True), ("/* #undef CAFFE2_USE_MKL */", False), ("#define CAFFE2_USE_MKLDNN", None)],
)
def test_macros_tell_whether_mkl_is_used(tmp_path: Path, line: str, expected: bool | None) -> None:
    files = write_wheel(tmp_path, **{f"{TORCH}/lib/include/caffe2/core/macros.h": f"{line}\n"})

    assert value_of(only(look(files)).uses_mkl) is expected


@needs_compiler
@pytest.mark.parametrize("flag", [0, 1])
def test_the_registry_tells_library_and_string_abi(tmp_path: Path, flag: int) -> None:
    files = write_wheel(tmp_path)
    build_library(tmp_path / TORCH[1:] / "lib/libcaffe2.so", REGISTRY, f"-D_GLIBCXX_USE_CXX11_ABI={flag}")

    one = only(look(files))

    assert value_of(one.library) == f"{TORCH}/lib/libcaffe2.so"
    assert value_of(one.cxx11_abi) is (flag == 1)
    assert value_of(one.function_abi) == "reference"
    assert value_of(one.exports_protobuf) is False


@needs_compiler
@pytest.mark.parametrize(
    ("source", "options", "expected"),
    [
        (REGISTRY + PROTOBUF, (), True),
        (REGISTRY + PROTOBUF, ("-fvisibility=hidden",), None),
        (REGISTRY + f"#pragma GCC visibility push(hidden)\n{PROTOBUF}", (), False),
    ],
)
def test_protobuf_counts_as_lent_only_when_it_is_exported(
    tmp_path: Path, source: str, options: tuple[str, ...], expected: bool | None
) -> None:
    files = write_wheel(tmp_path)
    build_library(tmp_path / TORCH[1:] / "lib/libcaffe2.so", source, *options)

    assert value_of(only(look(files)).exports_protobuf) is expected


@needs_compiler
def test_a_shared_libprotobuf_lends_its_symbols(tmp_path: Path) -> None:
    files = write_wheel(tmp_path)
    protobuf = build_library(tmp_path / "libprotobuf.so.17", PROTOBUF, "-Wl,-soname,libprotobuf.so.17")
    build_library(tmp_path / TORCH[1:] / "lib/libcaffe2.so", REGISTRY, "-Wl,--no-as-needed", str(protobuf))

    exports = only(look(files)).exports_protobuf

    assert isinstance(exports, Known) and exports.value and exports.raw == "it needs libprotobuf.so.17"


@needs_compiler
def test_the_core_is_found_in_libtorch_as_later_releases_have_it(tmp_path: Path) -> None:
    files = write_wheel(tmp_path)
    (tmp_path / TORCH[1:] / "lib/libcaffe2.so").unlink()
    build_library(tmp_path / TORCH[1:] / "lib/libtorch_cpu.so", REGISTRY)

    assert value_of(only(look(files)).library) == f"{TORCH}/lib/libtorch_cpu.so"


def test_a_torch_that_keeps_the_cmake_package_alone_is_no_caffe2(tmp_path: Path) -> None:
    write_tree(tmp_path, {f"{TORCH}/lib/libtorch.so.1": "", f"{CMAKE}/Caffe2Config.cmake": "set(CAFFE2_VERSION 2.1)"})

    found = look(RootedFiles(tmp_path))

    assert found.installations == ()
    assert isinstance(found.importable, Absent)


def test_a_damaged_core_library_is_unreadable_and_not_absent(tmp_path: Path) -> None:
    files = write_wheel(tmp_path, **{f"{TORCH}/lib/libcaffe2.so": "\x7fELF and no more"})

    one = only(look(files))

    assert all(isinstance(fact, Unreadable) for fact in (one.library, one.cxx11_abi, one.exports_protobuf))


def test_cmake_files_that_cannot_be_read_leave_the_configuration_unreadable(tmp_path: Path) -> None:
    write_wheel(tmp_path, **{f"{CMAKE}/Caffe2Targets.cmake": "add_library(c10"})

    broken = only(look(RootedFiles(tmp_path)))
    denied = only(look(RootedFiles(tmp_path, denied=(f"{CMAKE}/Caffe2Config.cmake",))))

    assert isinstance(broken.config, Unreadable) and "never closed" in broken.config.reason
    assert denied.config == Unreadable("permission denied", f"{CMAKE}/Caffe2Config.cmake")


def test_the_configuration_of_a_build_tree_is_known_by_the_files_that_it_lacks(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {
            "/src/pytorch/build/Caffe2Config.cmake": CONFIG,
            "/src/pytorch/build/Caffe2Targets.cmake": "add_library(caffe2 SHARED IMPORTED)",
            "/src/pytorch/caffe2/core/context.h": "",
        },
    )

    found = look(RootedFiles(tmp_path), None, Caffe2_DIR="/src/pytorch/build")

    one = only(found)
    assert one.config_is_build_tree and one.root == "/src/pytorch/build"
    assert value_of(found.cmake_finds) == "/src/pytorch/build/Caffe2Config.cmake"
    assert value_of(one.include) == "/src/pytorch"


def test_the_imported_installation_comes_first_and_each_is_listed_once(tmp_path: Path) -> None:
    files = write_wheel(tmp_path)
    write_tree(
        tmp_path,
        {
            "/usr/local/share/cmake/Caffe2/Caffe2Config.cmake": 'set(CAFFE2_VERSION "0.8.2")',
            "/usr/local/lib/libcaffe2.so": "",
            "/conda/lib/libcaffe2.so": "",
            "/alias": f"-> {TORCH}",
        },
    )

    found = look(files, CMAKE_PREFIX_PATH="/alias:/conda:/usr/local", CONDA_PREFIX="/conda")

    assert [one.root for one in found.installations] == [TORCH, "/conda", "/usr/local"]
    assert value_of(found.cmake_finds) == "/alias/share/cmake/Caffe2/Caffe2Config.cmake"


def test_a_package_installed_below_a_prefix_leads_to_the_libraries_of_that_prefix(tmp_path: Path) -> None:
    write_tree(tmp_path, {f"{SITE}/caffe2/__init__.py": "", "/env/lib/libcaffe2.so": ""})

    found = look(RootedFiles(tmp_path), None)

    assert only(found).root == "/env"
    assert value_of(found.importable) == f"{SITE}/caffe2"


def test_detectron_is_found_only_below_the_directories_that_its_search_visits(tmp_path: Path) -> None:
    files = write_wheel(tmp_path)
    assert isinstance(look(files).detectron_lookup, Absent)
    write_tree(tmp_path, {"/found/lib": f"-> {TORCH}/lib"})

    found = look(files, paths=("/found", SITE)).detectron_lookup

    assert found == Known("/found/lib/libcaffe2_detectron_ops_gpu.so", "/found")


def test_without_an_interpreter_the_python_side_is_unreadable(tmp_path: Path) -> None:
    found = look(RootedFiles(tmp_path), None, ())

    assert isinstance(found.importable, Unreadable) and isinstance(found.detectron_lookup, Unreadable)
    assert found.installations == ()


HEADER = """/* #include "caffe2/comment.h" */
// #include "caffe2/line.h"
#ifndef GUARD_H_
#define GUARD_H_
#include "caffe2/plain.h"
  #  include <caffe2/angled.h>
#ifdef __ANDROID__
#include "caffe2/mobile.h"
#else
#include "caffe2/other.h"
#endif
/*
#include "caffe2/long_comment.h"
*/ #include "caffe2/behind.h"
#include CAFFE2_MACRO
#endif
#include "caffe2/after.h"
"""


def test_only_includes_that_no_macro_decides_about_are_counted() -> None:
    assert includes(HEADER) == ("caffe2/plain.h", "caffe2/angled.h", "caffe2/behind.h", "caffe2/after.h")


def test_missing_headers_are_named_in_the_order_in_which_a_compiler_meets_them(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {
            "/i/caffe2/core/context.h": '#include "caffe2/a.h"\n#include "caffe2/gone1.h"\n',
            "/i/caffe2/a.h": '#include "caffe2/gone2.h"\n#include "caffe2/core/context.h"\n',
            "/i/caffe2/core/operator.h": '#include "caffe2/gone1.h"\n#include "c10/no.h"\n#include "caffe2/denied.h"\n',
            "/i/caffe2/denied.h": "",
        },
    )

    files = RootedFiles(tmp_path, denied=("/i/caffe2/denied.h",))

    assert left_out(files, "/i") == ("caffe2/gone2.h", "caffe2/gone1.h")


@given(st.text(alphabet='#/*\n "<>adefilncu', max_size=200))
def test_any_text_may_stand_where_a_header_is_expected(text: str) -> None:
    assert all(name for name in includes(text))
