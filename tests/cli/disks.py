"""Small, full and read-only disks: mounts that only the programs started here see, gone when they end."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SECONDS = 60
READY = "ready\n"


@dataclass(frozen=True)
class Disks:
    """A view of the file system with mounts of its own."""

    pid: int

    def small(self, folder: Path, size: str) -> Path:
        """Mount an empty disk of that size (`1m`) on a folder; what is on it, as this process sees it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", folder]).check_returncode()
        return self.seen(folder)

    def resized(self, folder: Path, size: str) -> None:
        self.run(["mount", "-o", f"remount,size={size}", folder]).check_returncode()

    def read_only(self, folder: Path) -> None:
        self.run(["mount", "--bind", folder, folder]).check_returncode()
        self.run(["mount", "-o", "remount,ro,bind", folder]).check_returncode()

    def seen(self, path: Path) -> Path:
        """The path as it is in this view, for a process outside of it."""
        return Path(f"/proc/{self.pid}/root{path}")

    def run(
        self, words: Sequence[str | Path], environment: Mapping[str, str] | None = None, folder: str | Path = "/"
    ) -> "subprocess.CompletedProcess[str]":
        """A program that sees the mounts."""
        inside = ["nsenter", f"--target={self.pid}", "--mount", *_user_namespace(), f"--wdns={folder}"]
        return subprocess.run(
            [*inside, *map(str, words)],
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )


@contextmanager
def disks() -> Iterator[Disks]:
    """A view of its own; the test is skipped where this user may not have one."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        pytest.skip("needs unshare and nsenter")
    own = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    process = subprocess.Popen(
        [*own, "sh", "-c", "echo ready; exec sleep 600"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        if process.stdout.readline() != READY:
            pytest.skip(f"this user may mount nothing: {process.stderr.read().strip()}")
        yield Disks(process.pid)
    finally:
        process.kill()
        process.communicate()


def _user_namespace() -> list[str]:
    return ["--user", "--preserve-credentials"] if os.geteuid() else []
