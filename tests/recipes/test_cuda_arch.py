"""nvcc stops at an architecture that it has dropped; the recipe names others. torch itself is asked in tests/real."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from envdoctor.checks.cuda import architecture_list_unset, gpu_not_covered_by_extension
from envdoctor.recipes.cuda_arch import cuda_arch

from envdoctor.assume import assume
from envdoctor.facts import Absent, Facts, Gpu
from envdoctor.repair.recipe import Answer, Manual, Options, Plan, Refusal
from envdoctor.target import Target
from tests.checks.builders import (
    caffe2_box,
    changed,
    gpu_box,
    judged,
    known,
    with_extension,
    with_toolkit,
    with_variables,
)
from tests.recipes import toolkits
from tests.recipes.curing import cure, environment_of, facts_of, faults, machine, plan_of, tree

UNSUPPORTED = "Unsupported gpu architecture 'compute_70'"
MAKEFILE = """\
FIRST = $(subst .,,$(firstword $(subst ;, ,$(TORCH_CUDA_ARCH_LIST))))
ops:
	nvcc -gencode=arch=compute_$(FIRST),code=sm_$(FIRST) -c ops.cu -o /dev/null
"""
CMAKE = """\
cmake_minimum_required(VERSION 3.10)
project(ops NONE)
set(CMAKE_CUDA_FLAGS "-gencode=arch=compute_70,code=sm_70")
add_custom_target(ops ALL COMMAND nvcc ${CMAKE_CUDA_FLAGS} -c ${CMAKE_SOURCE_DIR}/ops.cu -o ops.o)
"""
# A stand-in for torch's build tools: like them it compiles for what the variable lists.
SETUP = """\
import os, subprocess
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

class CUDAExtension(Extension):
    pass

class BuildExtension(build_ext):
    def build_extension(self, extension):
        place = self.get_ext_fullpath(extension.name)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        arch = os.environ["TORCH_CUDA_ARCH_LIST"].replace(".", "")
        code = f"-gencode=arch=compute_{arch},code=sm_{arch}"
        subprocess.check_call(["nvcc", code, "-shared", "-Xcompiler", "-fPIC", *extension.sources, "-o", place])

setup(name="ops", ext_modules=[CUDAExtension("ops", ["ops.cu"])], cmdclass={"build_ext": BuildExtension})
"""


def run(words: list[str], folder: Path, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with CUDA code, on a machine whose nvcc no longer emits sm_70."""
    nvcc = toolkits.this_machines_toolkit() / "bin" / "nvcc"
    if "sm_70" in run([str(nvcc), "--list-gpu-code"], tmp_path, os.environ).stdout:
        pytest.skip("this machine's nvcc emits sm_70")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "setup.py").write_text(toolkits.SETUP)
    (folder / "ops.cu").write_text("__global__ void nothing() {}\n")
    return folder


def on_this_machine(project: Path, **variables: str) -> Target:
    path = f"{toolkits.this_machines_toolkit()}/bin:{os.environ['PATH']}"
    return machine(project, {"PATH": path, "LC_ALL": "C", **variables}, python=sys.executable)


def test_a_listed_architecture_that_nvcc_dropped_gives_way_and_the_others_stay(project: Path, tmp_path: Path) -> None:
    (project / "Makefile").write_text(MAKEFILE)
    target = on_this_machine(project, TORCH_CUDA_ARCH_LIST="7.0;8.6")
    assert UNSUPPORTED in run(["make"], project, target.environment).stderr
    assert faults(target, "CUDA004") == ("CUDA004",)

    cured = cure(cuda_arch, target, tmp_path / "cache")

    assert cured.plan.safety == "safe"
    assert cured.environment["TORCH_CUDA_ARCH_LIST"] == "8.6"
    assert run(["make"], project, cured.environment).returncode == 0
    assert faults(target, "CUDA004") == ()
    cured.take_back()
    assert UNSUPPORTED in run(["make"], project, environment_of(target)).stderr


def test_an_architecture_in_the_projects_own_flags_is_changed_in_place_only(project: Path, tmp_path: Path) -> None:
    if shutil.which("cmake") is None:
        pytest.skip("no cmake")
    (project / "CMakeLists.txt").write_text(CMAKE)
    target = on_this_machine(project)
    build = ["sh", "-c", f"cmake -S {project} -B {tmp_path}/build && cmake --build {tmp_path}/build"]
    before = tree(project)
    assert UNSUPPORTED in "".join(run(build, project, target.environment).stderr)
    assert faults(target, "CUDA004") == ("CUDA004",)
    assert isinstance(plan_of(cuda_arch, target), Refusal)

    cured = cure(cuda_arch, target, tmp_path / "cache", in_place=True)

    assert cured.plan.safety == "unsafe"
    assert run(build, project, cured.environment).returncode == 0
    assert faults(target, "CUDA004") == ()
    cured.take_back()
    assert tree(project) == before
    assert UNSUPPORTED in run(build, project, target.environment).stderr


