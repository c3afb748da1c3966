"""`envdoctor smoke` on real torch: right ops pass, and each way to be wrong is told."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from envdoctor.op_results import OpResult
from envdoctor.smoke import envdoctor_child
from envdoctor.smoke.libraries import TORCH_EXTENSION, Library
from envdoctor.smoke.limits import Limits
from envdoctor.smoke.runner import Request, run_library
from tests.real import op_sources
from tests.real.environments import Environment, clean_environment
from tests.real.torch_extensions import extension

Report = dict[str, Any]
SECONDS = 300
GIBIBYTE = 1024**3
CHILD = Path(envdoctor_child.__file__).parent
TORCHVISION = ["nms", "batched_nms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d"]


def smoke(python: Path, *options: str | Path, variables: Mapping[str, str] | None = None) -> Report:
    # -E: what leads the interpreter examined to other packages shall not lead the one that examines.
    command = [sys.executable, "-E", "-c", "from envdoctor.cli import main; main()", "smoke", "-o", "json"]
    done = subprocess.run(
        [*command, "--device", "cpu", "--python", python, *options],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=clean_environment(variables),
    )
    report: Report = json.loads(done.stdout)
    assert done.returncode == report["exit_code"]
    return report


def states(report: Report, suite: str) -> dict[str, str]:
    return {op["op"]: op["state"] for op in report["ops"] if op["suite"] == suite and op["op"] != "load"}


@pytest.mark.parametrize("name", ["torch-matching", "torch-cuda"])
def test_every_op_of_a_torchvision_that_belongs_to_its_torch_is_right(
    environment: Callable[[str], Environment], name: str
) -> None:
    report = smoke(environment(name).python)

    assert states(report, "torchvision") == dict.fromkeys(TORCHVISION, "ok")
    assert report["exit_code"] == 0
    ran = [op for op in report["ops"] if op["op"] != "load"]
    assert all(op["cases"] >= 6 for op in ran)
    assert all({"float32", "float64"} <= set(op["tolerances"]) for op in ran if "nms" not in op["op"])
    assert sum(op["took_ms"] for op in ran) < 15_000


def test_a_torchvision_of_another_torch_does_not_load_for_that_reason(
    environment: Callable[[str], Environment],
) -> None:
    report = smoke(environment("torch-mismatch").python)

    (load,) = report["ops"]
    assert (load["op"], load["state"], load["codes"]) == ("load", "fail", ["TOR001"])
    assert "operator torchvision::nms does not exist" in load["message"]
    assert report["exit_code"] == 1


MUTANTS = """
import json, sys
sys.path.insert(0, sys.argv[1])
import torch, torchvision
from envdoctor_child.suites import torchvision_ops
true = {name: getattr(torchvision.ops, name) for name in json.loads(sys.argv[2])}
torchvision_ops.load()
suite = {op.name: op for op in torchvision_ops.ops()}

