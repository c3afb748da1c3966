"""Libraries that LD_LIBRARY_PATH puts before the right ones, and the variable without them."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from envdoctor.recipes.library_path import library_path

from envdoctor.facts import Facts, LibraryFile, ProvidedVersions
from envdoctor.repair.overlay import Setting
from envdoctor.repair.recipe import Manual, Options, Plan, Refusal
from envdoctor.repair.steps import Contribute
from tests.checks.builders import changed, gpu_box, known, modern_box, with_variables
from tests.recipes.curing import cure, environment_of, faults, machine

# An old libstdc++: the name and the versions that GCC 4.9 had, and nothing to call.
OLD_VERSIONS = "GLIBCXX_3.4 { global: old_*; local: *; };\n" + "".join(
    f"GLIBCXX_3.4.{number} {{ global: old_{number}; }} GLIBCXX_3.4{f'.{number - 1}' if number > 1 else ''};\n"
    for number in range(1, 21)
)
PROGRAM = (
    "#include <string>\n#include <iostream>\nint main() { std::string s(40, 'x'); std::cout << s << std::endl; }\n"
)
CALLS_THE_DRIVER = "import ctypes; print(ctypes.CDLL('libcuda.so.1').cuInit(0))"
STUB_LIBRARY = "34"


def run(*words: str | Path, environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60)


def empty_project(folder: Path) -> Path:
    (folder / "project").mkdir()
    return folder / "project"


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
def test_a_program_loads_once_the_older_libstdcxx_is_off_the_path(tmp_path: Path) -> None:
    old, kept = tmp_path / "old", tmp_path / "kept"
    old.mkdir()
    kept.mkdir()
    (tmp_path / "old.c").write_text("".join(f"int old_{number};" for number in range(21)))
    (tmp_path / "old.map").write_text(OLD_VERSIONS)
    linking = (f"-Wl,--version-script={tmp_path}/old.map", "-Wl,-soname,libstdc++.so.6", "-nostdlib")
    library = old / "libstdc++.so.6"
    assert run("gcc", "-shared", "-fPIC", tmp_path / "old.c", *linking, "-o", library).returncode == 0
    (tmp_path / "program.cc").write_text(PROGRAM)
    assert run("g++", tmp_path / "program.cc", "-o", tmp_path / "program").returncode == 0
    project = empty_project(tmp_path)
    target = machine(project, {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": f"{kept}:{old}/:{kept}", "LC_ALL": "C"})
    failed = run(tmp_path / "program", environment=target.environment).stderr
    assert "version `GLIBCXX_3.4.21' not found" in failed
    assert faults(target, "ENV003") == ("ENV003",)

    cured = cure(library_path, target, tmp_path / "cache")

    assert cured.environment["LD_LIBRARY_PATH"] == f"{kept}:{kept}"
    assert run(tmp_path / "program", environment=cured.environment).stdout == "x" * 40 + "\n"
    assert faults(target, "ENV003") == ()
    cured.take_back()
    assert run(tmp_path / "program", environment=environment_of(target)).returncode != 0


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc")
def test_the_stub_of_libcuda_no_longer_stands_for_the_driver(tmp_path: Path) -> None:
    """The stub is built here as NVIDIA's are: the driver's names, and no answer but CUDA_ERROR_STUB_LIBRARY."""
    stubs = tmp_path / "cuda" / "lib64" / "stubs"
    stubs.mkdir(parents=True)
    (tmp_path / "stub.c").write_text("int cuInit(unsigned flags) { (void)flags; return 34; }\n")
    built = run("gcc", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", tmp_path / "stub.c", "-o", stubs / "libcuda.so")
    assert built.returncode == 0
    (stubs / "libcuda.so.1").symlink_to("libcuda.so")
    target = machine(empty_project(tmp_path), {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(stubs)})
    asked = ("python3", "-c", CALLS_THE_DRIVER)
    assert run(*asked, environment=target.environment).stdout.strip() == STUB_LIBRARY
    assert faults(target, "DRV004") == ("DRV004",)

    cured = cure(library_path, target, tmp_path / "cache")

    assert run(*asked, environment=cured.environment).stdout.strip() != STUB_LIBRARY
    assert faults(target, "DRV004") == ()
    cured.take_back()
    assert run(*asked, environment=environment_of(target)).stdout.strip() == STUB_LIBRARY


def entries_taken_out(facts: Facts) -> tuple[str, ...]:
    plan = library_path.plan(facts, Options("/src/ops/.envdoctor"))
    assert isinstance(plan, Plan) and plan.safety == "safe"
    step = plan.steps[0]
    assert isinstance(step, Contribute)
    settings = step.contribution.settings
    assert {(setting.variable, setting.action) for setting in settings} == {("LD_LIBRARY_PATH", "without")}
    return tuple(setting.value for setting in settings)


def test_a_cudnn_that_torch_refuses_and_an_nccl_that_is_too_old_go() -> None:
    facts = changed(
        with_variables(gpu_box(), LD_LIBRARY_PATH="/opt/cudnn/lib:/opt/other:/opt/nccl/lib/"),
        "cudnn",
        loaded=known(LibraryFile("libcudnn.so.9", "/opt/cudnn/lib/libcudnn.so.9", "9.1.0", "LD_LIBRARY_PATH")),
        nccl_loaded=known(LibraryFile("libnccl.so.2", "/opt/nccl/lib/libnccl.so.2", "2.18.1", "LD_LIBRARY_PATH")),
    )

    assert entries_taken_out(facts) == ("/opt/cudnn/lib", "/opt/nccl/lib/")


def test_cuda_libraries_of_an_older_release_of_torchs_major_go_and_others_stay() -> None:
    facts = changed(
        with_variables(gpu_box(), LD_LIBRARY_PATH="/opt/cuda-12.9/lib64:/opt/cuda-13.1/lib64:/opt/cuda-12/lib64"),
        "cuda",
        in_library_path=(
            LibraryFile("libcudart.so.13", "/opt/cuda-13.1/lib64/libcudart.so.13", "13.1.1", "LD_LIBRARY_PATH"),
            LibraryFile("libcudart.so.12", "/opt/cuda-12.9/lib64/libcudart.so.12", "12.9.1", "LD_LIBRARY_PATH"),
        ),
    )
    facts = changed(facts, "torch", cuda=known("13.2"))

    assert entries_taken_out(facts) == ("/opt/cuda-13.1/lib64",)


def test_an_entry_that_does_no_harm_is_never_taken_out() -> None:
    facts = with_variables(gpu_box(), LD_LIBRARY_PATH="/opt/lib:/usr/local/cuda-13.0/lib64")

    assert isinstance(library_path.plan(facts, Options("/o")), Refusal)


def test_condas_own_older_libstdcxx_is_updated_by_conda() -> None:
    conda = ProvidedVersions("/conda/lib/libstdc++.so.6", "conda", "3.4.20", "1.3.8")
    facts = changed(modern_box(), "libstdcxx", loaded=known(conda))
    facts = changed(facts, "python", kind=known("conda"))

    answer = library_path.plan(facts, Options("/o"))

    assert isinstance(answer, Manual)
    assert answer.commands == ("conda install -c conda-forge libstdcxx-ng",)


def test_settings_are_described_by_what_they_do() -> None:
    facts = with_variables(gpu_box(), LD_LIBRARY_PATH="/cuda/lib64/stubs")
    facts = changed(facts, "cuda", stubs_in_library_path=("/cuda/lib64/stubs",))

    plan = library_path.plan(facts, Options("/o"))

    assert isinstance(plan, Plan)
    assert plan.steps[0].summary == "In the overlay: /cuda/lib64/stubs off LD_LIBRARY_PATH"
    assert Setting("LD_LIBRARY_PATH", "without", "/cuda/lib64/stubs") in plan.steps[0].contribution.settings
