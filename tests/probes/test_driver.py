"""The driver probe against NVML in every state, and against the files of kernel and driver."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdoctor.facts import Absent, Driver, Facts, Gpu, Known, Unreadable
from envdoctor.files import LiveFiles
from envdoctor.probes import driver
from envdoctor.programs import Completed, LivePrograms
from tests.filetree import AnsweringPrograms, RootedFiles, make_target, write_tree
from tests.nvml import NAME, build_nvml, needs_compiler

MODULE = "/proc/driver/nvidia/version"
MODULE_TEXT = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"
    "GCC version:  gcc version 12.2.0 (Debian 12.2.0-14)\n"
)
INFORMATION = "Model: \t\t NVIDIA GeForce RTX 3090\nIRQ:   \t\t 91\nGPU UUID: \t GPU-1\n"
A100 = Gpu(0, "NVIDIA A100-SXM4-40GB", "8.0", 42949672960)
RTX_3090 = Gpu(1, "NVIDIA GeForce RTX 3090", "8.6", 42949672960)
ELF = b"\x7fELF" + bytes(60)


class Impatient:
    """Real programs, given up after a short time."""

    def run(self, command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> Completed:
        return LivePrograms().run(command, min(seconds, 1.5), environment)


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nvml")


def examined(root: Path, nvml: Path | None = None, tree: Mapping[str, str | bytes] | None = None) -> Driver:
    """The driver of a machine that has only the files of `tree` and the NVML library of the directory `nvml`."""
    write_tree(root, dict(tree or {}))
    environment = {}
    if nvml is not None:
        write_tree(root, {f"{nvml}/{NAME}": (nvml / NAME).read_bytes()})
        environment["LD_LIBRARY_PATH"] = str(nvml)
    return driver.probe(make_target(RootedFiles(root), environment, Impatient()), Facts())


def no_programs(command: tuple[str, ...]) -> Completed:
    raise AssertionError(f"{command} was started")


# NVML


@needs_compiler
def test_a_healthy_driver_tells_its_version_its_cuda_and_its_gpus(tmp_path: Path, libraries: Path) -> None:
    found = examined(tmp_path, build_nvml("HEALTHY", libraries), {MODULE: MODULE_TEXT})

    assert isinstance(found.nvml, Known)
    assert found.nvml.value == "535.104.05"
    assert found.nvml.found_via.endswith(NAME)
    assert isinstance(found.cuda, Known)
    assert (found.cuda.value, found.cuda.raw) == ("12.2", "12020")
    assert isinstance(found.gpus, Known)
    assert found.gpus.value == (A100, RTX_3090)


@needs_compiler
def test_a_driver_without_gpus_has_an_empty_list_of_gpus(tmp_path: Path, libraries: Path) -> None:
    found = examined(tmp_path, build_nvml("NO_GPU", libraries), {MODULE: MODULE_TEXT})

    assert isinstance(found.nvml, Known)
    assert isinstance(found.gpus, Known)
    assert found.gpus.value == ()


@needs_compiler
@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("MISMATCH", "Driver/library version mismatch (NVML error 18)"),
        ("NOT_LOADED", "Driver Not Loaded (NVML error 9)"),
        ("STUB", "a stub of NVML, made for linking, which reaches no driver"),
        ("HUNG", "NVML gave no answer in 1.5 s and was ended"),
        ("CRASH", "NVML was ended by SIGSEGV"),
        ("LEAVES", "no answer, status 0: good bye"),
    ],
)
def test_a_driver_that_does_not_answer_is_unreadable_with_the_reason(
    tmp_path: Path, libraries: Path, state: str, reason: str
) -> None:
    found = examined(tmp_path, build_nvml(state, libraries), {MODULE: MODULE_TEXT})

    assert isinstance(found.nvml, Unreadable)
    assert found.nvml.reason == reason
    assert found.kernel_module == Known("535.104.05", MODULE, MODULE_TEXT.splitlines()[0].partition("  Sat")[0])


@needs_compiler
def test_a_driver_older_than_the_second_versions_of_nvml_is_read_all_the_same(tmp_path: Path, libraries: Path) -> None:
    found = examined(tmp_path, build_nvml("OLD", libraries))

    assert isinstance(found.nvml, Known)
    assert found.nvml.value == "384.81"
    assert isinstance(found.gpus, Known)
    assert found.gpus.value == (A100,)
    assert isinstance(found.cuda, Known)
    assert found.cuda.value == "9.0"
    assert "table" in found.cuda.found_via


@needs_compiler
def test_one_gpu_that_is_lost_makes_the_whole_list_unreadable(tmp_path: Path, libraries: Path) -> None:
    tree = {MODULE: MODULE_TEXT, "/proc/driver/nvidia/gpus/0000:01:00.0/information": INFORMATION}

    found = examined(tmp_path, build_nvml("LOST_GPU", libraries), tree)

    assert isinstance(found.gpus, Unreadable)
    assert found.gpus.reason == "GPU 1: GPU is lost (NVML error 15)"


@needs_compiler
def test_where_the_driver_refuses_the_kernel_lists_the_gpus(tmp_path: Path, libraries: Path) -> None:
    tree = {MODULE: MODULE_TEXT, "/proc/driver/nvidia/gpus/0000:01:00.0/information": INFORMATION}

    found = examined(tmp_path, build_nvml("MISMATCH", libraries), tree)

    assert found.gpus == Known((Gpu(0, "NVIDIA GeForce RTX 3090", "8.6", None),), "/proc/driver/nvidia/gpus")


@needs_compiler
def test_a_driver_that_hangs_is_not_asked_again_through_the_kernel(tmp_path: Path, libraries: Path) -> None:
    tree = {MODULE: MODULE_TEXT, "/proc/driver/nvidia/gpus/0000:01:00.0/information": INFORMATION}

    found = examined(tmp_path, build_nvml("HUNG", libraries), tree)

    assert isinstance(found.gpus, Unreadable)


@needs_compiler
def test_a_library_that_cannot_be_loaded_is_unreadable_and_not_absent(tmp_path: Path) -> None:
    place = tmp_path / "broken"
    place.mkdir()
    (place / NAME).write_text("no library")

    found = examined(tmp_path / "root", place)

    assert isinstance(found.nvml, Unreadable)
    assert found.nvml.reason == "the library is there and cannot be loaded"


def test_without_nvml_and_kernel_module_no_program_is_started(tmp_path: Path) -> None:
    target = make_target(RootedFiles(tmp_path), {}, AnsweringPrograms(no_programs))

    found = driver.probe(target, Facts())

    assert isinstance(found.nvml, Absent)
    assert isinstance(found.kernel_module, Absent)
    assert isinstance(found.gpus, Absent)
    assert isinstance(found.cuda, Absent)
    assert isinstance(found.library, Absent)


def test_a_target_of_files_alone_has_an_unread_nvml(tmp_path: Path) -> None:
    write_tree(tmp_path, {f"/usr/lib64/{NAME}": ELF, "/usr/lib64/libcuda.so.1": "-> libcuda.so.535.104.05"})
    write_tree(tmp_path, {"/usr/lib64/libcuda.so.535.104.05": ELF + b"dlopen"})

    found = driver.probe(make_target(RootedFiles(tmp_path)), Facts())

    assert isinstance(found.nvml, Unreadable)
    assert found.nvml.reason == "needs a live target"
    assert isinstance(found.cuda, Known)
    assert found.cuda.value == "12.2"


def test_nvml_that_the_loader_does_not_reach_is_named_with_its_place(tmp_path: Path) -> None:
    found = examined(tmp_path, None, {f"/usr/local/nvidia/lib64/{NAME}": ELF})

    assert isinstance(found.nvml, Absent)
    assert "/usr/local/nvidia/lib64" in found.nvml.reason


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answer=st.text() | st.from_regex(r'\{"nvml_answer": \{.*\}\}'))
def test_no_answer_of_the_driver_breaks_the_probe(tmp_path: Path, answer: str) -> None:
    write_tree(tmp_path, {} if (tmp_path / "usr").exists() else {f"/usr/lib64/{NAME}": ELF})
    programs = AnsweringPrograms(lambda command: Completed(command, 0, answer, ""))

    found = driver.probe(make_target(RootedFiles(tmp_path), {}, programs), Facts())

    assert not isinstance(found.nvml, Absent)


def test_the_question_can_be_asked_by_hand() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "envdoctor.probes.nvml"], capture_output=True, text=True, check=True, timeout=60
    )

    line = next(line for line in done.stdout.splitlines() if line.startswith("{"))
    assert "nvml_answer" in json.loads(line)


# nvidia-smi


def smi_target(root: Path, *answers: Completed) -> Driver:
    write_tree(root, {"/usr/bin/nvidia-smi": ELF})
    waiting = list(answers)
    programs = AnsweringPrograms(lambda _: waiting.pop(0))
    return driver.probe(make_target(RootedFiles(root), {"PATH": "/usr/bin"}, programs), Facts())


def said(text: str, status: int = 0) -> Completed:
    return Completed(("/usr/bin/nvidia-smi",), status, text, "")


def test_nvidia_smi_is_asked_where_there_is_no_nvml(tmp_path: Path) -> None:
    write_tree(tmp_path, {MODULE: MODULE_TEXT})
    nvml = Completed(
        ("python",), 0, '{"nvml_answer": {"error": {"code": 12, "text": "NVML Shared Library Not Found"}}}', ""
    )

    found = smi_target(tmp_path, nvml, said("0, NVIDIA A100-SXM4-40GB, 535.104.05, 40960, 8.0\n"))

    assert found.gpus == Known((A100,), "`/usr/bin/nvidia-smi`", "0, NVIDIA A100-SXM4-40GB, 535.104.05, 40960, 8.0\n")
    assert found.nvml == Known("535.104.05", "`/usr/bin/nvidia-smi`")


def test_an_nvidia_smi_that_does_not_know_compute_cap_is_asked_without(tmp_path: Path) -> None:
    refusal = said('Field "compute_cap" is not a valid field to query.\n', 2)

    found = smi_target(tmp_path, refusal, said("0, Tesla K80, 410.48, 11441\n"))

    assert isinstance(found.nvml, Known)
    assert found.nvml.value == "410.48"
    assert isinstance(found.cuda, Known)
    assert found.cuda.value == "10.0"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (said("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", 9), "status 9"),
        (said("<html>\n"), "an answer without sense"),
        (said("9" * 5000 + ", Tesla K80, 410.48, 11441\n"), "an answer without sense"),
        (
            Completed(("nvidia-smi",), None, "", "", "`/usr/bin/nvidia-smi` gave no answer in 10 s and was ended"),
            "10 s",
        ),
    ],
)
def test_an_nvidia_smi_that_fails_is_unreadable_with_the_reason(tmp_path: Path, answer: Completed, reason: str) -> None:
    found = smi_target(tmp_path, answer)

    assert isinstance(found.nvml, Unreadable)
    assert reason in found.nvml.reason


# Kernel module


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (MODULE_TEXT, "535.104.05"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  410.48  Thu Sep  6 06:36:33 CDT 2018\n", "410.48"),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  575.57.08  Release Build  (me@myhost)  Sat\n",
            "575.57.08",
        ),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.65.06  Release Build\n", "580.65.06"),
    ],
)
def test_the_kernel_module_tells_its_version_and_nothing_of_its_builder(
    tmp_path: Path, text: str, version: str
) -> None:
    found = examined(tmp_path, None, {MODULE: text})

    assert isinstance(found.kernel_module, Known)
    assert found.kernel_module.value == version
    assert "myhost" not in found.kernel_module.raw


def test_a_module_file_without_a_version_is_unreadable(tmp_path: Path) -> None:
    found = examined(tmp_path, None, {MODULE: b"\x00\xff nothing"})

    assert found.kernel_module == Unreadable("it tells no version", MODULE)


def test_a_module_file_that_may_not_be_read_is_unreadable(tmp_path: Path) -> None:
    write_tree(tmp_path, {MODULE: MODULE_TEXT})

    found = driver.probe(make_target(RootedFiles(tmp_path, denied=(MODULE,))), Facts())

    assert found.kernel_module == Unreadable("permission denied", MODULE)


def test_device_nodes_are_listed(tmp_path: Path) -> None:
    tree = {"/dev/nvidia0": "", "/dev/nvidiactl": "", "/dev/nvidia-uvm": "", "/dev/nvidia-caps/": "", "/dev/null": ""}

    found = examined(tmp_path, None, tree)

    assert found.device_nodes == ("/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidiactl")


# libcuda


def libcuda(root: Path, tree: Mapping[str, str | bytes], environment: Mapping[str, str] | None = None) -> Driver:
    write_tree(root, tree)
    return driver.probe(make_target(RootedFiles(root), environment), Facts())


def test_libcuda_has_the_version_of_the_file_that_it_links_to(tmp_path: Path) -> None:
    found = libcuda(
        tmp_path,
        {"/usr/lib64/libcuda.so.1": "-> libcuda.so.535.104.05", "/usr/lib64/libcuda.so.535.104.05": ELF + b"dlopen"},
    )

    assert isinstance(found.library, Known)
    assert found.library.value.version == "535.104.05"
    assert not found.library.value.stub


def test_a_libcuda_in_a_stubs_directory_is_a_stub_and_hides_the_real_one(tmp_path: Path) -> None:
    stubs = "/usr/local/cuda/lib64/stubs"
    tree = {f"{stubs}/libcuda.so.1": ELF, "/usr/lib64/libcuda.so.1": ELF + b"dlopen"}

    found = libcuda(tmp_path, tree, {"LD_LIBRARY_PATH": stubs})

    assert isinstance(found.library, Known)
    assert (found.library.value.path, found.library.value.stub) == (f"{stubs}/libcuda.so.1", True)
    assert found.library.found_via == "LD_LIBRARY_PATH"
    assert [each.stub for each in found.libraries] == [True, False]


@needs_compiler
@pytest.mark.parametrize(
    ("source", "stub"),
    [
        ("int cuInit(unsigned flags) { return 34; }", True),
        # The small library of WSL opens the driver of Windows.
        ('#include <dlfcn.h>\nint cuInit(unsigned flags) { return dlopen("libdxcore.so", 1) == 0; }', False),
    ],
)
def test_a_small_libcuda_is_a_stub_unless_it_opens_further_libraries(tmp_path: Path, source: str, stub: bool) -> None:
    built = tmp_path / "libcuda.so.1"
    subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-o", str(built), "-"], input=source.encode(), check=True)

    found = libcuda(
        tmp_path / "root",
        {"/usr/lib/wsl/lib/libcuda.so.1": built.read_bytes()},
        {"LD_LIBRARY_PATH": "/usr/lib/wsl/lib"},
    )

    assert isinstance(found.library, Known)
    assert found.library.value.stub is stub
    assert found.library.value.version is None


def test_a_libcuda_that_is_no_library_is_unreadable(tmp_path: Path) -> None:
    found = libcuda(tmp_path, {"/usr/lib64/libcuda.so.1": "text"})

    assert found.library == Unreadable("not an ELF file", "/usr/lib64/libcuda.so.1")


def test_a_libcuda_that_the_loader_does_not_reach_is_named_and_not_taken(tmp_path: Path) -> None:
    found = libcuda(tmp_path, {"/usr/local/nvidia/lib64/libcuda.so.1": ELF + b"dlopen"})

    assert isinstance(found.library, Absent)
    assert "/usr/local/nvidia/lib64/libcuda.so.1" in found.library.reason
    assert [each.path for each in found.libraries] == ["/usr/local/nvidia/lib64/libcuda.so.1"]


@needs_compiler
def test_the_cuda_of_the_driver_is_not_that_of_a_cuda_compat_library(tmp_path: Path, libraries: Path) -> None:
    nvml = build_nvml("HEALTHY", libraries)
    compat = "/usr/local/cuda-12.2/compat"
    write_tree(
        tmp_path,
        {
            MODULE: MODULE_TEXT.replace("535.104.05", "470.57.02"),
            f"{nvml}/{NAME}": (nvml / NAME).read_bytes(),
            f"{compat}/libcuda.so.1": "-> libcuda.so.535.104.05",
            f"{compat}/libcuda.so.535.104.05": ELF + b"dlopen",
        },
    )
    environment = {"LD_LIBRARY_PATH": f"{compat}:{nvml}"}

    found = driver.probe(make_target(RootedFiles(tmp_path), environment, Impatient()), Facts())

    assert isinstance(found.compat, Known)
    assert found.compat.value.version == "535.104.05"
    assert isinstance(found.library, Known)
    assert found.library.value.path == f"{compat}/libcuda.so.1"
    assert isinstance(found.cuda, Known)
    assert found.cuda.value == "11.4"


@pytest.mark.skipif(not shutil.which("nvidia-smi"), reason="no NVIDIA driver here")
def test_nvml_and_nvidia_smi_of_this_machine_agree() -> None:
    done = subprocess.run(
        ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = driver.probe(make_target(LiveFiles(), dict(os.environ), LivePrograms()), Facts())

    lines = [line.split(", ") for line in done.stdout.splitlines()]
    assert isinstance(found.gpus, Known)
    assert [gpu.name for gpu in found.gpus.value] == [name for name, _ in lines]
    assert isinstance(found.nvml, Known)
    assert {found.nvml.value} == {version for _, version in lines}
