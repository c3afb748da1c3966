"""`envdoctor smoke toolchain` over the real Caffe2 and real builds of torch: it tells in seconds what a build would."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.real import build_variants, components
from tests.real.build_variants import Cures
from tests.real.environments import Environment, UnavailableError, clean_environment

Result = dict[str, Any]
SECONDS = 300
# Alone on two cores the slowest takes 15 s; a machine that is busy otherwise gets ten times that.
PROMISED_SECONDS = 150

CAFFE2 = [
    "configure against Caffe2",
    "compile C++ against Caffe2",
    "link with Caffe2",
    "load into Caffe2",
    "run in Caffe2",
]
TORCH = [
    "ask torch for its C++ build commands",
    "compile C++ against torch",
    "link with torch",
    "load into torch",
    "run in torch",
]
TORCH_BY_CMAKE = [
    "configure against Torch",
    "compile C++ against Torch",
    "link with Torch",
    "load into Torch",
    "run in Torch",
]
LISTS = """
cmake_minimum_required(VERSION 3.18)
project(x)
find_package(Torch REQUIRED)
add_library(x SHARED x.cpp)
target_link_libraries(x "${TORCH_LIBRARIES}")
set_property(TARGET x PROPERTY CXX_STANDARD 20)
"""
SETUP = """
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, {kind}
setup(name="x", ext_modules=[{kind}("x", ["x.cpp"])], cmdclass={{"build_ext": BuildExtension}})
"""
# Lets a torch take nvcc of this machine for one of its own release: nothing else of its build tools is changed.
SAME_CUDA = """
import sys
if any("torch_build" in word for word in getattr(sys, "orig_argv", sys.argv)):
    import torch
    torch.version.cuda = {release!r}
