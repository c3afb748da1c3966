"""CUDA code: which architectures, which commands, and what GPUs say. A library imitates the answers of CUDA."""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.facts import (
    AREAS,
    Absent,
    BuildDirectory,
    CMakeProject,
    Compiler,
    Compilers,
    Cuda,
    Driver,
    Environment,
    Facts,
    Gpu,
    Known,
    Project,
    SetupExtension,
    Toolkit,
    Torch,
    Variable,
)
from envdoctor.files import LiveFiles
from envdoctor.op_results import OpResult
from envdoctor.probes.gather import gather
from envdoctor.programs import LivePrograms
from envdoctor.smoke.toolchain import NEEDS, run_toolchain
from envdoctor.smoke.toolchain.cuda import Part, host_compiler, nvcc_of, parts_of, split_targets, wanted
from envdoctor.smoke.toolchain.tools import Ran, run_tool
from envdoctor.target import Target

HAS_NVCC = shutil.which("nvcc") is not None
needs_nvcc = pytest.mark.skipif(not HAS_NVCC, reason="no nvcc here")
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ here")


def known_toolkit(nvcc: str = "/cuda/bin/nvcc") -> Cuda:
    toolkit = Toolkit(root="/cuda", origins=("PATH",), version=Known("13.0", "x"), nvcc=Known(nvcc, "x"))
    return Cuda(toolkits=(toolkit,), default=Known("/cuda", "x"))


@pytest.mark.parametrize(
    ("words", "rest", "labels"),
    [
        (["-O2"], ("-O2",), [""]),
        (["-gencode=arch=compute_75,code=sm_75", "-c"], ("-c",), [" for sm_75"]),
        (["-gencode", "arch=compute_86,code=compute_86"], (), [" for compute_86"]),
        (["--generate-code=arch=compute_90a,code=[sm_90a]"], (), [" for sm_90a"]),
        (["-arch=sm_80", "-gencode=arch=compute_90,code=sm_90"], (), [" for sm_80", " for sm_90"]),
        (["-gencode"], ("-gencode",), [""]),
    ],
)
def test_each_target_of_a_command_is_a_part_of_its_own(
    words: list[str], rest: tuple[str, ...], labels: list[str]
) -> None:
    left, parts = split_targets(words)

    assert left == rest
    assert [part.label for part in parts] == labels


def test_a_target_named_twice_is_tried_once() -> None:
    flag = "-gencode=arch=compute_75,code=sm_75"

    assert split_targets([flag, flag, *flag.split("=", 1)])[1] == (Part(" for sm_75", (flag,)),)


@given(st.lists(st.text(max_size=40) | st.sampled_from(["-gencode", "-arch=sm_80", "-gencode=arch=x,code=sm_80"])))
def test_no_word_of_a_command_is_lost_or_made_up(words: list[str]) -> None:
    rest, parts = split_targets(words)

    assert all(word in words for word in rest)
    assert split_targets(rest) == (rest, (Part(),))
    assert parts


def environment(**variables: str) -> Environment:
    return Environment(variables=tuple(Variable(name, value) for name, value in variables.items()))


GPUS = Driver(gpus=Known((Gpu(0, "A", "8.6", None), Gpu(1, "B", "9.0", None), Gpu(2, "C", "8.6", None)), "nvml"))
FLAGS = Project(cmake=Known(CMakeProject(path="/p", flags=("-gencode=arch=compute_61,code=sm_61",)), "/p"))
CACHE = Project(
    build=Known(BuildDirectory("/b", (Variable("CUDA_NVCC_FLAGS", "-O2;-gencode;arch=compute_70,code=sm_70"),)), "/b")
)


@pytest.mark.parametrize(
    ("facts", "labels"),
    [
        (
            Facts(environment=environment(TORCH_CUDA_ARCH_LIST="7.5;9.0a+PTX"), driver=GPUS),
            ["sm_75", "sm_90a", "compute_90a"],
        ),
        (Facts(project=FLAGS, driver=GPUS), ["sm_61"]),
        (Facts(project=CACHE, driver=GPUS), ["sm_70"]),
        (Facts(driver=GPUS), ["sm_86", "sm_90"]),
        (Facts(driver=Driver(gpus=Absent("no driver"))), [""]),
    ],
)
def test_the_list_then_the_project_then_the_gpus_name_the_architectures(facts: Facts, labels: list[str]) -> None:
    assert [part.label.removeprefix(" for ") for part in parts_of(facts)] == labels


