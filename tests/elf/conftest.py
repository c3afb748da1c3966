"""Fixtures of the ELF tests."""

from pathlib import Path

import pytest

from tests.elf.building import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)
