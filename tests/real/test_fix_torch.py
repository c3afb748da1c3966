"""Failures of real torch environments and tools on this machine, cured by recipes, and back again on undo."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from envdoctor.recipes.build_tools import build_tools
from envdoctor.recipes.cuda_arch import cuda_arch
from envdoctor.recipes.cuda_build import cuda_build
from envdoctor.recipes.cuda_home import cuda_home
from envdoctor.recipes.cuda_root import cuda_root
from envdoctor.recipes.cxx11_abi import cxx11_abi
from envdoctor.recipes.host_compiler import host_compiler
from envdoctor.recipes.torch_pair import torch_pair

from envdoctor.facts import Absent
from envdoctor.repair.recipe import Recipe
from envdoctor.target import Target
from tests.checks.builders import changed, known
from tests.real import build_variants, components, torch_extensions
from tests.real.environments import Environment, clean_environment
from tests.recipes import toolkits
from tests.recipes.curing import Cured, cure, environment_of, facts_of, faults, machine, tree

SECONDS = 300
SETUP = """
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CUDAExtension
setup(name="x", ext_modules=[CUDAExtension("x", {sources})], cmdclass={{"build_ext": BuildExtension}})
"""
NMS = "import torch, torchvision; print(torchvision.ops.nms(torch.ones(1, 4), torch.ones(1), 0.5))"
LIST = "from torch.utils.cpp_extension import _get_cuda_arch_flags; print(_get_cuda_arch_flags())"
IMPORTS = "from caffe2.python import core; print('imported')"

Ask = Callable[[str], Environment]


def run(
    words: list[str | Path], environment: Mapping[str, str], folder: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True, timeout=SECONDS)


def project_of(folder: Path, *sources: str) -> Path:
    """A project with one CUDAExtension of these sources, each of them nearly empty."""
    folder.mkdir()
    for source in sources:
        (folder / source).write_text("int x_of_this_file;\n")
    (folder / "setup.py").write_text(SETUP.format(sources=list(sources)))
    return folder


def cured_by(recipe: Recipe, target: Target, code: str, tmp_path: Path) -> Cured:
    """The recipe applied to a target in which the code is found; afterwards it is found no more."""
    assert faults(target, code) == (code,)
    cured = cure(recipe, target, tmp_path / "cache")
    assert faults(target, code) == ()
    return cured


def test_torchs_setup_tools_build_through_an_nvcc_that_is_a_script(environment: Ask, tmp_path: Path) -> None:
    python = environment("torch-cuda").python
    script = toolkits.wrapper_of(toolkits.this_machines_toolkit() / "bin/nvcc", tmp_path / "wrapped/bin/nvcc")
    project = project_of(tmp_path / "project", "x.cpp")
    target = machine(project, clean_environment({"PATH": f"{script.parent}:{os.environ['PATH']}"}), python)
    build: list[str | Path] = [python, "setup.py", "--quiet", "build_ext", "--build-lib", tmp_path, "--force"]
    assert "cannot find -lcudart" in run(build, target.environment, project).stderr

    cured = cured_by(cuda_root, target, "CUDA008", tmp_path)

    built = run(build, cured.environment, project)
    assert built.returncode == 0, built.stderr
    cured.take_back()
    assert "cannot find -lcudart" in run(build, environment_of(target), project).stderr


def test_caffe2s_cmake_files_find_cuda_behind_a_script_once_the_stale_cache_is_aside(
    caffe2: Environment, tmp_path: Path
) -> None:
    script = toolkits.wrapper_of(toolkits.this_machines_toolkit() / "bin/nvcc", tmp_path / "wrapped/bin/nvcc")
    project = Path(shutil.copytree(build_variants.PROJECT, tmp_path / "ops"))
    variables = {
        "PATH": f"{script.parent}:{os.environ['PATH']}",
        "Caffe2_DIR": str(caffe2.site_packages / "torch" / "share" / "cmake" / "Caffe2"),
    }
    target = machine(project, clean_environment(variables), caffe2.python)
    configure: list[str | Path] = ["cmake", "-S", project, "-B", project / "build"]
    assert "Could NOT find CUDA" in run(configure, target.environment).stdout
    before = tree(project)

    cured = cured_by(cuda_root, target, "CUDA008", tmp_path)

    assert "Found CUDA" in run(configure, cured.environment).stdout
    (project / "build" / "CMakeCache.txt").unlink()
    cured.take_back()
    assert tree(project)["build/CMakeCache.txt"] == before["build/CMakeCache.txt"]
    assert "Could NOT find CUDA" in run(configure, environment_of(target)).stdout


def test_torchs_setup_tools_build_once_cuda_home_names_a_toolkit(environment: Ask, tmp_path: Path) -> None:
    toolkits.this_machines_toolkit()
    python = environment("torch-cuda").python
    project = project_of(tmp_path / "project", "x.cu")
    target = machine(project, clean_environment({"CUDA_HOME": "/nonexistent"}), python)
    version = [python, "-c", "from torch.utils.cpp_extension import _join_cuda_home as j; print(j('bin', 'nvcc'))"]
    nvcc = run([*version], target.environment).stdout.strip()
    assert nvcc == "/nonexistent/bin/nvcc" and not Path(nvcc).exists()
    build: list[str | Path] = [python, "setup.py", "--quiet", "build_ext", "--build-lib", tmp_path]
    assert "/nonexistent/bin/nvcc" in run(build, target.environment, project).stderr

    cured = cured_by(cuda_home, target, "CUDA002", tmp_path)

    assert Path(run([*version], cured.environment).stdout.strip()).is_file()
    assert "/nonexistent" not in run(build, cured.environment, project).stderr
    cured.take_back()
    assert "/nonexistent/bin/nvcc" in run(build, environment_of(target), project).stderr


def test_torch_has_architectures_to_compile_for_where_no_gpu_tells_any(environment: Ask, tmp_path: Path) -> None:
    python = environment("torch-cuda").python
    project = project_of(tmp_path / "project", "x.cpp", "x.cu")
    target = machine(project, clean_environment({"CUDA_VISIBLE_DEVICES": ""}), python)
    asked: list[str | Path] = [python, "-c", LIST]
    assert "IndexError: list index out of range" in run(asked, target.environment).stderr

    cured = cured_by(cuda_arch, target, "CUDA005", tmp_path)

    assert "arch=compute_86,code=sm_86" in run(asked, cured.environment).stdout
    assert faults(target, "CUDA004") == ()
    cured.take_back()
    assert "IndexError" in run(asked, environment_of(target)).stderr


def site_packages(root: Path) -> Path:
    return next((root / "lib").glob("python*/site-packages"))


def test_torchvision_registers_its_operators_once_it_is_that_of_torch(environment: Ask, tmp_path: Path) -> None:
    cuda = environment("torch-cuda")
    root = tmp_path / "env"
    subprocess.run([cuda.python, "-m", "venv", root], check=True, timeout=SECONDS)
    python, site = root / "bin" / "python", site_packages(root)
    for entry in cuda.site_packages.iterdir():
        if not (entry.name.startswith("torchvision") or (site / entry.name).exists()):
            (site / entry.name).symlink_to(entry)
    other = [python, "-m", "pip", "install", "--quiet", "--no-deps", "torchvision==0.13.1"]
    assert run([*other], clean_environment()).returncode == 0
    project = tmp_path / "project"
    project.mkdir()
    target = machine(project, clean_environment(), python)
    asked: list[str | Path] = [python, "-c", NMS]
    failed = run(asked, target.environment)
    assert failed.returncode != 0 and "torchvision" in failed.stderr

    cured = cured_by(torch_pair, target, "TOR001", tmp_path)

    assert cured.plan.safety == "unsafe"
    assert run(asked, cured.environment).stdout == "tensor([0])\n"
    cured.take_back()
    assert run(asked, target.environment).stderr == failed.stderr
    assert (site / "torchvision-0.13.1.dist-info").is_dir()


def without_cmake(folder: Path) -> str:
    """A PATH with all programs of the system's but CMake and its companions."""
    folder.mkdir()
    for program in Path("/usr/bin").iterdir():
        if program.name not in ("cmake", "ctest", "cpack", "ccmake", "cmake-gui", "ninja"):
            (folder / program.name).symlink_to(program)
    return str(folder)


