"""The checks of Caffe2's package, over the facts of the real one with one thing changed."""

import msgspec
import pytest
from envdoctor.checks import caffe2

from envdoctor.checking.check import Check
from envdoctor.facts import (
    Absent,
    BuildDirectory,
    CMakeTarget,
    Facts,
    HeaderFile,
    LibraryFile,
    Package,
    SourceUse,
    Variable,
    value_of,
)
from tests.checks.builders import (
    CANNOT_READ,
    CONFIG,
    INCLUDE,
    LIBRARY,
    NOWHERE,
    PROJECT,
    SITE,
    TORCH,
    caffe2_box,
    changed,
    judged,
    known,
    modern_box,
    skipped,
    states,
    with_caffe2,
    with_variables,
)

BOX = caffe2_box()
OF_A_BUILD = (
    caffe2.config_not_found,
    caffe2.config_of_build_tree,
    caffe2.include_directory_wrong,
    caffe2.headers_left_out,
    caffe2.cuda_not_available,
    caffe2.config_of_another_installation,
)


def built(facts: Facts) -> Facts:
    return changed(
        facts,
        "project",
        libraries=(f"{PROJECT}/build/libcaffe2_ops.so",),
        build=known(BuildDirectory(f"{PROJECT}/build")),
    )


def linking(*links: str) -> Facts:
    cmake = value_of(BOX.project.cmake)
    assert cmake is not None
    target = CMakeTarget("caffe2_ops", "SHARED", links, f"{PROJECT}/CMakeLists.txt", 9)
    return changed(BOX, "project", cmake=known(msgspec.structs.replace(cmake, targets=(target,))))


def asking_for(*packages: str) -> Facts:
    cmake = value_of(BOX.project.cmake)
    assert cmake is not None
    return changed(BOX, "project", cmake=known(msgspec.structs.replace(cmake, packages=packages)))


def with_second_caffe2(cmake_finds: str) -> Facts:
    other = msgspec.structs.replace(
        BOX.caffe2.installations[0], root="/usr/local", config=known("/usr/local/share/cmake/Caffe2/Caffe2Config.cmake")
    )
    return changed(
        BOX, "caffe2", installations=(*BOX.caffe2.installations, other), cmake_finds=known(cmake_finds, "Caffe2_DIR")
    )


@pytest.mark.parametrize("check", OF_A_BUILD, ids=lambda check: check.code)
def test_without_a_project_of_operators_a_build_is_not_judged(check: Check) -> None:
    assert skipped(check, modern_box())


@pytest.mark.parametrize("check", OF_A_BUILD, ids=lambda check: check.code)
def test_a_library_in_its_build_directory_proves_that_configuring_and_compiling_worked(check: Check) -> None:
    assert skipped(check, built(BOX))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, ["fail"]),
        (changed(BOX, "caffe2", cmake_finds=known(CONFIG)), []),
        (changed(BOX, "caffe2", cmake_finds=CANNOT_READ), ["unknown"]),
        (changed(BOX, "project", cmake=CANNOT_READ), ["unknown"]),
        (changed(BOX, "caffe2", installations=()), ["skipped"]),
        (with_caffe2(BOX, config=NOWHERE), ["fail"]),
        (asking_for("Torch"), ["skipped"]),
    ],
)
def test_caffe2_must_be_found_by_cmake(facts: Facts, expected: list[str]) -> None:
    assert states(caffe2.config_not_found, facts) == expected


def test_the_remedy_names_the_directory_of_the_installed_configuration() -> None:
    (finding,) = judged(caffe2.config_not_found, BOX)
    assert finding.remedy is not None
    assert finding.remedy.commands == (f"export Caffe2_DIR={TORCH}/share/cmake/Caffe2",)


def test_a_path_with_blanks_is_quoted_in_the_remedy() -> None:
    (finding,) = judged(caffe2.config_not_found, with_caffe2(BOX, config=known("/my torch/Caffe2Config.cmake")))
    assert finding.remedy is not None
    assert finding.remedy.commands == ("export Caffe2_DIR='/my torch'",)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, []),
        (changed(BOX, "caffe2", installations=(), importable=NOWHERE), ["fail"]),
        (changed(BOX, "caffe2", installations=(), importable=CANNOT_READ), ["unknown"]),
        (modern_box(), ["skipped"]),
    ],
)
def test_a_project_of_operators_needs_caffe2(facts: Facts, expected: list[str]) -> None:
    assert states(caffe2.not_installed, facts) == expected


