"""What is said about a driver. No driver can be broken here: the machines are made of facts, one of them recorded."""

import json
from pathlib import Path

import msgspec
import pytest
from envdoctor.recipes.driver import driver

from envdoctor.facts import Absent, DriverLibrary, Facts, Unreadable
from envdoctor.repair.overlay import Setting
from envdoctor.repair.recipe import Manual, Options, Plan, Refusal
from envdoctor.repair.steps import Contribute
from tests.checks.builders import changed, gpu_box, known, with_variables

OPTIONS = Options("/src/ops/.envdoctor")
MACHINES = Path(__file__).parents[1] / "machines"


def recorded(name: str) -> Facts:
    return msgspec.convert(json.loads((MACHINES / f"{name}.json").read_text())["facts"], Facts)


def of_driver(facts: Facts, **fields: object) -> Manual:
    answer = driver.plan(changed(facts, "driver", **fields), OPTIONS)
    assert isinstance(answer, Manual), answer
    return answer


def library(version: str, path: str = "/usr/lib/x86_64-linux-gnu/libcuda.so.1") -> DriverLibrary:
    return DriverLibrary(path, version, stub=False)


def without_driver(facts: Facts) -> Facts:
    return changed(facts, "driver", library=Absent("none"), kernel_module=Absent("none"), nvml=Absent("none"))


def test_a_recorded_machine_whose_driver_runs_its_torch_is_left_alone() -> None:
    assert isinstance(driver.plan(recorded("h100"), OPTIONS), Refusal)


def test_a_recorded_machine_without_a_driver_gets_the_command_of_its_distribution() -> None:
    facts = changed(without_driver(recorded("h100")), "host", container=Absent("none"))

    answer = driver.plan(changed(facts, "host", distribution_id=known("ubuntu")), OPTIONS)

    assert isinstance(answer, Manual) and "no NVIDIA driver" in answer.text
    assert answer.commands == ("sudo ubuntu-drivers install",)


def test_a_driver_that_is_too_old_is_told_with_the_one_that_is_needed() -> None:
    answer = of_driver(
        gpu_box(),
        nvml=known("535.104.05"),
        kernel_module=known("535.104.05"),
        library=known(library("535.104.05")),
        cuda=known("12.2"),
    )

    assert "535.104.05 is too old for CUDA 13.0: it takes 580" in answer.text
    assert answer.commands == ("sudo apt-get install nvidia-driver",)


def test_in_a_container_the_host_has_to_be_changed() -> None:
    facts = changed(without_driver(gpu_box()), "host", container=known("docker"))

    answer = driver.plan(facts, OPTIONS)

    assert isinstance(answer, Manual)
    assert "from its host" in answer.text and answer.commands[0].startswith("docker run --gpus all")


def test_module_and_libraries_of_two_releases_need_a_restart() -> None:
    assert of_driver(gpu_box(), kernel_module=known("570.86.15")).commands == ("sudo reboot",)
    told = Unreadable("Driver/library version mismatch", "NVML")
    assert of_driver(gpu_box(), nvml=told).commands == ("sudo reboot",)


def test_a_module_that_is_not_loaded_is_loaded() -> None:
    answer = of_driver(gpu_box(), kernel_module=Absent("none"), nvml=Unreadable("Driver Not Loaded", "NVML"))

    assert answer.commands[0] == "sudo modprobe nvidia"


def test_a_libcuda_of_another_driver_leaves_ld_library_path() -> None:
    facts = with_variables(gpu_box(), LD_LIBRARY_PATH="/opt/other:/opt/driver/")
    facts = changed(facts, "driver", library=known(library("525.60.13", "/opt/driver/libcuda.so.1")))

    plan = driver.plan(facts, OPTIONS)

    assert isinstance(plan, Plan) and isinstance(plan.steps[0], Contribute)
    assert plan.steps[0].contribution.settings == (Setting("LD_LIBRARY_PATH", "without", "/opt/driver/"),)


@pytest.mark.parametrize("path", ["/usr/local/cuda-13.0/compat/libcuda.so.1"])
def test_a_newer_cuda_compat_library_is_no_mismatch(path: str) -> None:
    facts = changed(gpu_box(), "driver", library=known(library("590.10", path)))

    assert isinstance(driver.plan(facts, OPTIONS), Refusal)
