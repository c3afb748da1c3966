"""A Caffe2 of a few files in an interpreter of its own, and a project of one operator that CMake builds against it.

What the real package gets wrong is wrong here too; each test says which of it by the files that it lays over.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from envdoctor.target import Target
from tests.recipes.curing import machine

needs_tools = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("g++", "cmake", "make")), reason="needs g++, cmake and make"
)

Done = subprocess.CompletedProcess[str]

CONFIG = "torch/share/cmake/Caffe2/Caffe2Config.cmake"
TARGETS = "torch/share/cmake/Caffe2/Caffe2Targets.cmake"
CORE = "torch/lib/include/caffe2/core/context.h"

PACKAGE = {
    "caffe2/__init__.py": "",
    "torch/__init__.py": "",
    "torch/version.py": "__version__ = '1.0.1'\ncuda = None\n",
    "torch-1.0.1.dist-info/METADATA": "Metadata-Version: 2.1\nName: torch\nVersion: 1.0.1\n",
    CONFIG: """\
set(CAFFE2_VERSION "1.0.1")
include("${CMAKE_CURRENT_LIST_DIR}/public/utils.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/Caffe2Targets.cmake")
""",
    "torch/share/cmake/Caffe2/public/utils.cmake": "",
    TARGETS: """\
get_filename_component(_IMPORT_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
add_library(caffe2_library INTERFACE)
set_target_properties(caffe2_library PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${_IMPORT_PREFIX}/lib/include")
""",
    CORE: "#pragma once\n",
}
PROJECT = {
    "CMakeLists.txt": """\
cmake_minimum_required(VERSION 3.5)
find_package(Caffe2 REQUIRED)
add_library(caffe2_tiny_ops SHARED ops/double_op.cc)
target_link_libraries(caffe2_tiny_ops caffe2_library)
""",
    "Makefile": ".PHONY: ops\nops:\n\tmkdir -p build && cd build && cmake .. && $(MAKE)\n",
    "ops/double_op.cc": '#include "caffe2/core/context.h"\nextern "C" int twice(int value) { return 2 * value; }\n',
}


@dataclass(frozen=True)
class Bench:
    """A project, the interpreter that has Caffe2 in `site`, a folder in place of the package index, and a cache."""

    project: Path
    python: Path
    site: Path
    index: Path
    cache: Path

    @property
    def config(self) -> Path:
        return (self.site / CONFIG).parent

    def target(self, **variables: str) -> Target:
        """The machine with nothing set but these variables, and nothing fetched from anywhere but `index`."""
        plain = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.cache),
            "LC_ALL": "C",
            "PIP_NO_INDEX": "1",
            # pip splits the variable at blanks.
            "PIP_FIND_LINKS": self.index.as_uri(),
            "PIP_CONFIG_FILE": os.devnull,
            "CMAKE_POLICY_VERSION_MINIMUM": "3.5",
        }
        return machine(self.project, {**plain, **variables}, self.python)

    def found(self, **variables: str) -> Target:
        """The same with Caffe2 found by CMake."""
        return self.target(Caffe2_DIR=str(self.config), **variables)

    def make_ops(self, environment: Mapping[str, str]) -> Done:
        """`make ops`, what it says of errors on stderr."""
        return run(["make", "ops"], environment, self.project)


def bench(folder: Path, package: Mapping[str, str] | None = None, project: Mapping[str, str] | None = None) -> Bench:
    """All of it in a folder, with these files laid over those of the package and of the project."""
    python = folder / "env" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "env")], check=True, timeout=60)
    site = next((folder / "env" / "lib").glob("python*/site-packages"))
    write(site, {**PACKAGE, **(package or {})})
    write(folder / "a project", {**PROJECT, **(project or {})})
    (folder / "index").mkdir()
    (folder / "cache").mkdir()
    return Bench(folder / "a project", python, site, folder / "index", folder / "cache")


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def write_wheel(index: Path, name: str, files: Mapping[str, str]) -> Path:
    """A wheel of that file name, with the metadata that pip asks for."""
    package, version, *_ = name.split("-")
    info = f"{package}-{version}.dist-info"
    own = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
    }
    with zipfile.ZipFile(index / name, "w") as archive:
        for member, text in {**own, **files}.items():
            archive.writestr(member, text)
    return index / name


def run(words: Sequence[str | Path], environment: Mapping[str, str], folder: Path) -> Done:
    return subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
