"""The report as text, held in snapshots: one for a terminal with colour, one for a file, one for ASCII."""

import re

import pytest
from syrupy.assertion import SnapshotAssertion

from envdoctor.checking.check import Evidence, Remedy
from envdoctor.checking.report import (
    ChainLink,
    Consequence,
    Report,
    ReportedFinding,
    SkippedCheck,
    TargetInfo,
    ToolInfo,
)
from envdoctor.render.paper import Paper
from envdoctor.render.style import Style
from envdoctor.render.text import report_text

LONG_COMMAND = (
    "cmake -S . -B build -DCaffe2_DIR=$HOME/envs/densepose/lib/python3.7/site-packages/torch/share/cmake/Caffe2"
)

FAIL = ReportedFinding(
    code="C2001",
    name="caffe2-config-not-found",
    area="caffe2",
    state="fail",
    title="find_package(Caffe2) finds no Caffe2Config.cmake",
    message="CMake looks in Caffe2_DIR, CMAKE_PREFIX_PATH and the system prefixes. None of them holds this Caffe2.",
    evidence=(
        Evidence("Caffe2_DIR", "not set", "environment"),
        Evidence("Caffe2Config.cmake", "share/cmake/Caffe2", "~/envs/densepose/lib/python3.7/site-packages/torch"),
    ),
    remedy=Remedy("Name the directory when you configure.", (LONG_COMMAND,)),
    links=(),
    explains=("CMK006",),
    consequences=(Consequence("CMK006", "CMakeCache.txt names a Caffe2_DIR that is gone"),),
    fingerprint="0" * 16,
)
NOTE = ReportedFinding(
    code="OPS002",
    name="densepose-lives-in-detectron2",
    area="ops",
    state="note",
    title="DensePose lives on in detectron2",
    message="",
    evidence=(),
    remedy=None,
    links=(),
    explains=(),
    consequences=(),
    fingerprint="1" * 16,
)


def make_report(*findings: ReportedFinding) -> Report:
    return Report(
        schema_version=1,
        tool=ToolInfo("envdoctor", "0.0.0"),
        target=TargetInfo(
            "interpreter",
            "Debian GNU/Linux 12 (bookworm), x86_64",
            "~/envs/densepose/bin/python",
            "~/DensePose",
            python_version="3.7.16",
            chosen_by="--python",
        ),
        started="2026-01-02T03:04:05+00:00",
        took_ms=312,
        summary={"fail": 1, "note": 1, "ok": 40, "skipped": 3, "warn": 0, "unknown": 0, "crashed": 0},
        findings=findings,
        passed=(),
        skipped=(SkippedCheck("DRV001", "no CUDA build is in play"),),
        chain=(
            ChainLink("driver", "none", "ok"),
            ChainLink("g++", "12.2.0", "warn"),
            ChainLink("protobuf", "3.21.12 (Caffe2: 3.5.0)", "fail"),
            ChainLink("Caffe2", "1.0.1", "unknown"),
        ),
        exit_code=1,
    )


@pytest.mark.parametrize(
    "style",
    [Style(80, False, True), Style(80, True, True), Style(50, False, False)],
    ids=["file", "terminal", "narrow-ascii"],
)
def test_the_report_reads_well(style: Style, snapshot: SnapshotAssertion) -> None:
    assert report_text(make_report(FAIL, NOTE), style) == snapshot


def test_a_clean_report_names_the_next_step(snapshot: SnapshotAssertion) -> None:
    assert report_text(make_report(), Style(80, False, True)) == snapshot


def test_a_command_is_never_wrapped() -> None:
    lines = report_text(make_report(FAIL), Style(60, False, True)).splitlines()

    assert LONG_COMMAND in [line.strip() for line in lines]


def test_everything_but_commands_fits_the_width() -> None:
    lines = report_text(make_report(FAIL, NOTE), Style(60, False, True)).splitlines()

    assert all(len(line) <= 60 for line in lines if LONG_COMMAND not in line)


def test_a_long_path_begins_a_line_and_breaks_at_its_slashes() -> None:
    paper = Paper(Style(32, False, True))

    paper.rows([("", "it lies in /usr/lib/python3.7/site-packages/torch/share/cmake")], 0, 1)

    assert [line.strip() for line in paper.text.splitlines()] == [
        "it lies in",
        "/usr/lib/python3.7/",
        "site-packages/torch/share/",
        "cmake",
    ]


def test_escape_sequences_of_the_target_do_not_reach_the_terminal() -> None:
    hostile = Evidence("CC", "gcc\x1b]0;owned\x07", "environment")

    text = report_text(
        make_report(
            ReportedFinding(**{name: getattr(FAIL, name) for name in FAIL.__struct_fields__} | {"evidence": (hostile,)})
        ),
        Style(80, False, True),
    )

    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert "gcc\\x1b]0;owned\\x07" in text