def test_a_project_configures_with_the_cmake_of_the_overlay(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.10)\nproject(ops C)\nfind_package(Torch)\nadd_library(ops SHARED ops.c)\n"
    )
    (project / "ops.c").write_text("int ops;\n")
    variables = clean_environment({"PATH": without_cmake(tmp_path / "bin")})
    target = machine(project, variables, sys.executable, profile="caffe2-ops")
    build: list[str | Path] = ["sh", "-c", f"cmake -S . -B {tmp_path}/build && cmake --build {tmp_path}/build"]
    assert "cmake: not found" in run(build, target.environment, project).stderr

    cured = cured_by(build_tools, target, "CMK001", tmp_path)

    assert cured.plan.safety == "safe"
    built = run(build, cured.environment, project)
    assert built.returncode == 0, built.stderr
    cured.take_back()
    assert not (project / ".envdoctor" / "prefix").exists()
    assert "cmake: not found" in run(build, environment_of(target), project).stderr


def test_caffe2_is_imported_once_the_modules_that_its_wheel_does_not_require_are_there(
    caffe2: Environment, tmp_path: Path
) -> None:
    root = tmp_path / "env"
    subprocess.run([caffe2.python, "-m", "venv", root], check=True, timeout=SECONDS)
    python, site = root / "bin" / "python", site_packages(root)
    for name in ("torch", "caffe2", "torch-1.0.1.dist-info", "numpy", "six.py", "google"):
        (site / name).symlink_to(caffe2.site_packages / name)
    for pattern in ("numpy-*.dist-info", "numpy.libs", "six-*.dist-info", "protobuf-*.dist-info"):
        for entry in caffe2.site_packages.glob(pattern):
            (site / entry.name).symlink_to(entry)
    project = Path(shutil.copytree(build_variants.PROJECT, tmp_path / "ops"))
    target = machine(project, clean_environment(), python)
    asked: list[str | Path] = [python, "-c", IMPORTS]
    assert "No module named 'past'" in run(asked, target.environment).stderr

    cured = cured_by(build_tools, target, "C2009", tmp_path)

    assert run(asked, cured.environment).stdout == "imported\n"
    cured.take_back()
    assert "No module named 'past'" in run(asked, target.environment).stderr


