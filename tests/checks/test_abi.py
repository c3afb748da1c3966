"""The checks of std::string and std::function, over the facts of the real Caffe2 with one thing changed."""

import pytest
from envdoctor.checks import abi

from envdoctor.facts import (
    Absent,
    BuildDirectory,
    Compiler,
    Extension,
    Facts,
    SetupExtension,
    UndefinedSymbol,
    Variable,
)
from tests.checks.builders import (
    CANNOT_READ,
    LIBRARY,
    PROJECT,
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
OLD, NEW = "-D_GLIBCXX_USE_CXX11_ABI=0", "-D_GLIBCXX_USE_CXX11_ABI=1"


def compiled_by(kind: str, version: str, facts: Facts = BOX) -> Facts:
    return changed(facts, "compilers", cxx=known(Compiler(f"/usr/bin/{kind}", kind, known(version))))


def symbol(name: str, reason: str) -> UndefinedSymbol:
    return UndefinedSymbol(name, "", "", LIBRARY, reason)


REGISTRY = symbol("_ZN6caffe219CPUOperatorRegistryB5cxx11Ev", "string-abi")
PROTOBUF_STRINGS = symbol("_ZN6google8protobuf8internal26fixed_address_empty_stringB5cxx11E", "string-abi")
PROTOBUF_HIDDEN = symbol("_ZN6google8protobuf8internal9ArenaImpl28AllocateAlignedAndAddCleanupEmPFvPvE", "hidden")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, ["warn"]),
        (with_caffe2(BOX, cxx11_abi=known(True)), []),
        (with_caffe2(BOX, cxx11_abi=CANNOT_READ), ["skipped"]),
        (with_variables(BOX, CXXFLAGS=f"-O2 {OLD}"), []),
        (with_variables(BOX, CXXFLAGS=f"{OLD} {NEW}"), ["warn"]),
        (with_caffe2(with_variables(BOX, CXXFLAGS=OLD), cxx11_abi=known(True)), ["warn"]),
        (compiled_by("g++", "4.9.2"), []),
        (compiled_by("clang++", "14.0.6"), []),
        (changed(BOX, "compilers", cxx=CANNOT_READ), ["unknown"]),
        (changed(BOX, "compilers", cxx=Absent("no compiler")), []),
        (changed(BOX, "host", distribution_id=known("centos")), []),
        (modern_box(), ["skipped"]),
    ],
)
def test_before_a_build_the_strings_of_the_compiler_are_compared(facts: Facts, expected: list[str]) -> None:
    assert states(abi.string_abi_differs, facts) == expected


def test_the_flags_of_a_configured_build_count() -> None:
    build = BuildDirectory(f"{PROJECT}/build", (Variable("CMAKE_CXX_FLAGS", OLD),))
    assert states(abi.string_abi_differs, changed(BOX, "project", build=known(build))) == []


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (with_library(BOX), []),
        (with_library(BOX, string_abi="new", undefined=(REGISTRY,)), ["fail"]),
        (with_library(BOX, string_abi="new"), ["warn"]),
        (with_library(BOX, string_abi="unknown"), []),
        (with_library(BOX, string_abi="mixed"), []),
        (with_library(BOX, undefined=(PROTOBUF_STRINGS,)), ["fail"]),
        (with_library(BOX, undefined=(PROTOBUF_STRINGS, PROTOBUF_HIDDEN)), []),
        (with_library(BOX, undefined=(PROTOBUF_HIDDEN,)), []),
    ],
)
def test_once_a_library_is_built_its_own_strings_are_judged(facts: Facts, expected: list[str]) -> None:
    assert states(abi.string_abi_differs, facts) == expected


def extension(owner: str, string_abi: str, *undefined: UndefinedSymbol) -> Facts:
    found = Extension(path="/x/_C.so", owner=owner, kind="torch-extension", string_abi=string_abi, undefined=undefined)
    return changed(modern_box(), "extensions", found=(found,))


