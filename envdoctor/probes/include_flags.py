"""Directories that compiler flags add before all others: of CXXFLAGS, of a CMake toolchain file, of the project."""

import shlex
from collections.abc import Iterator

from envdoctor.facts import Known, Project, value_of
from envdoctor.probes.project_toolchain import VARIABLE
from envdoctor.target import Target

WORDS_AT_MOST = 1000

FLAG_VARIABLES = ("CMAKE_CXX_FLAGS_INIT", "CMAKE_CXX_FLAGS")


def flag_directories(target: Target, project: Project) -> tuple[tuple[str, str], ...]:
    """Absolute directories, each once, with what names it."""
    found: dict[str, str] = {}
    for flags, origin in _flags(target, project):
        for directory in include_directories(flags):
            found.setdefault(directory, origin)
    for directory in project.include_directories:
        found.setdefault(directory, "project")
    return tuple(found.items())


def include_directories(flags: str) -> Iterator[str]:
    """The absolute directories of `-I`, `-isystem` and `-iquote` in a line of flags."""
    try:
        words = shlex.split(flags)[:WORDS_AT_MOST]
    except ValueError:
        return
    for index, word in enumerate(words):
        for option in ("-isystem", "-iquote", "-I"):
            if word.startswith(option):
                directory = word.removeprefix(option) or (words[index + 1] if index + 1 < len(words) else "")
                if directory.startswith("/"):
                    yield directory.rstrip("/") or "/"
                break


def _flags(target: Target, project: Project) -> Iterator[tuple[str, str]]:
    build, toolchain = value_of(project.build), value_of(project.toolchain)
    # CMake reads them on its first run in a build directory, and keeps what they said in its cache.
    if build is None or value_of(project.profile) != "caffe2-ops":
        for variable in ("CXXFLAGS", "CPPFLAGS"):
            yield target.environment.get(variable, ""), variable
    if toolchain is not None:
        variables = FLAG_VARIABLES if build is None else FLAG_VARIABLES[1:]
        yield " ".join((toolchain.get(name) or "").replace(";", " ") for name in variables), VARIABLE
        directories = (toolchain.get("CMAKE_CXX_STANDARD_INCLUDE_DIRECTORIES") or "").split(";")
        yield shlex.join(f"-I{directory}" for directory in directories if directory), VARIABLE
    if build is not None:
        yield build.get("CMAKE_CXX_FLAGS") or "", "CMakeCache.txt"
    if isinstance(project.cmake, Known):
        yield " ".join(shlex.quote(flag) for flag in project.cmake.value.flags), "project"