def test_nvcc_compiles_with_debians_own_older_compiler(tmp_path: Path) -> None:
    """The compiler's packages are fetched and unpacked, not installed."""
    packages = ("g++-11", "gcc-11", "cpp-11", "gcc-11-base", "libstdc++-11-dev", "libgcc-11-dev")
    if toolkits.this_machines_gcc() < 12 or shutil.which("apt-get") is None:
        pytest.skip("needs Debian with a g++ newer than 11")
    fetched = subprocess.run(["apt-get", "download", *packages], cwd=tmp_path, capture_output=True, timeout=SECONDS)
    if fetched.returncode != 0:
        pytest.skip("apt has no g++-11 here")
    for package in tmp_path.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, tmp_path / "unpacked"], check=True, timeout=SECONDS)
    root = toolkits.toolkit_in(tmp_path / "cuda", toolkits.host_config_up_to(11))
    project = project_of(tmp_path / "project", "x.cu")
    (project / "x.cu").write_text("#include <vector>\n__global__ void nothing() {}\nstd::vector<int> some;\n")
    path = f"{root}/bin:{os.environ['PATH']}:{tmp_path}/unpacked/usr/bin"
    target = machine(project, clean_environment({"PATH": path}))
    compiled: list[str | Path] = ["nvcc", "-c", "x.cu", "-o", tmp_path / "x.o"]
    assert "unsupported GNU version" in run(compiled, target.environment, project).stderr

    cured = cured_by(host_compiler, target, "CC002", tmp_path)

    assert run(compiled, cured.environment, project).returncode == 0
    cured.take_back()
    assert "unsupported GNU version" in run(compiled, environment_of(target), project).stderr


