"""What the checks of cuDNN and NCCL say of recorded facts."""

import pytest
from envdoctor.checks import cudnn

from envdoctor.checking.check import Check
from envdoctor.facts import Facts, HeaderFile, LibraryFile
from tests.checks.builders import (
    CANNOT_READ,
    NOWHERE,
    caffe2_box,
    changed,
    gpu_box,
    judged,
    known,
    modern_box,
    skipped,
    states,
    with_caffe2,
    with_variables,
)
from tests.checks.shell import variable_after

CHECKS = [value for value in vars(cudnn).values() if isinstance(value, Check)]


@pytest.mark.parametrize("check", CHECKS, ids=[check.code for check in CHECKS])
def test_a_healthy_machine_gives_no_finding(check: Check) -> None:
    assert judged(check, gpu_box()) == []
    assert judged(check, modern_box()) == []


def with_headers(version: str, name: str = "cudnn_version.h", origin: str = "system") -> Facts:
    header = HeaderFile(f"/usr/include/{name}", version, origin)
    return changed(caffe2_box(), "cudnn", headers=(header,))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (with_headers("9.5.1"), ["fail"]),
        (with_headers("8.5.0"), ["fail"]),
        (with_headers("7.4.2", "cudnn.h"), []),
        (with_headers("8.5.0", "cudnn.h"), []),
        (with_headers("8.5.0", origin="pip"), ["skipped"]),
        (with_caffe2(with_headers("9.5.1"), version=known("1.5.0")), ["fail"]),
        (with_caffe2(with_headers("9.5.1"), version=known("1.6.0")), []),
        (with_caffe2(with_headers("9.5.1"), version=known("1.10.2")), []),
        (with_caffe2(with_headers("9.5.1"), cuda=NOWHERE), ["skipped"]),
    ],
)
def test_cmake_files_up_to_torch_1_5_read_the_version_from_cudnn_h(facts: Facts, expected: list[str]) -> None:
    assert states(cudnn.cudnn_misread, facts) == expected


@pytest.mark.parametrize(
    ("built", "loaded", "expected"),
    [
        ("9.20.0.48", "9.20.0.48", []),
        ("9.20.0.48", "9.21.0", []),
        ("9.20.0.48", "9.20.1", []),
        ("8.5.0.96", "8.3.3", ["fail"]),
        ("8.5.0.96", "9.1.0", ["fail"]),
        ("9.1.0", "8.9.7", ["fail"]),
        ("8.5.0.96", None, ["skipped"]),
    ],
)
def test_torch_takes_its_own_cudnn_or_a_newer_minor_of_it(built: str, loaded: str | None, expected: list[str]) -> None:
    taken = LibraryFile("libcudnn.so.8", "/opt/cudnn/lib/libcudnn.so.8", loaded, "LD_LIBRARY_PATH")
    facts = changed(changed(gpu_box(), "torch", cudnn=known(built)), "cudnn", loaded=known(taken))
    assert states(cudnn.cudnn_loaded_differs, facts) == expected


def test_a_foreign_cudnn_is_taken_off_the_path_and_the_rest_is_kept() -> None:
    taken = LibraryFile("libcudnn.so.8", "/opt/cudnn/lib/libcudnn.so.8", "8.3.3", "LD_LIBRARY_PATH")
    facts = changed(changed(gpu_box(), "torch", cudnn=known("8.5.0")), "cudnn", loaded=known(taken))
    value = "/opt/cudnn/lib/:/opt/mine:"
    (finding,) = judged(cudnn.cudnn_loaded_differs, with_variables(facts, LD_LIBRARY_PATH=value))
    assert finding.remedy is not None
    assert variable_after(finding.remedy.commands, "LD_LIBRARY_PATH", value) == "/opt/mine"


def test_a_cudnn_that_cannot_be_read_is_unknown_to_a_cuda_torch_alone() -> None:
    assert states(cudnn.cudnn_loaded_differs, changed(gpu_box(), "cudnn", loaded=CANNOT_READ)) == ["unknown"]
    assert skipped(cudnn.cudnn_loaded_differs, changed(modern_box(), "cudnn", loaded=CANNOT_READ))


@pytest.mark.parametrize(
    ("header", "library", "origin", "expected"),
    [
        ("9.1.0", "9.1.0", "system", []),
        ("9.1.0", "9.5.0", "system", []),
        ("9.5.0", "9.1.0", "system", ["warn"]),
        ("8.9.7", "9.1.0", "system", ["warn"]),
        ("8.9.7", "9.1.0", "pip", []),
        ("8.9.7", None, "system", []),
    ],
)
def test_headers_and_library_of_one_place_belong_together(
    header: str, library: str | None, origin: str, expected: list[str]
) -> None:
    facts = changed(
        gpu_box(),
        "cudnn",
        headers=(HeaderFile("/usr/include/cudnn_version.h", header, origin),),
        libraries=(LibraryFile("libcudnn.so.9", "/usr/lib/libcudnn.so.9", library, origin),),
    )
    assert states(cudnn.cudnn_headers_and_library_differ, facts) == expected


@pytest.mark.parametrize(
    ("version", "variable", "expected"),
    [
        ("2.18.1", "/opt/nccl/lib", ["warn"]),
        ("2.30.1", "/opt/nccl/lib", []),
        ("2.18.1", "/elsewhere", []),
        (None, "/opt/nccl/lib", []),
    ],
)
def test_an_older_nccl_before_torchs_own_is_a_warning(version: str | None, variable: str, expected: list[str]) -> None:
    taken = LibraryFile("libnccl.so.2", "/opt/nccl/lib/libnccl.so.2", version, "LD_LIBRARY_PATH")
    facts = changed(with_variables(gpu_box(), LD_LIBRARY_PATH=variable), "cudnn", nccl_loaded=known(taken))
    assert states(cudnn.nccl_mixed, facts) == expected


def test_the_nccl_of_a_release_is_known_where_its_wheel_is_not_there() -> None:
    taken = LibraryFile("libnccl.so.2", "/opt/nccl/lib/libnccl.so.2", "2.18.1", "LD_LIBRARY_PATH")
    facts = with_variables(gpu_box(), LD_LIBRARY_PATH="/opt/nccl/lib")
    facts = changed(facts, "cudnn", nccl_loaded=known(taken), nccl_libraries=(taken,))
    (finding,) = judged(cudnn.nccl_mixed, facts)
    assert "2.29.7" in finding.title
    assert states(cudnn.nccl_mixed, changed(facts, "torch", version=known("77.0.0"))) == []
