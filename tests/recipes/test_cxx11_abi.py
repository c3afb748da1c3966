"""Libraries with another std::string than the framework that loads them, and the flag that a recipe brings."""

import shutil
from pathlib import Path

import pytest
from envdoctor.recipes.cxx11_abi import cxx11_abi

from envdoctor.facts import Absent, Extension, Facts, Variable
from envdoctor.repair.overlay import Setting
from envdoctor.repair.recipe import Options, Plan, Refusal
from envdoctor.repair.steps import Contribute
from tests.checks.builders import PROJECT, caffe2_box, changed, known, modern_box, with_caffe2, with_variables
from tests.recipes.curing import cure, environment_of, faults, tree
from tests.recipes.miniature import OLD_STRINGS, Workbench, needs_tools, workbench_without_protobuf

UNDEFINED = "undefined symbol: _ZN6caffe219CPUOperatorRegistryB5cxx11Ev"
NEW_STRINGS = "-D_GLIBCXX_USE_CXX11_ABI=1"
BOX = caffe2_box()
OVERLAY = f"{PROJECT}/.envdoctor"


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    """A project whose operators use no protobuf, so that nothing but std::string keeps them from being loaded."""
    return workbench_without_protobuf(tmp_path / "a bench")


@needs_tools
def test_operators_load_once_they_have_the_string_of_caffe2(bench: Workbench, tmp_path: Path) -> None:
    target = bench.target()
    assert bench.make_ops(target.environment).returncode == 0
    assert UNDEFINED in bench.load_ops().stderr
    assert faults(target, "ABI001") == ("ABI001",)
    shutil.rmtree(bench.project / "build")
    before = tree(bench.project)

    cured = cure(cxx11_abi, target, tmp_path / "cache")

    assert cured.plan.safety == "safe"
    assert tree(bench.project) == before
    assert faults(target, "ABI001") == ()
    assert bench.make_ops(cured.environment).returncode == 0
    assert bench.load_ops().returncode == 0
    assert faults(target, "ABI001") == ()
    shutil.rmtree(bench.project / "build")
    cured.take_back()
    bench.make_ops(environment_of(target))
    assert UNDEFINED in bench.load_ops().stderr


@needs_tools
def test_what_was_built_with_the_other_string_is_built_anew(bench: Workbench, tmp_path: Path) -> None:
    target = bench.target(CXXFLAGS=f"-O1 {NEW_STRINGS}")
    bench.make_ops(target.environment)
    before = tree(bench.project)

    cured = cure(cxx11_abi, target, tmp_path / "cache")

    assert cured.environment["CXXFLAGS"] == f"-O1 {OLD_STRINGS}"
    assert faults(target, "ABI001") == ()
    cured.take_back()
    assert tree(bench.project) == before
    again = cure(cxx11_abi, target, tmp_path / "cache")
    assert bench.make_ops(again.environment).returncode == 0
    assert bench.load_ops().returncode == 0
    again.take_back()
    assert bench.make_ops(target.environment).returncode == 0
    assert UNDEFINED in bench.load_ops().stderr


@needs_tools
def test_in_place_the_projects_own_file_has_the_flag(bench: Workbench, tmp_path: Path) -> None:
    target = bench.target()
    before = tree(bench.project)

    cured = cure(cxx11_abi, target, tmp_path / "cache", in_place=True)

    assert cured.plan.safety == "unsafe"
    assert faults(target, "ABI001") == ()
    assert bench.make_ops(target.environment).returncode == 0
    assert bench.load_ops().returncode == 0
    shutil.rmtree(bench.project / "build")
    cured.take_back()
    assert tree(bench.project) == before


def settings(facts: Facts) -> tuple[Setting, ...]:
    answer = cxx11_abi.plan(facts, Options(OVERLAY))
    assert isinstance(answer, Plan), answer
    step = answer.steps[0]
    assert isinstance(step, Contribute)
    return step.contribution.settings


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, (Setting("CXXFLAGS", "append", OLD_STRINGS),)),
        (with_caffe2(BOX, cxx11_abi=known(True)), (Setting("CXXFLAGS", "append", NEW_STRINGS),)),
        (
            with_variables(BOX, CXXFLAGS=f"-g {NEW_STRINGS} -O2"),
            (Setting("CXXFLAGS", "set", "-g -O2"), Setting("CXXFLAGS", "append", OLD_STRINGS)),
        ),
    ],
)
def test_every_other_flag_of_the_user_stays(facts: Facts, expected: tuple[Setting, ...]) -> None:
    assert settings(facts) == expected


def torch_extension(**variables: str) -> Facts:
    found = Extension(path="/src/ext/_C.so", owner="project", kind="torch-extension", string_abi="old")
    facts = changed(with_variables(modern_box(), **variables), "project", profile=known("torch-extension"))
    return changed(facts, "extensions", found=(found,))


def test_an_extension_of_torch_is_built_without_a_choice_of_the_users_own() -> None:
    facts = torch_extension(CFLAGS=f"-g {OLD_STRINGS}", CXXFLAGS=OLD_STRINGS, CPPFLAGS="-DX")

    assert settings(facts) == (Setting("CFLAGS", "set", "-g"), Setting("CXXFLAGS", "set", ""))


@pytest.mark.parametrize(
    ("facts", "in_place", "reason"),
    [
        (torch_extension(), False, "in setup.py"),
        (torch_extension(CXXFLAGS=OLD_STRINGS), True, "no in-place form"),
        (with_caffe2(BOX, cxx11_abi=Absent("no symbols")), False, "not known"),
        (changed(BOX, "project", cmake=Absent("no CMakeLists.txt")), True, "no CMakeLists.txt"),
        (modern_box(), False, "built elsewhere"),
    ],
)
def test_what_no_setting_can_cure_is_refused(facts: Facts, in_place: bool, reason: str) -> None:
    answer = cxx11_abi.plan(facts, Options(OVERLAY, in_place))

    assert isinstance(answer, Refusal)
    assert reason in answer.reason


def test_the_flags_of_a_shell_reach_the_build_once_however_often_they_are_sourced(tmp_path: Path) -> None:
    from envdoctor.repair.overlay import Contribution, Overlay, applied

    overlay = Overlay((Contribution("cxx11-abi", settings(BOX)),))
    once = applied(overlay, str(tmp_path), {"CXXFLAGS": "-O2"})

    assert applied(overlay, str(tmp_path), once) == once == {"CXXFLAGS": f"-O2 {OLD_STRINGS}"}
    assert Variable("CXXFLAGS", once["CXXFLAGS"]) in with_variables(BOX, **once).environment.variables
