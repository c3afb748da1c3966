"""`envdoctor smoke` on machines without a framework: usage, lists, schema, and the parts of other commands."""

import json
from pathlib import Path

import pytest

from tests.cli.running import envdoctor


@pytest.fixture
def bare(tmp_path: Path) -> list[str]:
    """An environment without any package."""
    import sys

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    (tmp_path / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    return ["--python", str(tmp_path)]


def test_without_an_op_nothing_is_green(bare: list[str]) -> None:
    ended = envdoctor("smoke", *bare)

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("envdoctor: there is no op to run: the environment has no Caffe2")


def test_an_error_in_json_mode_is_json(bare: list[str]) -> None:
    ended = envdoctor("smoke", *bare, "-o", "json")

    assert ended.returncode == 2
    assert json.loads(ended.stdout)["error"]["kind"] == "usage"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "tpu"], "--device takes auto, cpu, cuda or cuda:N, not `tpu`"),
        (["--library", "/no/such/lib.so"], "there is no /no/such/lib.so"),
        (["--library", "/"], "--library / is no file"),
        (["--library", __file__], "not an ELF file"),
        (["-o", "junit"], "there is no output format `junit` here"),
    ],
)
def test_wrong_usage_is_one_line(bare: list[str], arguments: list[str], said: str) -> None:
    ended = envdoctor("smoke", *bare, *arguments)

    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_the_ops_that_have_references_are_listed_with_their_library() -> None:
    listed = envdoctor("list", "ops").stdout.splitlines()

    assert {tuple(line.split()) for line in listed} >= {
        ("nms", "torchvision"),
        ("RoIAlign", "caffe2-detectron"),
        ("PoolPointsInterp", "caffe2-project"),
        ("nms_rotated", "detectron2"),
        ("roi_align", "mmcv"),
    }


def test_the_schema_describes_the_report() -> None:
    schema = json.loads(envdoctor("list", "schema", "smoke").stdout)

    assert set(schema["$defs"]["OpResult"]["properties"]) >= {"op", "library", "state", "max_error", "signal"}


def test_checks_of_ops_alone_want_the_ops_to_be_run(bare: list[str]) -> None:
    ended = envdoctor("check", "smoke", *bare)

    assert ended.returncode == 2
    assert "add --smoke" in ended.stderr


def test_check_with_smoke_where_there_is_no_op_says_so(bare: list[str]) -> None:
    report = json.loads(envdoctor("check", "smoke", *bare, "--smoke", "-o", "json").stdout)

    assert {one["code"]: one["reason"] for one in report["skipped"]} == {
        f"SMK00{number}": "this environment has no op to run" for number in range(1, 6)
    }
    assert report["ops"] == []


def test_saved_facts_with_ops_are_judged_and_facts_are_not_run_again(bare: list[str], tmp_path: Path) -> None:
    file = tmp_path / "facts.json"

    assert envdoctor("facts", *bare, "--smoke", "-o", f"json={file}").returncode == 0
    report = json.loads(envdoctor("check", "smoke", "--facts", str(file), "-o", "json").stdout)
    both = envdoctor("check", "--facts", str(file), "--smoke")

    assert {one["reason"] for one in report["skipped"]} == {"this environment has no op to run"}
    assert both.returncode == 2
    assert "--smoke and --facts exclude each other" in both.stderr
