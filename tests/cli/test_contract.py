"""The JSON contracts: the keys that other programs rely on, and schemas that describe what is printed."""

import json
from pathlib import Path

import pytest

from tests.cli.running import envdoctor

REPORT_KEYS = {
    "schema_version", "tool", "target", "started", "took_ms", "summary", "findings", "passed", "skipped", "exit_code",
}  # fmt: skip
FINDING_KEYS = {
    "code", "name", "area", "state", "title", "message", "evidence", "remedy", "links", "explains", "fingerprint",
}  # fmt: skip


def test_the_report_has_the_keys_of_the_contract() -> None:
    report = json.loads(envdoctor("check", "-o", "json").stdout)

    assert set(report) >= REPORT_KEYS
    assert set(report["target"]) >= {"kind", "id", "python", "project", "profile"}
    for finding in report["findings"]:
        assert set(finding) >= FINDING_KEYS
        assert finding["state"] not in ("ok", "skipped")


def test_every_selected_check_is_accounted_for() -> None:
    report = json.loads(envdoctor("check", "-o", "json").stdout)
    listed = {line.split()[0] for line in envdoctor("list", "checks").stdout.splitlines()}

    found = {finding["code"] for finding in report["findings"]}
    folded = {code for finding in report["findings"] for code in finding["explains"]}
    skipped = {check["code"] for check in report["skipped"]}
    assert found | folded | skipped | set(report["passed"]) == listed


def test_saved_facts_give_the_same_report_as_the_machine(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    assert envdoctor("facts", "-o", f"json={file}").returncode == 0

    live = json.loads(envdoctor("check", "-o", "json").stdout)
    saved = json.loads(envdoctor("check", "--facts", str(file), "-o", "json").stdout)

    for key in ("findings", "passed", "skipped", "summary", "chain", "target", "exit_code"):
        assert saved[key] == live[key], key


def test_the_home_directory_is_in_no_report(tmp_path: Path) -> None:
    home = tmp_path / "ada"
    (home / "project").mkdir(parents=True)
    (home / "project" / "CMakeLists.txt").write_text("find_package(Caffe2 REQUIRED)\n")
    arguments = ["--project", str(home / "project")]
    environment = {"HOME": str(home), "CUDA_HOME": str(home / "cuda")}

    for command in (["check", *arguments], ["check", *arguments, "-o", "json"], ["facts", *arguments, "-o", "json"]):
        printed = envdoctor(*command, environment=environment).stdout
        assert printed
        assert str(home) not in printed


@pytest.mark.parametrize("name", ["report", "facts", "symbols", "error"])
def test_every_schema_is_printed(name: str) -> None:
    schema = json.loads(envdoctor("list", "schema", name).stdout)

    assert "$ref" in schema or "properties" in schema


def test_what_if_changes_the_judgement_and_says_so() -> None:
    ended = envdoctor("facts", "driver", "-o", "json")
    assert ended.returncode == 0

    report = json.loads(envdoctor("check", "driver", "--assume", "driver.nvml=410.48", "-o", "json").stdout)

    assert report["chain"][0]["text"] == "410.48"