mutants = {
    "nms: another threshold": ("nms", lambda b, s, t: true["nms"](b, s, t + 0.12)),
    "nms: at the threshold": ("nms", lambda b, s, t: true["nms"](b, s, t - 1e-6)),
    "nms: worst first": ("nms", lambda b, s, t: true["nms"](b, s, t).flip(0)),
    "nms: one box lost": ("nms", lambda b, s, t: true["nms"](b, s, t)[:-1]),
    "nms: reads past gaps": ("nms", lambda b, s, t: true["nms"](b.as_strided(b.shape, (4, 1)), s, t)),
    "nms: boxes of another kind": ("nms", lambda b, s, t: true["nms"](b[:, [1, 0, 3, 2]] * 2 - b, s, t)),
    "batched_nms: without groups": ("batched_nms", lambda b, s, g, t: true["nms"](b, s, t)),
    "roi_align: aligned the other way": ("roi_align", lambda *a, aligned, **n: true["roi_align"](
        *a, aligned=not aligned, **n)),
    "roi_align: other samples": ("roi_align", lambda *a, sampling_ratio, **n: true["roi_align"](
        *a, sampling_ratio=sampling_ratio + 1, **n)),
    "roi_align: no gradient": ("roi_align", lambda x, *a, **n: true["roi_align"](x, *a, **n).detach() + 0 * x.sum()),
    "roi_align: a thousandth": ("roi_align", lambda *a, **n: true["roi_align"](*a, **n) * 1.001),
    "roi_align: half precision": ("roi_align", lambda *a, **n: true["roi_align"](*a, **n).bfloat16().to(a[0].dtype)),
    "roi_pool: no scale": ("roi_pool", lambda *a, spatial_scale: true["roi_pool"](*a, spatial_scale=1.0)),
    "roi_pool: not a number": ("roi_pool", lambda *a, **n: true["roi_pool"](*a, **n) * float("nan")),
    "roi_pool: another shape": ("roi_pool", lambda *a, **n: true["roi_pool"](*a, **n).flatten(1)),
    "ps_roi_align: plain": ("ps_roi_align", lambda x, r, p, spatial_scale, sampling_ratio: true["roi_align"](
        x[:, :2], r, p, spatial_scale, sampling_ratio, aligned=True)),
    "ps_roi_pool: first image": ("ps_roi_pool", lambda x, r, *a, **n: true["ps_roi_pool"](
        x, r * torch.tensor([0, 1, 1, 1, 1], dtype=r.dtype), *a, **n)),
    "deform_conv2d: no mask": ("deform_conv2d", lambda *a, mask=None, **n: true["deform_conv2d"](
        *a, **n) + (0 if mask is None else 0 * mask.sum())),
    "deform_conv2d: right before down": ("deform_conv2d", lambda x, o, *a, **n: true["deform_conv2d"](
        x, o.reshape(o.shape[0], -1, 2, *o.shape[2:]).flip(2).reshape(o.shape), *a, **n)),
    "deform_conv2d: no bias": ("deform_conv2d", lambda x, o, w, b, **n: true["deform_conv2d"](
        x, o, w, None, **n) + (0 if b is None else 0 * b.sum())),
    "nms: itself": ("nms", true["nms"]),
    "roi_align: itself": ("roi_align", true["roi_align"]),
}
told = {}
for label, (name, mutant) in mutants.items():
    setattr(torchvision.ops, name, mutant)
    try:
        told[label] = not all(case.right for case in suite[name].compare("cpu"))
    except RuntimeError as error:
        told[label] = "it raised " + str(error)
    setattr(torchvision.ops, name, true[name])