def test_a_toolkit_of_torchs_cuda_comes_out_of_wheels_and_compiles_and_links(environment: Ask, tmp_path: Path) -> None:
    """No torch of CUDA 13 is here: its CUDA is put into the facts, and the toolkits of the machine are taken out."""
    python = environment("torch-cpu").python
    project = project_of(tmp_path / "project", "x.cu")
    (project / "x.cu").write_text("#include <thrust/pair.h>\n__global__ void f() {}\nvoid g() { f<<<1, 1>>>(); }\n")
    target = machine(project, clean_environment(), python)
    facts = changed(facts_of(target, cuda_build.needs), "torch", cuda=known("13.0"))
    facts = changed(facts, "cuda", toolkits=(), default=Absent("none"))

    cured = cure(cuda_build, target, tmp_path / "cache", facts=facts)

    assert cured.plan.safety == "safe"
    home = cured.environment["CUDA_HOME"]
    assert home.startswith(str(project / ".envdoctor"))
    options = ["-shared", "-Xcompiler", "-fPIC", "--cudart=shared", f"-L{home}/lib", "-o", tmp_path / "libx.so"]
    built = run([f"{home}/bin/nvcc", "x.cu", *options], cured.environment, project)
    assert built.returncode == 0, built.stderr
    after = facts_of(target, cuda_build.needs)
    toolkit = after.cuda.toolkit()
    assert (
        toolkit is not None
        and toolkit.root == home
        and toolkit.libraries == known(f"{home}/lib", f"{home}/lib/libcudart.so")
    )
    cured.take_back()
    assert not Path(home).exists()


def toolkit_that_says(version: str, root: Path) -> Path:
    """This machine's toolkit in another place, that says another release of itself wherever it is asked."""
    toolkits.toolkit_in(root)
    (root / "version.json").write_text(json.dumps({"cuda": {"name": "CUDA SDK", "version": f"{version}.0"}}))
    nvcc = root / "bin" / "nvcc"
    nvcc.rename(root / "bin" / "nvcc.real")
    said = f"Cuda compilation tools, release {version}, V{version}.64"
    nvcc.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{said}" && exit\nexec "$0.real" "$@"\n')
    nvcc.chmod(0o755)
    return root


def test_torchs_setup_tools_take_the_toolkit_of_torchs_cuda_that_is_on_the_disk(
    environment: Ask, tmp_path: Path
) -> None:
    """No toolkit of CUDA 11 is here: this machine's own says that of itself, and compiles a file of no CUDA."""
    python = environment("torch-cuda").python
    other = toolkit_that_says("11.8", tmp_path / "cuda-11.8")
    project = project_of(tmp_path / "project", "x.cu")
    path = f"{toolkits.this_machines_toolkit()}/bin:{os.environ['PATH']}:{other}/bin"
    target = machine(project, clean_environment({"PATH": path, "TORCH_CUDA_ARCH_LIST": "8.6"}), python)
    build: list[str | Path] = [python, "setup.py", "--quiet", "build_ext", "--build-lib", tmp_path, "--force"]
    mismatch = "mismatches the version that was used to compile"
    assert mismatch in run(build, target.environment, project).stderr

    cured = cured_by(cuda_build, target, "CUDA001", tmp_path)

    assert cured.plan.safety == "safe"
    assert cured.environment["CUDA_HOME"] == str(other)
    built = run(build, cured.environment, project)
    assert built.returncode == 0, built.stderr
    cured.take_back()
    assert mismatch in run(build, environment_of(target), project).stderr


def test_an_extension_that_the_users_flags_gave_another_string_is_built_anew_and_imported(
    environment: Ask, tmp_path: Path
) -> None:
    python = environment("torch-cpu").python
    ignored = shutil.ignore_patterns("build", "__pycache__", "*.so")
    project = Path(shutil.copytree(torch_extensions.PROJECT, tmp_path / "project", ignore=ignored))
    flags = {"CFLAGS": f"-O0 -g0 {components.OLD_ABI}", "MAX_JOBS": "1"}
    target = machine(project, clean_environment(flags), python)
    build: list[str | Path] = [python, "setup.py", "--quiet", "build_ext", "--inplace"]
    asked: list[str | Path] = [python, "-c", "import torch, torch_extension; print('imported')"]
    assert run(build, target.environment, project).returncode == 0
    assert "undefined symbol" in run(asked, target.environment, project).stderr
    (module,) = project.glob("torch_extension*.so")
    built = module.read_bytes()

    cured = cured_by(cxx11_abi, target, "ABI001", tmp_path)

    assert run(build, cured.environment, project).returncode == 0
    assert run(asked, cured.environment, project).stdout == "imported\n"
    cured.take_back()
    assert module.read_bytes() == built
    assert "undefined symbol" in run(asked, environment_of(target), project).stderr