def compiler(path: str, via: str) -> Known[Compiler]:
    return Known(Compiler(path, "g++", Known("11", "x")), via)


@pytest.mark.parametrize(
    ("facts", "host"),
    [
        (Facts(compilers=Compilers(cuda_host=compiler("/g++-11", "variable CUDAHOSTCXX"))), "/g++-11"),
        (
            Facts(
                compilers=Compilers(c=compiler("/gcc-11", "variable CC"), cuda_host=compiler("/c++", "`c++` on PATH"))
            ),
            "/gcc-11",
        ),
        (Facts(compilers=Compilers(cuda_host=compiler("/c++", "`c++` on PATH"))), None),
    ],
)
def test_nvcc_gets_the_host_compiler_that_the_build_gives_it(facts: Facts, host: str | None) -> None:
    assert host_compiler(facts) == host


def test_the_nvcc_of_the_configured_build_comes_before_that_of_the_machine() -> None:
    build = BuildDirectory("/b", (Variable("CUDA_NVCC_EXECUTABLE", "/other/nvcc"),))

    assert nvcc_of(Facts(cuda=known_toolkit(), project=Project(build=Known(build, "/b")))) == "/other/nvcc"
    assert nvcc_of(Facts(cuda=known_toolkit())) == "/cuda/bin/nvcc"
    assert nvcc_of(Facts()) is None


def extension_project(*kinds: str, cuda: bool = False) -> Project:
    setup = tuple(SetupExtension("/p/setup.py", kind, 1) for kind in kinds)
    return Project(profile=Known("torch-extension", "x"), setup_extensions=setup, has_cuda_sources=cuda)


CUDA_TORCH = Torch(root=Known("/torch", "x"), cuda=Known("12.6", "x"))
OPS = Project(profile=Known("caffe2-ops", "x"), has_cuda_sources=True)


@pytest.mark.parametrize(
    ("facts", "device", "reason", "by_torch"),
    [
        (Facts(cuda=known_toolkit()), "cpu", "only the CPU was asked for", False),
        (Facts(), "auto", "there is no nvcc", False),
        (Facts(cuda=known_toolkit()), "auto", "", False),
        (Facts(cuda=known_toolkit(), torch=CUDA_TORCH), "auto", "", True),
        (Facts(project=extension_project("CppExtension")), "auto", "the project compiles no CUDA code", False),
        (Facts(project=extension_project("CUDAExtension")), "auto", "", True),
        (
            Facts(project=extension_project("CppExtension", "CUDAExtension")),
            "auto",
            "the project is built without CUDA where there is none",
            False,
        ),
        (
            Facts(project=extension_project("CppExtension", "CUDAExtension"), torch=CUDA_TORCH, cuda=known_toolkit()),
            "auto",
            "",
            True,
        ),
        (Facts(project=OPS), "auto", "Caffe2 is built without CUDA", False),
    ],
)
def test_cuda_is_tried_where_the_build_compiles_it(facts: Facts, device: str, reason: str, by_torch: bool) -> None:
    found = wanted(facts, device)

    assert found.reason == reason
    assert not reason or not found.by_torch
    assert found.by_torch == by_torch


# What the kernel's library would answer on a machine with two GPUs, of which the second has no code made for it.
TWO_GPUS = """
#include <cstring>
extern "C" int envdoctor_devices(int* count) { %(devices)s }
extern "C" const char* envdoctor_error(int code) {
  return code == 209 ? "no kernel image is available" : "no CUDA-capable device is detected";
}
extern "C" int envdoctor_doubled(int device, float* numbers, int count, int* step) {
  if (device == 1) { %(second)s }
  for (int i = 0; i < count; ++i) numbers[i] += numbers[i];
  return 0;
}
"""
NO_IMAGE = "*step = 4; return 209;"
COUNT_TWO = "*count = 2; return 0;"


class ImitatedNvcc:
    """Stands for nvcc: compiles the imitation with g++ in place of the kernel, and keeps the commands."""

    def __init__(self, devices: str, second: str) -> None:
        self.commands: list[tuple[str, ...]] = []
        self._source = TWO_GPUS % {"devices": devices, "second": second}

    def __call__(self, words: Sequence[str], environment: Mapping[str, str], folder: str, seconds: float) -> Ran:
        if words[0] != "/cuda/bin/nvcc":
            return run_tool(words, environment, folder, seconds)
        self.commands.append(tuple(words))
        made = words[words.index("-o") + 1]
        if "-shared" not in words:
            return run_tool(["touch", made], environment, folder, seconds)
        source = Path(folder) / "imitation.cpp"
        source.write_text(self._source)
        return run_tool(["g++", "-shared", "-fPIC", str(source), "-o", made], environment, folder, seconds)


