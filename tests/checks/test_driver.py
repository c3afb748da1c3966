"""What the checks of the driver say of recorded facts."""

from typing import Any

import pytest
from envdoctor.checks import driver

from envdoctor.facts import Absent, Driver, DriverLibrary, Extension, Facts, Gpu, ResolvedLibrary, Unreadable
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
    with_variables,
)
from tests.checks.shell import variable_after

STUB = DriverLibrary("/usr/local/cuda/lib64/stubs/libcuda.so.1", None, stub=True)
REAL = DriverLibrary("/usr/lib/x86_64-linux-gnu/libcuda.so.1", "580.95.05", stub=False)


def with_driver(**fields: Any) -> Facts:
    return changed(gpu_box(), "driver", **fields)


def of_version(version: str, cuda: str, name: str = "NVIDIA H100 80GB HBM3") -> Facts:
    """The healthy machine with another driver, whole in itself."""
    library = DriverLibrary(REAL.path, version, stub=False)
    gpus = (Gpu(0, name, None, None),)
    return with_driver(
        kernel_module=known(version),
        nvml=known(version),
        library=known(library),
        libraries=(library,),
        cuda=known(cuda),
        gpus=known(gpus),
    )


def without_driver() -> Facts:
    return changed(
        gpu_box(),
        "driver",
        **dict.fromkeys(("kernel_module", "library", "nvml", "cuda", "gpus"), NOWHERE),
        device_nodes=(),
        libraries=(),
    )


def with_compat(version: str, module: str, gpu: str) -> Facts:
    """A cuda-compat library before the driver's own."""
    library = DriverLibrary("/usr/local/cuda/compat/libcuda.so.1", version, stub=False)
    facts = changed(
        of_version(module, "12.2", gpu), "driver", library=known(library), compat=known(library), libraries=(library,)
    )
    return with_variables(facts, LD_LIBRARY_PATH="/usr/local/cuda/compat")


@pytest.mark.parametrize(
    "check", [value for name, value in vars(driver).items() if name[:1].islower() and hasattr(value, "judge")]
)
def test_a_healthy_driver_gives_no_finding(check: Any) -> None:
    assert judged(check, gpu_box()) == []


@pytest.mark.parametrize("facts", [without_driver(), modern_box()], ids=["CUDA torch", "CPU torch"])
def test_a_machine_without_a_driver_gives_one_note_at_most(facts: Facts) -> None:
    checks = [value for value in vars(driver).values() if hasattr(value, "judge")]
    found = [(one.code, finding.state) for one in checks for finding in judged(one, facts)]
    assert found in ([("DRV001", "note")], [])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"library": NOWHERE, "kernel_module": NOWHERE}, ["note"]),
        ({"library": NOWHERE}, ["warn"]),
        ({"library": known(STUB), "kernel_module": NOWHERE}, ["note"]),
        ({"nvml": Unreadable("Driver Not Loaded (NVML error 9)"), "kernel_module": NOWHERE}, ["warn"]),
        ({"library": CANNOT_READ}, ["unknown"]),
        ({"library": NOWHERE, "kernel_module": CANNOT_READ}, ["unknown"]),
        ({"kernel_module": NOWHERE, "nvml": known("580.95.05")}, []),
    ],
)
def test_half_a_driver_is_worse_than_none(fields: dict[str, Any], expected: list[str]) -> None:
    assert states(driver.driver_absent, with_driver(**fields)) == expected


def test_in_a_container_the_cure_of_a_missing_library_is_to_start_it_with_its_gpus() -> None:
    facts = changed(with_driver(library=NOWHERE), "host", container=known("docker"))
    (finding,) = judged(driver.driver_absent, facts)
    assert finding.remedy is not None and "--gpus" in finding.remedy.text


