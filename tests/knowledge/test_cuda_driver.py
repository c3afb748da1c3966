import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.knowledge.cuda_driver import (
    decode_cuda,
    driver_for_toolkit,
    encode_cuda,
    error,
    forward_compatibility,
    judge_runtime,
    minor_version_floor,
    newest_cuda_of_driver,
)


@pytest.mark.parametrize(
    ("number", "version"),
    [
        (13000, "13.0"),
        (12040, "12.4"),
        (9020, "9.2"),
        (10010, "10.1"),
        (0, None),
        (-1, None),
        (999, None),
        (1 << 40, None),
    ],
)
def test_a_driver_number_is_read_as_major_thousand_and_minor_ten(number: int, version: str | None) -> None:
    assert decode_cuda(number) == version


@given(st.integers(1, 99), st.integers(0, 99))
def test_encoding_and_decoding_are_inverse(major: int, minor: int) -> None:
    number = encode_cuda(f"{major}.{minor}")

    assert number is not None
    assert decode_cuda(number) == f"{major}.{minor}"


@pytest.mark.parametrize("version", ["", "12", "x", "0.5", "1.100"])
def test_what_is_no_cuda_version_has_no_number(version: str) -> None:
    assert encode_cuda(version) is None


@pytest.mark.parametrize(
    ("cuda", "driver"),
    [
        ("10.0", "410.48"),
        ("10.0.130", "410.48"),
        ("12.2", "535.54.03"),
        ("11.0", "450.51.05"),
        ("9.1", "387.26"),
        ("8.0", "367.48"),
        ("13.0", "580.65.06"),
        ("13.3", "610"),
        ("12.7", "565"),
        ("13.9", None),
        ("6.5", None),
        ("12", None),
        ("", None),
    ],
)
def test_the_oldest_driver_of_a_toolkit(cuda: str, driver: str | None) -> None:
    row = driver_for_toolkit(cuda)

    assert (row.driver if row else None) == driver
    assert row is None or row.source


@pytest.mark.parametrize(
    ("driver", "cuda"),
    [
        ("410.48", "10.0"),
        ("535.104.05", "12.2"),
        ("565.57.01", "12.7"),
        ("580.65.06", "13.0"),
        ("390.25", "9.1"),
        ("610.10", "13.3"),
        ("384.59", None),
        ("430.26", None),
        ("999.1", None),
        ("rubbish", None),
        ("", None),
    ],
)
def test_the_newest_cuda_of_a_driver_is_that_of_its_branch(driver: str, cuda: str | None) -> None:
    row = newest_cuda_of_driver(driver)

    assert (row.newest_cuda if row else None) == cuda


@pytest.mark.parametrize(
    ("cuda", "driver", "driver_cuda", "verdict"),
    [
        ("9.0", "410.48", None, "native"),
        ("10.0", "410.48", None, "native"),
        ("10.1", "410.48", None, "too-old"),
        ("11.7", "410.48", None, "too-old"),
        ("11.8", "450.80.02", None, "minor-version"),
        ("11.8", "450.51.06", None, "too-old"),
        ("11.0", "450.51.06", None, "native"),
        ("12.4", "535.104.05", None, "minor-version"),
        ("12.4.127", "535.104.05", None, "minor-version"),
        ("12.1", "535.104.05", None, "native"),
        ("13.0", "535.104.05", None, "too-old"),
        ("11.8", "580.95.05", None, "native"),
        ("13.4", "580.95.05", None, "minor-version"),
        ("13.0", "580.95.05", None, "native"),
        # A branch that no table has: the published minima decide, or nothing does.
        ("10.1", "430.26", None, "native"),
        ("10.2", "430.26", None, "too-old"),
        ("12.9", "999.1", None, "native"),
        ("13.9", "999.1", None, "unknown"),
        ("14.0", "999.1", None, "unknown"),
        ("14.0", "580.95.05", None, "too-old"),
        # What the driver says of itself outranks the table.
        ("14.0", None, "14.1", "native"),
        ("14.2", None, "14.1", "minor-version"),
        ("10.1", None, "10.0", "too-old"),
        ("12.4", "535.104.05", "12.4", "native"),
        ("12.4", None, "12.2", "minor-version"),
        ("13.0", None, "12.2", "too-old"),
        ("12.4", None, None, "unknown"),
        ("12", "535.104.05", None, "unknown"),
        ("", "535.104.05", None, "unknown"),
        ("12.4", "rubbish", None, "unknown"),
    ],
)
def test_a_runtime_is_judged_by_driver(cuda: str, driver: str | None, driver_cuda: str | None, verdict: str) -> None:
    judgement = judge_runtime(cuda, driver, driver_cuda)

    assert judgement.verdict == verdict
    assert judgement.ptx_fails is (verdict == "minor-version")
    assert (judgement.source == "") is (verdict == "unknown")


def test_a_runtime_that_is_too_new_names_the_driver_that_would_do() -> None:
    assert judge_runtime("12.4", "470.82.01").needed == "525.60.13"
    assert judge_runtime("10.2", "410.48").needed == "440.33"


def test_an_unknown_judgement_has_no_source() -> None:
    assert judge_runtime("13.9", "999.1").source == ""


@given(st.text(max_size=20), st.one_of(st.none(), st.text(max_size=20)), st.one_of(st.none(), st.text(max_size=20)))
def test_no_text_makes_the_judgement_raise(cuda: str, driver: str | None, driver_cuda: str | None) -> None:
    assert judge_runtime(cuda, driver, driver_cuda).verdict in ("native", "minor-version", "too-old", "unknown")


def test_minor_version_compatibility_begins_with_cuda_11() -> None:
    assert minor_version_floor(10) is None
    floor = minor_version_floor(12)
    assert floor is not None
    assert floor.driver == "525.60.13"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NVIDIA A100-SXM4-40GB", "supported"),
        ("Tesla V100-SXM2-16GB", "supported"),
        ("Tesla K80", "supported"),
        ("NVIDIA GeForce RTX 3090", "unsupported"),
        ("NVIDIA TITAN RTX", "unsupported"),
        ("NVIDIA RTX A6000", "unknown"),
        ("NVIDIA Something New", "unknown"),
        ("", "unknown"),
    ],
)
def test_forward_compatibility_is_for_data_centre_gpus(name: str, expected: str) -> None:
    assert forward_compatibility(name) == expected


def test_errors_of_driver_compatibility_are_explained() -> None:
    row = error(222)
    assert row is not None
    assert row.name == "cudaErrorUnsupportedPtxVersion"
    assert error(2) is None
