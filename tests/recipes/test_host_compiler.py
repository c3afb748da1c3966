"""nvcc refuses a host compiler with its own header, and takes the older one that the recipe names."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from envdoctor.recipes.host_compiler import host_compiler

from envdoctor.facts import Compiler, HostCompilerLimits, Known
from envdoctor.repair.recipe import Manual, Options, Plan, Refusal
from envdoctor.target import Target
from tests.checks.builders import changed, gpu_box, known, with_toolkit
from tests.recipes import toolkits
from tests.recipes.curing import cure, faults, machine, tree

REFUSED = "unsupported GNU version! gcc versions later than 11 are not supported!"
# A compiler that says 11 of itself, to whoever asks.
OLDER = """\
#!/bin/sh
case "$*" in *-dumpfullversion*) echo 11.4.0; exit;; esac
exec {real} -U__GNUC__ -D__GNUC__=11 "$@"
"""


def compiled(project: Path, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    command = ["nvcc", "-c", "ops.cu", "-o", "ops.o"]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def refused(tmp_path: Path) -> Target:
    """A project with CUDA code on a machine whose nvcc takes GCC up to 11 and whose g++ is newer."""
    if toolkits.this_machines_gcc() < 12:
        pytest.skip("this machine's g++ is older than 12")
    root = toolkits.toolkit_in(tmp_path / "cuda", toolkits.host_config_up_to(11))
    compilers = tmp_path / "compilers"
    compilers.mkdir()
    for name in ("gcc", "g++"):
        (compilers / f"{name}-11").write_text(OLDER.format(real=name))
        (compilers / f"{name}-11").chmod(0o755)
    project = tmp_path / "project"
    project.mkdir()
    (project / "setup.py").write_text(toolkits.SETUP)
    (project / "ops.cu").write_text("__global__ void nothing() {}\n")
    return machine(project, {"PATH": f"{root}/bin:{os.environ['PATH']}:{compilers}", "LC_ALL": "C"})


def test_nvcc_refuses_the_compiler_and_takes_the_older_one_of_the_recipe(refused: Target, tmp_path: Path) -> None:
    project = Path(refused.project or "")
    before = tree(project)
    assert REFUSED in compiled(project, refused.environment).stderr
    assert faults(refused, "CC002") == ("CC002",)

    cured = cure(host_compiler, refused, tmp_path / "cache")

    assert cured.plan.safety == "safe"
    assert cured.environment["CXX"].endswith("/g++-11") and cured.environment["CC"].endswith("/gcc-11")
    done = compiled(project, cured.environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert faults(refused, "CC002") == ()
    (project / "ops.o").unlink()
    cured.take_back()
    assert REFUSED in compiled(project, refused.environment).stderr
    assert faults(refused, "CC002") == ("CC002",)
    assert tree(project) == before


def older_than_12(*installed: Compiler) -> Plan | Manual | Refusal:
    facts = with_toolkit(gpu_box(), host_compilers=known(HostCompilerLimits(gcc=11, clang=14)))
    facts = changed(facts, "compilers", installed=(*facts.compilers.installed, *installed))
    return host_compiler.plan(facts, Options("/src/ops/.envdoctor"))


def test_the_newest_of_those_that_nvcc_takes_is_chosen() -> None:
    answer = older_than_12(
        Compiler("/usr/bin/g++-9", "g++", Known("9.5.0", "")), Compiler("/usr/bin/g++-11", "g++", Known("11.3.0", ""))
    )

    assert isinstance(answer, Plan)
    assert "CXX=/usr/bin/g++-11" in answer.steps[0].summary


def test_a_compiler_of_another_family_or_without_a_version_is_not_chosen() -> None:
    answer = older_than_12(
        Compiler("/usr/bin/clang++-14", "clang++", Known("14.0.6", "")), Compiler("/opt/g++", "g++", known("?"))
    )

    assert answer == Manual(
        "No g++ up to 11 is installed, and nvcc takes no newer one. Install it.", ("apt-get install g++-11",)
    )


def test_a_compiler_of_this_machine_is_written_into_no_source() -> None:
    facts = with_toolkit(gpu_box(), host_compilers=known(HostCompilerLimits(gcc=12, clang=14)))

    assert isinstance(host_compiler.plan(facts, Options("/o", in_place=True)), Refusal)