@pytest.mark.parametrize(
    ("version", "own", "wanted", "expected"),
    [
        ("580.95.05", "13.0", "13.0", []),
        ("580.95.05", "13.0", "11.7", []),
        ("535.104.05", "12.2", "12.8", []),
        ("535.104.05", "12.2", "13.0", ["fail"]),
        ("470.82.01", "11.4", "12.1", ["fail"]),
        ("450.80.02", "11.0", "11.8", []),
        ("410.48", "10.0", "10.0", []),
        ("410.48", "10.0", "10.1", ["fail"]),
        ("999.10", "14.0", "13.0", []),
    ],
)
def test_a_driver_runs_its_own_cuda_and_newer_minor_releases(
    version: str, own: str, wanted: str, expected: list[str]
) -> None:
    facts = changed(of_version(version, own), "torch", cuda=known(wanted))
    assert states(driver.driver_older_than_runtime, facts) == expected


def test_the_cure_of_an_old_driver_is_a_newer_one_or_the_newest_torch_that_it_runs() -> None:
    (finding,) = judged(driver.driver_older_than_runtime, of_version("535.104.05", "12.2"))
    assert finding.remedy is not None
    assert "580" in finding.remedy.text
    assert finding.remedy.commands == ("/venv/bin/python -m pip install torch==2.10.0 torchvision==0.25.0",)


def test_a_driver_whose_version_no_table_knows_gives_no_verdict() -> None:
    facts = changed(of_version("499.1", "12.2"), "driver", cuda=Absent("no driver to ask"))
    facts = changed(facts, "torch", cuda=known("77.1"))
    assert states(driver.driver_older_than_runtime, facts) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"kernel_module": known("580.82.07")}, ["fail"]),
        ({"nvml": Unreadable("RM has detected an NVML/RM version mismatch. (NVML error 18)")}, ["fail"]),
        ({"library": known(DriverLibrary(REAL.path, None, stub=False))}, []),
        ({"library": known(STUB)}, ["skipped"]),
        ({"kernel_module": NOWHERE}, ["skipped"]),
        ({"kernel_module": NOWHERE, "nvml": Unreadable("version mismatch")}, ["fail"]),
    ],
)
def test_module_and_library_of_two_releases_are_a_fault(fields: dict[str, Any], expected: list[str]) -> None:
    assert states(driver.driver_module_and_library_differ, with_driver(**fields)) == expected


@pytest.mark.parametrize(("compat", "expected"), [("580.95.05", []), ("525.60.13", ["fail"])])
def test_a_compat_library_may_be_newer_than_the_module_and_never_older(compat: str, expected: list[str]) -> None:
    facts = with_compat(compat, "535.104.05", "NVIDIA H100 80GB HBM3")
    assert states(driver.driver_module_and_library_differ, facts) == expected


def test_a_foreign_libcuda_is_taken_off_the_path() -> None:
    facts = with_compat("525.60.13", "535.104.05", "NVIDIA H100 80GB HBM3")
    (finding,) = judged(driver.driver_module_and_library_differ, facts)
    assert finding.remedy is not None and finding.remedy.commands == ("unset LD_LIBRARY_PATH",)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"library": known(STUB), "libraries": (STUB, REAL)}, ["fail"]),
        ({"library": known(STUB), "libraries": (STUB,), "kernel_module": NOWHERE}, ["warn"]),
        ({"library": NOWHERE, "libraries": ()}, []),
    ],
)
def test_a_stub_hides_a_real_driver_or_waits_for_one(fields: dict[str, Any], expected: list[str]) -> None:
    assert states(driver.stub_libcuda_on_path, with_driver(**fields)) == expected


def test_stubs_on_the_path_that_are_not_taken_are_worth_a_note() -> None:
    stubs = "/usr/local/cuda/lib64/stubs"
    facts = with_variables(gpu_box(), LD_LIBRARY_PATH=f"{stubs}:/opt/lib")
    (finding,) = judged(driver.stub_libcuda_on_path, changed(facts, "cuda", stubs_in_library_path=(stubs,)))
    assert finding.state == "note"
    assert finding.remedy is not None
    assert variable_after(finding.remedy.commands, "LD_LIBRARY_PATH", f"{stubs}:/opt/lib") == "/opt/lib"


