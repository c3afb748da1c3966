"""What a step changes, recorded so that it can be put back: paths byte for byte, packages by version."""

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from envdoctor.atomic_file import clear_away_partial
from envdoctor.repair.pip import run_pip
from envdoctor.repair.steps import StepError

PIECE = 1 << 20


class PathState(msgspec.Struct, frozen=True, omit_defaults=True):
    """A path at one time. `digest` is of the bytes of a file, the target of a link, or all that a folder holds."""

    kind: Literal["absent", "file", "link", "folder"]
    digest: str = ""
    mode: int = 0
    backup: str = ""
    """Where the bytes of a file are kept; for a link, its target."""


class PathRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A path before and after a step. `missing_above` are the folders that were made for it, innermost first."""

    path: str
    before: PathState
    after: PathState | None = None
    missing_above: tuple[str, ...] = ()


class PackagesRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """Packages of an interpreter (name to version) before and after a step."""

    python: str
    before: dict[str, str]
    after: dict[str, str] | None = None


Run = Callable[[Sequence[str]], str]


def record_path(path: str, backup: str) -> PathRecord:
    """The state of a path, its bytes copied to the file `backup`. Raises OSError, StepError for an existing folder."""
    state = state_of(path)
    if state.kind == "folder":
        raise StepError(f"{path} is there already, and is a folder")
    if state.kind == "file":
        shutil.copyfile(path, backup, follow_symlinks=False)
        _force_to_disk(backup)
        state = msgspec.structs.replace(state, backup=backup)
    return PathRecord(path, state, missing_above=_missing_above(path))


def state_of(path: str) -> PathState:
    """What is at a path now. Raises OSError."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return PathState("absent")
    if stat.S_ISLNK(found.st_mode):
        target = os.readlink(path)
        return PathState("link", _digest_of(target.encode("utf-8", "surrogateescape")), backup=target)
    if stat.S_ISDIR(found.st_mode):
        return PathState("folder", _folder_digest(path))
    return PathState("file", _file_digest(path), stat.S_IMODE(found.st_mode))


def is_as(path: str, state: PathState) -> bool:
    """Whether a path is in that state. Raises OSError."""
    now = state_of(path)
    return now.kind == state.kind and now.digest == state.digest


def restore_path(record: PathRecord) -> None:
    """Put a path back as it was before, and remove the folders made for it where they are empty. Raises OSError."""
    before = record.before
    clear_away_partial(record.path)
    if before.kind != "absent" and is_as(record.path, before):
        return
    if before.kind == "file":
        _put_back(before, record.path)
        return
    _remove(record.path)
    if before.kind == "link":
        os.makedirs(os.path.dirname(record.path), exist_ok=True)
        os.symlink(before.backup, record.path)
    with contextlib.suppress(OSError):
        for folder in record.missing_above:
            os.rmdir(folder)


def packages_of(python: str, run: Run) -> dict[str, str]:
    """Name to version, as the interpreter's pip lists them. Raises StepError."""
    text = run((python, "-m", "pip", "list", "--format=json", "--disable-pip-version-check"))
    try:
        listed = msgspec.json.decode(text.splitlines()[0], type=list[dict[str, str]])
        return {package["name"]: package["version"] for package in listed}
    except (IndexError, KeyError, msgspec.DecodeError) as error:
        raise StepError(f"{python} -m pip list printed no list: {error}") from error


def restore_packages(record: PackagesRecord, run: Run) -> None:
    """Bring the packages back to their versions; those that came are removed. Raises StepError."""
    now = packages_of(record.python, run)
    pip = (record.python, "-m", "pip")
    came = sorted(name for name in now if name not in record.before)
    changed = sorted(f"{name}=={version}" for name, version in record.before.items() if now.get(name) != version)
    # What has to be fetched comes first: without a network nothing is changed yet.
    if changed:
        run_pip(
            run, (*pip, "install", "--no-deps", "--quiet", "--disable-pip-version-check", *_indexes(changed), *changed)
        )
    if came:
        run((*pip, "uninstall", "--yes", "--quiet", "--disable-pip-version-check", *came))


def _indexes(requirements: Sequence[str]) -> tuple[str, ...]:
    """Options for builds of torch that PyPI does not have: `torch==2.6.0+cu124` lies in an index of its own."""
    labels = sorted({version for one in requirements for _, plus, version in [one.partition("+")] if plus})
    return tuple(f"--extra-index-url=https://download.pytorch.org/whl/{label}" for label in labels)


def _put_back(before: PathState, path: str) -> None:
    temporary = f"{path}.envdoctor-restored"
    # Its folder may have been removed since, as a build folder is.
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        shutil.copyfile(before.backup, temporary)
    except OSError:
        # No room for a second copy: the backup itself becomes the file again.
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        temporary = before.backup
    os.chmod(temporary, before.mode)
    os.replace(temporary, path)


def _remove(path: str) -> None:
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)


def _missing_above(path: str) -> tuple[str, ...]:
    missing: list[str] = []
    folder = os.path.dirname(path)
    while folder not in ("", "/") and not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return tuple(missing)


def _file_digest(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _folder_digest(path: str) -> str:
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(path):
        folders.sort()
        for name in sorted(files):
            inside = os.path.join(folder, name)
            relative = os.path.relpath(inside, path)
            content = os.readlink(inside) if os.path.islink(inside) else _file_digest(inside)
            digest.update(f"{relative}\0{content}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _force_to_disk(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
