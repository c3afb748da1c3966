"""The kernel that nvcc is tried with, linked as torch's build tools link: torch comes into the process first."""

from __future__ import absolute_import

from . import cuda_toolchain

MYPY = False
if MYPY:
    from typing import List

    from ..case import Op


def load(path):
    # type: (str) -> None
    """Raises what importing torch raises, and OSError where the library does not load."""
    import torch  # its libraries must be in the process

    cuda_toolchain.load(path)


def ops():
    # type: () -> List[Op]
    """One for each GPU."""
    return cuda_toolchain.ops()
