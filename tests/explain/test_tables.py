"""What the tables add to a line."""

import pytest

from envdoctor.explain.tables import told_by_tables


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("libstdc++.so.6: version `GLIBCXX_3.4.29' not found", "came with GCC 11"),
        ("libc.so.6: version `GLIBC_2.32' not found", "has glibc 2.3"),
        ("nvcc fatal   : Unsupported gpu architecture 'compute_30'", "is emitted by CUDA"),
        ("RTX 3090 with CUDA capability sm_86 is not compatible", "is emitted by CUDA 11.1 and later"),
        ("NVIDIA-SMI 470.57.02    Driver Version: 470.57.02", "runs CUDA up to 11.4"),
    ],
)
def test_a_version_or_architecture_is_set_against_the_tables(line: str, told: str) -> None:
    (evidence,) = told_by_tables(line)

    assert told in evidence.value
    assert evidence.found_via


@pytest.mark.parametrize("line", ["GLIBCXX_3.4.999", "compute_12345", "sm_7", "-D_GLIBCXX_USE_CXX11_ABI=0", "x"])
def test_of_what_no_table_has_nothing_is_said(line: str) -> None:
    assert told_by_tables(line) == ()
