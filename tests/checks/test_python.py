"""What the checks of the interpreter say of recorded facts."""

from typing import Any

import pytest
from envdoctor.checks import python

from envdoctor.checking.check import Check
from envdoctor.facts import Absent, Extension, Facts, SourceUse, Unreadable
from tests.checks.builders import (
    CANNOT_READ,
    NOWHERE,
    PROJECT,
    caffe2_box,
    changed,
    gpu_box,
    judged,
    known,
    modern_box,
    skipped,
    states,
)

CHECKS = [value for value in vars(python).values() if isinstance(value, Check)]


@pytest.mark.parametrize("check", CHECKS, ids=[check.code for check in CHECKS])
def test_a_healthy_machine_gives_no_finding(check: Check) -> None:
    assert judged(check, gpu_box()) == []
    assert judged(check, modern_box()) == []


def test_headers_matter_to_extension_modules_alone() -> None:
    without = changed(gpu_box(), "python", headers=NOWHERE)
    (finding,) = judged(python.python_headers_missing, without)
    assert finding.state == "fail"
    assert finding.remedy is not None and finding.remedy.commands == ("apt-get install python3.11-dev",)
    assert states(python.python_headers_missing, changed(gpu_box(), "python", headers=CANNOT_READ)) == ["unknown"]
    assert skipped(python.python_headers_missing, changed(modern_box(), "python", headers=NOWHERE))
    assert skipped(python.python_headers_missing, changed(caffe2_box(), "python", headers=NOWHERE))


def test_a_makefile_that_starts_a_python_that_is_not_there_stops() -> None:
    missing = (
        SourceUse("python2", f"{PROJECT}/Makefile", 4),
        SourceUse("python2", f"{PROJECT}/Makefile", 9),
        SourceUse("wget", f"{PROJECT}/Makefile", 5),
    )
    (finding,) = judged(python.python2_missing, changed(caffe2_box(), "project", missing_programs=missing))
    assert finding.state == "fail"
    assert finding.title == "the Makefile starts python2, which is not on PATH"
    assert finding.evidence[0].found_via == f"{PROJECT}/Makefile:4"
    assert finding.remedy is not None and finding.remedy.commands[0].endswith("/bin/python2")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"executable": Unreadable("no answer within 5 s", "/env/bin/python")}, ["unknown"]),
        ({"executable": Absent("there is no such file", ("/gone/python",))}, ["unknown"]),
        ({"executable": Absent("no interpreter was named and none was found")}, ["skipped"]),
        ({"version": CANNOT_READ}, ["unknown"]),
        ({}, []),
    ],
)
def test_an_interpreter_that_gives_no_answer_is_unknown(fields: dict[str, Any], expected: list[str]) -> None:
    assert states(python.interpreter_unusable, changed(gpu_box(), "python", **fields)) == expected


def with_extensions(suffix: str, *files: tuple[str, str | None], owner: str = "detectron2") -> Facts:
    found = tuple(Extension(path=path, owner=owner, kind="", python_tag=tag) for path, tag in files)
    return changed(changed(gpu_box(), "python", extension_suffix=known(suffix)), "extensions", found=found)


LINUX = "-x86_64-linux-gnu.so"


@pytest.mark.parametrize(
    ("suffix", "files", "expected"),
    [
        (f".cpython-311{LINUX}", [(f"/x/_C.cpython-311{LINUX}", "cpython-311")], []),
        (f".cpython-311{LINUX}", [(f"/x/_C.cpython-37m{LINUX}", "cpython-37m")], ["fail"]),
        (f".cpython-37m{LINUX}", [(f"/x/_C.cpython-37m{LINUX}", "cpython-37m")], []),
        (f".cpython-31{LINUX}", [(f"/x/_C.cpython-311{LINUX}", "cpython-311")], ["fail"]),
        (f".cpython-311{LINUX}", [("/x/_C.abi3.so", "abi3")], []),
        (f".cpython-311{LINUX}", [("/x/_C.so", None)], []),
        (
            f".cpython-311{LINUX}",
            [(f"/x/_C.cpython-37m{LINUX}", "cpython-37m"), (f"/x/_C.cpython-311{LINUX}", "cpython-311")],
            [],
        ),
    ],
)
def test_an_extension_module_is_seen_by_the_interpreter_of_its_tag(
    suffix: str, files: list[tuple[str, str | None]], expected: list[str]
) -> None:
    assert states(python.extension_of_another_python, with_extensions(suffix, *files)) == expected


def test_what_the_project_built_for_another_python_is_only_to_be_built_again() -> None:
    file = (f"/src/ops/_C.cpython-37m{LINUX}", "cpython-37m")
    facts = with_extensions(f".cpython-311{LINUX}", file, owner="project")
    assert states(python.extension_of_another_python, facts) == ["warn"]
