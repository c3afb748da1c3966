"""`envdoctor check` over real builds of torch: healthy ones give notes at most, and faults found are real failures."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.real import build_variants
from tests.real.aged_libstdcxx import age
from tests.real.environments import Environment, clean_environment

Finding = dict[str, Any]
SECONDS = 120
SETUP = """
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CUDAExtension
setup(name="x", ext_modules=[CUDAExtension("x", {sources})], cmdclass={{"build_ext": BuildExtension}})
"""


def findings(python: Path, *options: str | Path, variables: Mapping[str, str] | None = None) -> list[Finding]:
    """All findings of one run, in the order of the report."""
    # -E: a PYTHONPATH that breaks the interpreter examined shall not break the one that examines.
    command = [sys.executable, "-E", "-c", "from envdoctor.cli import main; main()", "check", "-o", "json"]
    done = run([*command, "--python", python, *options], variables)
    found: list[Finding] = json.loads(done.stdout)["findings"]
    return found


def run(
    command: list[str | Path], variables: Mapping[str, str] | None = None, cwd: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, env=clean_environment(variables), cwd=cwd
    )


def one(found: list[Finding], code: str) -> Finding:
    (finding,) = [each for each in found if each["code"] == code]
    return finding


def with_commands(finding: Finding, then: str) -> list[str | Path]:
    """The commands of a finding's remedy and one more, in one shell."""
    return ["sh", "-e", "-c", "\n".join([*finding["remedy"]["commands"], then])]


@pytest.fixture(scope="module")
def cpu(environment: Callable[[str], Environment]) -> Environment:
    return environment("torch-cpu")


@pytest.fixture(scope="module")
def cuda(environment: Callable[[str], Environment]) -> Environment:
    return environment("torch-cuda")


@pytest.mark.parametrize("name", ["torch-cpu", "torch-cuda"])
def test_a_torch_without_caffe2_is_the_one_fault_of_a_project_of_operators(
    environment: Callable[[str], Environment], name: str
) -> None:
    project = Path(__file__).parents[1] / "projects" / "densepose_ops"

    found = findings(environment(name).python, "--project", project)

    assert [each["code"] for each in found if each["state"] != "note"] == ["C2002"]


@pytest.fixture
def wrapper(tmp_path: Path) -> Mapping[str, str]:
    """PATH with an nvcc first that is a script starting the real one from its own place."""
    real = next((path for path in Path("/usr/local").glob("cuda*/bin/nvcc") if path.is_file()), None)
    if real is None:
        pytest.skip("no CUDA toolkit below /usr/local")
    script = tmp_path / "wrapped" / "bin" / "nvcc"
    script.parent.mkdir(parents=True)
    script.write_text(f'#!/bin/sh\nexec {real.resolve()} "$@"\n')
    script.chmod(0o755)
    return {"PATH": f"{script.parent}:{os.environ['PATH']}"}


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """A project with one CUDAExtension of these sources, each of them nearly empty."""

    def make(*sources: str) -> Path:
        folder = tmp_path / "project"
        folder.mkdir()
        for source in sources:
            (folder / source).write_text("int x_of_this_file;\n")
        (folder / "setup.py").write_text(SETUP.format(sources=list(sources)))
        return folder

    return make


def test_a_torch_alone_gives_no_finding(cpu: Environment) -> None:
    assert [each["title"] for each in findings(cpu.python)] == []


def test_a_cuda_torch_with_its_torchvision_gives_notes_at_most(cuda: Environment) -> None:
    found = findings(cuda.python)
    assert {each["state"] for each in found} <= {"note"}
    assert [each["code"] for each in found if each["area"] == "driver"] in (["DRV001"], [])


def test_a_torchvision_of_another_torch_fails_as_one_fault(environment: Callable[[str], Environment]) -> None:
    mismatch = environment("torch-mismatch")
    assert "operator torchvision::nms does not exist" in run([mismatch.python, "-c", "import torchvision"]).stderr

    fails = [each["code"] for each in findings(mismatch.python) if each["state"] in ("fail", "warn", "unknown")]

    assert fails == ["TOR001"]


def test_the_torch_package_on_pythonpath_breaks_its_import_and_the_command_cures_it(cpu: Environment) -> None:
    variables = {"PYTHONPATH": str(cpu.site_packages / "torch")}
    program = "import torch; print(torch.__version__)"
    assert run([cpu.python, "-c", program], variables).returncode != 0

    finding = one(findings(cpu.python, variables=variables), "ENV004")

    assert finding["state"] == "fail"
    assert run(with_commands(finding, f"{cpu.python} -c '{program}'"), variables).returncode == 0


@pytest.mark.parametrize("name", ["torch-cpu", "torch-cuda", "caffe2"])
def test_an_older_libstdcxx_on_the_path_is_one_fault_and_the_command_cures_it(
    environment: Callable[[str], Environment], tmp_path: Path, name: str
) -> None:
    python = environment(name).python
    variables = {"LD_LIBRARY_PATH": str(age(tmp_path / "old" / "libstdc++.so.6", 18).parent)}
    assert "version `GLIBCXX_3.4." in run([python, "-c", "import torch"], variables).stderr

    found = findings(python, variables=variables)

    assert [each["code"] for each in found if each["state"] != "note"] == ["ENV003"]
    assert one(found, "ENV003")["state"] == "fail"
    assert run(with_commands(found[0], f"{python} -c 'import torch'"), variables).returncode == 0


