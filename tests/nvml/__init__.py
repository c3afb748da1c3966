"""NVML in the states that a driver can be in, as a real shared library with NVML's binary interface."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("fake_nvml.c")
NAME = "libnvidia-ml.so.1"

needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc here")


@cache
def build_nvml(state: str, directory: Path) -> Path:
    """The directory that holds the library in that state, compiled once for each."""
    place = directory / state.lower()
    place.mkdir(parents=True, exist_ok=True)
    command = ["gcc", "-shared", "-fPIC", f"-D{state}", f"-Wl,-soname,{NAME}", "-o", str(place / NAME), str(SOURCE)]
    subprocess.run(command, check=True, capture_output=True)
    return place
