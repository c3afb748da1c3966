"""MKL's headers come out of a wheel, or from where they are."""

from pathlib import Path

import pytest
from envdoctor.recipes.mkl import mkl

from envdoctor.repair.journal import Journal, entries
from envdoctor.repair.steps import StepError
from tests.recipes.curing import cure, faults, overlay_of, tree
from tests.recipes.small_caffe2 import CORE, Bench, bench, needs_tools, write, write_wheel

pytestmark = needs_tools

ASKS_FOR_MKL = {
    CORE: '#pragma once\n#include "caffe2/core/macros.h"\n#include <mkl_cblas.h>\n',
    "torch/lib/include/caffe2/core/macros.h": "#define CAFFE2_USE_MKL\n",
}
WHEEL = "mkl_include-2019.0-py2.py3-none-manylinux1_x86_64.whl"
HEADERS = {
    "mkl_include-2019.0.data/data/include/mkl_cblas.h": '#include "fftw/fftw.h"\n',
    "mkl_include-2019.0.data/data/include/fftw/fftw.h": "",
}


@pytest.fixture
def box(tmp_path: Path) -> Bench:
    return bench(tmp_path, ASKS_FOR_MKL)


def fails(box: Bench) -> None:
    failed = box.make_ops(box.found().environment)
    assert "mkl_cblas.h: No such file or directory" in failed.stderr


@pytest.mark.parametrize("in_place", [False, True])
def test_headers_of_the_package_are_brought_to_the_build(box: Bench, in_place: bool) -> None:
    write_wheel(box.index, WHEEL, HEADERS)
    target = box.found()
    fails(box)
    assert faults(target, "MKL001") == ("MKL001",)
    before = tree(box.project)

    cured = cure(mkl, target, box.cache, in_place=in_place)

    assert faults(target, "MKL001") == ()
    built = box.make_ops(cured.environment)
    assert built.returncode == 0, built.stderr
    cured.take_back()
    assert not (Path(overlay_of(target)) / "prefix").exists()
    assert {name: text for name, text in tree(box.project).items() if name in before and "CMakeLists" in name} == {
        name: text for name, text in before.items() if "CMakeLists" in name
    }
    (box.project / "ops" / "double_op.cc").touch()
    fails(box)


def test_a_second_project_takes_the_copy_that_is_kept(box: Bench, tmp_path: Path) -> None:
    wheel = write_wheel(box.index, WHEEL, HEADERS)
    cure(mkl, box.found(), box.cache)
    wheel.unlink()
    second = bench(tmp_path / "second", ASKS_FOR_MKL)

    cured = cure(mkl, second.found(), box.cache)

    assert second.make_ops(cured.environment).returncode == 0


def test_an_installation_on_the_disk_is_taken_as_it_is(box: Bench, tmp_path: Path) -> None:
    write(tmp_path / "oneapi", {"include/mkl_cblas.h": ""})
    target = box.found(MKLROOT=str(tmp_path / "oneapi"))

    cured = cure(mkl, target, box.cache)

    assert [step.kind for step in cured.plan.steps] == ["overlay"]
    assert faults(target, "MKL001") == ()
    assert box.make_ops(cured.environment).returncode == 0


@pytest.mark.parametrize("content", [None, b"PK\x03\x04 half of a wheel"], ids=["not in the index", "half written"])
def test_a_download_that_fails_says_why_and_leaves_nothing(box: Bench, content: bytes | None) -> None:
    if content is not None:
        (box.index / WHEEL).write_bytes(content)
    target = box.found()
    before = tree(box.project)

    with pytest.raises(StepError, match=r"mkl-include==2019\.0 cannot be downloaded: "):
        cure(mkl, target, box.cache)

    overlay = overlay_of(target)
    Journal.of(overlay, entries(overlay)[-1]).take_back(lambda _words: "")
    assert tree(box.project) == before
    assert [path for path in (box.cache / "headers").iterdir() if path.is_dir()] == []
    write_wheel(box.index, WHEEL, HEADERS)
    assert box.make_ops(cure(mkl, target, box.cache).environment).returncode == 0


def test_a_wheel_without_the_headers_is_refused(box: Bench) -> None:
    write_wheel(box.index, WHEEL, {"mkl_include-2019.0.data/data/other": ""})

    with pytest.raises(StepError, match="is damaged or not what was expected"):
        cure(mkl, box.found(), box.cache)