ASSERT_FAIL = symbol("_ZN3c106detail23torchInternalAssertFailEPKcS2_jS2_RKSs", "string-abi")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (extension("project", "old", ASSERT_FAIL), ["fail"]),
        (extension("torchvision", "old", ASSERT_FAIL), ["fail"]),
        (extension("torchvision", "old"), []),
        (extension("torchvision", "new"), []),
    ],
)
def test_extensions_of_torch_are_judged_by_the_strings_of_torch(facts: Facts, expected: list[str]) -> None:
    assert states(abi.string_abi_differs, facts) == expected


def test_operators_are_built_with_the_flag_of_caffe2() -> None:
    (finding,) = judged(abi.string_abi_differs, BOX)
    assert finding.remedy is not None
    assert finding.remedy.commands == (f'export CXXFLAGS="{OLD}${{CXXFLAGS:+ $CXXFLAGS}}"',)


def test_an_extension_of_torch_is_built_again_without_a_flag_of_ones_own() -> None:
    facts = with_variables(extension("project", "old", ASSERT_FAIL), CFLAGS=f"-O2 {OLD}", CXXFLAGS="-O2")
    facts = changed(
        facts, "project", root=known("/src/ext"), setup_extensions=(SetupExtension("s", "CppExtension", 1),)
    )
    (finding,) = judged(abi.string_abi_differs, facts)
    assert finding.remedy is not None
    assert finding.remedy.commands == (
        "unset CFLAGS",
        "(cd /src/ext && /venv/bin/python setup.py build_ext --inplace --force)",
    )


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, ["warn"]),
        (compiled_by("g++", "4.9.2"), []),
        (compiled_by("g++", "5.4.0"), ["warn"]),
        (compiled_by("clang++", "14.0.6"), []),
        (with_caffe2(BOX, function_abi=known("reference")), []),
        (with_caffe2(BOX, function_abi=CANNOT_READ), ["skipped"]),
        (changed(BOX, "compilers", cxx=CANNOT_READ), ["unknown"]),
        (with_variables(BOX, CPATH=f"{PROJECT}/.envdoctor/function-by-value"), []),
        (with_library(BOX), []),
        (with_library(BOX, function_abi="reference"), ["fail"]),
        (with_library(BOX, function_abi="unknown"), ["unknown"]),
        (with_caffe2(with_library(BOX), function_abi=known("reference")), ["fail"]),
        (modern_box(), ["skipped"]),
    ],
)
def test_arguments_must_pass_through_std_function_alike(facts: Facts, expected: list[str]) -> None:
    assert states(abi.function_abi_differs, facts) == expected


BY_VALUE = {"string_abi": "old", "function_abi": "value"}
IN_PLACE = ("std::_Function_base::_Base_manager<...>::_M_destroy(std::_Any_data&, std::integral_constant<bool, true>)",)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, ["skipped"]),
        (with_library(BOX, **BY_VALUE), []),
        (with_library(BOX, **BY_VALUE, functors_in_place=IN_PLACE), ["fail"]),
        (
            with_caffe2(with_library(BOX, **BY_VALUE, functors_in_place=IN_PLACE), function_abi=known("reference")),
            ["skipped"],
        ),
        (modern_box(), ["skipped"]),
    ],
)
def test_functors_must_be_kept_where_caffe2_keeps_them(facts: Facts, expected: list[str]) -> None:
    assert states(abi.function_storage_differs, facts) == expected


@pytest.mark.parametrize(
    ("facts", "has_commands"),
    [
        (BOX, True),
        (compiled_by("g++", "5.4.0"), False),
        (changed(BOX, "compilers", include_directories=CANNOT_READ), False),
        (with_caffe2(with_library(BOX), function_abi=known("reference")), False),
    ],
)
def test_a_changed_header_is_offered_only_where_it_is_known_to_work(facts: Facts, has_commands: bool) -> None:
    (finding,) = judged(abi.function_abi_differs, facts)
    assert finding.remedy is not None
    assert bool(finding.remedy.commands) is has_commands
