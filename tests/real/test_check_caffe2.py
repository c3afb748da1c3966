"""`envdoctor check` over the real Caffe2 and a project of the DensePose kind: before a build, cured, and built."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.real import build_variants, components
from tests.real.environments import Environment, UnavailableError, clean_environment

Finding = dict[str, Any]
# Of these areas nothing depends on the GPU side of the machine that the tests run on.
AREAS = ("abi", "caffe2", "mkl", "ops", "protobuf", "symbols")
# Whether it holds depends on the CUDA and the cuDNN of the machine.
OF_THE_MACHINE = ("C2008",)
CHECK_SECONDS = 60
CURE_SECONDS = 900


def every_finding(caffe2: Environment, project: Path, variables: Mapping[str, str] | None = None) -> list[Finding]:
    """The findings, in the order of the report, of the areas that judge Caffe2 and the operators."""
    command = [sys.executable, "-c", "from envdoctor.cli import main; main()", "check", *AREAS, "-o", "json"]
    done = subprocess.run(
        [*command, "--python", caffe2.python, "--project", project],
        capture_output=True,
        text=True,
        timeout=CHECK_SECONDS,
        env=clean_environment(variables),
    )
    findings: list[Finding] = json.loads(done.stdout)["findings"]
    return findings


def check(caffe2: Environment, project: Path, variables: Mapping[str, str] | None = None) -> list[Finding]:
    """Those that do not depend on the CUDA of this machine."""
    return [one for one in every_finding(caffe2, project, variables) if one["code"] not in OF_THE_MACHINE]


def codes(findings: list[Finding], state: str) -> list[str]:
    return [finding["code"] for finding in findings if finding["state"] == state]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(build_variants.PROJECT, tmp_path / "a project"))


def test_before_a_build_one_run_tells_the_whole_chain_in_the_order_in_which_it_strikes(
    caffe2: Environment, project: Path
) -> None:
    findings = check(caffe2, project)

    assert codes(findings, "fail") == ["C2001", "C2004", "PB001", "MKL001", "C2005", "OPS001"]
    assert codes(findings, "warn") == ["PB002", "ABI001", "ABI002"]
    assert codes(findings, "note") == ["OPS002"]
    assert codes(findings, "unknown") == codes(findings, "crashed") == []


def include(name: str) -> Path:
    """What cures one fault when it stands on the include path."""
    makers: dict[str, Callable[[], Path]] = {
        "C2004": lambda: components.caffe2_root() / "lib" / "include",
        "PB001": lambda: components.protobuf_source("3.5.0"),
        "MKL001": components.mkl_include,
        "C2005": components.thread_pool_include,
    }
    try:
        return makers[name]()
    except UnavailableError as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("code", ["C2004", "PB001", "MKL001", "C2005"])
def test_a_fault_of_the_include_path_goes_with_its_cure_and_no_other_does(
    caffe2: Environment, project: Path, code: str
) -> None:
    findings = check(caffe2, project, {"CPATH": str(include(code))})

    left = ["C2001", "C2004", "PB001", "MKL001", "C2005", "OPS001"]
    left.remove(code)
    assert codes(findings, "fail") == left


@pytest.mark.parametrize(
    ("version", "said"), [("3.3.0", "newer version of protoc"), ("3.6.1", "older version of protoc")]
)
def test_protobuf_headers_on_either_side_of_the_range_are_told_apart(
    caffe2: Environment, project: Path, version: str, said: str
) -> None:
    try:
        headers = components.protobuf_source(version)
    except UnavailableError as reason:
        pytest.skip(str(reason))

    findings = check(caffe2, project, {"CPATH": str(headers)})

    (finding,) = [one for one in findings if one["code"] == "PB001"]
    assert finding["title"] == f"caffe2.pb.h needs protobuf 3.5.0, the compiler finds {version}"
    assert said in finding["message"]


def test_caffe2_is_found_where_the_variable_leads_to_it(caffe2: Environment, project: Path) -> None:
    directory = caffe2.site_packages / "torch" / "share" / "cmake" / "Caffe2"

    findings = check(caffe2, project, {"Caffe2_DIR": str(directory)})

    assert "C2001" not in codes(findings, "fail")


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("no-protobuf-new-abi", ["PB002", "ABI001", "ABI002"]),
        ("no-protobuf", ["PB002", "ABI002"]),
        ("old-abi-by-reference", ["ABI002"]),
        ("by-value-alone", ["ABI003"]),
        ("correct", []),
    ],
)
def test_a_built_library_is_judged_for_loading_and_running(
    caffe2: Environment, ops_library: Callable[[str], Path], variant: str, expected: list[str]
) -> None:
    findings = check(caffe2, ops_library(variant).parent.parent)

    assert codes(findings, "fail") == [*expected, "OPS001"]
    assert codes(findings, "warn") == codes(findings, "unknown") == []


def test_the_commands_of_the_report_copied_as_they_are_cure_the_whole_chain(caffe2: Environment, project: Path) -> None:
    wanted = [one for one in every_finding(caffe2, project) if one["state"] in ("fail", "warn")]
    commands = [command for finding in wanted for command in finding["remedy"]["commands"]]
    script = "\n".join(["set -e", *commands, "make ops", "env -0 > variables"])

    done = subprocess.run(
        ["bash", "-c", script],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=CURE_SECONDS,
        env=clean_environment(),
    )

    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    variables = dict(pair.split("=", 1) for pair in (project / "variables").read_text().split("\0") if pair)
    ran = subprocess.run(
        [caffe2.python, project / "python" / "run_ops.py", project / "build" / build_variants.LIBRARY, "run"],
        capture_output=True,
        text=True,
        timeout=CHECK_SECONDS,
        env=variables,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert json.loads(ran.stdout.splitlines()[-1])["zero_even"] == [0, 2, 0, 4, 0, 6, 0]
    cured = {
        name: variables[name] for name in ("CPATH", "PYTHONPATH", "CXXFLAGS", "Caffe2_DIR", "CMAKE_TOOLCHAIN_FILE")
    }
    findings = check(caffe2, project, cured)
    assert codes(findings, "fail") == codes(findings, "warn") == codes(findings, "unknown") == []
