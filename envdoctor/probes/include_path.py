"""Where a C++ compiler looks for headers: what the environment adds, then its own directories."""

from collections.abc import Iterable, Mapping

from envdoctor.facts import Fact, Known, Unreadable
from envdoctor.files import FileView
from envdoctor.probes.asking import refusal
from envdoctor.probes.reading import names_in
from envdoctor.programs import Completed

VARIABLES = ("CPATH", "CPLUS_INCLUDE_PATH")
"""In the order in which GCC and Clang search them for C++ (cpp(1), Environment Variables)."""

ENTRIES_AT_MOST = 256


def from_environment(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Directories with the variable that names them.

    Entries that are relative or empty mean the directory of the build, which is not known here, and are left out.
    """
    return tuple(
        (entry.rstrip("/") or "/", variable)
        for variable in VARIABLES
        for entry in environment.get(variable, "").split(":")[:ENTRIES_AT_MOST]
        if entry.startswith("/")
    )


def read_include_directories(answer: Completed) -> Fact[tuple[str, ...]]:
    """The list that `g++ -E -v` prints between its two marks, as absolute paths."""
    via = f"`{' '.join(answer.command)}`"
    lines = answer.stderr.splitlines()
    try:
        start = lines.index("#include <...> search starts here:")
        end = lines.index("End of search list.", start)
    except ValueError:
        return Unreadable(answer.problem or _why_not(answer), via)
    return Known(tuple(_normal(line.strip()) for line in lines[start + 1 : end] if line.strip().startswith("/")), via)


def built_in_directories(files: FileView) -> Fact[tuple[str, ...]]:
    """Those that every system compiler has, for targets whose programs cannot be run."""
    multiarch = [f"/usr/include/{name}" for name in names_in(files, "/usr/include") if name.endswith("-linux-gnu")]
    found = ("/usr/local/include", *multiarch[:4], "/usr/include")
    return Known(tuple(each for each in found if files.is_dir(each)), "layout of the file system")


def existing(files: FileView, directories: Iterable[str]) -> tuple[str, ...]:
    """Those that are there, each once, in their order."""
    return tuple(each for each in dict.fromkeys(directories) if files.is_dir(each))


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def _why_not(answer: Completed) -> str:
    return refusal(answer).replace("which is no version", "which is no list of directories")