@pytest.mark.parametrize("name", ["torch-cpu", "torch-cuda", "caffe2"])
def test_a_library_path_that_changes_nothing_alarms_nobody(
    environment: Callable[[str], Environment], tmp_path: Path, name: str
) -> None:
    found = findings(environment(name).python, variables={"LD_LIBRARY_PATH": str(tmp_path)})

    assert {each["state"] for each in found} <= {"note"}


@pytest.mark.parametrize(
    ("listed", "message", "code"),
    [("8.0,8.6", "Unknown CUDA arch", "ENV001"), ("", "list index out of range", "CUDA005")],
)
def test_architectures_that_torch_cannot_read_or_guess_are_found(
    cuda: Environment, project: Callable[..., Path], listed: str, message: str, code: str
) -> None:
    flags = "from torch.utils.cpp_extension import _get_cuda_arch_flags; _get_cuda_arch_flags()"
    variables = {"TORCH_CUDA_ARCH_LIST": listed, "CUDA_VISIBLE_DEVICES": ""}
    assert message in run([cuda.python, "-c", flags], variables).stderr

    finding = one(findings(cuda.python, "--project", project("x.cpp", "x.cu"), variables=variables), code)

    assert finding["state"] == "fail"
    assert run(with_commands(finding, f'{cuda.python} -c "{flags}"'), variables).returncode == 0


def test_an_nvcc_that_is_a_script_misleads_torchs_setup_tools_and_the_command_cures_it(
    cuda: Environment, project: Callable[..., Path], wrapper: Mapping[str, str]
) -> None:
    folder = project("x.cpp")
    build: list[str | Path] = [cuda.python, "setup.py", "--quiet", "build_ext", "--inplace"]
    assert "cannot find -lcudart" in run(build, wrapper, folder).stderr

    finding = one(findings(cuda.python, "--project", folder, variables=wrapper), "CUDA008")

    assert finding["state"] == "fail"
    command = f"{cuda.python} setup.py --quiet build_ext --inplace"
    assert run(with_commands(finding, command), wrapper, folder).returncode == 0


def test_an_nvcc_that_is_a_script_misleads_caffe2s_cmake_files_and_the_command_cures_it(
    caffe2: Environment, tmp_path: Path, wrapper: Mapping[str, str]
) -> None:
    folder = Path(shutil.copytree(build_variants.PROJECT, tmp_path / "ops"))
    variables = {**wrapper, "Caffe2_DIR": str(caffe2.site_packages / "torch" / "share" / "cmake" / "Caffe2")}
    configure = f"cmake -S {folder} -B"
    before = run(["sh", "-c", f"{configure} {tmp_path}/before"], variables)
    assert "Could NOT find CUDA" in before.stdout

    finding = one(findings(caffe2.python, "--project", folder, variables=variables), "CUDA008")

    assert finding["state"] == "fail"
    assert "Found CUDA" in run(with_commands(finding, f"{configure} {tmp_path}/after || :"), variables).stdout


def test_a_toolkit_of_another_major_is_refused_by_torch_too(cuda: Environment, project: Callable[..., Path]) -> None:
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc on PATH")
    folder = project("x.cu")
    variables = {"TORCH_CUDA_ARCH_LIST": "8.6"}
    refused = run([cuda.python, "setup.py", "--quiet", "build_ext", "--inplace"], variables, folder)
    if "mismatches the version" not in refused.stderr:
        pytest.skip("this machine's toolkit is of torch's CUDA major")

    assert one(findings(cuda.python, "--project", folder, variables=variables), "CUDA001")["state"] == "fail"


def test_a_torch_without_its_nvidia_packages_does_not_load_and_is_found(cuda: Environment, tmp_path: Path) -> None:
    """torch's own files are linked into a new environment one by one, since $ORIGIN keeps links to directories."""
    subprocess.run([cuda.python, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    python = tmp_path / "env" / "bin" / "python"
    site = next((tmp_path / "env" / "lib").glob("python*/site-packages"))
    (site / "torch" / "lib").mkdir(parents=True)
    for file in (cuda.site_packages / "torch").iterdir():
        if file.name != "lib":
            (site / "torch" / file.name).symlink_to(file)
    for file in (cuda.site_packages / "torch" / "lib").iterdir():
        (site / "torch" / "lib" / file.name).symlink_to(file)
    for name in ("torch-1.13.1.dist-info", "typing_extensions.py"):
        (site / name).symlink_to(cuda.site_packages / name)
    failed = run([python, "-c", "import torch"])
    assert failed.returncode != 0 and "cublas" in failed.stderr

    finding = one(findings(python), "TOR003")

    assert finding["state"] == "fail"
    assert "nvidia-cublas-cu11" in finding["title"]
