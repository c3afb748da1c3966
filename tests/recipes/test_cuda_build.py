"""Which side is changed so that both are of one CUDA: plans for recorded machines, since torch has one CUDA a release.

A toolkit on the disk and one out of wheels are tried with a real torch in tests/real.
"""

import pytest
from envdoctor.recipes.cuda_build import cuda_build
from envdoctor.recipes.toolkit_wheels import InstallToolkit

from envdoctor.facts import Absent, Facts, Gpu, Toolkit
from envdoctor.repair.recipe import Answer, Manual, Options, Plan
from tests.checks.builders import changed, gpu_box, known

OPTIONS = Options("/src/ops/.envdoctor")


def toolkit(version: str) -> Toolkit:
    root = f"/usr/local/cuda-{version}"
    return Toolkit(
        root=root,
        origins=("system",),
        version=known(version),
        nvcc=known(f"{root}/bin/nvcc"),
        include=known(f"{root}/include"),
        libraries=known(f"{root}/lib64"),
    )


def answer(torch_cuda: str, *toolkits: str, python: str = "3.11.7", **of_python: object) -> Answer:
    """What is to be done for a torch of this CUDA and these toolkits, the first of them taken by builds."""
    found = tuple(map(toolkit, toolkits))
    default = known(found[0].root) if found else Absent("none")
    facts = changed(gpu_box(), "cuda", toolkits=found, default=default)
    facts = changed(facts, "torch", cuda=known(torch_cuda))
    return cuda_build.plan(changed(facts, "python", version=known(python), **of_python), OPTIONS)


def commands(plan: Answer) -> list[str]:
    assert isinstance(plan, Plan)
    return [" ".join(step.command) for step in plan.steps]


def test_a_toolkit_of_torchs_major_on_the_disk_is_named() -> None:
    plan = answer("12.6", "13.0", "12.2")

    assert isinstance(plan, Plan) and plan.safety == "safe"
    assert "CUDA_HOME=/usr/local/cuda-12.2" in plan.steps[0].summary


def test_a_toolkit_of_cuda_13_comes_out_of_wheels_into_the_overlay() -> None:
    plan = answer("13.0", "12.2")

    assert isinstance(plan, Plan) and plan.safety == "safe"
    install, contribute = plan.steps
    assert isinstance(install, InstallToolkit)
    assert "--target /src/ops/.envdoctor/prefix/cuda-13.0" in " ".join(install.command)
    assert "nvidia-cuda-nvcc==13.0.*" in install.command
    assert install.root in contribute.summary


@pytest.mark.parametrize(("have", "wanted"), [("1.13.1", "2.11.0"), ("2.12.0", "2.12.0"), ("99.0", "2.15.0")])
def test_for_a_torch_of_an_older_cuda_it_is_the_next_torch_for_the_toolkit(have: str, wanted: str) -> None:
    facts = changed(gpu_box(), "cuda", toolkits=(toolkit("13.0"),))
    facts = changed(facts, "torch", version=known(have), cuda=known("11.7"))

    plan = cuda_build.plan(facts, OPTIONS)

    assert isinstance(plan, Plan) and plan.safety == "unsafe"
    (command,) = commands(plan)
    assert command.startswith("/venv/bin/python -m pip install")
    assert f"torch=={wanted}" in command and "torchvision==" in command


def test_without_a_wheel_and_without_a_toolkit_it_is_left_to_the_user() -> None:
    assert answer("11.7") == Manual(
        "A toolkit of CUDA 11.7, which torch was built with, has to be installed: it is in no wheel.", ()
    )


@pytest.mark.parametrize(
    ("cuda", "command"),
    [
        ("11.7", "conda install -c conda-forge -c nvidia/label/cuda-11.7.0 cuda-nvcc"),
        ("12.4", "conda install -c conda-forge cuda-nvcc cuda-version=12.4"),
    ],
)
def test_conda_has_toolkits_by_release(cuda: str, command: str) -> None:
    manual = answer(cuda, kind=known("conda"))

    assert isinstance(manual, Manual) and manual.commands == (command,)


def cpu_build(version: str) -> Facts:
    return changed(gpu_box(), "torch", version=known(version), cuda=Absent("a CPU build"))


def test_a_cpu_build_of_a_local_version_is_replaced_by_that_of_the_index_and_then_completed() -> None:
    plan = cuda_build.plan(cpu_build("2.13.0+cpu"), OPTIONS)

    first, second = commands(plan)
    assert "--force-reinstall" in first and "--no-deps" in first and first.endswith("torch==2.13.0")
    assert "--force-reinstall" not in second and second.endswith("torch==2.13.0")


def test_a_gpu_that_torch_has_no_code_for_gets_a_torch_that_has() -> None:
    facts = changed(gpu_box(), "torch", architectures=known(("50", "60", "70")))
    facts = changed(facts, "driver", gpus=known((Gpu(0, "NVIDIA GeForce RTX 5090", "12.0", None),)))

    (command,) = commands(cuda_build.plan(facts, OPTIONS))

    assert "torch==2." in command
