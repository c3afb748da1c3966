"""What the checks of environment variables say of recorded facts."""

import pytest
from envdoctor.checks import paths

from envdoctor.checking.check import Check
from envdoctor.facts import Facts, MissingVersion, ProvidedVersions, Variable
from tests.checks.builders import (
    CANNOT_READ,
    NOWHERE,
    TORCH,
    caffe2_box,
    changed,
    gpu_box,
    judged,
    known,
    modern_box,
    states,
    with_extension,
    with_variables,
)
from tests.checks.shell import variable_after

CHECKS = [value for value in vars(paths).values() if isinstance(value, Check)]


@pytest.mark.parametrize("check", CHECKS, ids=[check.code for check in CHECKS])
def test_a_healthy_machine_gives_no_finding(check: Check) -> None:
    assert judged(check, gpu_box()) == []
    assert judged(check, modern_box()) == []


@pytest.mark.parametrize(
    ("name", "value", "expected", "then"),
    [
        ("CUDA_HOME", "/usr/local/cuda", [], "/usr/local/cuda"),
        ("CUDA_HOME", "/usr/local/cuda:/opt/cuda", ["fail"], "/usr/local/cuda"),
        ("CUDA_HOME", ":/usr/local/cuda", ["fail"], "unset"),
        ("CUDA_HOME", "/usr/local/cuda ", ["fail"], "/usr/local/cuda"),
        ("CUDA_HOME", '"/usr/local/cuda"', ["fail"], "/usr/local/cuda"),
        ("CUDA_HOME", "~/cuda", [], "~/cuda"),
        ("CUDA_HOME", "$HOME/cuda", ["fail"], "unset"),
        ("CUDA_HOME", "cuda", ["fail"], "unset"),
        ("Caffe2_DIR", "/a:/b", ["warn"], "/a"),
        ("LD_LIBRARY_PATH", "/a:/b", [], "/a:/b"),
        ("LD_LIBRARY_PATH", "/a::/b", ["note"], "/a:/b"),
        ("LD_LIBRARY_PATH", "/a:", ["note"], "/a"),
        ("LD_LIBRARY_PATH", ":", [], ":"),
        ("PYTHONPATH", "$HOME/lib:/b", ["warn"], "/b"),
        ("CPATH", "/a: /b", ["warn"], "/a"),
        ("TORCH_CUDA_ARCH_LIST", "8.6 9.0;9.0a", [], "8.6 9.0;9.0a"),
        ("TORCH_CUDA_ARCH_LIST", "8.6,9.0", ["fail"], "8.6;9.0"),
        ("TORCH_CUDA_ARCH_LIST", "sm_86", ["fail"], "sm_86"),
        ("TORCH_CUDA_ARCH_LIST", "native", [], "native"),
        ("TORCH_CUDA_ARCH_LIST", "All", ["fail"], "All"),
    ],
)
def test_a_variable_must_hold_what_its_readers_understand(
    name: str, value: str, expected: list[str], then: str
) -> None:
    findings = judged(paths.variable_malformed, with_variables(gpu_box(), **{name: value}))
    assert [finding.state for finding in findings] == expected
    commands = [one for finding in findings if finding.remedy for one in finding.remedy.commands]
    assert variable_after(commands, name, value) == then


def test_a_malformed_variable_is_a_warning_where_nothing_is_built() -> None:
    facts = with_variables(modern_box(), CUDA_HOME="/a:/b", TORCH_CUDA_ARCH_LIST="8.6,9.0")
    assert states(paths.variable_malformed, facts) == ["warn", "warn"]


def test_the_words_of_caffe2s_cmake_files_are_no_fault() -> None:
    assert states(paths.variable_malformed, with_variables(caffe2_box(), TORCH_CUDA_ARCH_LIST="All")) == []