def test_an_extension_that_loads_the_stub_by_its_run_path_is_a_fault() -> None:
    taken = ResolvedLibrary("libcuda.so.1", STUB.path, "RUNPATH")
    extension = Extension(path="/site/x.so", owner="x", kind="", cuda_libraries=(taken,))
    assert states(driver.stub_libcuda_on_path, changed(gpu_box(), "extensions", found=(extension,))) == ["fail"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"nvml": Unreadable("no answer within 10 s")}, ["unknown"]),
        ({"gpus": Unreadable("GPU 1: Unknown Error (NVML error 999)")}, ["unknown"]),
        ({"nvml": Unreadable("RM has detected an NVML/RM version mismatch. (NVML error 18)")}, []),
        ({"nvml": Unreadable("no answer"), "kernel_module": NOWHERE, "device_nodes": ()}, ["skipped"]),
    ],
)
def test_a_silent_driver_is_unknown_and_never_green(fields: dict[str, Any], expected: list[str]) -> None:
    assert states(driver.driver_not_answering, with_driver(**fields)) == expected


def test_a_silent_driver_does_not_matter_to_a_torch_without_cuda() -> None:
    silent = Driver(kernel_module=known("580.95.05"), nvml=Unreadable("no answer within 10 s"))
    facts = changed(modern_box(), "driver", kernel_module=silent.kernel_module, nvml=silent.nvml)
    assert skipped(driver.driver_not_answering, facts)
    assert states(driver.driver_not_answering, changed(facts, "torch", version=NOWHERE)) == ["unknown"]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("0,1", []),
        ("1", []),
        ("", ["warn"]),
        ("-1", ["warn"]),
        ("3", ["fail"]),
        ("0,3", ["note"]),
        ("0,3,1", ["note"]),
        ("GPU-8a1b", []),
        ("99999999999999999999", ["fail"]),
        ("zero", ["fail"]),
    ],
)
def test_an_entry_that_names_no_gpu_hides_itself_and_all_after_it(visible: str, expected: list[str]) -> None:
    facts = with_variables(gpu_box(), CUDA_VISIBLE_DEVICES=visible)
    assert states(driver.gpu_hidden, facts) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"gpus": known(())}, ["warn"]),
        ({"gpus": NOWHERE, "device_nodes": ()}, ["warn"]),
        ({"gpus": CANNOT_READ}, []),
        ({"library": NOWHERE}, ["skipped"]),
    ],
)
def test_a_driver_without_a_gpu_is_told(fields: dict[str, Any], expected: list[str]) -> None:
    assert states(driver.gpu_hidden, with_driver(**fields)) == expected


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        ("NVIDIA GeForce RTX 3090", ["fail"]),
        ("NVIDIA TITAN V", ["fail"]),
        ("NVIDIA H100 80GB HBM3", []),
        ("NVIDIA Something New", ["note"]),
    ],
)
def test_forward_compatibility_is_for_data_centre_gpus(gpu: str, expected: list[str]) -> None:
    facts = with_compat("580.95.05", "535.104.05", gpu)
    assert states(driver.forward_compatibility_not_supported, facts) == expected


def test_a_compat_library_speaks_for_the_driver() -> None:
    facts = with_compat("580.95.05", "535.104.05", "NVIDIA H100 80GB HBM3")
    assert states(driver.driver_older_than_runtime, facts) == []


@pytest.mark.parametrize(
    ("own", "wanted", "architectures", "expected"),
    [
        ("12.8", "12.8", ("90",), []),
        ("12.2", "12.8", ("90",), ["note"]),
        ("12.2", "12.8", ("80", "80+PTX"), ["fail"]),
        ("12.2", "11.8", ("80+PTX",), []),
    ],
)
def test_ptx_of_a_newer_minor_release_fails_only_where_it_is_needed(
    own: str, wanted: str, architectures: tuple[str, ...], expected: list[str]
) -> None:
    facts = of_version("535.104.05", own)
    facts = changed(facts, "torch", cuda=known(wanted), architectures=known(architectures))
    assert states(driver.ptx_newer_than_driver, facts) == expected
