"""What the checks of host compilers and headers say of recorded facts."""

from typing import Any

import pytest
from envdoctor.checks import compiler

from envdoctor.checking.check import Check
from envdoctor.facts import CMakeProject, Compiler, Facts, HostCompilerLimits
from tests.checks.builders import (
    CANNOT_READ,
    NOWHERE,
    PROJECT,
    caffe2_box,
    changed,
    gpu_box,
    judged,
    known,
    modern_box,
    skipped,
    states,
    with_toolkit,
    with_variables,
)

CHECKS = [value for value in vars(compiler).values() if isinstance(value, Check)]


def gcc(version: str) -> Compiler:
    return Compiler(f"/usr/bin/g++-{version.partition('.')[0]}", "g++", known(version))


def with_cxx(facts: Facts, chosen: Compiler, *others: Compiler) -> Facts:
    return changed(facts, "compilers", cxx=known(chosen, "c++ on PATH"), installed=(chosen, *others))


@pytest.mark.parametrize("check", CHECKS, ids=[check.code for check in CHECKS])
def test_a_healthy_machine_gives_no_finding(check: Check) -> None:
    assert judged(check, gpu_box()) == []
    assert judged(check, modern_box()) == []


def test_a_missing_compiler_matters_to_a_build_alone() -> None:
    facts = changed(gpu_box(), "compilers", cxx=NOWHERE, installed=())
    (finding,) = judged(compiler.compiler_missing, facts)
    assert finding.state == "fail"
    assert finding.remedy is not None and finding.remedy.commands == ("apt-get install g++",)
    assert states(compiler.compiler_missing, changed(gpu_box(), "compilers", cxx=CANNOT_READ)) == ["unknown"]
    assert skipped(compiler.compiler_missing, changed(modern_box(), "compilers", cxx=NOWHERE))


def test_a_variable_that_names_no_compiler_is_what_has_to_go() -> None:
    facts = with_variables(changed(gpu_box(), "compilers", cxx=NOWHERE, installed=()), CXX="g++-99")
    (finding,) = judged(compiler.compiler_missing, facts)
    assert finding.remedy is not None and finding.remedy.commands == ("unset CXX",)


@pytest.mark.parametrize(("languages", "expected"), [((), ["fail"]), (("C", "CXX"), ["fail"]), (("CXX",), [])])
def test_a_cmake_project_needs_a_c_compiler_unless_it_names_its_languages(
    languages: tuple[str, ...], expected: list[str]
) -> None:
    project = CMakeProject(path=f"{PROJECT}/CMakeLists.txt", languages=languages)
    for box in (gpu_box(), caffe2_box()):
        facts = changed(changed(box, "compilers", c=NOWHERE), "project", cmake=known(project))
        assert states(compiler.compiler_missing, facts) == expected


@pytest.mark.parametrize(
    ("version", "limit", "expected"),
    [("12.2.0", 12, []), ("12.2.0", 11, ["fail"]), ("12.2.0", None, []), ("9.4.0", 11, [])],
)
def test_nvcc_takes_compilers_up_to_the_major_of_its_header(
    version: str, limit: int | None, expected: list[str]
) -> None:
    facts = with_toolkit(gpu_box(), host_compilers=known(HostCompilerLimits(gcc=limit, clang=None)))
    assert states(compiler.host_compiler_newer, with_cxx(facts, gcc(version))) == expected


