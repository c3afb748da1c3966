"""GPUs, with a torch that only pretends to have them: which are tried, and what a broken one does to the rest."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from envdoctor.op_results import FIRST_KERNEL, GPU, LOAD
from envdoctor.smoke.libraries import Library
from envdoctor.smoke.limits import Limits
from envdoctor.smoke.runner import LibraryRun, Request, run_library
from tests.smoke.conftest import SIDE


@pytest.fixture
def torch_folder(tmp_path: Path) -> Path:
    (tmp_path / "torch").mkdir()
    shutil.copy(SIDE / "imitated_torch.py", tmp_path / "torch" / "__init__.py")
    return tmp_path


def run(
    code: str,
    folder: Path,
    gpus: str,
    device: str,
    *ops: str,
    visible: str | None = None,
    suite: str = "torch_fake",
) -> LibraryRun:
    environment = {**os.environ, "PYTHONPATH": str(folder), "FAKE_GPUS": gpus}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    request = Request(sys.executable, environment, device, frozenset(ops) if ops else None, Limits(load=20, op=5), code)
    return run_library(Library(suite, None, "libops.so"), request, lambda _doing: None)


@pytest.fixture
def caffe2_folder(tmp_path: Path) -> Path:
    """Packages `caffe2.python` and `caffe2.proto` whose modules are all the same imitation."""
    for package in ("caffe2", "caffe2/python", "caffe2/proto"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    for module in ("python/workspace", "python/core", "proto/caffe2_pb2"):
        shutil.copy(SIDE / "imitated_caffe2.py", tmp_path / "caffe2" / f"{module}.py")
    return tmp_path


def told(done: LibraryRun) -> list[tuple[str, str, str]]:
    return [(result.device, result.op, result.state) for result in done.results if result.op != LOAD]


def test_every_gpu_is_tried_after_the_cpu(code: str, torch_folder: Path) -> None:
    done = run(code, torch_folder, "sound sound", "auto", "first", "last")

    assert told(done) == [(device, op, "ok") for device in ("cpu", "cuda:0", "cuda:1") for op in ("first", "last")]
    assert done.gpus is not None
    assert [gpu.capability for gpu in done.gpus] == ["9.0", "9.0"]


@pytest.mark.parametrize(
    ("device", "tried"), [("cpu", ["cpu"]), ("cuda", ["cuda:0", "cuda:1"]), ("cuda:1", ["cuda:1"])]
)
def test_only_the_device_asked_for_is_tried(code: str, torch_folder: Path, device: str, tried: list[str]) -> None:
    done = run(code, torch_folder, "sound sound", device, "first")

    assert told(done) == [(one, "first", "ok") for one in tried]


def test_without_a_gpu_its_part_is_skipped_with_the_reason_of_torch(code: str, torch_folder: Path) -> None:
    done = run(code, torch_folder, "", "auto", "first")

    assert told(done) == [("cpu", "first", "ok"), ("cuda", GPU, "skipped")]
    assert done.results[-1].message == "torch sees no GPU: Found no NVIDIA driver on your system."


def test_a_relative_python_path_means_the_folder_envdoctor_was_started_in(
    code: str, torch_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(torch_folder.parent)

    done = run(code, Path(torch_folder.name), "sound", "cuda", "first")

    assert told(done) == [("cuda:0", "first", "ok")]


def test_the_variable_that_may_hide_gpus_is_named_in_the_reason(code: str, torch_folder: Path) -> None:
    done = run(code, torch_folder, "", "auto", "first", visible="")

    assert done.results[-1].message.endswith("(CUDA_VISIBLE_DEVICES is ``)")


def test_a_gpu_that_was_demanded_and_is_not_there_is_no_result(code: str, torch_folder: Path) -> None:
    done = run(code, torch_folder, "", "cuda", "first")

    assert told(done) == []
    assert done.gpus == ()
    assert done.no_gpu.startswith("torch sees no GPU")


@pytest.mark.parametrize(
    ("behaviour", "signal", "said"),
    [("no-image", None, "no kernel image is available"), ("crashing", "SIGABRT", "ended by SIGABRT")],
)
def test_where_the_first_kernel_fails_no_op_is_blamed(
    code: str, torch_folder: Path, behaviour: str, signal: str | None, said: str
) -> None:
    done = run(code, torch_folder, f"{behaviour} sound", "cuda", "first")

    assert told(done) == [("cuda:0", FIRST_KERNEL, "fail"), ("cuda:1", "first", "ok")]
    assert done.results[1].signal == signal
    assert said in done.results[1].message


def test_an_op_that_spoils_its_gpu_leaves_the_next_one_a_fresh_process(code: str, torch_folder: Path) -> None:
    done = run(code, torch_folder, "sound", "cuda", "illegal", "last")

    assert told(done) == [("cuda:0", "illegal", "fail"), ("cuda:0", "last", "ok")]
    assert "an illegal memory access" in done.results[1].message


def test_a_crash_on_the_gpu_does_not_run_the_cpu_again(code: str, torch_folder: Path) -> None:
    done = run(code, torch_folder, "sound", "auto", "crash", "last")

    assert told(done) == [
        ("cpu", "crash", "ok"),
        ("cpu", "last", "ok"),
        ("cuda:0", "crash", "fail"),
        ("cuda:0", "last", "ok"),
    ]


def test_the_gpus_of_caffe2_are_tried_by_its_own_count(code: str, caffe2_folder: Path) -> None:
    done = run(code, caffe2_folder, "sound no-image", "auto", suite="caffe2_fake")

    assert told(done) == [("cpu", "first", "ok"), ("cuda:0", "first", "ok"), ("cuda:1", FIRST_KERNEL, "fail")]
    assert done.gpus is not None
    assert done.gpus[0].capability == "7.0"


def test_a_caffe2_for_the_cpu_has_its_gpu_part_skipped(code: str, caffe2_folder: Path) -> None:
    done = run(code, caffe2_folder, "", "auto", suite="caffe2_fake")

    assert told(done) == [("cpu", "first", "ok"), ("cuda", GPU, "skipped")]
    assert done.no_gpu.startswith("this Caffe2 runs on the CPU alone")