def with_missing(facts: Facts, *pairs: tuple[str, str]) -> Facts:
    return changed(facts, "environment", missing_entries=tuple(Variable(*pair) for pair in pairs))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("LD_LIBRARY_PATH", "/gone", ["note"]),
        ("Caffe2_DIR", "/gone", ["note"]),
        ("CMAKE_TOOLCHAIN_FILE", "/gone.cmake", ["fail"]),
        ("CUDA_HOME", "/gone", []),
        ("PATH", "/gone", []),
        ("CPATH", "~/gone", ["note"]),
        ("CPATH", "$HOME/gone", []),
    ],
)
def test_what_a_variable_names_and_is_not_there_is_told_once(name: str, value: str, expected: list[str]) -> None:
    facts = with_missing(with_variables(caffe2_box(), **{name: value}), (name, value))
    assert states(paths.path_entry_missing, facts) == expected


def test_the_entries_of_one_variable_are_one_finding() -> None:
    facts = with_variables(gpu_box(), LD_LIBRARY_PATH="/gone:/opt/lib:/gone too")
    facts = with_missing(facts, ("LD_LIBRARY_PATH", "/gone"), ("LD_LIBRARY_PATH", "/gone too"))
    (finding,) = judged(paths.path_entry_missing, facts)
    assert finding.remedy is not None
    assert variable_after(finding.remedy.commands, "LD_LIBRARY_PATH", "/gone:/opt/lib:/gone too") == "/opt/lib"


def with_runtime(origin: str, version: str, facts: Facts) -> Facts:
    own = ProvidedVersions("/opt/old/lib/libstdc++.so.6", origin, version)
    facts = with_variables(facts, LD_LIBRARY_PATH="/opt/old/lib")
    return changed(facts, "libstdcxx", loaded=known(own), libraries=(own, *facts.libstdcxx.libraries))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (with_runtime("LD_LIBRARY_PATH", "3.4.20", gpu_box()), ["warn"]),
        (with_runtime("LD_LIBRARY_PATH", "3.4.30", gpu_box()), []),
        (with_runtime("LD_LIBRARY_PATH", "3.4.33", gpu_box()), []),
        (with_runtime("conda", "3.4.20", gpu_box()), ["warn"]),
        (with_runtime("conda", "3.4.20", modern_box()), []),
        (with_runtime("system", "3.4.20", gpu_box()), []),
        (changed(gpu_box(), "libstdcxx", loaded=CANNOT_READ), ["unknown"]),
        (changed(modern_box(), "libstdcxx", loaded=CANNOT_READ), ["skipped"]),
        (changed(gpu_box(), "libstdcxx", loaded=NOWHERE), ["skipped"]),
    ],
)
def test_an_older_libstdcxx_before_the_systems_is_a_warning(facts: Facts, expected: list[str]) -> None:
    assert states(paths.older_libstdcxx_first, facts) == expected


def test_an_older_libstdcxx_that_lacks_what_an_extension_needs_is_a_fault() -> None:
    lacking = MissingVersion("GLIBCXX_3.4.30", "/opt/old/lib/libstdc++.so.6", "GLIBCXX_3.4.19", "_C.so")
    facts = with_extension(with_runtime("LD_LIBRARY_PATH", "3.4.20", gpu_box()), versions=(lacking,))
    (finding,) = judged(paths.older_libstdcxx_first, facts)
    assert finding.state == "fail"
    assert "SYM003" in finding.explains
    assert finding.remedy is not None and finding.remedy.commands == ("unset LD_LIBRARY_PATH",)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (TORCH, ["fail"]),
        (f"{TORCH}/", ["fail"]),
        ("/other/lib/python3.7/site-packages/torch", ["fail"]),
        ("/src/pytorch", []),
        ("/home/me/torch", []),
    ],
)
def test_the_torch_package_itself_does_not_belong_on_pythonpath(entry: str, expected: list[str]) -> None:
    value = f"/opt/mine:{entry}"
    facts = with_variables(caffe2_box(), PYTHONPATH=value)
    findings = judged(paths.torch_directory_on_pythonpath, facts)
    assert [finding.state for finding in findings] == expected
    for finding in findings:
        assert finding.remedy is not None
        assert variable_after(finding.remedy.commands, "PYTHONPATH", value) == "/opt/mine"
