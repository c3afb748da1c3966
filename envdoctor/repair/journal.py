"""What was done, written down before it is done, so that it can be taken back even after a kill.

`.envdoctor/journal/0001/` holds `entry.json` and the backups of one run of `envdoctor fix`.
"""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Literal

import msgspec

from envdoctor.atomic_file import write_whole
from envdoctor.repair.resources import (
    PackagesRecord,
    PathRecord,
    Run,
    is_as,
    packages_of,
    record_path,
    restore_packages,
    restore_path,
    state_of,
)
from envdoctor.repair.steps import SetAside, Step, StepError

FOLDER = "journal"
ENTRY = "entry.json"


class StepRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step. `begun`: recorded and perhaps half done; `done`; `undone`."""

    recipe: str
    kind: str
    summary: str
    state: Literal["begun", "done", "undone"]
    paths: tuple[PathRecord, ...] = ()
    packages: PackagesRecord | None = None


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run. `running` is also what a killed run is left as."""

    schema_version: int
    id: int
    started: str
    state: Literal["running", "applied", "undone"]
    steps: tuple[StepRecord, ...] = ()

    @property
    def recipes(self) -> tuple[str, ...]:
        """Of the steps that stand."""
        return tuple(dict.fromkeys(step.recipe for step in self.steps if step.state != "undone"))


class ConflictError(Exception):
    """Something was changed since by someone else; the text names it."""


class Journal:
    """One run in the making, or taken up again. Every method writes the entry before it returns."""

    def __init__(self, folder: str, entry: Entry) -> None:
        self.folder = folder
        self.entry = entry

    @classmethod
    def begin(cls, overlay: str) -> "Journal":
        """A new run. Raises OSError where nothing can be written: then nothing has been done."""
        # Folders count, not entries: a kill may have left a folder without one.
        number = max((int(name) for name in _names(overlay) if name.isdigit()), default=0) + 1
        folder = f"{overlay}/{FOLDER}/{number:04}"
        os.makedirs(folder)
        started = datetime.now(timezone.utc).isoformat(timespec="seconds")
        journal = cls(folder, Entry(1, number, started, "running"))
        journal._write(journal.entry)
        return journal

    @classmethod
    def of(cls, overlay: str, entry: Entry) -> "Journal":
        """An earlier run."""
        return cls(f"{overlay}/{FOLDER}/{entry.id:04}", entry)

    def before(self, recipe: str, step: Step, run: Run) -> None:
        """Record what a step is about to change. Raises OSError, StepError."""
        number = len(self.entry.steps)
        record = StepRecord(
            recipe=recipe,
            kind=step.kind,
            summary=step.summary,
            state="begun",
            paths=tuple(
                record_path(path, f"{self.folder}/before-{number}-{index}") for index, path in enumerate(step.paths)
            ),
            packages=PackagesRecord(step.packages_of, packages_of(step.packages_of, run)) if step.packages_of else None,
        )
        self._write(msgspec.structs.replace(self.entry, steps=(*self.entry.steps, record)))

    def after(self, run: Run) -> None:
        """Record what the step that was begun last has left. Raises OSError, StepError."""
        record = self.entry.steps[-1]
        packages = record.packages
        if packages is not None:
            packages = msgspec.structs.replace(packages, after=packages_of(packages.python, run))
        done = msgspec.structs.replace(
            record,
            state="done",
            paths=tuple(msgspec.structs.replace(path, after=state_of(path.path)) for path in record.paths),
            packages=packages,
        )
        self._write(msgspec.structs.replace(self.entry, steps=(*self.entry.steps[:-1], done)))

    def close(self) -> None:
        """The run is over; what stands was verified or kept."""
        stands = any(step.state != "undone" for step in self.entry.steps)
        self._write(msgspec.structs.replace(self.entry, state="applied" if stands else "undone"))

    def take_back(self, run: Run, first: int = 0) -> tuple[str, ...]:
        """Undo the steps from `first` on, last first, and return their summaries.

        Raises ConflictError, before anything is touched, where something was changed since by someone else.
        """
        standing = [index for index, step in enumerate(self.entry.steps) if index >= first and step.state != "undone"]
        conflicts = tuple(_conflicts([self.entry.steps[index] for index in standing], run))
        if conflicts:
            raise ConflictError("changed since by someone else: " + ", ".join(conflicts))
        unwritten: OSError | None = None
        for index in reversed(standing):
            self._restore(self.entry.steps[index], run)
            try:
                self._mark_undone(index)
                unwritten = None
            except OSError as error:
                # A full disk must not keep the rest from being restored, which makes room: the last entry tells all.
                unwritten = error
        if unwritten is not None:
            raise unwritten
        if first == 0:
            self.close()
        return tuple(self.entry.steps[index].summary for index in reversed(standing))

    def _restore(self, record: StepRecord, run: Run) -> None:
        for path in reversed(record.paths):
            restore_path(path)
        if record.packages is not None:
            restore_packages(record.packages, run)

    def _mark_undone(self, index: int) -> None:
        undone = msgspec.structs.replace(self.entry.steps[index], state="undone")
        steps = (*self.entry.steps[:index], undone, *self.entry.steps[index + 1 :])
        self.entry = msgspec.structs.replace(self.entry, steps=steps)
        self._write(self.entry)

    def _write(self, entry: Entry) -> None:
        write_whole(f"{self.folder}/{ENTRY}", msgspec.json.format(msgspec.json.encode(entry), indent=1))
        self.entry = entry


def entries(overlay: str) -> tuple[Entry, ...]:
    """Every run, oldest first. Raises StepError for a damaged entry."""
    return tuple(_read(overlay))


def _names(overlay: str) -> list[str]:
    try:
        return sorted(os.listdir(f"{overlay}/{FOLDER}"))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read(overlay: str) -> Iterator[Entry]:
    for name in _names(overlay):
        path = f"{overlay}/{FOLDER}/{name}/{ENTRY}"
        try:
            with open(path, "rb") as file:
                yield msgspec.json.decode(file.read(), type=Entry)
        except FileNotFoundError:
            # Killed between making the folder and its first entry: nothing was done.
            continue
        except (OSError, msgspec.DecodeError) as error:
            raise StepError(f"{path} cannot be read: {error}") from error


def _conflicts(steps: Sequence[StepRecord], run: Run) -> Iterator[str]:
    """What is neither as these steps left it nor as they found it.

    Of several steps that changed a thing the last one tells how it was left. A step that was cut off tells nothing, and
    neither does one that set a generated file aside: the next build makes it anew.
    """
    seen: set[str] = set()
    for step in reversed(steps):
        for path in step.paths if step.kind != SetAside.kind else ():
            fresh = path.path not in seen
            seen.add(path.path)
            left = path.after
            if fresh and left is not None and not is_as(path.path, left) and not is_as(path.path, path.before):
                yield path.path
        packages = step.packages
        if packages is not None and packages.python not in seen:
            seen.add(packages.python)
            others = _changed_since(packages, run)
            if others:
                yield f"the packages of {packages.python} ({', '.join(others)})"


def _changed_since(packages: PackagesRecord, run: Run) -> tuple[str, ...]:
    """Packages that are neither as the step left them nor as it found them. A cut-off undo leaves some of each."""
    if packages.after is None:
        return ()
    now = packages_of(packages.python, run)
    names = sorted({*now, *packages.before, *packages.after})
    return tuple(name for name in names if now.get(name) not in (packages.before.get(name), packages.after.get(name)))
