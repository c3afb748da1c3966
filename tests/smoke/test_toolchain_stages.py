"""Stages rest on each other; a tool that hangs is unknown, one that fails is told by its own words."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from envdoctor.checking.check import COMPILE, CONFIGURE, LINK, RUN
from envdoctor.op_results import OpResult
from envdoctor.smoke.toolchain.stages import OK, Stage, Verdict, judged, run_stages
from envdoctor.smoke.toolchain.tools import run_tool


def never() -> Verdict:
    raise AssertionError("this stage rests on one that failed")


def results(*stages: Stage) -> list[OpResult]:
    return list(run_stages(stages, lambda _stage, _verdict: ("X001",), lambda _: None))


def test_a_stage_after_a_failed_one_is_not_tried_and_says_so() -> None:
    found = results(
        Stage("configure", CONFIGURE, lambda: OK),
        Stage("compile", COMPILE, lambda: Verdict("fail", "no such header")),
        Stage("link", LINK, never),
    )

    assert [one.state for one in found] == ["ok", "fail", "skipped"]
    assert found[2].message == "not tried after `compile`"
    assert [one.codes for one in found] == [(), ("X001",), ()]
    assert found[1].op == "toolchain: compile"


def test_architectures_are_tried_each_whatever_came_of_the_others() -> None:
    found = results(
        Stage("compile for sm_30", COMPILE, lambda: Verdict("fail"), alone=True),
        Stage("compile for sm_90", COMPILE, lambda: OK, alone=True),
        Stage("link", LINK, never),
    )

    assert [one.state for one in found] == ["fail", "ok", "skipped"]


def test_a_stage_that_stands_alone_is_still_not_tried_after_an_earlier_one_failed() -> None:
    found = results(Stage("ask", CONFIGURE, lambda: Verdict("fail")), Stage("compile", COMPILE, never, alone=True))

    assert found[1].state == "skipped"


def test_stages_made_on_the_way_are_made_when_the_earlier_ones_have_run() -> None:
    told: list[str] = []

    def asking() -> Verdict:
        told.append("sm_90")
        return OK

    def made() -> Iterator[Stage]:
        yield Stage("ask", CONFIGURE, asking)
        for name in told:
            yield Stage(name, COMPILE, lambda: OK)

    found = [one.op for one in run_stages(made(), lambda _s, _v: (), lambda _: None)]

    assert found == ["toolchain: ask", "toolchain: sm_90"]


def test_only_a_failure_is_explained() -> None:
    (found,) = results(Stage("run", RUN, lambda: Verdict("unknown", "it hung")))

    assert found.codes == ()


def test_a_full_disk_is_unknown() -> None:
    def work() -> Verdict:
        raise OSError(28, "No space left on device")

    (found,) = results(Stage("compile", COMPILE, work))

    assert found.state == "unknown"
    assert "No space left on device" in found.message


def test_a_mistake_of_ours_is_told_as_ours() -> None:
    def work() -> Verdict:
        raise KeyError("mistake")

    (found,) = results(Stage("compile", COMPILE, work))

    assert found.state == "crashed"
    assert "KeyError: 'mistake' at test_toolchain_stages.py" in found.message


def run(*words: str, seconds: float = 20) -> Verdict:
    return judged(run_tool(words, os.environ, "/", seconds), ())


def test_a_tool_that_hangs_is_unknown_with_the_seconds_waited() -> None:
    began = time.monotonic()

    verdict = run("sleep", "60", seconds=0.3)

    assert verdict == Verdict("unknown", "sleep did not end in 0.3 s and was ended")
    assert time.monotonic() - began < 10


def test_what_a_hanging_tool_started_ends_with_it(tmp_path: Path) -> None:
    told = tmp_path / "pid"

    run("sh", "-c", f"sleep 61 & echo $! > {told}; wait", seconds=1)

    assert not alive(int(told.read_text()))


def alive(pid: int) -> bool:
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize(
    ("script", "verdict"),
    [
        ("exit 0", OK),
        ("echo 'x.cc:1:1: error: no'; exit 1", Verdict("fail", "x.cc:1:1: error: no")),
        ("exit 3", Verdict("fail", "sh ended with status 3 and said nothing")),
        ("kill -SEGV $$", Verdict("fail", "sh was ended by SIGSEGV", "SIGSEGV")),
    ],
)
def test_the_end_of_a_tool_is_its_verdict(script: str, verdict: Verdict) -> None:
    assert run("sh", "-c", script) == verdict


def test_a_tool_that_is_not_there_fails_its_stage() -> None:
    verdict = run("/nowhere/g++-99")

    assert verdict == Verdict("fail", "/nowhere/g++-99 could not be started: No such file or directory")


@pytest.mark.parametrize(
    "script",
    [
        "echo 'g++: fatal error: Killed signal terminated program cc1plus'; exit 1",
        "echo 'op.o: No space left on device'; exit 1",
        "kill -KILL $$",
    ],
)
def test_a_machine_out_of_memory_or_disk_says_nothing_of_the_toolchain(script: str) -> None:
    assert run("sh", "-c", script).state == "unknown"


INTERRUPTED = """
import sys
from envdoctor.smoke.toolchain.tools import run_tool
from envdoctor.smoke.toolchain.workplace import temporary_folder
with temporary_folder() as folder:
    sys.stdout.write(folder + "\\n")
    sys.stdout.flush()
    run_tool(["sh", "-c", "echo $$ > pid; sleep 62"], {"PATH": "/usr/bin:/bin"}, folder, 60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_the_tool_and_removes_the_temporary_folder(number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    while not (folder / "pid").is_file() or not (folder / "pid").read_text().strip():
        time.sleep(0.02)
    tool = int((folder / "pid").read_text())

    process.send_signal(number)
    process.wait(20)
    process.stdout.close()

    assert not folder.exists()
    assert not alive(tool)
