"""CMake is led to the installed Caffe2, whatever it found before."""

from pathlib import Path

from envdoctor.recipes.caffe2_dir import caffe2_dir

from envdoctor.repair.recipe import Refusal
from tests.recipes.curing import cure, faults, plan_of, tree
from tests.recipes.small_caffe2 import CONFIG, PACKAGE, bench, needs_tools, run, write

pytestmark = needs_tools


def test_a_build_that_failed_for_want_of_caffe2_goes_on_in_the_same_directory(tmp_path: Path) -> None:
    box = bench(tmp_path)
    target = box.target()
    failed = box.make_ops(target.environment)
    assert failed.returncode != 0
    assert 'Could not find a package configuration file provided by "Caffe2"' in failed.stderr
    assert faults(target, "C2001") == ("C2001",)
    before = tree(box.project)

    cured = cure(caffe2_dir, target, box.cache)

    assert faults(target, "C2001", "C2003", "C2010") == ()
    cured.take_back()
    assert tree(box.project) == before
    assert faults(target, "C2001") == ("C2001",)
    assert box.make_ops(target.environment).returncode != 0

    again = cure(caffe2_dir, target, box.cache)

    assert again.plan.safety == "safe"
    built = box.make_ops(again.environment)
    assert built.returncode == 0, built.stderr


def test_the_configuration_of_a_build_tree_gives_way_to_the_installed_one(tmp_path: Path) -> None:
    box = bench(tmp_path)
    write(tmp_path / "tree" / "build", {"Caffe2Config.cmake": PACKAGE[CONFIG]})
    target = box.target(Caffe2_DIR=str(tmp_path / "tree" / "build"))
    failed = box.make_ops(target.environment)
    assert "CMake Error" in failed.stderr and "Caffe2Config.cmake:2 (include)" in failed.stderr
    assert faults(target, "C2003") == ("C2003",)

    cured = cure(caffe2_dir, target, box.cache)

    assert faults(target, "C2001", "C2003", "C2010") == ()
    assert box.make_ops(cured.environment).returncode == 0


def test_what_the_users_own_toolchain_file_says_gives_way_and_the_rest_of_it_stays(tmp_path: Path) -> None:
    box = bench(tmp_path)
    write(tmp_path / "tree" / "build", {"Caffe2Config.cmake": PACKAGE[CONFIG]})
    own = f'set(Caffe2_DIR "{tmp_path}/tree/build")\nset(CMAKE_CXX_FLAGS_INIT "-DOWN=1")\n'
    write(tmp_path, {"own.cmake": own})
    write(box.project, {"ops/double_op.cc": 'extern "C" int own() { return OWN; }\n'})
    target = box.target(CMAKE_TOOLCHAIN_FILE=str(tmp_path / "own.cmake"))
    assert faults(target, "C2003") == ("C2003",)
    assert box.make_ops(target.environment).returncode != 0

    cured = cure(caffe2_dir, target, box.cache)

    assert faults(target, "C2003") == ()
    assert box.make_ops(cured.environment).returncode == 0


def test_a_build_takes_the_caffe2_that_is_imported_and_no_other(tmp_path: Path) -> None:
    box, other = bench(tmp_path), bench(tmp_path / "other")
    target = box.target(Caffe2_DIR=str(other.config))
    configured = run(["cmake", "-S", ".", "-B", "build"], target.environment, box.project)
    assert configured.returncode == 0, configured.stderr
    assert faults(target, "C2010") == ("C2010",)

    cured = cure(caffe2_dir, target, box.cache)

    assert faults(target, "C2010") == ()
    assert box.make_ops(cured.environment).returncode == 0
    flags = (box.project / "build" / "CMakeFiles" / "caffe2_tiny_ops.dir" / "flags.make").read_text()
    assert f"{box.site}/torch/lib/include" in flags and str(other.site) not in flags


def test_in_place_the_project_itself_says_it_and_needs_no_environment(tmp_path: Path) -> None:
    box = bench(tmp_path)
    target = box.target()
    before = tree(box.project)

    cured = cure(caffe2_dir, target, box.cache, in_place=True)

    assert cured.plan.safety == "unsafe"
    assert faults(target, "C2001") == ()
    assert box.make_ops(target.environment).returncode == 0
    cured.take_back()
    assert {name: text for name, text in tree(box.project).items() if not name.startswith("build/")} == before
    assert faults(target, "C2001") == ()  # built: its cache has found Caffe2 by now


def test_without_a_configuration_there_is_nothing_to_lead_to(tmp_path: Path) -> None:
    box = bench(tmp_path)
    (box.site / CONFIG).unlink()

    assert isinstance(plan_of(caffe2_dir, box.target()), Refusal)
