"""What is examined: a file system, its environment variables and, for live targets only, the right to run a program."""

from collections.abc import Mapping
from dataclasses import dataclass

from envdoctor.files import FileView
from envdoctor.programs import Programs


@dataclass(frozen=True)
class Target:
    """`python` and `project` are absolute paths; `chosen_by` says why this interpreter is the one examined."""

    kind: str
    files: FileView
    environment: Mapping[str, str]
    programs: Programs | None = None
    python: str | None = None
    chosen_by: str = ""
    project: str | None = None
    profile: str | None = None

    def search_path(self) -> tuple[str, ...]:
        """The directories of PATH, in order, empty entries left out."""
        return tuple(entry for entry in self.environment.get("PATH", "").split(":") if entry)

    def which(self, program: str) -> str | None:
        """The first file of that name on PATH, links kept."""
        for directory in self.search_path():
            candidate = f"{directory.rstrip('/')}/{program}"
            if self.files.is_file(candidate):
                return candidate
        return None
