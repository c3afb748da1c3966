"""Libraries of a few lines, built on the spot."""

import shutil
import subprocess
from pathlib import Path

import pytest


class Workshop:
    """A folder to build in. Every `build_*` returns the path of what it made."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        """A path in the folder, its parent made."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def library(self, name: str, source: str = "", *flags: str, soname: bool = True) -> Path:
        """A shared library that stands alone; its soname is its file name."""
        named = (f"-Wl,-soname,{Path(name).name}",) if soname else ()
        return self._compile(name, source, "-shared", "-fPIC", "-nostdlib", *named, *flags)

    def program(self, name: str, source: str, *flags: str) -> Path:
        """A program linked with libc."""
        return self._compile(name, source, *flags)

    def cplusplus(self, name: str, source: str, *flags: str) -> Path:
        """A shared library of C++ with libstdc++."""
        return self._compile(name, source, "-shared", "-fPIC", *flags, compiler="g++", suffix=".cc")

    def _compile(self, name: str, source: str, *flags: str, compiler: str = "gcc", suffix: str = ".c") -> Path:
        if shutil.which(compiler) is None:
            pytest.skip(f"no {compiler} on this machine")
        output = self.path(name)
        text = output.with_name(output.name + suffix)
        text.write_text(source + "\n")
        words = [compiler, "-w", "-o", str(output), str(text), *flags]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return output
