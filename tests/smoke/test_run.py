"""Which libraries a target has, which of them are run, and when there is nothing to run."""

from pathlib import Path

import msgspec
import pytest

from envdoctor.errors import UsageError
from envdoctor.facts import (
    Absent,
    Extension,
    Extensions,
    Facts,
    Known,
    Package,
    Project,
    Torch,
    TorchCompanion,
    Unreadable,
)
from envdoctor.op_results import OpResult, OpState, exit_code, summary
from envdoctor.programs import LivePrograms
from envdoctor.smoke.libraries import Library, is_only_carried, libraries, library_at, undetermined
from envdoctor.smoke.protocol import Device
from envdoctor.smoke.run import SmokeRun, Wanted, run_smoke
from envdoctor.smoke.runner import LibraryRun
from envdoctor.target import Target
from tests.checks.builders import LIBRARY, caffe2_box, changed, known, modern_box, with_library
from tests.filetree import RootedFiles

VISION = TorchCompanion(
    name="torchvision", version="0.29.1", path="/site/torchvision", extension=Known("/site/_C.so", "")
)
AUDIO = TorchCompanion(name="torchaudio", version="2.9", path="/site/torchaudio")


def with_companions(*companions: TorchCompanion) -> Facts:
    box = modern_box()
    return msgspec.structs.replace(box, torch=msgspec.structs.replace(box.torch, companions=companions))


def with_built(kind: str) -> Facts:
    built = Extension(path="/project/build/_ext.so", owner="project", kind=kind)
    return Facts(extensions=Extensions(found=(built,)))


def test_companions_of_torch_with_known_ops_are_run_as_packages() -> None:
    assert libraries(with_companions(VISION, AUDIO)) == (Library("torchvision_ops", None, "/site/_C.so"),)


@pytest.mark.parametrize(("kind", "suite"), [("caffe2-ops", "caffe2_project"), ("torch-extension", "torch_extension")])
def test_a_built_library_of_the_project_is_run_by_what_it_is_made_for(kind: str, suite: str) -> None:
    assert libraries(with_built(kind)) == (Library(suite, "/project/build/_ext.so", "/project/build/_ext.so"),)


def test_with_caffe2_its_detectron_operators_are_run_after_those_of_the_project() -> None:
    found = libraries(with_library(caffe2_box()))

    assert [library.suite for library in found] == ["caffe2_project", "caffe2_detectron"]
    assert found[0].path == LIBRARY
    assert found[1].path is not None and "libcaffe2_detectron_ops" in found[1].path


def test_a_caffe2_that_torch_brings_and_nobody_uses_is_left_alone() -> None:
    box = changed(caffe2_box(), "torch", companions=(VISION,))
    carried = changed(changed(box, "packages", installed=()), "project", profile=known("installed"))
    detectron = next(one for one in libraries(carried) if one.suite == "caffe2_detectron")

    assert is_only_carried(carried, detectron)
    assert not is_only_carried(changed(carried, "project", profile=known("caffe2-ops")), detectron)
    assert not is_only_carried(changed(carried, "torch", companions=()), detectron)
    assert not is_only_carried(
        changed(carried, "packages", installed=(Package("protobuf", "3.20.3", "/site"),)), detectron
    )


def test_a_library_of_packages_that_have_nothing_to_do_with_it_is_not_run() -> None:
    foreign = Extension(path="/site/other/_C.so", owner="other", kind="torch-extension")

    assert libraries(Facts(extensions=Extensions(found=(foreign,)))) == ()


@pytest.mark.parametrize(
    ("path", "kind", "suite"),
    [
        ("/p/libops.so", "caffe2-ops", "caffe2_project"),
        ("/p/_C.so", "torch-extension", "torch_extension"),
        ("/t/lib/libcaffe2_detectron_ops_gpu.so", "caffe2-ops", "caffe2_detectron"),
        ("/site/_C.so", "torch-extension", "torchvision_ops"),
    ],
)
def test_a_named_library_is_run_as_what_it_is(path: str, kind: str, suite: str) -> None:
    library = library_at(with_companions(VISION), path, kind)

    assert library is not None
    assert library.suite == suite


def test_a_named_library_of_neither_framework_is_none() -> None:
    assert library_at(Facts(), "/usr/lib/libz.so", None) is None


def test_what_could_not_be_read_is_unknown_and_not_nothing() -> None:
    facts = Facts(
        torch=Torch(root=Unreadable("permission denied", "/site")),
        project=Project(libraries=("/p/lib.so",)),
        extensions=Extensions(unreadable=(Unreadable("truncated", "/p/lib.so"),)),
        failed={"caffe2": "KeyError: x"},
    )

    found = undetermined(facts)

    assert {result.state for result in found} == {"unknown"}
    assert {result.library for result in found} == {"caffe2", "torch", "/p/lib.so"}


