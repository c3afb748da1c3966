"""Recorded machines, judged by every check: exactly what is wrong with each, and nothing else."""

from datetime import datetime, timezone
from pathlib import Path
from typing import cast

import pytest

from envdoctor.assume import assume
from envdoctor.checking.compose import compose
from envdoctor.checking.discover import load_checks
from envdoctor.checking.judge import judge
from envdoctor.checking.report import Report
from envdoctor.facts import Facts
from envdoctor.snapshot import Snapshot, load_snapshot
from tests.checks.test_contract import OnlyNeeded

HERE = Path(__file__).parent
every_machine = pytest.mark.parametrize("name", sorted(path.stem for path in HERE.glob("*.json")))

# Ubuntu 16.04, GTX 1080 Ti, driver 410.48, CUDA 10.0.130, cuDNN 7.3.1, Python 2.7, Caffe2 of a torch nightly.
DENSEPOSE_2018 = {
    ("C2001", "fail"),
    ("C2004", "fail"),
    ("PB001", "fail"),
    ("MKL001", "fail"),
    ("C2005", "fail"),
    ("OPS001", "fail"),
    ("PB002", "warn"),
    ("ABI001", "warn"),
    ("ABI002", "warn"),
    ("ENV001", "note"),
    ("ENV002", "note"),
}

# Ubuntu 24.04, two RTX 3090: conda's CUDA 11.8, the system's 11.6 first on PATH, a wheel's libcudart 11.7, and an older
# cuDNN first on LD_LIBRARY_PATH.
MIXED_CONDA = {
    ("DNN002", "fail"),
    ("ENV001", "warn"),
    ("ENV001", "note"),
    ("CC002", "warn"),
    ("PY004", "warn"),
    ("CUDA009", "warn"),
    ("CUDA001", "note"),
    ("CUDA011", "note"),
    ("CMK005", "note"),
    ("TOR006", "note"),
    ("DRV006", "note"),
}


def load(name: str) -> Snapshot:
    return load_snapshot(str(HERE / f"{name}.json"))


def report(name: str, *assumptions: str) -> Report:
    loaded = load(name)
    facts: Facts = assume(loaded.facts, assumptions)
    return compose(facts, judge(facts, load_checks()), loaded.target, datetime.now(timezone.utc), 0)


def found(judged: Report) -> list[tuple[str, str]]:
    return sorted((finding.code, finding.state) for finding in judged.findings)


@pytest.mark.parametrize(
    ("name", "expected", "exit_code"),
    [
        ("densepose-2018", DENSEPOSE_2018, 1),
        ("mixed-conda", MIXED_CONDA, 1),
        ("h100", set(), 0),
        ("no-gpu", {("CUDA001", "note"), ("DRV001", "note")}, 0),
    ],
)
def test_a_recorded_machine_gives_exactly_its_faults(name: str, expected: set[tuple[str, str]], exit_code: int) -> None:
    judged = report(name)
    assert found(judged) == sorted(expected)
    assert judged.exit_code == exit_code


def test_the_chain_of_a_densepose_box_comes_in_the_order_in_which_it_strikes() -> None:
    fails = [finding.code for finding in report("densepose-2018").findings if finding.state == "fail"]
    assert fails == ["C2001", "C2004", "PB001", "MKL001", "C2005", "OPS001"]


@pytest.mark.parametrize(
    ("assumption", "expected"),
    [
        ("driver.kernel_module=535.104.05", [("DRV003", "fail")]),
        ("driver.nvml=", []),
        ("torch.cuda=13.0", [("CUDA001", "fail"), ("DRV002", "fail"), ("TOR001", "fail")]),
        ("torch.cuda=12.8", [("CUDA001", "note"), ("DRV008", "note")]),
        ("torch.cudnn=8.9.2", [("DNN002", "fail")]),
        ('torch.architectures=["80","86"]', [("CUDA006", "fail")]),
        ("python.headers=", [("PY001", "fail")]),
    ],
)
def test_one_change_of_a_healthy_machine_gives_the_fault_of_that_change(
    assumption: str, expected: list[tuple[str, str]]
) -> None:
    assert found(report("h100", assumption)) == expected


@every_machine
def test_a_check_reads_only_the_areas_that_it_needs(name: str) -> None:
    facts = load(name).facts
    for check in load_checks():
        list(check.judge(cast("Facts", OnlyNeeded(facts, check.needs))))


@every_machine
def test_every_finding_is_a_line_with_reasons_and_whole_sentences(name: str) -> None:
    for finding in report(name).findings:
        assert finding.title and "\n" not in finding.title and not finding.title.endswith(".")
        assert finding.message.endswith(".")
        assert finding.evidence and all(one.fact and one.value and one.found_via for one in finding.evidence)
        assert finding.remedy is None or finding.remedy.text.endswith((".", "?"))


@every_machine
def test_a_recording_names_no_account_and_no_machine(name: str) -> None:
    text = (HERE / f"{name}.json").read_text()
    assert "/home/" not in text and "/root/" not in text and "hostname" not in text
    assert load(name).target.python is not None