"""


def smoke(python: Path, *options: str | Path, variables: Mapping[str, str] | None = None) -> tuple[list[Result], float]:
    """The stages, with the words before the colon left out, and the seconds that all took."""
    # -E: a PYTHONPATH for the interpreter examined is none for the one that examines.
    command = [sys.executable, "-E", "-c", "from envdoctor.cli import main; main()", "smoke", "toolchain", "-o", "json"]
    began = time.monotonic()
    done = subprocess.run(
        [*command, "--python", python, *options],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=clean_environment(variables),
    )
    seconds = time.monotonic() - began
    assert done.stdout, done.stderr
    found: list[Result] = json.loads(done.stdout)["ops"]
    for one in found:
        one["op"] = one["op"].removeprefix("toolchain: ")
    return found, seconds


def first_wrong(found: list[Result], order: list[str]) -> Result | None:
    """The stage that is not ok; those after it are skipped."""
    stages = [one for one in found if one["op"] in order]
    assert [one["op"] for one in stages] == order
    wrong = [one for one in stages if one["state"] != "ok"]
    assert all(one["state"] == "skipped" for one in wrong[1:])
    return wrong[0] if wrong else None


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(build_variants.PROJECT, tmp_path / "a project"))


def with_cures(folder: Path, make: Callable[[], Cures]) -> dict[str, str]:
    """The variables that bring them to a build."""
    try:
        toolchain = make().toolchain(folder)
    except UnavailableError as reason:
        pytest.skip(str(reason))
    return {"CMAKE_TOOLCHAIN_FILE": str(toolchain), "CMAKE_POLICY_VERSION_MINIMUM": "3.5"}


def step(name: str) -> Callable[[], Cures]:
    """All that is brought up to this step of the chain."""
    return lambda: dict(build_variants.chain())[name]


@pytest.mark.parametrize(
    ("name", "stage", "code", "said"),
    [
        ("nothing", "configure against Caffe2", "C2001", 'configuration file provided by "Caffe2"'),
        ("targets of CUDA", "compile C++ against Caffe2", "C2004", "caffe2/core/context.h: No such file"),
        ("headers of Caffe2", "compile C++ against Caffe2", "PB001", "google/protobuf/stubs/common.h: No such file"),
        ("older headers of protobuf", "compile C++ against Caffe2", "PB001", "newer version of protoc"),
        ("newer headers of protobuf", "compile C++ against Caffe2", "PB001", "older version of protoc"),
        ("headers of protobuf", "compile C++ against Caffe2", "MKL001", "mkl_cblas.h: No such file"),
        ("headers of MKL", "compile C++ against Caffe2", "C2005", "ThreadPool.h: No such file"),
    ],
)
def test_what_stops_a_build_against_caffe2_stops_the_few_lines_at_the_same_point(
    caffe2: Environment, project: Path, tmp_path: Path, name: str, stage: str, code: str, said: str
) -> None:
    variables = with_cures(tmp_path, step(name))

    found, seconds = smoke(caffe2.python, "--project", project, "--device", "cpu", variables=variables)

    wrong = first_wrong(found, CAFFE2)
    assert wrong is not None
    assert (wrong["op"], wrong["state"], wrong["codes"][0]) == (stage, "fail", code)
    assert said in wrong["message"]
    print(f"{name}: {stage} fails, told after {seconds:.1f} s")


@pytest.mark.parametrize(
    ("variant", "stage", "codes", "signal"),
    [
        ("no-protobuf-new-abi", "load into Caffe2", ["ABI001", "PB002"], None),
        ("new-abi", "load into Caffe2", ["ABI001"], None),
        ("no-protobuf", "load into Caffe2", ["PB002"], None),
        ("old-abi-by-reference", "run in Caffe2", ["ABI002"], "SIGSEGV"),
        ("by-value-alone", "run in Caffe2", ["ABI003"], "SIGABRT"),
        ("correct", None, [], None),
    ],
)
def test_what_a_build_gives_is_foretold_by_a_few_lines(
    caffe2: Environment,
    project: Path,
    tmp_path: Path,
    variant: str,
    stage: str | None,
    codes: list[str],
    signal: str | None,
) -> None:
    variables = with_cures(tmp_path, build_variants.VARIANTS[variant])
    before = sorted(project.rglob("*"))

    found, seconds = smoke(caffe2.python, "--project", project, "--device", "cpu", variables=variables)

    wrong = first_wrong(found, CAFFE2)
    if stage is None:
        assert wrong is None
    else:
        assert wrong is not None
        assert (wrong["op"], wrong["state"], wrong["signal"]) == (stage, "fail", signal)
        assert wrong["codes"][: len(codes)] == codes
    assert sorted(project.rglob("*")) == before
    assert seconds < PROMISED_SECONDS
    print(f"{variant}: {seconds:.1f} s for all stages")


def test_a_compiler_that_is_not_there_stops_the_configuration(
    caffe2: Environment, project: Path, tmp_path: Path
) -> None:
    variables = with_cures(tmp_path, build_variants.enough_to_link) | {"CXX": "g++-99"}

    found, _ = smoke(caffe2.python, "--project", project, "--device", "cpu", variables=variables)

    wrong = first_wrong(found, CAFFE2)
    assert wrong is not None
    assert (wrong["op"], wrong["codes"]) == ("configure against Caffe2", ["CC001"])
    assert "g++-99" in wrong["message"]


def nvcc_release() -> str:
    """That of the nvcc on PATH; the test is skipped where there is none."""
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc here")
    said = subprocess.run(["nvcc", "--version"], capture_output=True, text=True, timeout=60).stdout
    found = re.search(r"release (\d+\.\d+)", said)
    assert found is not None
    return found[1]


def test_an_architecture_that_nvcc_has_dropped_fails_and_the_others_compile(caffe2: Environment, project: Path) -> None:
    if tuple(map(int, nvcc_release().split("."))) < (11, 0):
        pytest.skip("this nvcc still compiles for compute_30")

    found, _ = smoke(caffe2.python, "--project", project, variables={"TORCH_CUDA_ARCH_LIST": "3.0;9.0"})

    states = {one["op"]: (one["state"], one["codes"]) for one in found if "CUDA" in one["op"]}
    assert states["compile CUDA for sm_30"] == ("fail", ["CUDA004"])
    assert states["compile CUDA for sm_90"] == ("ok", [])
    assert states["link CUDA"] == ("skipped", [])


@pytest.fixture
def extension(tmp_path: Path) -> Callable[[str], Path]:
    """A project whose setup.py names one extension of this kind."""

    def make(kind: str) -> Path:
        folder = tmp_path / "extension"
        folder.mkdir()
        (folder / "setup.py").write_text(SETUP.format(kind=kind))
        (folder / "x.cpp").write_text("#include <torch/extension.h>\n")
        return folder

    return make


def test_a_module_is_built_as_torch_builds_it_and_runs(
    environment: Callable[[str], Environment], extension: Callable[[str], Path]
) -> None:
    found, seconds = smoke(environment("torch-cpu").python, "--project", extension("CppExtension"))

    assert first_wrong(found, TORCH) is None
    assert [one["message"] for one in found if "CUDA" in one["op"]] == ["the project compiles no CUDA code"]
    assert seconds < PROMISED_SECONDS
    print(f"torch 2.13.0 on the CPU: {seconds:.1f} s for all stages")


@pytest.mark.parametrize("found_by_cmake", [True, False])
def test_a_project_that_asks_cmake_for_torch_is_tried_with_cmake(
    environment: Callable[[str], Environment], tmp_path: Path, found_by_cmake: bool
) -> None:
    torch = environment("torch-cpu")
    (tmp_path / "CMakeLists.txt").write_text(LISTS)
    (tmp_path / "x.cpp").write_text("#include <torch/script.h>\n")
    variables = {"CMAKE_PREFIX_PATH": str(torch.site_packages / "torch")} if found_by_cmake else {}

    found, _ = smoke(torch.python, "--project", tmp_path, variables=variables)

    wrong = first_wrong(found, TORCH_BY_CMAKE)
    if found_by_cmake:
        assert wrong is None
    else:
        assert wrong is not None
        assert wrong["op"] == "configure against Torch"
        assert 'configuration file provided by "Torch"' in wrong["message"]


@pytest.mark.parametrize(
    ("variables", "stage", "code"),
    [
        ({"CFLAGS": components.OLD_ABI}, "load into torch", "ABI001"),
        ({"CXX": "/nowhere/g++-99"}, "compile C++ against torch", "CC001"),
    ],
)
def test_a_fault_of_the_environment_fails_the_stage_that_it_strikes(
    environment: Callable[[str], Environment],
    extension: Callable[[str], Path],
    variables: dict[str, str],
    stage: str,
    code: str,
) -> None:
    found, _ = smoke(environment("torch-cpu").python, "--project", extension("CppExtension"), variables=variables)

    wrong = first_wrong(found, TORCH)
    assert wrong is not None
    assert (wrong["op"], wrong["state"]) == (stage, "fail")
    assert wrong["codes"][0] == code


def of_cuda(found: list[Result]) -> list[Result]:
    return [one for one in found if "CUDA" in one["op"]]


def test_cuda_code_for_a_torch_of_the_cpu_is_refused_with_the_true_reason(
    environment: Callable[[str], Environment], extension: Callable[[str], Path]
) -> None:
    found, _ = smoke(environment("torch-cpu").python, "--project", extension("CUDAExtension"))

    asked = of_cuda(found)[0]
    assert "CUDA_HOME environment variable is not set" in asked["message"]
    assert asked["codes"] == ["TOR002"]


def test_a_toolkit_of_another_major_is_refused_by_torchs_own_tools(environment: Callable[[str], Environment]) -> None:
    if nvcc_release().startswith("11."):
        pytest.skip("nvcc is of torch's own major")

    found, _ = smoke(environment("torch-cuda").python)

    assert first_wrong(found, TORCH) is None
    asked = of_cuda(found)[0]
    assert (asked["state"], asked["codes"]) == ("fail", ["CUDA001"])
    assert "mismatches the version that was used to compile PyTorch" in asked["message"]


def test_torchs_own_commands_compile_for_each_architecture_and_link(
    environment: Callable[[str], Environment], tmp_path: Path
) -> None:
    release = nvcc_release()
    home = str(Path(os.path.realpath("/usr/local/cuda")))
    if not (Path(home) / "bin" / "nvcc").is_file():
        pytest.skip("no toolkit at /usr/local/cuda")
    (tmp_path / "sitecustomize.py").write_text(SAME_CUDA.format(release=release))
    variables = {"PYTHONPATH": str(tmp_path), "TORCH_CUDA_ARCH_LIST": "8.0;8.6+PTX", "CUDA_HOME": home}

    found, seconds = smoke(environment("torch-cuda").python, variables=variables)

    states = {one["op"]: one["state"] for one in of_cuda(found)}
    compiled = [f"compile CUDA for {name}" for name in ("sm_80", "compute_86", "sm_86")]
    for name in ("ask torch for its CUDA build commands", *compiled, "link CUDA"):
        assert states[name] == "ok", name
    print(f"torch with CUDA: {seconds:.1f} s for all stages, three architectures")
