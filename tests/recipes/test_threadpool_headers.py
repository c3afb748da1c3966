"""The ThreadPool headers that a package leaves out come from a tree of its release, or out of a later wheel."""

from pathlib import Path

import pytest
from envdoctor.recipes.threadpool_headers import threadpool_headers

from envdoctor.facts import Headers
from envdoctor.repair.recipe import Manual, Options, Plan
from tests.checks.builders import caffe2_box, changed, known, with_caffe2
from tests.recipes.curing import cure, faults
from tests.recipes.small_caffe2 import CONFIG, CORE, PACKAGE, Bench, bench, needs_tools, write, write_wheel

FOLDER = "caffe2/utils/threadpool"
LEFT_OUT = {CORE: f'#pragma once\n#include "{FOLDER}/ThreadPool.h"\n'}
WHEEL = "torch-1.4.0-cp37-none-macosx_10_9_x86_64.whl"
THREAD_POOL = '#include "ThreadPoolCommon.h"\n'


@pytest.fixture
def box(tmp_path: Path) -> Bench:
    return bench(tmp_path, LEFT_OUT)


def fails(box: Bench) -> None:
    (box.project / "ops" / "double_op.cc").touch()
    failed = box.make_ops(box.found().environment)
    assert f"{FOLDER}/ThreadPool.h: No such file or directory" in failed.stderr


@needs_tools
def test_the_two_headers_come_out_of_the_later_wheel(box: Bench) -> None:
    files = {"ThreadPool.h": THREAD_POOL, "ThreadPoolCommon.h": "", "WorkersPool.h": "#error not asked for\n"}
    write_wheel(box.index, WHEEL, {f"torch/include/{FOLDER}/{name}": text for name, text in files.items()})
    target = box.found()
    fails(box)
    assert faults(target, "C2005") == ("C2005",)

    cured = cure(threadpool_headers, target, box.cache)

    assert faults(target, "C2005") == ()
    brought = box.project / ".envdoctor" / "prefix" / "include" / FOLDER
    assert sorted(path.name for path in brought.iterdir()) == ["ThreadPool.h", "ThreadPoolCommon.h"]
    built = box.make_ops(cured.environment)
    assert built.returncode == 0, built.stderr
    cured.take_back()
    assert not (box.project / ".envdoctor" / "prefix").exists()
    fails(box)


@needs_tools
def test_those_of_a_tree_of_the_same_release_are_linked_to_and_nothing_is_fetched(box: Bench, tmp_path: Path) -> None:
    tree = tmp_path / "pytorch"
    write(
        tree,
        {
            "build/Caffe2Config.cmake": PACKAGE[CONFIG],
            "caffe2/core/context.h": LEFT_OUT[CORE],
            f"{FOLDER}/ThreadPool.h": THREAD_POOL,
            f"{FOLDER}/ThreadPoolCommon.h": "",
        },
    )
    target = box.found(CMAKE_PREFIX_PATH=str(tree / "build"))

    cured = cure(threadpool_headers, target, box.cache)

    assert [step.kind for step in cured.plan.steps] == ["link", "overlay"]
    assert faults(target, "C2005") == ()
    assert box.make_ops(cured.environment).returncode == 0


@pytest.mark.parametrize(("version", "fetched"), [("1.0.0", False), ("1.0.1", True), ("1.3.1", True), ("1.4.0", False)])
def test_the_later_headers_are_taken_only_for_releases_whose_class_is_the_same(version: str, fetched: bool) -> None:
    facts = with_caffe2(caffe2_box(), version=known(version))

    answer = threadpool_headers.plan(facts, Options("/o"))

    assert isinstance(answer, Plan) == fetched
    if isinstance(answer, Manual):
        assert f"git clone --depth 1 --branch v{version}" in answer.commands[0]
        assert f"install -D -m 644 pytorch-{version}/{FOLDER}/ThreadPool.h /o/prefix/include/{FOLDER}/ThreadPool.h" in (
            answer.commands
        )


def test_other_headers_that_are_left_out_are_copied_by_hand() -> None:
    missing = Headers(missing=known(("caffe2/utils/other.h", f"{FOLDER}/ThreadPool.h")))
    facts = changed(caffe2_box(), "headers", missing=missing.missing)

    answer = threadpool_headers.plan(facts, Options("/o"))

    assert isinstance(answer, Manual)
    assert any("caffe2/utils/other.h" in command for command in answer.commands)
