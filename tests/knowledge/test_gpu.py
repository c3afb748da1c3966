import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.knowledge.gpu import find, products


@pytest.mark.parametrize(
    ("name", "cc"),
    [
        ("NVIDIA A100-SXM4-40GB", "8.0"),
        ("NVIDIA A100 80GB PCIe", "8.0"),
        ("NVIDIA H100 80GB HBM3", "9.0"),
        ("NVIDIA H100 PCIe", "9.0"),
        ("NVIDIA GH200 480GB", "9.0"),
        ("Tesla V100-SXM2-16GB", "7.0"),
        ("Tesla T4", "7.5"),
        ("Tesla K80", "3.7"),
        ("NVIDIA GeForce RTX 3080 Laptop GPU", "8.6"),
        ("GeForce GTX 1070 with Max-Q Design", "6.1"),
        ("GeForce GTX 1080 Ti", "6.1"),
        ("NVIDIA RTX 6000 Ada Generation", "8.9"),
        ("Quadro RTX 6000", "7.5"),
        ("NVIDIA TITAN X (Pascal)", "6.1"),
        ("GeForce GTX TITAN X", "5.2"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "12.0"),
        ("NVIDIA GB10", "12.1"),
    ],
)
def test_a_product_as_the_driver_names_it_has_its_capability(name: str, cc: str) -> None:
    row = find(name)

    assert row is not None
    assert row.cc == cc


@pytest.mark.parametrize(
    "name",
    ["NVIDIA A10G", "GeForce GTX 1050 Ti", "GeForce GTX 960M", "NVIDIA GeForce RTX 5090 D", "NVIDIA", "", "RTX 6000"],
)
def test_a_product_of_a_similar_name_is_unknown(name: str) -> None:
    assert find(name) is None


@given(st.text(max_size=300))
def test_no_name_makes_the_search_raise(name: str) -> None:
    find(name)


def test_products_of_a_capability_are_examples() -> None:
    assert "H100" in products("9.0")
    assert products("99.9") == ()
