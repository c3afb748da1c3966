"""The files of a project folder: its own, without version control, virtual environments, caches and the overlay."""

from collections import deque

import msgspec

from envdoctor.facts import Unreadable
from envdoctor.files import FileView
from envdoctor.probes.reading import reason_of

FILES_AT_MOST = 4000
DIRECTORIES_AT_MOST = 600
DEPTH_AT_MOST = 12

SKIPPED = frozenset(
    (
        *(".git", ".hg", ".svn", ".tox", ".nox", ".eggs", ".idea", ".vscode", ".cache", ".envdoctor"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__", "node_modules", "CMakeFiles", "site-packages"),
    )
)


class Tree(msgspec.Struct, frozen=True):
    """Absolute paths in breadth-first order, each directory's names sorted. `builds` are the build directories met."""

    files: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
    built: tuple[str, ...] = ()
    """Files below the build directories."""
    unreadable: tuple[Unreadable, ...] = ()


def is_build_directory(name: str) -> bool:
    """By the names that people and scikit-build give them; any folder with a CMakeCache.txt is one too."""
    return name in ("build", "_skbuild", "out") or name.startswith(("build-", "build_", "cmake-build"))


def read_tree(files: FileView, root: str) -> Tree:
    """Every file below `root`, bounded in number and depth; what was left out is said in `unreadable`."""
    found: dict[bool, list[str]] = {False: [], True: []}
    builds: list[str] = []
    unreadable: list[Unreadable] = []
    seen: set[str] = set()
    waiting: deque[tuple[str, int, bool]] = deque([(root, 0, False)])
    while waiting:
        directory, depth, in_build = waiting.popleft()
        real = files.real(directory)
        if real in seen:
            continue
        seen.add(real)
        if len(seen) > DIRECTORIES_AT_MOST or len(found[False]) + len(found[True]) >= FILES_AT_MOST:
            unreadable.append(
                Unreadable(f"large: only {FILES_AT_MOST} files in {DIRECTORIES_AT_MOST} folders were read", root)
            )
            break
        try:
            names = files.names(directory)
        except OSError as error:
            unreadable.append(Unreadable(reason_of(error), directory))
            continue
        if "pyvenv.cfg" in names or "conda-meta" in names:
            continue
        if (
            not in_build
            and depth > 0
            and ("CMakeCache.txt" in names or is_build_directory(directory.rpartition("/")[2]))
        ):
            in_build = True
            builds.append(directory)
        elif "CMakeCache.txt" in names:
            builds.append(directory)
        for name in names:
            path = f"{directory}/{name}"
            if "." in name and files.is_file(path):
                found[in_build].append(path)
            elif name not in SKIPPED and depth < DEPTH_AT_MOST and files.is_dir(path):
                waiting.append((path, depth + 1, in_build))
            elif name in ("Makefile", "makefile", "GNUmakefile"):
                found[in_build].append(path)
    return Tree(tuple(found[False]), tuple(builds), tuple(found[True]), tuple(unreadable))
