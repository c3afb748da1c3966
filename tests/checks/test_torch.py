"""What the checks of torch and its companions say of recorded facts."""

from typing import Any

import pytest
from envdoctor.checks import torch

from envdoctor.checking.check import Check
from envdoctor.facts import Absent, Extension, Facts, LibraryFile, MissingLibrary, SetupExtension, UndefinedSymbol
from tests.checks.builders import (
    CANNOT_READ,
    NOWHERE,
    changed,
    gpu_box,
    judged,
    known,
    modern_box,
    skipped,
    states,
    with_companion,
    with_extension,
)

CHECKS = [value for value in vars(torch).values() if isinstance(value, Check)]
SYMBOL = UndefinedSymbol("_ZN2at4_ops3addE", "at::_ops::add", "", "_C.so", "other-release")


@pytest.mark.parametrize("check", CHECKS, ids=[check.code for check in CHECKS])
def test_a_healthy_machine_gives_no_finding(check: Check) -> None:
    assert judged(check, gpu_box()) == []
    assert judged(check, modern_box()) == []


@pytest.mark.parametrize(
    ("wanted", "undefined", "expected"),
    [
        ("==2.13.0", (), []),
        ("==2.13", (), []),
        ("== 2.13.1", (SYMBOL,), ["fail"]),
        ("==2.13.*", (), []),
        ("==2.13.0+cu126", (SYMBOL,), ["fail"]),
        ("<2.14,>=2.12", (), []),
        (">=2.12", (), []),
        (">=2.14.0", (SYMBOL,), ["fail"]),
        (">=2.14.0", (), ["warn"]),
        ("==1.13.1", (SYMBOL,), ["fail"]),
        ("no specifier", (SYMBOL,), []),
        ("", (), []),
    ],
)
def test_a_companion_is_judged_by_its_own_word_and_its_symbols(
    wanted: str, undefined: tuple[UndefinedSymbol, ...], expected: list[str]
) -> None:
    facts = with_extension(with_companion(gpu_box(), requires_torch=wanted), undefined=undefined)
    assert states(torch.companion_of_another_torch, facts) == expected


def test_without_symbols_the_word_of_the_package_is_taken() -> None:
    facts = changed(with_companion(gpu_box(), requires_torch=">=2.14.0"), "extensions", found=())
    assert states(torch.companion_of_another_torch, facts) == ["fail"]


def test_libcuda_belongs_to_the_driver_and_its_absence_proves_nothing() -> None:
    facts = with_companion(gpu_box(), requires_torch=">=2.14.0")
    missing = (MissingLibrary("libcuda.so.1", "_C.so"),)
    assert states(torch.companion_of_another_torch, with_extension(facts, missing=missing)) == ["warn"]
    missing = (MissingLibrary("libtorch_cuda.so", "_C.so"),)
    assert states(torch.companion_of_another_torch, with_extension(facts, missing=missing)) == ["fail"]


@pytest.mark.parametrize(
    ("version", "undefined", "expected"),
    [("0.28.0", (), []), ("0.27.0", (SYMBOL,), ["fail"]), ("0.27.0", (), ["warn"]), ("77.0.0", (SYMBOL,), [])],
)
def test_a_torchvision_that_names_no_torch_is_known_by_the_release_it_came_with(
    version: str, undefined: tuple[UndefinedSymbol, ...], expected: list[str]
) -> None:
    facts = with_companion(gpu_box(), version=version, requires_torch=None)
    assert states(torch.companion_of_another_torch, with_extension(facts, undefined=undefined)) == expected


def test_the_cure_is_the_matching_torchvision_of_the_same_build() -> None:
    facts = changed(with_companion(gpu_box(), requires_torch=">=2.14.0"), "torch", version=known("2.13.0+cpu"))
    (finding,) = judged(torch.companion_of_another_torch, facts)
    assert finding.remedy is not None
    index = "--index-url https://download.pytorch.org/whl/cpu"
    assert finding.remedy.commands == (f"/venv/bin/python -m pip install --no-deps {index} torchvision==0.28.0",)


def test_a_torchvision_with_cuda_is_not_loaded_beside_a_torch_without() -> None:
    """Seen with torch 2.13.0+cpu and the torchvision 0.28.0 of PyPI: libc10_cuda.so is missing."""
    facts = changed(gpu_box(), "torch", version=known("2.13.0+cpu"), cuda=Absent("a CPU build"))

    (finding,) = judged(torch.companion_of_another_torch, facts)

    assert finding.state == "fail"
    assert finding.title == "torchvision was built with CUDA 13.0, torch without"


@pytest.mark.parametrize(("own", "expected"), [("13", []), ("13.2", []), ("12.6", ["fail"])])
def test_torchvision_refuses_a_torch_of_another_cuda_major(own: str, expected: list[str]) -> None:
    assert states(torch.companion_of_another_torch, with_companion(gpu_box(), cuda=known(own))) == expected


def test_a_torch_that_tells_no_version_is_compared_with_nothing() -> None:
    assert skipped(torch.companion_of_another_torch, changed(gpu_box(), "torch", version=CANNOT_READ))
    assert skipped(torch.companion_of_another_torch, changed(gpu_box(), "torch", companions=()))


