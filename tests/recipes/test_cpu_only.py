"""The operators of the CPU are built against a Caffe2 whose CUDA is not here."""

from pathlib import Path

import pytest
from envdoctor.recipes.caffe2_target_renamed import caffe2_target_renamed
from envdoctor.recipes.cpu_only import cpu_only

from tests.recipes.curing import cure, faults, tree
from tests.recipes.small_caffe2 import CONFIG, PACKAGE, PROJECT, TARGETS, Bench, bench, needs_tools

pytestmark = needs_tools

NO_CUDA = "Your installed Caffe2 version uses CUDA but I cannot find the CUDA libraries"
OF_CUDA = {
    "torch/version.py": "__version__ = '1.0.1'\ncuda = '9.0'\n",
    CONFIG: PACKAGE[CONFIG]
    + f"""\
set(CAFFE2_USE_CUDA 1)
if(NOT TARGET caffe2::cudart)
  find_package(CUDA 7.0 QUIET)
  find_path(CUDNN_INCLUDE_DIR cudnn.h HINTS "${{CUDA_TOOLKIT_ROOT_DIR}}/include")
  if(NOT CUDA_FOUND OR NOT CUDNN_INCLUDE_DIR)
    message(FATAL_ERROR "{NO_CUDA}")
  endif()
endif()
""",
}
WITH_A_GPU_LIBRARY = {
    "CMakeLists.txt": PROJECT["CMakeLists.txt"]
    + """\
if(CAFFE2_USE_CUDA)
  cuda_add_library(caffe2_tiny_ops_gpu SHARED ops/double_op.cc ops/double_op.cu)
  target_link_libraries(caffe2_tiny_ops_gpu caffe2_gpu_library)
endif()
""",
    "ops/double_op.cu": "#error no nvcc is started\n",
}
OF_THE_GPU_BUILD = ("C2008", "CUDA003", "CUDA004", "CUDA008", "CUDA010")


@pytest.fixture
def box(tmp_path: Path) -> Bench:
    made = bench(tmp_path, OF_CUDA, WITH_A_GPU_LIBRARY)
    if faults(made.found(), "C2008") == ():
        pytest.skip("a whole CUDA and a cuDNN are here, so nothing is lacking")
    return made


@pytest.mark.parametrize("in_place", [False, True])
def test_a_build_goes_on_without_cuda_and_leaves_its_gpu_library_out(box: Bench, in_place: bool) -> None:
    target = box.found()
    before = tree(box.project)
    failed = box.make_ops(target.environment)
    assert NO_CUDA in " ".join(failed.stderr.split())

    cured = cure(cpu_only, target, box.cache, in_place=in_place)

    assert cured.plan.safety == "unsafe"
    assert faults(target, *OF_THE_GPU_BUILD) == ()
    built = box.make_ops(cured.environment)
    assert built.returncode == 0, built.stderr
    assert [path.name for path in (box.project / "build").glob("*.so")] == ["libcaffe2_tiny_ops.so"]
    (box.project / "build" / "libcaffe2_tiny_ops.so").unlink()
    cured.take_back()
    assert {name: text for name, text in tree(box.project).items() if not name.startswith("build/")} == before
    assert faults(target, "C2008") == ("C2008",)
    assert box.make_ops(target.environment).returncode != 0


def test_it_and_another_recipe_that_declares_targets_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    renamed = PACKAGE[TARGETS].replace("caffe2_library", "torch")
    box = bench(tmp_path, {**OF_CUDA, TARGETS: renamed}, WITH_A_GPU_LIBRARY)
    target = box.found()
    if faults(target, "C2008") == ():
        pytest.skip("a whole CUDA and a cuDNN are here, so nothing is lacking")

    first = cure(cpu_only, target, box.cache)
    second = cure(caffe2_target_renamed, target, box.cache)

    assert faults(target, "C2008", "C2006") == ()
    built = box.make_ops(second.environment)
    assert built.returncode == 0, built.stderr
    (box.project / "build" / "libcaffe2_tiny_ops.so").unlink()
    second.take_back()
    assert faults(target, "C2008", "C2006") == ("C2006",)
    first.take_back()
    assert faults(target, "C2008", "C2006") == ("C2008", "C2006")
