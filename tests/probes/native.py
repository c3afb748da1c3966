"""Small shared libraries for the tests, built on the spot."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ here")

CONTAINER_MAGIC = 0xBA55ED50
ACCELERATED = 0x100000


def build_library(path: Path, source: str, *options: str, language: str = "c++") -> Path:
    """A shared library of one source text; needs no start files, so that nothing but the source is in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["g++", "-x", language, "-shared", "-fPIC", "-o", str(path), "-", "-x", "none", *options],
        input=source,
        text=True,
        check=True,
        capture_output=True,
    )
    return path


def fatbin(*containers: tuple[str, ...]) -> bytes:
    """A .nv_fatbin section without payload; each container is a tuple of targets such as `75`, `90a`, `90+PTX`."""
    out = b""
    for targets in containers:
        body = b"".join(_entry(target) for target in targets)
        out += struct.pack("<IHHQ", CONTAINER_MAGIC, 1, 16, len(body)) + body
    return out


def build_with_fatbin(path: Path, section: bytes) -> Path:
    """A shared library with that device code."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blob = path.with_suffix(".fatbin")
    blob.write_bytes(section)
    return build_library(path, f'.section .nv_fatbin,"a"\n.incbin "{blob}"\n', "-nostdlib", language="assembler")


def _entry(target: str) -> bytes:
    name, _, ptx = target.partition("+")
    flags = ACCELERATED if name.endswith("a") else 0
    kind = 1 if ptx else 2
    head = struct.pack("<HHIQIIHHI", kind, 0x0101, 64, 0, 0, 0, 0, 0, int(name.rstrip("a")))
    return head + struct.pack("<IIQQQ", 0, 0, flags, 0, 0)