sys.stdout.write("\\n" + json.dumps(told))
"""


def test_a_fault_in_an_op_of_torchvision_is_told(environment: Callable[[str], Environment]) -> None:
    python = environment("torch-cuda").python
    command: list[str | Path] = [python, "-B", "-c", MUTANTS, str(CHILD.parent), json.dumps(TORCHVISION)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, env=clean_environment({"CUDA_VISIBLE_DEVICES": ""})
    )

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    # An error would be told as well, and would be no proof of the comparison.
    assert told == {label: "itself" not in label for label in told}


@pytest.fixture(scope="module")
def torch(environment: Callable[[str], Environment]) -> Environment:
    return environment("torch-cpu")


def installed(folder: Path, package: str, module: Path, version: str) -> Mapping[str, str]:
    """A package with this extension that cannot be imported itself, found on the path."""
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text("raise RuntimeError('nobody needs to import this')\n")
    shutil.copy(module, folder / package)
    metadata = folder / f"{package}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    return {"PYTHONPATH": str(folder)}


def test_the_kernels_of_mmcv_are_right_without_the_package_around_them(torch: Environment, tmp_path: Path) -> None:
    variables = installed(tmp_path, "mmcv", op_sources.mmcv_extension(), "2.2.0")

    found = states(smoke(torch.python, "mmcv", variables=variables), "mmcv")

    assert [op for op, state in found.items() if state == "skipped"] == ["roi_pool"]
    assert [op for op, state in found.items() if state == "ok"] == [
        *("nms", "bbox_overlaps", "nms_rotated", "box_iou_rotated", "roi_align", "roi_align_rotated"),
        *("deform_conv", "modulated_deform_conv"),
    ]


def test_ops_of_the_names_and_arguments_of_detectron2_are_right(torch: Environment, tmp_path: Path) -> None:
    variables = installed(tmp_path, "detectron2", op_sources.detectron2_extension(), "0.6")

    found = states(smoke(torch.python, "detectron2", variables=variables), "detectron2")

    assert [op for op, state in found.items() if state == "skipped"] == ["deform_conv", "modulated_deform_conv"]
    assert [op for op, state in found.items() if state == "ok"] == ["nms_rotated", "box_iou_rotated", "ROIAlignRotated"]


@pytest.fixture(scope="module")
def broken(torch: Environment) -> Mapping[str, OpResult]:
    """What comes of the ops of tests/projects/smoke_ops; on a busy machine it takes seconds to fill the memory."""
    path = str(op_sources.smoke_ops("smoke_ops"))
    request = Request(
        python=str(torch.python),
        environment=clean_environment(),
        device="cpu",
        limits=Limits(op=30, memory=2 * GIBIBYTE),
    )
    run = run_library(Library(TORCH_EXTENSION, path, path), request, lambda _: None)
    return {result.op: result for result in run.results}


@pytest.mark.parametrize(
    ("op", "state", "signal", "message"),
    [
        ("right::nms", "ok", None, ""),
        ("right::zero_even", "ok", None, ""),
        ("right::twice", "ok", None, "its values are not compared, for no reference is known"),
        ("nms", "ok", None, ""),
        ("twice", "ok", None, "its values are not compared, for no reference is known"),
        ("wrong::nms", "fail", None, "overlaps equal to the threshold"),
        ("wrong::zero_even", "fail", None, "is off by 6"),
        ("zero_even", "fail", None, "is off by 6"),
        ("overwrites::zero_even", "fail", None, "the vector given, afterwards"),
        ("headless::nms", "fail", None, "registered by name alone"),
        ("raises::nms", "fail", None, "it raised RuntimeError: not for this device"),
        ("hangs::nms", "fail", None, "did not come to an end in 30 s"),
        ("grows::nms", "fail", None, "took more than 2 GiB of memory"),
        ("crashes::nms", "fail", "SIGSEGV", "SIGSEGV"),
        ("aborts::nms", "fail", "SIGABRT", "SIGABRT"),
        ("illegal::nms", "fail", "SIGILL", "SIGILL"),
        ("leaves::nms", "fail", None, "ended in the middle, with status 0"),
    ],
)
def test_each_way_for_an_op_to_be_broken_is_told(
    broken: Mapping[str, OpResult], op: str, state: str, signal: str | None, message: str
) -> None:
    result = broken[op]

    assert (result.state, result.signal) == (state, signal)
    assert message in result.message


def test_values_that_are_right_or_wrong_were_compared(broken: Mapping[str, OpResult]) -> None:
    assert broken["right::nms"].cases >= 10
    assert broken["right::zero_even"].tolerances.keys() == {"float32"}
    assert broken["right::twice"].tolerances == {}
    assert (broken["wrong::zero_even"].max_error or 0) > 1


def test_an_extension_that_registers_a_namespace_twice_ends_the_process_while_it_loads(torch: Environment) -> None:
    report = smoke(torch.python, "--library", op_sources.smoke_ops("registers_twice"))

    (load,) = report["ops"]
    assert (load["op"], load["state"], load["signal"]) == ("load", "fail", "SIGABRT")


def test_an_extension_of_the_old_string_abi_does_not_load_for_that_reason(torch: Environment) -> None:
    report = smoke(torch.python, "--library", extension("old-abi"))

    (load,) = report["ops"]
    assert (load["op"], load["state"]) == ("load", "fail")
    assert "undefined symbol" in load["message"]
    assert load["codes"] == ["ABI001"]


def test_an_extension_of_a_project_is_compared_where_its_op_is_known(torch: Environment) -> None:
    report = smoke(torch.python, "--library", extension("matching"))

    assert states(report, "torch-extension") == {"zero_even": "ok"}
    assert report["exit_code"] == 0
