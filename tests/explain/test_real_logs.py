"""Real tools' real output is explained rightly: tests/logs keeps it, with the command that made it."""

from pathlib import Path
from typing import Any

import pytest
import tomli

from envdoctor.explain.catalogue import installed_signatures
from envdoctor.explain.diagnose import diagnose
from envdoctor.explain.diagnosis import Diagnosis
from envdoctor.explain.matching import Matcher
from envdoctor.explain.reading import read_log

LOGS = Path(__file__).resolve().parent.parent / "logs"
INDEX: list[dict[str, Any]] = tomli.loads((LOGS / "index.toml").read_text())["log"]
FAULTS = [pytest.param(entry, id=entry["name"]) for entry in INDEX if entry["category"] != "none"]
HARMLESS = [pytest.param(entry, id=entry["name"]) for entry in INDEX if entry["category"] == "none"]


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    return Matcher(installed_signatures())


def content(entry: dict[str, Any]) -> bytes:
    return (LOGS / f"{entry['name']}.log").read_bytes()


def diagnoses(text: bytes, matcher: Matcher) -> tuple[Diagnosis, ...]:
    return diagnose(read_log([text], matcher))


def test_every_log_is_in_the_index_and_every_entry_has_its_log() -> None:
    assert sorted(path.stem for path in LOGS.glob("*.log")) == sorted(entry["name"] for entry in INDEX)


@pytest.mark.parametrize("entry", FAULTS)
def test_the_first_diagnosis_names_what_is_wrong(entry: dict[str, Any], matcher: Matcher) -> None:
    found = diagnoses(content(entry), matcher)

    assert found, entry["command"]
    assert found[0].category == entry["category"]


@pytest.mark.parametrize("entry", HARMLESS)
def test_what_is_no_fault_of_the_environment_gives_no_diagnosis(entry: dict[str, Any], matcher: Matcher) -> None:
    assert diagnoses(content(entry), matcher) == ()


DRESSES = {
    "colours": lambda line: b"\x1b[01m\x1b[K" + line + b"\x1b[m\x1b[K",
    "carriage returns": lambda line: line + b"\r",
    "a reply by mail": lambda line: b"> " + line,
    "times": lambda line: b"2026-11-24T02:03:04.5678901Z " + line,
    "Docker's builder": lambda line: b"#12 34.56 " + line,
    "a container's name": lambda line: b"builder_1  | " + line,
    "pip's box": lambda line: b"      " + line,
}


@pytest.mark.parametrize("dress", DRESSES)
def test_what_surrounds_the_lines_changes_no_diagnosis(dress: str, matcher: Matcher) -> None:
    wrong = {}
    for entry in INDEX:
        dressed = b"\n".join(DRESSES[dress](line) for line in content(entry).split(b"\n"))
        found = [diagnosis.category for diagnosis in diagnoses(dressed, matcher)][:1]
        if found != ([] if entry["category"] == "none" else [entry["category"]]):
            wrong[entry["name"]] = found
    assert wrong == {}
