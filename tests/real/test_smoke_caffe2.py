"""`envdoctor smoke` with the real Caffe2: right operators, operators built wrongly, and kernels that are wrong."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envdoctor.op_results import OpResult
from envdoctor.smoke.libraries import Library
from envdoctor.smoke.runner import Request, run_library
from tests.real import build_variants, components, wrong_kernels
from tests.real.conftest import had
from tests.real.environments import Environment, clean_environment

SECONDS = 120
PROGRAM = (sys.executable, "-c", "from envdoctor.cli import main; main()")
OPS = ("PoolPointsInterp", "PoolPointsInterpGradient", "ZeroEven")
# The whole run of one library, importing the framework apart, on two slow cores.
LIBRARY_SECONDS = 15

Ops = dict[str, dict[str, Any]]


def envdoctor(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=SECONDS, env=clean_environment()
    )


def smoke(caffe2: Environment, *arguments: str | Path) -> tuple[int, Ops, dict[str, Any]]:
    done = envdoctor("smoke", "--python", caffe2.python, *arguments, "-o", "json")
    report = json.loads(done.stdout)
    assert "error" not in report, report
    assert report["exit_code"] == done.returncode
    return done.returncode, {op["op"]: op for op in report["ops"]}, report


def test_a_right_library_passes_and_says_how_right(caffe2: Environment, ops_library: Callable[[str], Path]) -> None:
    status, ops, report = smoke(caffe2, "--library", ops_library("correct"))

    assert status == 0
    assert {name: ops[name]["state"] for name in OPS} == dict.fromkeys(OPS, "ok")
    assert ops["load"]["message"] == "registers PoolPointsInterp, PoolPointsInterpGradient, ZeroEven"
    for name in OPS:
        assert ops[name]["cases"] >= 4
        assert ops[name]["max_error"] <= ops[name]["tolerance"] <= ops[name]["tolerances"]["float32"]
    assert ops["gpu"]["state"] == "skipped" and ops["gpu"]["message"]
    assert report["causes"] == []


@pytest.mark.parametrize(
    ("variant", "op", "signal", "codes", "said"),
    [
        ("no-protobuf", "load", None, ["PB002"], "undefined symbol: _ZN6google8protobuf8internal9ArenaImpl"),
        ("new-abi", "load", None, ["ABI001"], "undefined symbol: _ZN6caffe219CPUOperatorRegistryB5cxx11Ev"),
        ("no-protobuf-new-abi", "load", None, ["PB002", "ABI001"], "undefined symbol: _ZN6google8protobuf"),
        ("old-abi-by-reference", "ZeroEven", "SIGSEGV", ["ABI002"], "in create_operators (caffe2_workspace.py:"),
        ("old-abi-by-reference", "PoolPointsInterp", "SIGSEGV", ["ABI002"], "std::function passes arguments"),
        ("old-abi-by-reference", "PoolPointsInterpGradient", "SIGSEGV", ["ABI002"], "(ABI002)"),
        ("by-value-alone", "exit", "SIGABRT", ["ABI003"], "last words: "),
    ],
)
def test_a_library_built_in_a_broken_way_fails_where_it_breaks_with_the_code_of_the_cause(
    caffe2: Environment,
    ops_library: Callable[[str], Path],
    variant: str,
    op: str,
    signal: str | None,
    codes: list[str],
    said: str,
) -> None:
    status, ops, report = smoke(caffe2, "--library", ops_library(variant))

    assert status == 1
    assert (ops[op]["state"], ops[op]["signal"], ops[op]["codes"]) == ("fail", signal, codes)
    assert said in ops[op]["message"]
    assert {cause["code"] for cause in report["causes"]} >= set(codes)
    assert all(cause["remedy"]["recipe"] for cause in report["causes"])


def load_alone(caffe2: Environment, library: Path) -> OpResult:
    request = Request(str(caffe2.python), clean_environment(), device="cpu")
    (result,) = run_library(Library("caffe2_project", str(library), str(library)), request, lambda _doing: None).results
    return result


def test_a_library_that_registers_nothing_fails_though_caffe2_loads_it_in_silence(
    caffe2: Environment, tmp_path: Path
) -> None:
    library = tmp_path / "libempty.so"
    subprocess.run([components.cxx(), "-shared", "-fPIC", "-x", "c++", "/dev/null", "-o", library], check=True)

    result = load_alone(caffe2, library)

    assert (result.op, result.state) == ("load", "fail")
    assert result.message == "RuntimeError: the library loads and registers no operator"


def test_a_library_that_is_not_there_fails_though_caffe2_only_prints(caffe2: Environment, tmp_path: Path) -> None:
    result = load_alone(caffe2, tmp_path / "libgone.so")

    assert (result.op, result.state) == ("load", "fail")
    assert "RuntimeError: there is no file" in result.message


@pytest.mark.parametrize(
    ("mistake", "wrong", "least"),
    [
        ("off-by-one", {"PoolPointsInterp", "PoolPointsInterpGradient"}, 0.1),
        ("wrong-threshold", {"PoolPointsInterp", "PoolPointsInterpGradient"}, 0.1),
        ("wrong-parity", {"ZeroEven"}, 1.0),
        ("gradient-overwritten", {"PoolPointsInterpGradient"}, 0.1),
    ],
)
def test_a_wrong_kernel_fails_with_the_size_of_its_error_and_no_other_does(
    caffe2: Environment, mistake: str, wrong: set[str], least: float
) -> None:
    library = had(wrong_kernels.library)(mistake)

    status, ops, report = smoke(caffe2, "--library", library)

    assert status == 1
    assert {name for name in OPS if ops[name]["state"] == "fail"} == wrong
    for name in wrong:
        assert ops[name]["max_error"] > least > 100 * ops[name]["tolerance"]
        assert ops[name]["wrong"] and " is off by " in ops[name]["message"]
        assert ops[name]["codes"] == []
    assert report["causes"] == []


@pytest.mark.parametrize(
    ("change", "state", "said"),
    [
        ("unknown-op", "ok", "registered and created; what it computes is not known"),
        ("unknown-op-that-throws", "skipped", "registered; not created without arguments: "),
        ("unknown-op-that-aborts", "skipped", "registered; it refuses to be created without arguments: "),
    ],
)
def test_an_operator_that_only_its_project_knows_is_created_and_nothing_is_claimed_of_its_values(
    caffe2: Environment, change: str, state: str, said: str
) -> None:
    status, ops, _ = smoke(caffe2, "--library", had(wrong_kernels.library)(change))

    assert status == 0
    assert ops["KeepOdd"]["state"] == state
    assert said in ops["KeepOdd"]["message"]
    assert ops["KeepOdd"]["max_error"] is None
    assert ops["PoolPointsInterp"]["state"] == "ok"


def test_the_operators_of_detectron_are_right_where_this_caffe2_has_a_kernel(caffe2: Environment) -> None:
    status, ops, _ = smoke(caffe2, "caffe2-detectron")

    right = {name for name, op in ops.items() if op["state"] == "ok"} - {"load"}
    assert status == 0
    assert right == {
        *("RoIAlign", "RoIAlignGradient", "RoIAlignRotated", "RoIPool", "BoxWithNMSLimit"),
        *("BatchPermutation", "UpsampleNearest", "ResizeNearest"),
    }
    skipped = {op["message"] for name, op in ops.items() if op["state"] == "skipped" and name != "gpu"}
    assert skipped == {"this Caffe2 has no such kernel for cpu"}
    assert sum(op["took_ms"] for name, op in ops.items() if name != "load") < 1000 * LIBRARY_SECONDS


def test_the_built_library_of_a_project_is_found_and_ops_are_chosen_by_name(
    caffe2: Environment, ops_library: Callable[[str], Path]
) -> None:
    library = ops_library("correct")

    status, ops, report = smoke(caffe2, "--project", library.parent.parent, "zeroeven")

    assert status == 0
    assert set(ops) == {"load", "ZeroEven", "gpu"}
    assert {Path(op["library"]).name for op in report["ops"]} == {build_variants.LIBRARY}


def test_an_op_that_no_library_has_is_wrong_usage_and_names_those_there_are(
    caffe2: Environment, ops_library: Callable[[str], Path]
) -> None:
    done = envdoctor("smoke", "--python", caffe2.python, "--library", ops_library("correct"), "ZeroOdd")

    assert done.returncode == 2
    assert "no library here has an op `zeroodd`; there are PoolPointsInterp, PoolPointsInterpGradient" in done.stderr
    assert done.stdout == ""


def test_a_gpu_that_was_demanded_and_is_not_there_is_an_error(
    caffe2: Environment, ops_library: Callable[[str], Path]
) -> None:
    done = envdoctor("smoke", "--python", caffe2.python, "--library", ops_library("correct"), "--device", "cuda")

    if done.returncode == 0:
        pytest.skip("this machine has a GPU")
    assert done.returncode == 2
    assert "--device cuda: this Caffe2 runs on the CPU alone" in done.stderr


def test_the_text_fits_a_terminal_and_names_the_cure(caffe2: Environment, ops_library: Callable[[str], Path]) -> None:
    done = envdoctor("smoke", "--python", caffe2.python, "--library", ops_library("old-abi-by-reference"))

    prose = [line for line in done.stdout.splitlines() if not line.startswith(" " * 18)]
    assert done.returncode == 1
    assert max(map(len, prose)) <= 80
    assert "envdoctor fix std-function-abi" in done.stdout
    assert "SIGSEGV" in done.stdout


def test_check_with_smoke_folds_the_crash_beneath_its_cause_and_saved_facts_say_the_same(
    caffe2: Environment, ops_library: Callable[[str], Path], tmp_path: Path
) -> None:
    project = ops_library("old-abi-by-reference").parent.parent
    target = ("--python", caffe2.python, "--project", project)
    facts = tmp_path / "facts.json"

    live = json.loads(envdoctor("check", *target, "--smoke", "-o", "json").stdout)
    assert envdoctor("facts", *target, "--smoke", "-o", f"json={facts}").returncode == 0
    saved = json.loads(envdoctor("check", "--facts", facts, "-o", "json").stdout)

    (cause,) = [one for one in live["findings"] if one["code"] == "ABI002"]
    assert cause["state"] == "fail"
    assert "SMK002" in cause["explains"]
    assert {op["op"]: op["state"] for op in live["ops"]}["ZeroEven"] == "fail"
    assert [one["code"] for one in saved["findings"]] == [one["code"] for one in live["findings"]]
    assert saved["summary"] == live["summary"]


def test_check_with_smoke_and_a_right_library_lets_its_checks_pass(
    caffe2: Environment, ops_library: Callable[[str], Path]
) -> None:
    project = ops_library("correct").parent.parent

    report = json.loads(
        envdoctor("check", "smoke", "--python", caffe2.python, "--project", project, "--smoke", "-o", "json").stdout
    )

    assert report["exit_code"] == 0
    assert report["passed"] == ["SMK001", "SMK002", "SMK003", "SMK004", "SMK005"]
    assert {op["state"] for op in report["ops"]} == {"ok", "skipped"}