def on_cpu(facts: Facts) -> Facts:
    return changed(facts, "torch", version=known("2.13.0+cpu"), cuda=Absent("a CPU build"))


BOTH_KINDS = (SetupExtension("setup.py", "CppExtension", 8), SetupExtension("setup.py", "CUDAExtension", 9))


@pytest.mark.parametrize(
    ("project", "gpus", "expected"),
    [
        ({}, NOWHERE, ["fail"]),
        ({"setup_extensions": BOTH_KINDS}, NOWHERE, ["note"]),
        ({"setup_extensions": (), "has_cuda_sources": False}, NOWHERE, []),
        ({"profile": known("installed"), "setup_extensions": ()}, gpu_box().driver.gpus, ["note"]),
        ({"profile": known("installed"), "setup_extensions": ()}, NOWHERE, []),
    ],
)
def test_a_torch_for_the_cpu_matters_where_cuda_is_wanted(
    project: dict[str, Any], gpus: Any, expected: list[str]
) -> None:
    facts = changed(changed(on_cpu(gpu_box()), "project", **project), "driver", gpus=gpus)
    assert states(torch.torch_is_a_cpu_build, facts) == expected


def test_a_torch_for_rocm_is_no_cpu_build() -> None:
    assert states(torch.torch_is_a_cpu_build, changed(on_cpu(gpu_box()), "torch", hip=known("6.2"))) == []
    assert states(torch.torch_is_a_cpu_build, changed(gpu_box(), "torch", cuda=CANNOT_READ)) == ["unknown"]


def test_requirements_that_are_missing_break_the_import_unless_others_serve() -> None:
    facts = changed(gpu_box(), "torch", version=known("1.13.1"), missing_requirements=("nvidia-cublas-cu11",))
    (finding,) = judged(torch.torch_requirements_missing, facts)
    assert finding.state == "fail"
    assert finding.remedy is not None
    assert finding.remedy.commands == ("/venv/bin/python -m pip install torch==1.13.1",)
    offered = (LibraryFile("libcublas.so.11", "/opt/lib/libcublas.so.11", None, "LD_LIBRARY_PATH"),)
    assert states(torch.torch_requirements_missing, changed(facts, "cuda", in_library_path=offered)) == ["warn"]


@pytest.mark.parametrize(
    ("python", "fields", "expected"),
    [
        ("3.11.7", {}, []),
        ("3.9.2", {"version": known("2.13.0")}, ["warn"]),
        ("3.9.2", {"version": known("77.0.0")}, []),
        ("3.12.1", {"root": known("/old/lib/python3.7/site-packages/torch")}, ["fail"]),
        ("3.11.7", {"root": NOWHERE}, ["skipped"]),
    ],
)
def test_torch_is_made_for_one_python(python: str, fields: dict[str, Any], expected: list[str]) -> None:
    facts = changed(changed(gpu_box(), "torch", root=known("/src/pytorch/torch")), "python", version=known(python))
    assert states(torch.torch_does_not_support_this_python, changed(facts, "torch", **fields)) == expected


def test_conda_builds_torch_for_pythons_of_its_own() -> None:
    facts = changed(gpu_box(), "python", version=known("3.9.2"), kind=known("conda"))
    facts = changed(facts, "torch", root=known("/opt/conda/lib/python3.9/site-packages/torch"))
    assert states(torch.torch_does_not_support_this_python, facts) == []


@pytest.mark.parametrize(
    ("name", "expected"), [("torchvision", ["fail"]), ("mmcv", ["warn"]), ("torchaudio", ["skipped"])]
)
def test_a_companion_without_its_compiled_part_has_no_operators(name: str, expected: list[str]) -> None:
    facts = with_companion(gpu_box(), name=name, extension=NOWHERE)
    assert states(torch.companion_without_compiled_part, facts) == expected


def test_a_hidden_torch_matters_where_a_companion_lies_beside_it() -> None:
    facts = changed(gpu_box(), "torch", others=("/home/me/.local/lib/python3.11/site-packages/torch",))
    assert states(torch.several_torch, facts) == ["note"]
    beside = with_companion(facts, path="/home/me/.local/lib/python3.11/site-packages/torchvision")
    assert states(torch.several_torch, beside) == ["warn"]


@pytest.mark.parametrize(("version", "expected"), [(NOWHERE, ["fail"]), (CANNOT_READ, ["unknown"])])
def test_an_extension_of_torch_needs_torch(version: Any, expected: list[str]) -> None:
    assert states(torch.torch_missing, changed(gpu_box(), "torch", version=version)) == expected


def test_a_machine_without_torch_and_without_a_project_is_healthy() -> None:
    facts = changed(modern_box(), "torch", version=NOWHERE, root=NOWHERE)
    assert [finding for check in CHECKS for finding in judged(check, facts)] == []


def test_an_extension_is_that_of_a_companion_by_its_directory() -> None:
    facts = with_companion(gpu_box(), requires_torch=">=2.14.0")
    other = Extension(path="/venv/lib/python3.11/site-packages/torchvision_extra/_C.so", owner="x", kind="")
    assert states(torch.companion_of_another_torch, changed(facts, "extensions", found=(other,))) == ["fail"]
