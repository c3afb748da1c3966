"""Python finds the Detectron operators, and torch's modules stay off sys.path."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from envdoctor.recipes.detectron_ops_path import detectron_ops_path

from envdoctor.repair.recipe import Refusal
from tests.recipes.curing import cure, faults, plan_of, tree
from tests.recipes.small_caffe2 import Bench, Done, bench, run

LIBRARY = "torch/lib/libcaffe2_detectron_ops_gpu.so"
LOOKUP = """\
import os, sys
# As Detectron's own search goes.
for prefix in [sys.prefix, sys.exec_prefix] + sys.path:
    library = os.path.join(prefix, "lib/libcaffe2_detectron_ops_gpu.so")
    if os.path.exists(library):
        print(library)
        break
else:
    raise AssertionError("Detectron ops lib not found; make sure that your Caffe2 version includes Detectron module")
"""


@pytest.fixture
def box(tmp_path: Path) -> Bench:
    return bench(tmp_path, {LIBRARY: ""}, {"lookup.py": LOOKUP})


def look(box: Bench, environment: Mapping[str, str]) -> Done:
    return run([box.python, "lookup.py"], environment, box.project)


def test_the_search_of_detectron_finds_them_below_pythonpath(box: Bench) -> None:
    target = box.found(PYTHONPATH="/mine")
    before = tree(box.project)
    assert "AssertionError: Detectron ops lib not found" in look(box, target.environment).stderr
    assert faults(target, "OPS001") == ("OPS001",)

    cured = cure(detectron_ops_path, target, box.cache)

    assert cured.plan.safety == "safe"
    assert faults(target, "OPS001") == ()
    folder = box.project / ".envdoctor" / "detectron"
    assert look(box, cured.environment).stdout.strip() == f"{folder}/lib/libcaffe2_detectron_ops_gpu.so"
    assert cured.environment["PYTHONPATH"] == f"{folder}:/mine"
    assert [path.name for path in folder.iterdir()] == ["lib"]
    cured.take_back()
    assert tree(box.project) == before and not folder.exists()
    assert look(box, target.environment).returncode != 0


def test_a_caffe2_without_the_module_is_refused(box: Bench) -> None:
    (box.site / LIBRARY).unlink()

    answer = plan_of(detectron_ops_path, box.found())

    assert isinstance(answer, Refusal) and "brings no Detectron operators" in answer.reason


def test_there_is_no_in_place_form(box: Bench) -> None:
    assert isinstance(plan_of(detectron_ops_path, box.found(), in_place=True), Refusal)
