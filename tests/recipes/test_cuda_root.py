"""A toolkit that lacks a part, and plans of cuda-root. CMake and torch themselves are asked in tests/real."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from envdoctor.recipes.cuda_root import cuda_root

from envdoctor.facts import Absent, BuildDirectory
from envdoctor.repair.recipe import Manual, Options, Plan, Refusal
from envdoctor.repair.steps import SetAside
from envdoctor.target import Target
from tests.checks.builders import caffe2_box, changed, gpu_box, known, with_toolkit
from tests.recipes import toolkits
from tests.recipes.curing import cure, environment_of, facts_of, faults, machine

OPTIONS = Options("/src/ops/.envdoctor")


def linked(machine_variables: Mapping[str, str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """A library that calls the CUDA runtime, linked as torch's build tools link one."""
    source = folder / "uses_cuda.c"
    source.write_text("int cudaGetDeviceCount(int *); int count(int *to) { return cudaGetDeviceCount(to); }\n")
    home = machine_variables["CUDA_HOME"]
    command = ["gcc", "-shared", "-fPIC", source, f"-L{home}/lib", "-lcudart", "-o", folder / "libuses_cuda.so"]
    return subprocess.run(command, env=machine_variables, capture_output=True, text=True, timeout=60)


@pytest.fixture
def of_wheels(tmp_path: Path) -> Target:
    """A project with CUDA code and a CUDA_HOME laid out as by NVIDIA's wheels: libcudart.so.N without libcudart.so."""
    versioned = next((toolkits.this_machines_toolkit() / "lib64").glob("libcudart.so.1[0-9]"), None)
    if versioned is None or shutil.which("gcc") is None:
        pytest.skip("no libcudart.so.N, or no gcc")
    root = toolkits.toolkit_in(tmp_path / "nvidia" / "cu13")
    for link in (root / "lib", root / "lib64", *root.glob("targets/*/lib")):
        link.unlink()
    (root / "lib").mkdir()
    shutil.copy(versioned, root / "lib" / versioned.name)
    project = tmp_path / "project"
    project.mkdir()
    (project / "setup.py").write_text(toolkits.SETUP)
    (project / "ops.cu").write_text("__global__ void nothing() {}\n")
    variables = {"PATH": os.environ["PATH"], "CUDA_HOME": str(root), "LD_LIBRARY_PATH": str(root / "lib")}
    return machine(project, {**variables, "LC_ALL": "C"})


def test_a_whole_toolkit_of_the_same_major_is_named_in_place_of_one_that_lacks_a_part(
    of_wheels: Target, tmp_path: Path
) -> None:
    assert "cannot find -lcudart" in linked(of_wheels.environment, tmp_path).stderr
    assert faults(of_wheels, "CUDA010") == ("CUDA010",)

    cured = cure(cuda_root, of_wheels, tmp_path / "cache")

    assert cured.plan.safety == "safe"
    assert linked(cured.environment, tmp_path).returncode == 0
    assert faults(of_wheels, "CUDA010") == ()
    cured.take_back()
    assert "cannot find -lcudart" in linked(environment_of(of_wheels), tmp_path).stderr
    assert faults(of_wheels, "CUDA010") == ("CUDA010",)


def test_a_toolkit_of_wheels_alone_gets_the_name_that_the_linker_seeks(of_wheels: Target, tmp_path: Path) -> None:
    facts = facts_of(of_wheels, cuda_root.needs)
    alone = tuple(one for one in facts.cuda.toolkits if one.root == of_wheels.environment["CUDA_HOME"])

    cured = cure(cuda_root, of_wheels, tmp_path / "cache", facts=changed(facts, "cuda", toolkits=alone))

    assert cured.plan.safety == "unsafe"
    assert linked(cured.environment, tmp_path).returncode == 0
    assert faults(of_wheels, "CUDA010") == ()
    cured.take_back()
    assert "cannot find -lcudart" in linked(of_wheels.environment, tmp_path).stderr
    assert faults(of_wheels, "CUDA010") == ("CUDA010",)


def test_a_configured_build_is_configured_anew_since_cmake_keeps_the_root_it_found() -> None:
    facts = changed(caffe2_box(), "project", build=known(BuildDirectory("/src/ops/build")))

    answer = cuda_root.plan(facts, OPTIONS)

    assert isinstance(answer, Plan) and answer.safety == "safe"
    assert [step.paths for step in answer.steps if isinstance(step, SetAside)] == [("/src/ops/build/CMakeCache.txt",)]
    assert "CUDA_PATH=/usr/local/cuda-13.0" in answer.steps[0].summary


def test_a_part_that_is_nowhere_has_to_be_installed() -> None:
    facts = with_toolkit(gpu_box(), include=Absent("no cuda_runtime.h"))

    assert isinstance(cuda_root.plan(facts, OPTIONS), Manual)


def test_without_a_toolkit_there_is_no_root_to_name() -> None:
    assert isinstance(cuda_root.plan(changed(gpu_box(), "cuda", default=Absent("none")), OPTIONS), Refusal)
