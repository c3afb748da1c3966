"""Every test below this folder is marked `real` and may ask for real environments and real builds.

What cannot be had on this machine (an interpreter, the registry) skips a test with that reason; all else fails it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.real import build_variants, environments, torch_extensions
from tests.real.environments import Environment, UnavailableError

Made = TypeVar("Made")
HERE = Path(__file__).resolve().parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.real)


def had(make: Callable[[str], Made]) -> Callable[[str], Made]:
    """`make`, skipping the test where this machine lacks what it is made from."""

    def made(name: str) -> Made:
        try:
            return make(name)
        except UnavailableError as reason:
            pytest.skip(str(reason))

    return made


@pytest.fixture(scope="session")
def environment() -> Callable[[str], Environment]:
    """Ask for an environment by name: see environments.RECIPES."""
    return had(environments.environment)


@pytest.fixture(scope="session")
def ops_library() -> Callable[[str], Path]:
    """Ask for the operators' library by variant: see build_variants.VARIANTS."""
    return had(build_variants.library)


@pytest.fixture(scope="session")
def torch_extension() -> Callable[[str], Path]:
    """Ask for the extension module of torch by variant: see torch_extensions.FLAGS."""
    return had(torch_extensions.extension)


@pytest.fixture(scope="session")
def caffe2(environment: Callable[[str], Environment]) -> Environment:
    return environment("caffe2")
