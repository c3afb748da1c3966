"""What becomes of each op when the library it belongs to misbehaves, in old and new interpreters."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from envdoctor.op_results import EXIT, LOAD, OpResult
from envdoctor.smoke.libraries import Library
from envdoctor.smoke.limits import Limits
from envdoctor.smoke.runner import LibraryRun, Request, run_library
from tests.smoke.conftest import interpreter

MEBIBYTE = 1024**2
LIMITS = Limits(load=20, op=4, memory=300 * MEBIBYTE)


def run(
    code: str,
    path: str | None = None,
    python: str = sys.executable,
    suite: str = "faulty",
    ops: frozenset[str] | None = None,
    limits: Limits = LIMITS,
    variables: Mapping[str, str] | None = None,
) -> LibraryRun:
    environment = {**os.environ, **(variables or {})}
    library = Library(suite, path, path or "libops.so")
    request = Request(python, environment, device="cpu", ops=ops, limits=limits, code=code)
    return run_library(library, request, lambda _doing: None)


@pytest.fixture(scope="module", params=["2.7", "3.7", "3.13"])
def results(request: pytest.FixtureRequest, code: str) -> dict[str, OpResult]:
    """All faults in one run: each must leave those after it as they are."""
    done = run(code, python=interpreter(request.param))
    assert len(done.results) == len({result.op for result in done.results})
    return {result.op: result for result in done.results}


FATES = [
    ("right", "ok", None, ""),
    ("wrong", "fail", None, "2 of 3 cases are wrong: three boxes (float32) is off by 0.5, 0.0001 is allowed"),
    ("not_a_number", "fail", None, "1 of 1 cases is wrong: one box (float32): the largest error is nan"),
    ("another_shape", "fail", None, "1 of 1 cases is wrong: one box (float32): the shape is (2,), expected (3,)"),
    ("exists", "ok", None, "registered; its values are not compared"),
    ("without_cases", "skipped", None, "no case was compared"),
    ("absent", "skipped", None, "no kernel for this device"),
    ("raising", "fail", None, "it raised RuntimeError: expected scalar type Float, after 1 right case"),
    ("leaving_python", "fail", None, "it raised SystemExit: 0"),
    ("mistaken", "crashed", None, "NOWHERE"),
    ("segfault", "fail", "SIGSEGV", "the process was ended by SIGSEGV"),
    ("abort", "fail", "SIGABRT", "the process was ended by SIGABRT"),
    ("checked", "fail", "SIGABRT", "last words: [F box_op.h:28] Check failed: count_ >= 0"),
    ("illegal", "fail", "SIGILL", "the process was ended by SIGILL"),
    ("killed", "fail", "SIGKILL", "as the kernel does where memory runs out"),
    ("exit", "fail", None, "the process ended in the middle, with status 0"),
    ("hang", "fail", None, "it did not come to an end in 4 s and was ended"),
    ("memory", "fail", None, "it took more than 0.29 GiB of memory and was ended"),
    ("noise", "ok", None, ""),
    ("close", "unknown", None, "it closed the descriptor that its results are told over"),
    ("reuse", "unknown", None, "it closed the descriptor that its results are told over"),
    ("garbage", "unknown", None, "a line that it told was garbled"),
    ("fork", "ok", None, ""),
    ("last", "ok", None, ""),
]


@pytest.mark.parametrize(("op", "state", "signal", "said"), FATES, ids=[fate[0] for fate in FATES])
def test_whatever_an_op_does_to_its_process_is_its_result(
    results: dict[str, OpResult], op: str, state: str, signal: str | None, said: str
) -> None:
    result = results[op]

    assert (result.state, result.signal) == (state, signal), result.message
    assert said in result.message


def test_loading_is_a_result_beside_the_ops_and_counts_once(results: dict[str, OpResult]) -> None:
    assert results[LOAD].state == "ok"
    assert results[LOAD].message == "registers 24 ops"


def test_the_error_told_is_that_of_the_case_furthest_beyond_its_tolerance(results: dict[str, OpResult]) -> None:
    assert (results["wrong"].max_error, results["wrong"].tolerance) == (0.5, 1e-4)
    assert [case.label for case in results["wrong"].wrong] == ["two boxes", "three boxes"]


def test_each_element_type_has_its_tolerance_in_the_result(results: dict[str, OpResult]) -> None:
    assert results["right"].tolerances == {"float32": 1e-4, "float64": 1e-12}
    assert results["right"].cases == 2


def test_the_place_of_a_crash_in_python_is_told_where_the_interpreter_can(code: str) -> None:
    done = run(code, ops=frozenset(["segfault"]))

    (result,) = [one for one in done.results if one.op == "segfault"]
    assert "in read_nothing (faulty.py:" in result.message


LOADINGS = [
    ("refused", "fail", None, "ImportError: libops.so: undefined symbol: _Z3foov"),
    ("crashing", "fail", "SIGSEGV", "the process was ended by SIGSEGV"),
    ("absent", "skipped", None, "no such library is installed"),
    ("hanging", "unknown", None, "it did not come to an end in 1 s and was ended"),
    ("leaving", "fail", None, "the process ended in the middle, with status 3"),
    ("exploding", "crashed", None, "NOWHERE"),
]


@pytest.mark.parametrize(("path", "state", "signal", "said"), LOADINGS, ids=[one[0] for one in LOADINGS])
def test_a_library_that_does_not_load_is_one_result(
    code: str, path: str, state: str, signal: str | None, said: str
) -> None:
    done = run(code, path, limits=Limits(load=1, op=1))

    (result,) = done.results
    assert (result.op, result.state, result.signal) == (LOAD, state, signal)
    assert said in result.message
    assert done.offered == ()


def test_an_interpreter_that_does_not_start_is_unknown(code: str) -> None:
    done = run(code, python="/no/such/python")

    (result,) = done.results
    assert (result.op, result.state) == (LOAD, "unknown")
    assert "the interpreter could not be started: No such file or directory" in result.message


def test_without_a_temporary_folder_nothing_is_known(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")

    (result,) = run(code).results

    assert (result.op, result.state) == (LOAD, "unknown")
    assert "there is no temporary folder to be had: No such file or directory" in result.message


def test_a_crash_at_the_end_of_the_process_is_a_result_though_the_op_was_right(code: str) -> None:
    done = run(code, suite="crash_at_exit")

    states = {result.op: (result.state, result.signal) for result in done.results}
    assert states == {LOAD: ("ok", None), "right": ("ok", None), EXIT: ("fail", "SIGABRT")}


def test_only_what_was_asked_for_is_run_and_all_that_there_is_is_offered(code: str) -> None:
    done = run(code, ops=frozenset(["last"]))

    assert [result.op for result in done.results] == [LOAD, "last"]
    assert "segfault" in done.offered


def test_a_library_that_floods_the_channel_is_ended(code: str, tmp_path: Path) -> None:
    remembered = {"REMEMBERED": str(tmp_path / "pids")}

    done = run(code, ops=frozenset(["flood"]), variables=remembered, limits=Limits(load=20, op=20))

    result = done.results[-1]
    assert (result.op, result.state) == ("flood", "fail")
    assert "wrote without end" in result.message


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_what_a_library_starts_ends_with_it(code: str, tmp_path: Path) -> None:
    remembered = tmp_path / "pids"

    done = run(code, ops=frozenset(["leave_a_child"]), variables={"REMEMBERED": str(remembered)})

    assert done.results[-1].state == "ok"
    assert gone(int(remembered.read_text()))


def test_nothing_is_written_into_the_code_or_left_in_the_temporary_folder(code: str, tmp_path: Path) -> None:
    before = sorted(Path(code).rglob("*"))

    run(code, ops=frozenset(["right"]), variables={"TMPDIR": str(tmp_path)})

    assert sorted(Path(code).rglob("*")) == before
    assert list(tmp_path.iterdir()) == []
