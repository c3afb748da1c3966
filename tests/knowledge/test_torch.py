import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.knowledge.cuda_arch import emits
from envdoctor.knowledge.cudnn import wheel
from envdoctor.knowledge.tables import read
from envdoctor.knowledge.torch import is_published_pair, matching_torch, matching_torchvision, release, releases_for
from envdoctor.knowledge.versions import numbers


@pytest.mark.parametrize(
    ("torch", "torchvision"),
    [
        ("2.13.0", "0.28.0"),
        ("2.13.0+cpu", "0.28.0"),
        ("1.13.1", "0.14.1"),
        ("2.14.1", "0.29.1"),
        ("1.0.1", None),
        ("2.99.0", None),
        ("2.13", None),
        ("2.13.0a0", None),
        ("2.13.0.dev20260101", None),
        ("", None),
    ],
)
def test_a_torch_has_the_torchvision_it_was_published_with(torch: str, torchvision: str | None) -> None:
    pair = matching_torchvision(torch)

    assert (pair.torchvision if pair else None) == torchvision
    assert pair is None or pair.source


@pytest.mark.parametrize(
    ("torchvision", "torch"),
    [("0.29.1", "2.14.1"), ("0.14.1", "1.13.1"), ("0.16.0+cu118", "2.1.0"), ("0.2.2", None), ("", None)],
)
def test_a_torchvision_has_the_torch_it_was_published_with(torchvision: str, torch: str | None) -> None:
    pair = matching_torch(torchvision)

    assert (pair.torch if pair else None) == torch


@pytest.mark.parametrize(
    ("torch", "torchvision", "expected"),
    [
        ("2.13.0", "0.28.0", True),
        ("2.13.0+cu130", "0.28.0+cpu", True),
        ("2.12.1", "0.28.0", False),
        ("1.13.1", "0.28.0", False),
        # These two ask for 2.14.0 or newer, not for one release.
        ("2.14.0", "0.29.1", True),
        ("2.15.0", "0.29.1", True),
        ("2.13.0", "0.29.2", False),
        ("2.99.0", "0.28.0", None),
        ("2.13.0", "0.99.0", None),
        ("2.13.0a0", "0.28.0", None),
    ],
)
def test_a_pair_is_published_or_not_or_unknown(torch: str, torchvision: str, expected: bool | None) -> None:
    assert is_published_pair(torch, torchvision) is expected


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_text_makes_a_question_raise(torch: str, torchvision: str) -> None:
    is_published_pair(torch, torchvision)
    matching_torchvision(torch)
    releases_for(torch)


def test_the_string_abi_of_the_wheels_changes_with_2_7() -> None:
    for row in read("torch")["release"]:
        if "cxx11_abi" in row:
            assert row["cxx11_abi"] == int(numbers(row["version"]) >= (2, 7, 0))


def test_the_real_caffe2_release() -> None:
    row = release("1.0.1")

    assert row is not None
    assert (row.cuda, row.cudnn, row.cudnn_from, row.gcc, row.cxx11_abi) == ("9.0", "7.4.2", "wheel", "4.9.2", 0)
    assert row.archs.split() == ["35", "50", "60", "70"]


def test_releases_for_a_python_are_newest_first() -> None:
    versions = [row.version for row in releases_for("3.7")]

    assert versions[0] == "1.13.1"
    assert versions[-1] == "1.0.0"
    assert releases_for("3.8.19", "12.1")[0].version == "2.4.1"
    assert releases_for("3.99") == ()


def test_a_pinned_cudnn_is_a_wheel_of_the_same_cuda_major() -> None:
    for row in read("torch")["release"]:
        if row["cudnn_from"] == "requires":
            assert wheel(row["cudnn"], numbers(row["cuda"])[0]) is not None, row["version"]


def test_the_architectures_of_a_release_can_be_emitted_by_its_cuda() -> None:
    for row in read("torch")["release"]:
        for arch in (row.get("archs", "") + " " + row.get("torchvision_archs", "")).split():
            assert emits(row["cuda"], arch) is True, (row["version"], row["cuda"], arch)


def test_cuda_never_steps_back_from_one_release_to_the_next() -> None:
    cudas = [numbers(row["cuda"]) for row in read("torch")["release"]]

    assert cudas == sorted(cudas)
