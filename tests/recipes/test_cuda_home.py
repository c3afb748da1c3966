"""CUDA_HOME that leads nowhere, and the recipe that leads it to a toolkit. torch itself is asked in tests/real."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from envdoctor.recipes.cuda_home import cuda_home

from envdoctor.facts import Absent
from envdoctor.repair.overlay import Setting
from envdoctor.repair.recipe import Options, Plan, Refusal
from envdoctor.repair.steps import Contribute
from tests.checks.builders import changed, gpu_box, known, with_toolkit, with_variables
from tests.recipes import toolkits
from tests.recipes.curing import cure, faults, machine, tree

OPTIONS = Options("/src/ops/.envdoctor")
MAKEFILE = "ops:\n\t$(CUDA_HOME)/bin/nvcc -c ops.cu -o /dev/null\n"


def settings_of(plan: object) -> tuple[Setting, ...]:
    assert isinstance(plan, Plan)
    step = plan.steps[0]
    assert isinstance(step, Contribute)
    return step.contribution.settings


def made(project: Path, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["make", "ops"], cwd=project, env=environment, capture_output=True, text=True, timeout=120)


def test_a_build_that_starts_nvcc_below_a_wrong_cuda_home_works_with_the_recipe(tmp_path: Path) -> None:
    toolkits.this_machines_toolkit()
    project = tmp_path / "project"
    project.mkdir()
    (project / "setup.py").write_text(toolkits.SETUP)
    (project / "ops.cu").write_text("__global__ void nothing() {}\n")
    (project / "Makefile").write_text(MAKEFILE)
    target = machine(project, {"PATH": os.environ["PATH"], "CUDA_HOME": "/nonexistent", "LC_ALL": "C"})
    before = tree(project)
    assert "/nonexistent/bin/nvcc: No such file or directory" in made(project, target.environment).stderr
    assert faults(target, "CUDA002") == ("CUDA002",)

    cured = cure(cuda_home, target, tmp_path / "cache")

    assert made(project, cured.environment).returncode == 0
    assert faults(target, "CUDA002", "CUDA010") == ()
    cured.take_back()
    assert made(project, target.environment).returncode != 0
    assert faults(target, "CUDA002") == ("CUDA002",)
    assert tree(project) == before


def test_a_toolkit_of_torchs_cuda_major_is_preferred() -> None:
    facts = gpu_box()
    other = facts.cuda.toolkits[0]
    older = type(other)(
        root="/usr/local/cuda-11.7",
        origins=("system",),
        version=known("11.7"),
        nvcc=known("/usr/local/cuda-11.7/bin/nvcc"),
        include=known("/usr/local/cuda-11.7/include"),
        libraries=known("/usr/local/cuda-11.7/lib64"),
    )
    facts = changed(facts, "cuda", toolkits=(older, other))

    assert Setting("CUDA_HOME", "set", "/usr/local/cuda-13.0") in settings_of(cuda_home.plan(facts, OPTIONS))


def test_without_any_toolkit_a_variable_that_leads_nowhere_is_unset_and_nothing_is_invented() -> None:
    bare = with_toolkit(gpu_box(), nvcc=Absent("no nvcc"))

    assert isinstance(cuda_home.plan(with_variables(bare), OPTIONS), Refusal)
    plan = cuda_home.plan(with_variables(bare, CUDA_HOME="/nonexistent"), OPTIONS)
    assert settings_of(plan) == (Setting("CUDA_HOME", "unset"),)