def test_an_older_compiler_that_is_installed_is_named() -> None:
    facts = with_toolkit(gpu_box(), host_compilers=known(HostCompilerLimits(gcc=11, clang=13)))
    facts = with_cxx(facts, gcc("12.2.0"), gcc("9.4.0"), gcc("11.3.0"), gcc("4.8.5"))
    (finding,) = judged(compiler.host_compiler_newer, facts)
    assert finding.remedy is not None
    assert finding.remedy.commands == (
        "export CXX=/usr/bin/g++-11 CUDAHOSTCXX=/usr/bin/g++-11 NVCC_PREPEND_FLAGS='-ccbin /usr/bin/g++-11'",
    )


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"NVCC_PREPEND_FLAGS": "-ccbin /usr/bin/g++-11"}, ["skipped"]),
        ({"NVCC_APPEND_FLAGS": "-allow-unsupported-compiler"}, ["note"]),
        ({}, ["fail"]),
    ],
)
def test_flags_of_nvcc_that_name_or_allow_a_compiler_are_heeded(variables: dict[str, str], expected: list[str]) -> None:
    facts = with_toolkit(gpu_box(), host_compilers=known(HostCompilerLimits(gcc=11, clang=13)))
    assert states(compiler.host_compiler_newer, with_variables(facts, **variables)) == expected


def test_the_compiler_that_is_named_for_nvcc_is_judged_in_place_of_the_default() -> None:
    facts = with_toolkit(gpu_box(), host_compilers=known(HostCompilerLimits(gcc=11, clang=13)))
    assert states(compiler.host_compiler_newer, changed(facts, "compilers", cuda_host=known(gcc("11.3.0")))) == []
    clang = Compiler("/usr/bin/clang++-14", "clang++", known("14.0.6"))
    assert states(compiler.host_compiler_newer, changed(facts, "compilers", cuda_host=known(clang))) == ["fail"]
    silent = Compiler("/usr/bin/g++", "g++", CANNOT_READ)
    assert states(compiler.host_compiler_newer, changed(facts, "compilers", cuda_host=known(silent))) == ["unknown"]


@pytest.mark.parametrize(
    ("torch", "version", "expected"),
    [
        ("2.13.0", "9.4.0", ["fail"]),
        ("2.13.0+cu130", "10.2.1", []),
        ("2.5.0", "7.5.0", []),
        ("1.13.1", "4.8.5", ["fail"]),
        ("1.0.1", "4.8.5", ["fail"]),
        ("1.0.1", "4.9.2", []),
        ("0.4.0", "4.4", []),
    ],
)
def test_torch_needs_a_compiler_that_knows_its_language(torch: str, version: str, expected: list[str]) -> None:
    facts = changed(with_cxx(gpu_box(), gcc(version)), "torch", version=known(torch))
    assert states(compiler.compiler_too_old, facts) == expected


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        (("Eigen/Core",), ["fail"]),
        (("my/own.h", "lmdb.h"), ["fail", "fail"]),
        (("google/protobuf/stubs/common.h", "mkl_cblas.h", "caffe2/core/context.h", "Python.h"), []),
        (("cusparse.h",), ["fail"]),
        ((), []),
    ],
)
def test_each_header_that_no_other_check_reports_is_a_finding(missing: tuple[str, ...], expected: list[str]) -> None:
    facts = changed(gpu_box(), "headers", missing=known(missing))
    assert states(compiler.header_missing, facts) == expected


def test_headers_of_a_toolkit_that_is_not_there_are_its_consequence() -> None:
    facts = changed(gpu_box(), "headers", missing=known(("cuda_runtime.h",)))
    assert states(compiler.header_missing, changed(facts, "cuda", toolkits=(), default=NOWHERE)) == []


def test_the_package_of_a_known_header_is_named() -> None:
    facts = changed(caffe2_box(), "headers", missing=known(("Eigen/Core",)))
    (finding,) = judged(compiler.header_missing, facts)
    assert finding.remedy is not None and finding.remedy.commands == ("apt-get install libeigen3-dev",)


@pytest.mark.parametrize(("missing", "expected"), [(CANNOT_READ, ["unknown"]), (NOWHERE, ["skipped"])])
def test_a_preprocessor_that_gives_no_answer_is_unknown(missing: Any, expected: list[str]) -> None:
    assert states(compiler.header_missing, changed(gpu_box(), "headers", missing=missing)) == expected
