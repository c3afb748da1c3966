"""What a CMake toolchain file brings counts as if a variable had brought it; what is not followed leaves doubt."""

from typing import Any

import pytest
from envdoctor.checks.abi import function_abi_differs, string_abi_differs
from envdoctor.checks.caffe2 import cuda_not_available, include_directory_wrong
from envdoctor.checks.cuda import nvcc_wrapper_misleads_build
from envdoctor.checks.cuda_use import build_severity
from envdoctor.checks.protobuf import headers_outside_range, not_linked

from envdoctor.checking.check import Check
from envdoctor.facts import Absent, BuildDirectory, Facts, Toolchain, Variable
from tests.checks.builders import INCLUDE, PROJECT, caffe2_box, changed, known, states, with_variables

FILE = f"{PROJECT}/.envdoctor/toolchain.cmake"


def with_toolchain(facts: Facts, unfollowed: tuple[str, ...] = (), **fields: Any) -> Facts:
    """The same facts with a toolchain file that the environment names; `fields` are variables, or its targets."""
    targets = fields.pop("targets", ())
    variables = tuple(Variable(name, value) for name, value in fields.items())
    toolchain = Toolchain(FILE, variables, targets, (), unfollowed)
    facts = with_variables(facts, CMAKE_TOOLCHAIN_FILE=FILE)
    return changed(facts, "project", toolchain=known(toolchain, "variable CMAKE_TOOLCHAIN_FILE"))


@pytest.mark.parametrize(
    ("check", "cure"),
    [
        (include_directory_wrong, {"CMAKE_CXX_FLAGS_INIT": f"-O2 -I{INCLUDE}"}),
        (include_directory_wrong, {"CMAKE_CXX_FLAGS_INIT": f"-isystem '{INCLUDE}'"}),
        (include_directory_wrong, {"CMAKE_CXX_FLAGS": f"-I{INCLUDE}"}),
        (include_directory_wrong, {"CMAKE_CXX_STANDARD_INCLUDE_DIRECTORIES": f"/other;{INCLUDE}"}),
        (not_linked, {"CMAKE_CXX_STANDARD_LIBRARIES": f'"{PROJECT}/.envdoctor/prefix/lib/libprotobuf.a"'}),
        (string_abi_differs, {"CMAKE_CXX_FLAGS_INIT": "-D_GLIBCXX_USE_CXX11_ABI=0"}),
        (function_abi_differs, {"CMAKE_CXX_FLAGS_INIT": f"-I{PROJECT}/.envdoctor/function-by-value"}),
        (cuda_not_available, {"targets": ("caffe2::cudart", "caffe2::cudnn")}),
        (nvcc_wrapper_misleads_build, {"targets": ("caffe2::cudart",)}),
    ],
)
def test_a_fault_is_gone_where_the_toolchain_file_cures_it(check: Check, cure: dict[str, Any]) -> None:
    assert states(check, caffe2_box()) in (["fail"], ["warn"])

    assert states(check, with_toolchain(caffe2_box(), **cure)) in ([], ["skipped"])


@pytest.mark.parametrize("check", [include_directory_wrong, headers_outside_range, cuda_not_available])
def test_a_toolchain_file_that_is_followed_whole_leaves_no_doubt(check: Check) -> None:
    assert states(check, with_toolchain(caffe2_box())) == ["fail"]
    assert states(check, with_toolchain(caffe2_box(), unfollowed=(f"{FILE}:3 execute_process",))) == ["warn"]


def test_a_toolchain_file_that_cmake_does_not_read_leaves_no_doubt() -> None:
    facts = with_variables(caffe2_box(), CMAKE_TOOLCHAIN_FILE=FILE)
    unread = changed(facts, "project", toolchain=Absent("CMake 3.18.4 does not read the variable"))

    assert states(include_directory_wrong, facts) == ["warn"]
    assert states(include_directory_wrong, unread) == ["fail"]


def test_targets_of_cuda_leave_no_cuda_code_to_build() -> None:
    assert build_severity(caffe2_box()) == "fail"
    assert build_severity(with_toolchain(caffe2_box(), targets=("caffe2::cudart",))) is None


def test_flags_of_the_environment_do_not_reach_a_build_that_is_configured() -> None:
    facts = with_variables(caffe2_box(), CXXFLAGS="-D_GLIBCXX_USE_CXX11_ABI=0")
    assert states(string_abi_differs, facts) == []

    configured = changed(facts, "project", build=known(BuildDirectory(f"{PROJECT}/build")))
    assert states(string_abi_differs, configured) == ["warn"]