def test_a_configuration_of_a_build_tree_is_refused_and_the_installed_one_named() -> None:
    facts = with_second_caffe2("/usr/local/share/cmake/Caffe2/Caffe2Config.cmake")
    first, other = facts.caffe2.installations
    tree = msgspec.structs.replace(other, config_is_build_tree=True)
    (finding,) = judged(caffe2.config_of_build_tree, changed(facts, "caffe2", installations=(first, tree)))
    assert finding.state == "fail"
    assert finding.remedy is not None
    assert finding.remedy.commands == (f"export Caffe2_DIR={TORCH}/share/cmake/Caffe2",)


def test_a_build_tree_that_cmake_does_not_find_is_no_fault() -> None:
    assert states(caffe2.config_of_build_tree, with_caffe2(BOX, config_is_build_tree=True)) == []


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, ["fail"]),
        (with_caffe2(BOX, include_named=(f"{TORCH}/include", f"{INCLUDE}/")), []),
        (with_caffe2(BOX, include_named=()), []),
        (with_caffe2(BOX, include=CANNOT_READ), ["unknown"]),
        (with_caffe2(BOX, include=NOWHERE), []),
        (with_variables(BOX, CPATH=f"/opt/include:{INCLUDE}"), []),
        (with_variables(BOX, CXXFLAGS=f"-O2 -I{INCLUDE}"), []),
        (with_variables(BOX, CXXFLAGS=f"-isystem {INCLUDE}"), []),
        (with_variables(BOX, CPATH="/opt/include"), ["fail"]),
        (changed(BOX, "caffe2", installations=()), ["skipped"]),
    ],
)
def test_the_targets_must_name_the_directory_that_holds_the_headers(facts: Facts, expected: list[str]) -> None:
    assert states(caffe2.include_directory_wrong, facts) == expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, ["fail"]),
        (changed(BOX, "headers", missing=known(("mkl_cblas.h",))), []),
        (changed(BOX, "headers", missing=CANNOT_READ), ["fail"]),
        (with_caffe2(changed(BOX, "headers", missing=CANNOT_READ), headers_missing=()), []),
        (with_caffe2(BOX, include=NOWHERE), ["fail"]),
    ],
)
def test_what_the_compiler_misses_outranks_what_the_package_is_known_to_lack(facts: Facts, expected: list[str]) -> None:
    assert states(caffe2.headers_left_out, facts) == expected


@pytest.mark.parametrize(
    ("version", "header", "has_commands"),
    [
        ("1.0.1", "caffe2/utils/threadpool/ThreadPool.h", True),
        ("1.3.1", "caffe2/utils/threadpool/ThreadPool.h", True),
        ("1.4.0", "caffe2/utils/threadpool/ThreadPool.h", False),
        ("0.8.1", "caffe2/utils/threadpool/ThreadPool.h", False),
        ("1.0.1", "caffe2/operators/relu_op.h", False),
    ],
)
def test_headers_of_another_release_are_offered_only_where_they_were_compared(
    version: str, header: str, has_commands: bool
) -> None:
    facts = changed(with_caffe2(BOX, version=known(version)), "headers", missing=known((header,)))
    (finding,) = judged(caffe2.headers_left_out, facts)
    assert finding.remedy is not None
    assert bool(finding.remedy.commands) is has_commands


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, []),
        (with_caffe2(BOX, cmake_targets=("torch", "c10")), ["fail"]),
        (with_caffe2(BOX, cmake_targets=("torch", "c10", "caffe2_library")), []),
        (with_caffe2(BOX, cmake_targets=()), ["skipped"]),
        (with_caffe2(linking("torch"), cmake_targets=("torch",)), []),
        (with_caffe2(linking("caffe2_gpu_library"), cmake_targets=("torch",)), ["fail"]),
    ],
)
def test_a_linked_target_must_exist_in_this_caffe2(facts: Facts, expected: list[str]) -> None:
    assert states(caffe2.target_renamed, facts) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("GetSingleArgument", ["warn"]),
        ("this->GetSingleArgument", ["warn"]),
        ("OperatorBase::GetSingleArgument", ["skipped"]),
    ],
)
def test_calls_that_compilers_accept_are_no_fault(name: str, expected: list[str]) -> None:
    call = SourceUse(name, f"{PROJECT}/ops/op.h", 12)
    assert (
        states(caffe2.single_argument_without_this, changed(BOX, "project", single_argument_calls=(call,))) == expected
    )