def run(facts: Facts, root: Path, wanted: Wanted, programs: LivePrograms | None = None) -> None:
    target = Target("machine", RootedFiles(root), {}, programs, "/usr/bin/python3")
    run_smoke(target, facts, wanted, lambda _doing: None)


NOTHING = modern_box()


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(), "there is no op to run: the environment has no Caffe2 and none of torchvision, detectron2, mmcv"),
        (Wanted(words=("nms",)), "there is no op to run"),
        (Wanted(device="gpu"), "--device takes auto, cpu, cuda or cuda:N, not `gpu`"),
        (Wanted(device="cuda:"), "--device takes"),
        (Wanted(device="cuda:-1"), "--device takes"),
        (Wanted(device="cpu:0"), "--device takes"),
    ],
)
def test_nothing_to_run_is_wrong_usage_and_never_green(wanted: Wanted, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="^" + said.replace("(", r"\(")):
        run(NOTHING, tmp_path, wanted, LivePrograms())


def test_a_kind_of_library_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to run for `mmcv`; this environment has torchvision"):
        run(with_companions(VISION), tmp_path, Wanted(words=("mmcv",)), LivePrograms())


def test_a_target_of_files_alone_cannot_run_ops(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="run in an interpreter of this machine"):
        run(with_companions(VISION), tmp_path, Wanted())


@pytest.mark.parametrize(
    ("states", "status"),
    [
        (("ok", "skipped"), 0),
        (("ok", "fail", "unknown", "crashed"), 1),
        (("ok", "crashed", "unknown"), 2),
        (("ok", "unknown"), 3),
        (("skipped", "skipped"), 2),
        ((), 2),
    ],
)
def test_the_exit_status_never_takes_what_was_not_run_for_right(states: tuple[OpState, ...], status: int) -> None:
    results = [OpResult(op=f"op{index}", library="lib", state=state) for index, state in enumerate(states)]

    assert exit_code(results) == status
    assert sum(summary(results).values()) == len(states)


def test_an_absent_compiled_part_still_names_the_package() -> None:
    bare = msgspec.structs.replace(VISION, extension=Absent("there is no compiled part"))

    assert libraries(with_companions(bare)) == (Library("torchvision_ops", None, "/site/torchvision"),)


def seen(suite: str, gpus: int | None) -> LibraryRun:
    library = Library(suite, None, suite)
    found = None if gpus is None else tuple(Device("H200", "9.0") for _ in range(gpus))
    return LibraryRun(library, (), ("nms",), found, "" if gpus else "torch sees no GPU")


@pytest.mark.parametrize(
    ("runs", "device", "said"),
    [
        ([seen("torchvision_ops", 0)], "cuda", "--device cuda: torch sees no GPU"),
        ([seen("torchvision_ops", 2)], "cuda:2", "--device cuda:2: there is no such GPU, the framework sees 2"),
        ([seen("torchvision_ops", 0), seen("mmcv_ops", None)], "cuda", "--device cuda: torch sees no GPU"),
    ],
)
def test_a_demanded_gpu_that_no_framework_sees_is_an_error(
    runs: list[LibraryRun], device: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        run_imitated(runs, device, monkeypatch, tmp_path)


def test_a_demanded_gpu_that_one_framework_sees_fails_the_library_of_the_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done = run_imitated([seen("torchvision_ops", 1), seen("mmcv_ops", 0)], "cuda", monkeypatch, tmp_path)

    (result,) = done.attributed.results
    assert (result.op, result.library, result.state) == ("gpu", "mmcv_ops", "fail")


def test_a_framework_that_died_before_it_could_tell_leaves_its_own_result_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert run_imitated([seen("mmcv_ops", None)], "cuda", monkeypatch, tmp_path).attributed.results == ()


def run_imitated(runs: list[LibraryRun], device: str, monkeypatch: pytest.MonkeyPatch, root: Path) -> SmokeRun:
    """What becomes of runs that are told and not made."""
    told = {run.library.suite: run for run in runs}
    monkeypatch.setattr("envdoctor.smoke.run.run_library", lambda library, _request, _notify: told[library.suite])
    names = {"torchvision_ops": "torchvision", "mmcv_ops": "mmcv"}
    companions = [TorchCompanion(name=names[suite], version="1", path=suite) for suite in told]
    target = Target("machine", RootedFiles(root), {}, LivePrograms(), "/usr/bin/python3")
    return run_smoke(target, with_companions(*companions), Wanted(device=device), lambda _doing: None)
