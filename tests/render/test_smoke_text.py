"""What running the ops gave, as text and JSON."""

import json
from datetime import datetime, timezone

import msgspec

from envdoctor.checking.check import Remedy
from envdoctor.checking.report import TargetInfo
from envdoctor.op_results import EXIT, GPU, LOAD, Case, OpResult
from envdoctor.render import render_smoke
from envdoctor.render.style import PLAIN, Style
from envdoctor.smoke.attribution import Attributed, Cause
from envdoctor.smoke.protocol import Device
from envdoctor.smoke.report import SmokeReport, smoke_report
from envdoctor.smoke.run import SmokeRun

LIBRARY = "/home/ada/densepose/build/libcaffe2_densepose_ops.so"
VISION = "/envs/vision/lib/python3.11/site-packages/torchvision/_C.so"


def op(name: str, state: str, library: str = LIBRARY, suite: str = "caffe2-project", **details: object) -> OpResult:
    return msgspec.convert({"op": name, "library": library, "suite": suite, "state": state, **details}, OpResult)


OPS = (
    op(LOAD, "ok", took_ms=321, message="registers PoolPointsInterp, ZeroEven"),
    op("PoolPointsInterp", "ok", cases=10, max_error=0.0, tolerance=4.5e-4, tolerances={"float32": 4.5e-4}, took_ms=22),
    op(
        "ZeroEven",
        "fail",
        cases=3,
        max_error=0.5,
        tolerance=1e-4,
        tolerances={"float32": 1e-4},
        wrong=[msgspec.to_builtins(Case("seven elements", "float32", 0.5, 1e-4))],
        message="1 of 3 cases is wrong: seven elements (float32) is off by 0.5, 0.0001 is allowed",
    ),
    op(EXIT, "fail", signal="SIGABRT", codes=["ABI003"], message="the process was ended by SIGABRT"),
    op("RoIPoolF", "skipped", message="this Caffe2 has no such kernel for cpu"),
    op("SmoothL1Loss", "skipped", message="this Caffe2 has no such kernel for cpu"),
    op(GPU, "skipped", device="cuda", message="Caffe2 sees no GPU"),
    op("nms", "ok", VISION, "torchvision", cases=12, max_error=0.0, tolerance=0.0, tolerances={"int64": 0.0}),
    op("nms", "unknown", VISION, "torchvision", device="cuda:1", message="not run: the process ended before its turn"),
)
REMEDY = Remedy(
    "Build with GCC 4.9.",
    ("export CPATH=/a/very/long/folder/that/is/never/wrapped/because/it/is/a/command:$CPATH",),
    "std-function-abi",
)
CAUSES = (Cause("ABI003", "libcaffe2_densepose_ops.so keeps functors inside std::function", "It frees them.", REMEDY),)


def report(ops: tuple[OpResult, ...] = OPS, causes: tuple[Cause, ...] = CAUSES) -> SmokeReport:
    target = TargetInfo("interpreter", "Debian GNU/Linux 12", python="/envs/vision/bin/python", python_version="3.11.7")
    run = SmokeRun(Attributed(ops, causes), (Device("H200", "9.0"),))
    return smoke_report(run, target, "auto", datetime(2026, 1, 2, tzinfo=timezone.utc), 1234)


EXPECTED = """\
envdoctor 0.1.0 ran ops on Debian GNU/Linux 12
  python    /envs/vision/bin/python (3.11.7)
  devices   cpu, cuda:0 H200 (compute 9.0)
  <env>     /envs/vision

caffe2-project /home/ada/densepose/build/libcaffe2_densepose_ops.so
 ok      load                       321 ms
         registers PoolPointsInterp, ZeroEven
 ok      PoolPointsInterp           10 cases, error 0 of 4.5e-04, 22 ms
 fail    ZeroEven                   3 cases, error 0.5 of 1.0e-04
         1 of 3 cases is wrong: seven elements (float32) is off by 0.5, 0.0001
         is allowed
 fail    exit                       SIGABRT
         the process was ended by SIGABRT
 skipped RoIPoolF, SmoothL1Loss: this Caffe2 has no such kernel for cpu
 skipped GPU: Caffe2 sees no GPU

torchvision <env>/lib/python3.11/site-packages/torchvision/_C.so
 ok      nms cpu                    12 cases, error 0 of 0
 unknown nms cuda:1
         not run: the process ended before its turn

because ABI003 libcaffe2_densepose_ops.so keeps functors inside std::function
        why       It frees them.
        do        Build with GCC 4.9.
                  export CPATH=/a/very/long/folder/that/is/never/wrapped/because/it/is/a/command:$CPATH
                  envdoctor fix std-function-abi

Error: the largest difference from a reference, of what is allowed. Widest:
float32 4.5e-04, int64 exact.
2 fail, 1 unknown, 3 ok, 3 skipped  (1.2 s)
"""


def test_the_text_shows_each_op_its_error_what_failed_and_what_cures_it() -> None:
    assert render_smoke(report(), "text", PLAIN) == EXPECTED


def test_prose_keeps_to_the_width_and_commands_stay_whole() -> None:
    lines = render_smoke(report(), "text", Style(width=60, color=False, unicode=False)).splitlines()

    assert max(len(line) for line in lines if "export CPATH" not in line) <= 60


def test_where_everything_was_skipped_the_last_line_says_that_nothing_was_run() -> None:
    text = render_smoke(report((op("nms", "skipped", message="no kernel"),), ()), "text", PLAIN)

    assert text.endswith("Nothing was run: every op was skipped.\n")


def test_the_json_has_the_keys_of_the_contract() -> None:
    printed = json.loads(render_smoke(report(), "json", PLAIN))

    assert set(printed) >= {"schema_version", "target", "device", "ops", "summary", "exit_code"}
    assert printed["summary"] == {"fail": 2, "crashed": 0, "unknown": 1, "ok": 3, "skipped": 3}
    assert printed["exit_code"] == 1
    for one in printed["ops"]:
        keys = {"op", "library", "state", "max_error", "tolerance", "took_ms", "signal", "message"}
        assert set(one) >= keys
