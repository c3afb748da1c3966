"""Where a program's dlopen("libcuda.so.1") and its like end: LD_LIBRARY_PATH, the loader's cache, its directories."""

from collections.abc import Iterator

import msgspec

from envdoctor.elf.search import SystemSearch, system_search, with_hwcaps
from envdoctor.files import FileView
from envdoctor.probes.machine import loader_machine
from envdoctor.target import Target

ENTRIES_AT_MOST = 256

# Where drivers lie that were not installed by a package: WSL, and containers that mount the host's driver.
DRIVER_DIRECTORIES = ("/usr/lib/wsl/lib", "/usr/local/nvidia/lib64", "/usr/local/nvidia/lib")


class Found(msgspec.Struct, frozen=True):
    """A library file and the rule that leads to it."""

    path: str
    rule: str


class LibrarySearch(msgspec.Struct, frozen=True):
    """The loader of a target, for a program without a run path of its own."""

    files: FileView
    library_path: tuple[str, ...]
    system: SystemSearch

    def first(self, name: str) -> Found | None:
        """The file that the loader takes for a name."""
        return next(self.all(name), None)

    def all(self, name: str) -> Iterator[Found]:
        """Every file of that name that the loader could meet, in its order, each real file once."""
        seen: set[str] = set()
        for path, rule in self._candidates(name):
            if self.files.is_file(path):
                real = self.files.real(path)
                if real not in seen:
                    seen.add(real)
                    yield Found(path, rule)

    def looked(self, name: str) -> tuple[str, ...]:
        """The paths that are tried, for the record."""
        return tuple(dict.fromkeys(path for path, _ in self._candidates(name)))

    def _candidates(self, name: str) -> Iterator[tuple[str, str]]:
        for directory in self.library_path:
            yield f"{directory}/{name}", "LD_LIBRARY_PATH"
        cached = self.system.cache.lookup(name, self.system.hwcaps)
        if cached is not None:
            yield cached, "ld.so.cache"
        for directories, rule in ((self.system.conf, "ld.so.conf"), (self.system.directories, "default directory")):
            for directory in directories:
                for place in with_hwcaps(self.files, directory, self.system.hwcaps):
                    yield f"{place}/{name}", rule


def library_search(target: Target) -> LibrarySearch:
    return LibrarySearch(target.files, library_path(target), system_search(target.files, loader_machine(target), None))


def library_path(target: Target) -> tuple[str, ...]:
    """The absolute directories of LD_LIBRARY_PATH, each once. Relative ones depend on where a program starts."""
    entries = (
        target.environment.get("LD_LIBRARY_PATH", "").replace(";", ":").split(":", ENTRIES_AT_MOST)[:ENTRIES_AT_MOST]
    )
    return tuple(dict.fromkeys(entry.rstrip("/") or "/" for entry in entries if entry.startswith("/")))
