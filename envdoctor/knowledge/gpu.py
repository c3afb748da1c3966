"""NVIDIA products and their compute capability."""

from functools import cache
from typing import Literal

import msgspec

from envdoctor.knowledge.tables import Row, load

Segment = Literal["data-center", "workstation", "consumer", "jetson"]


class Gpu(Row, frozen=True):
    """`cc` is the compute capability, `8.6` for sm_86."""

    name: str
    cc: str
    architecture: str
    segment: Segment


class _Table(msgspec.Struct, frozen=True):
    gpu: tuple[Gpu, ...]


# Words of a driver's product name that say the maker, the form or the memory, never another chip.
_MAKERS = frozenset({"NVIDIA", "TESLA"})
_FORMS = frozenset(
    {"PCIE", "SXM", "SXM2", "SXM3", "SXM4", "SXM5", "DGXS", "NVL", "HBM2", "HBM2E", "HBM3", "HBM3E"}
    | {"GPU", "LAPTOP", "WITH", "MAX", "Q", "DESIGN", "GENERATION", "EDITION", "WORKSTATION", "SERVER", "SFF"}
)


@cache
def _by_words() -> dict[tuple[str, ...], Gpu]:
    return {_words(row.name): row for row in load("gpu", _Table).gpu}


def find(product_name: str) -> Gpu | None:
    """The product a driver names (`NVIDIA A100-SXM4-40GB`); None when the table has not exactly this one.

    Maker, form and memory size are left aside; any other word makes another product (`A10G` is no `A10`).
    """
    return _by_words().get(_words(product_name))


def products(cc: str) -> tuple[str, ...]:
    """The products of a compute capability, as examples."""
    return tuple(row.name for row in _by_words().values() if row.cc == cc)


def _words(name: str) -> tuple[str, ...]:
    words = name[:200].upper().replace("-", " ").split()
    return tuple(word for word in words if word not in _MAKERS and word not in _FORMS and not _is_size(word))


def _is_size(word: str) -> bool:
    return word == "GB" or (word.endswith("GB") and word[:-2].isdigit())