def test_an_extension_without_code_for_the_gpu_is_built_again_and_comes_back_on_undo(
    project: Path, tmp_path: Path
) -> None:
    """The GPU is put into the facts: code for it is compiled for real, and read from the library."""
    (project / "setup.py").write_text(SETUP)
    target = on_this_machine(project)
    older = {**target.environment, "TORCH_CUDA_ARCH_LIST": "8.0"}
    built = run([sys.executable, "setup.py", "build_ext", "--inplace"], project, older)
    assert built.returncode == 0, built.stderr
    shutil.rmtree(project / "build", ignore_errors=True)

    def with_a_hopper() -> Facts:
        facts = facts_of(target, cuda_arch.needs)
        return changed(facts, "driver", gpus=known((Gpu(0, "NVIDIA H100 80GB HBM3", "9.0", None),)))

    before = tree(project)
    assert "has no code for NVIDIA H100" in judged(gpu_not_covered_by_extension, with_a_hopper())[0].title

    cured = cure(cuda_arch, target, tmp_path / "cache", facts=with_a_hopper())

    assert cured.plan.safety == "unsafe"
    assert judged(gpu_not_covered_by_extension, with_a_hopper()) == []
    cured.take_back()
    assert tree(project) == before
    assert judged(gpu_not_covered_by_extension, with_a_hopper()) != []


def with_gpu(facts: Facts, cc: str) -> Facts:
    return changed(facts, "driver", gpus=known((Gpu(0, "NVIDIA GPU", cc, None),)))


def answer(facts: Facts, in_place: bool = False) -> Answer:
    return cuda_arch.plan(facts, Options("/src/ops/.envdoctor", in_place))


@pytest.mark.parametrize(
    ("cc", "entry"),
    [
        ("9.0", "9.0"),
        ("8.9", "8.6"),
        ("12.1", "12.0"),
        ("10.3", "10.0"),
        ("11.0", "10.0+PTX"),
    ],
)
def test_a_gpu_gets_machine_code_where_nvcc_and_torch_have_it_else_ptx(cc: str, entry: str) -> None:
    plan = answer(with_gpu(gpu_box(), cc))

    assert isinstance(plan, Plan)
    assert plan.steps[0].summary == f"In the overlay: TORCH_CUDA_ARCH_LIST={entry}"


def test_a_gpu_for_which_nvcc_emits_nothing_is_no_matter_of_a_list() -> None:
    refused = answer(with_gpu(gpu_box(), "6.1"))

    assert isinstance(refused, Refusal) and "6.1" in refused.reason


def test_without_a_gpu_and_a_list_it_is_what_nvcc_and_torch_share() -> None:
    facts = changed(gpu_box(), "driver", gpus=Absent("no GPU"))

    plan = answer(facts)

    assert isinstance(plan, Plan)
    assert plan.steps[0].summary.endswith("TORCH_CUDA_ARCH_LIST=7.5;8.0;8.6;9.0;10.0;12.0")


def test_the_cmake_files_of_caffe2_get_no_architecture_of_two_digits() -> None:
    facts = with_toolkit(caffe2_box(), architectures=known(("75", "86", "100", "120")))

    plan = answer(facts)

    assert isinstance(plan, Plan)
    assert plan.steps[0].summary.endswith("TORCH_CUDA_ARCH_LIST=7.5;8.6")


def test_ptx_that_the_user_asked_for_stays() -> None:
    plan = answer(with_variables(gpu_box(), TORCH_CUDA_ARCH_LIST="5.0;8.6+PTX"))

    assert isinstance(plan, Plan)
    assert plan.steps[0].summary.endswith("TORCH_CUDA_ARCH_LIST=8.6+PTX;9.0")


def test_a_package_without_code_for_the_gpu_is_not_built_by_us() -> None:
    assert isinstance(answer(with_extension(gpu_box(), architectures=("70", "75"))), Manual)


@pytest.mark.parametrize(
    ("named", "chosen"), [("RTX 3090", "8.6"), ("9.0", "9.0"), ("A100,H100", "8.0;9.0"), ("10.3", "10.3")]
)
def test_a_gpu_that_is_named_and_not_here_is_compiled_for(project: Path, named: str, chosen: str) -> None:
    """No GPU is here: torch's build tools have none to ask, and the list has to say what was named."""
    target = on_this_machine(project)
    facts = facts_of(target, (*cuda_arch.needs, *architecture_list_unset.needs))
    facts = changed(facts, "torch", cuda=known("13.0"), architectures=known(("80", "86", "90", "100", "103")))

    facts = assume(facts, (f"driver.gpus={named}",))

    assert [one.state for one in judged(architecture_list_unset, facts)] == ["fail"]
    plan = cuda_arch.plan(facts, Options("/src/ops/.envdoctor"))
    assert isinstance(plan, Plan)
    assert f"TORCH_CUDA_ARCH_LIST={chosen}" in plan.steps[0].summary