def tried(device: str, devices: str = COUNT_TWO, second: str = NO_IMAGE, archs: str = "8.6;9.0") -> list[OpResult]:
    variables = {**os.environ, "TORCH_CUDA_ARCH_LIST": archs}
    target = Target("machine", LiveFiles(), variables, LivePrograms(), python=sys.executable)
    # Every area is there, so that nothing of this machine comes in.
    facts = Facts(cuda=known_toolkit(), environment=environment(TORCH_CUDA_ARCH_LIST=archs), probed=AREAS)
    return list(run_toolchain(target, facts, device, lambda _: None, run=ImitatedNvcc(devices, second)).results)


def running(found: list[OpResult]) -> list[tuple[str, str]]:
    return [(one.device, one.state) for one in found if "run CUDA" in one.op]


@needs_compiler
def test_each_gpu_is_tried_and_a_launch_that_it_cannot_serve_is_told_apart() -> None:
    found = tried("auto")

    assert [one.op.removeprefix("toolchain: ") for one in found[1:]] == [
        "compile CUDA for sm_86",
        "compile CUDA for sm_90",
        "link CUDA",
        "load CUDA code",
        "run CUDA on cuda:0",
        "run CUDA on cuda:1",
    ]
    assert running(found) == [("cuda:0", "ok"), ("cuda:1", "fail")]
    assert "the first kernel launch failed: no kernel image is available" in found[-1].message


@needs_compiler
def test_only_the_gpu_that_was_asked_for_is_tried() -> None:
    assert running(tried("cuda:0")) == [("cuda:0", "ok")]


@needs_compiler
def test_a_gpu_that_is_not_there_is_a_failure_where_it_was_asked_for() -> None:
    found = tried("cuda:5")

    assert running(found) == [("cuda:5", "fail")]
    assert found[-1].message == "there is no cuda:5; CUDA offers cuda:0, cuda:1"


@needs_compiler
@pytest.mark.parametrize(("device", "state"), [("auto", "skipped"), ("cuda", "fail"), ("cuda:0", "fail")])
def test_no_gpu_is_skipped_unless_one_was_asked_for(device: str, state: str) -> None:
    found = tried(device, devices="return 100;")

    assert [one.state for one in found[1:]] == ["ok", "ok", "ok", "ok", state]
    assert "no CUDA-capable device is detected (CUDA error 100)" in found[-1].message


@needs_compiler
def test_a_crash_on_one_gpu_is_the_result_of_that_gpu() -> None:
    found = tried("auto", second="__builtin_trap();")

    assert running(found) == [("cuda:0", "ok"), ("cuda:1", "fail")]
    assert found[-1].signal in ("SIGILL", "SIGTRAP")


@needs_compiler
def test_wrong_values_on_a_gpu_fail_with_the_size_of_the_error() -> None:
    found = tried("auto", second="numbers[0] = 2.5; numbers[1] = -4; numbers[2] = 6; return 0;")

    assert running(found) == [("cuda:0", "ok"), ("cuda:1", "fail")]
    assert found[-1].max_error == 0.5


def on_this_machine(archs: str, device: str = "auto") -> list[OpResult]:
    variables = {**os.environ, "TORCH_CUDA_ARCH_LIST": archs}
    target = Target("machine", LiveFiles(), variables, LivePrograms(), python=sys.executable)
    facts = gather(target, NEEDS)
    return [one for one in run_toolchain(target, facts, device, lambda _: None).results if "CUDA" in one.op]


@needs_nvcc
def test_nvcc_compiles_links_and_the_library_loads() -> None:
    found = on_this_machine("9.0")

    assert [one.state for one in found[:3]] == ["ok", "ok", "ok"]
    assert found[0].op == "toolchain: compile CUDA for sm_90"
    # Where there is a GPU it runs, or says what keeps it from running.
    assert found[3].state == "ok" or found[3].message


@needs_nvcc
def test_an_architecture_that_nvcc_does_not_know_fails_alone() -> None:
    found = on_this_machine("2.0;9.0")

    assert [one.state for one in found[:3]] == ["fail", "ok", "skipped"]
    assert "compute_20" in found[0].message
