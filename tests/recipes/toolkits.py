"""CUDA toolkits for tests: this machine's own one in another place, changed where a test wants it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SETUP = """\
from setuptools import setup
from torch.utils.cpp_extension import BuildExtension, CUDAExtension

setup(name="ops", ext_modules=[CUDAExtension("ops", ["ops.cu"])], cmdclass={"build_ext": BuildExtension})
"""


def this_machines_toolkit() -> Path:
    """The root of a whole toolkit below /usr/local; the test is skipped where there is none."""
    for nvcc in sorted(Path("/usr/local").glob("cuda*/bin/nvcc")):
        root = nvcc.resolve().parent.parent
        if (root / "include" / "crt" / "host_config.h").is_file() and (root / "lib64").is_dir():
            return root
    pytest.skip("no CUDA toolkit below /usr/local")


def toolkit_in(root: Path, host_config: str | None = None) -> Path:
    """This machine's toolkit in `root`: programs copied, all else linked, its host_config.h changed."""
    real = this_machines_toolkit()
    (root / "bin").mkdir(parents=True)
    for program in (real / "bin").iterdir():
        if program.is_file():
            _same_file(program, root / "bin" / program.name)
        else:
            (root / "bin" / program.name).symlink_to(program)
    _linked(real / "include", root / "include", besides="crt")
    _linked(real / "include" / "crt", root / "include" / "crt", besides="host_config.h")
    own = (real / "include" / "crt" / "host_config.h").read_text()
    (root / "include" / "crt" / "host_config.h").write_text(own if host_config is None else host_config)
    for name in ("nvvm", "lib", "lib64"):
        (root / name).symlink_to(real / name)
    for target in (real / "targets").iterdir():
        (root / "targets" / target.name).mkdir(parents=True)
        for name in ("include", "lib"):
            (root / "targets" / target.name / name).symlink_to(root / name)
    return root


def host_config_up_to(gcc: int) -> str:
    """This machine's crt/host_config.h, taking GCC up to another major, with the message that goes with it."""
    text = (this_machines_toolkit() / "include" / "crt" / "host_config.h").read_text()
    before, condition, rest = text.partition("#if __GNUC__ > ")
    assert condition
    newest = rest.split()[0]
    changed = rest.replace(f"gcc versions later than {newest}", f"gcc versions later than {gcc}")
    return f"{before}{condition}{gcc}{changed.removeprefix(newest)}"


def wrapper_of(nvcc: Path, script: Path) -> Path:
    """A script that starts nvcc from its own place."""
    script.parent.mkdir(parents=True)
    script.write_text(f'#!/bin/sh\nexec {nvcc} "$@"\n')
    script.chmod(0o755)
    return script


def _linked(source: Path, folder: Path, besides: str) -> None:
    folder.mkdir(parents=True)
    for entry in source.iterdir():
        if entry.name != besides:
            (folder / entry.name).symlink_to(entry)


def _same_file(source: Path, copy: Path) -> None:
    """A second name of the file where the file system allows, since a link would lead nvcc back to its own place."""
    try:
        os.link(source, copy)
    except OSError:
        shutil.copy2(source, copy)


def this_machines_gcc() -> int:
    """The major of g++; the test is skipped where there is none."""
    found = shutil.which("g++")
    if found is None:
        pytest.skip("no g++")
    said = subprocess.run([found, "-dumpversion"], capture_output=True, text=True, check=True).stdout
    return int(said.partition(".")[0])