CUDNN = {
    "headers": (HeaderFile("/usr/include/cudnn.h", "7.6.5", "system"),),
    "libraries": (LibraryFile("libcudnn.so.7", "/usr/lib/libcudnn.so.7", "7.6.5", "system"),),
}
IN_TORCH = {**CUDNN, "libraries": (LibraryFile("libcudnn.so.7", f"{TORCH}/lib/libcudnn.so.7", "7.6.5", "torch"),)}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, ["fail"]),
        (changed(BOX, "cudnn", **CUDNN), []),
        (changed(BOX, "cudnn", **IN_TORCH), ["fail"]),
        (changed(changed(BOX, "cudnn", **CUDNN), "cuda", toolkits=()), ["fail"]),
        (with_caffe2(BOX, cuda=Absent("a CPU build")), ["skipped"]),
    ],
)
def test_a_cuda_build_of_caffe2_asks_for_a_toolkit_and_cudnn(facts: Facts, expected: list[str]) -> None:
    assert states(caffe2.cuda_not_available, facts) == expected


def test_a_toolkit_without_runtime_library_does_not_count() -> None:
    (toolkit,) = BOX.cuda.toolkits
    bare = msgspec.structs.replace(toolkit, libraries=NOWHERE)
    facts = changed(changed(BOX, "cudnn", **CUDNN), "cuda", toolkits=(bare,))
    (finding,) = judged(caffe2.cuda_not_available, facts)
    assert "no CUDA toolkit" in finding.title and "cuDNN" not in finding.title


def packages(*names: str) -> tuple[Package, ...]:
    return tuple(Package(name, "1.0", SITE) for name in names)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, []),
        (changed(BOX, "packages", installed=packages("numpy", "six", "protobuf")), ["fail"]),
        (changed(BOX, "packages", installed=packages("numpy"), unreadable=(CANNOT_READ,)), ["unknown"]),
        (with_caffe2(changed(BOX, "packages", installed=()), version=known("1.12.1")), ["skipped"]),
        (changed(BOX, "caffe2", importable=NOWHERE), ["skipped"]),
        (modern_box(), ["skipped"]),
    ],
)
def test_modules_that_caffe2_imports_must_be_there(facts: Facts, expected: list[str]) -> None:
    assert states(caffe2.python_modules_missing, facts) == expected


def test_the_missing_module_is_named_with_the_package_that_brings_it() -> None:
    (finding,) = judged(
        caffe2.python_modules_missing, changed(BOX, "packages", installed=packages("numpy", "six", "protobuf"))
    )
    assert "past missing" in finding.title
    assert finding.remedy is not None and finding.remedy.commands == ("/env/bin/python -m pip install future",)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, []),
        (changed(BOX, "caffe2", cmake_finds=known(CONFIG)), []),
        (with_second_caffe2("/usr/local/share/cmake/Caffe2/Caffe2Config.cmake"), ["warn"]),
        (with_second_caffe2(CONFIG), []),
    ],
)
def test_building_against_one_caffe2_and_importing_another_is_told(facts: Facts, expected: list[str]) -> None:
    assert states(caffe2.config_of_another_installation, facts) == expected


def test_a_library_outside_the_build_directory_proves_nothing() -> None:
    copied = changed(BOX, "project", libraries=(LIBRARY,), build=known(BuildDirectory("/elsewhere/build")))
    assert states(caffe2.config_not_found, copied) == ["fail"]


def test_the_include_path_of_a_configured_build_counts() -> None:
    cache = (Variable("CMAKE_CXX_FLAGS", f"-I{INCLUDE}"),)
    facts = changed(BOX, "project", build=known(BuildDirectory(f"{PROJECT}/build", cache)))
    assert states(caffe2.include_directory_wrong, facts) == []
