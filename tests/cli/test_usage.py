"""Wrong usage and bad input: one clear line, the right exit status, no traceback, nothing written."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import ENVDOCTOR, envdoctor

WRONG_USAGE = [
    (["check", "nosuch"], "there is no check area or code `nosuch`"),
    (["check", "--select", "PB0001"], "did you mean `PB001`"),
    (["check", "--select", "PB001", "--ignore", "PB001"], "no check is left to run"),
    (["check", "--python", "/nonexistent/python"], "there is no such file"),
    (["check", "--project", "/nonexistent"], "there is no /nonexistent"),
    (["check", "--facts", "/nonexistent.json"], "cannot be read: No such file"),
    (["check", "--facts", "/"], "cannot be read"),
    (["check", "--profile", "nosuch"], "there is no profile `nosuch`"),
    (["check", "--fail-on", "note"], "--fail-on takes warn or fail"),
    (["check", "--color", "sometimes"], "--color takes auto, always or never"),
    (["check", "-o", "yaml"], "there is no output format `yaml`"),
    (["check", "-o", "json="], "names no file"),
    (["check", "-o", "text", "-o", "text"], "only one format can go to standard output"),
    (["facts", "nosuch"], "there is no area `nosuch` of facts"),
    (["rule", "XX999"], "there is no check `XX999`"),
    (["list", "nosuch"], "there is no list of `nosuch`"),
    (["list", "schema", "nosuch"], "a schema is one of"),
    (["symbols", "/nonexistent.so"], "cannot be read: No such file"),
    (["symbols", "/usr"], "is a folder, not a library"),
    (["symbols", "/etc/passwd"], "/etc/passwd"),
    (["symbols", "--alone", "--python", "python3", "/etc/passwd"], "exclude each other"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG_USAGE, ids=[" ".join(words) for words, _ in WRONG_USAGE])
def test_wrong_usage_is_one_clear_line_and_exit_status_2(arguments: list[str], message: str) -> None:
    ended = envdoctor(*arguments)

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert message in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [["check", "nosuch", "-o", "json"], ["check", "--nosuch", "-ojson"], ["symbols", "/etc/passwd", "--output=json"]],
)
def test_an_error_in_json_mode_is_json_too(arguments: list[str]) -> None:
    ended = envdoctor(*arguments)

    assert ended.returncode == 2
    answer = json.loads(ended.stdout)
    assert answer["schema_version"] == 1
    assert set(answer["error"]) == {"kind", "message"}


def test_an_unknown_option_is_wrong_usage() -> None:
    ended = envdoctor("check", "--nosuch")

    assert ended.returncode == 2
    assert "No such option: --nosuch" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b"{}",
        b'{"schema_version": 1}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"schema_version": 1, "tool": {"name": "x", "version": "1"}, "target": {"kind": "m", "id": "x"}, "facts": 5}',
    ],
    ids=["empty", "text", "array", "no keys", "no facts", "binary", "deep", "wrong type"],
)
def test_a_wrong_facts_file_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_bytes(content)

    ended = envdoctor("check", "--facts", str(file))

    assert ended.returncode == 2
    assert "is no facts file of envdoctor" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_facts_of_another_schema_version_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_text(
        json.dumps(
            {
                "schema_version": 99,
                "tool": {"name": "envdoctor", "version": "9"},
                "target": {"kind": "machine", "id": "a box"},
                "facts": {},
            }
        )
    )

    ended = envdoctor("check", "--facts", str(file))

    assert ended.returncode == 2
    assert "has schema version 99" in ended.stderr


def test_a_report_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "missing" / "report.json"

    ended = envdoctor("check", "cmake", "-o", f"json={target}")

    assert ended.returncode == 2
    assert "cannot be written" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_several_formats_go_to_their_files_and_one_to_standard_output(tmp_path: Path) -> None:
    ended = envdoctor("check", "cmake", "-o", "text", "-o", f"json={tmp_path / 'report.json'}")

    report = json.loads((tmp_path / "report.json").read_text())
    assert ended.stdout.startswith("envdoctor ")
    assert ended.returncode == report["exit_code"]
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("arguments", [["check", "cmake"], ["rule", "PB001"], ["list", "checks"], ["--help"]])
def test_a_full_standard_output_is_told_in_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([ENVDOCTOR, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)

    assert done.returncode == 2
    assert done.stderr == "envdoctor: the output cannot be written: No space left on device\n"


def test_a_reader_that_goes_away_ends_the_program_quietly() -> None:
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{ENVDOCTOR} list schema facts | head -c 1"], capture_output=True, text=True
    )

    assert ended.stderr == ""


def test_no_color_is_respected_and_always_overrides_it() -> None:
    plain = envdoctor("check", "cmake", environment={"NO_COLOR": "1", "FORCE_COLOR": "1"})
    colored = envdoctor("check", "cmake", "--color", "always", environment={"NO_COLOR": "1"})

    assert "\x1b[" not in plain.stdout
    assert "\x1b[" in colored.stdout


@pytest.mark.parametrize("command", ["check", "facts", "symbols", "rule", "list"])
def test_every_command_has_help_with_examples(command: str) -> None:
    ended = envdoctor(command, "--help")

    assert ended.returncode == 0
    assert f"envdoctor {command} " in ended.stdout.partition("Examples")[2]
