"""File trees for tests: a folder seen as a whole file system, and targets made of it."""

import mmap
import posixpath
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from envdoctor.files import READ_LIMIT, FileView, LiveFiles
from envdoctor.programs import Completed, Programs
from envdoctor.target import Target

LINKS_AT_MOST = 40


class RootedFiles:
    """`root` seen as `/`: absolute links stay below it. `denied` paths, and all below them, refuse to be read."""

    def __init__(self, root: Path, denied: tuple[str, ...] = ()) -> None:
        self.root = str(root)
        self.denied = denied
        self.live = LiveFiles()

    def is_file(self, path: str) -> bool:
        return self.live.is_file(self._place(path))

    def is_dir(self, path: str) -> bool:
        return self.live.is_dir(self._place(path))

    def names(self, directory: str) -> tuple[str, ...]:
        self._refuse(directory)
        return self.live.names(self._place(directory))

    def size(self, path: str) -> int:
        return self.live.size(self._place(path))

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        self._refuse(path)
        return self.live.read(self._place(path), limit)

    def map(self, path: str) -> mmap.mmap:
        self._refuse(path)
        return self.live.map(self._place(path))

    def real(self, path: str) -> str:
        return self._resolve(path)

    def link(self, path: str) -> str | None:
        parent, name = posixpath.split(posixpath.normpath(path))
        return self.live.link(posixpath.join(self._place(parent), name))

    def _place(self, path: str) -> str:
        return self.root + self._resolve(path)

    def _refuse(self, path: str) -> None:
        if any(path == denied or path.startswith(f"{denied}/") for denied in self.denied):
            raise PermissionError(13, "Permission denied", path)

    def _resolve(self, path: str) -> str:
        done: list[str] = []
        waiting = [part for part in path.split("/") if part not in ("", ".")]
        links = 0
        while waiting:
            part = waiting.pop(0)
            if part == "..":
                done = done[:-1]
                continue
            here = "/".join(["", *done, part])
            text = self.live.link(self.root + here)
            if text is None or links >= LINKS_AT_MOST:
                done.append(part)
                continue
            links += 1
            waiting = [piece for piece in text.split("/") if piece not in ("", ".")] + waiting
            if text.startswith("/"):
                done = []
        return "/" + "/".join(done)


def write_tree(root: Path, files: Mapping[str, str | bytes]) -> None:
    """Files below `root` by absolute path; a text that begins with `-> ` makes a symbolic link; a path with a final
    slash makes a directory."""
    for path, content in files.items():
        place = root / path.lstrip("/")
        if path.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str) and content.startswith("-> "):
            place.symlink_to(content[3:])
        else:
            place.write_bytes(content.encode() if isinstance(content, str) else content)


def write_program(path: Path, text: str) -> Path:
    """A program made of a script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@dataclass(frozen=True)
class Started:
    """One start of a program, as a probe asked for it."""

    command: tuple[str, ...]
    seconds: float
    environment: dict[str, str]


class AnsweringPrograms:
    """Programs that answer from a function, so that a test can say what they print."""

    def __init__(self, answer: Callable[[tuple[str, ...]], Completed]) -> None:
        self.answer = answer
        self.started: list[Started] = []

    def run(
        self,
        command: Sequence[str],
        seconds: float,
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        self.started.append(Started(tuple(command), seconds, dict(environment or {})))
        return self.answer(tuple(command))


def make_target(
    files: FileView,
    environment: Mapping[str, str] | None = None,
    programs: Programs | None = None,
    python: str | None = None,
    project: str | None = None,
    kind: str = "test",
) -> Target:
    """A target whose environment is empty unless it is given."""
    return Target(kind, files, dict(environment or {}), programs, python, "test" if python else "", project)
