"""Directories that compiler flags add before all others: of CXXFLAGS, of a CMake toolchain file, of the project."""

import shlex
from collections.abc import Iterator

from envdoctor.facts import Known, Project
from envdoctor.probes.cmake_language import CMakeSyntaxError, expand, parse
from envdoctor.probes.reading import text_of
from envdoctor.target import Target

TOOLCHAIN_LIMIT = 256 * 1024
VALUE_LIMIT = 16 * 1024
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
    for variable in ("CXXFLAGS", "CPPFLAGS"):
        yield target.environment.get(variable, ""), variable
    build = project.build.value if isinstance(project.build, Known) else None
    variables = toolchain_variables(target, project)
    yield " ".join(variables.get(name, "").replace(";", " ") for name in FLAG_VARIABLES), "CMAKE_TOOLCHAIN_FILE"
    if build:
        yield build.get("CMAKE_CXX_FLAGS") or "", "CMakeCache.txt"
    if isinstance(project.cmake, Known):
        yield " ".join(shlex.quote(flag) for flag in project.cmake.value.flags), "project"


def toolchain_variables(target: Target, project: Project) -> dict[str, str]:
    """What the toolchain file of a build sets by plain `set` and `string(APPEND)` commands; none without such a file.

    It is named by the environment (CMake 3.21 and later) or by the cache of a configured build.
    """
    build = project.build.value if isinstance(project.build, Known) else None
    path = target.environment.get("CMAKE_TOOLCHAIN_FILE") or (build.get("CMAKE_TOOLCHAIN_FILE") if build else None)
    text = text_of(target.files, path, TOOLCHAIN_LIMIT) if path and path.startswith("/") else None
    if not path or not isinstance(text, Known):
        return {}
    try:
        commands = parse(text.value)
    except CMakeSyntaxError:
        return {}
    variables = {"CMAKE_CURRENT_LIST_DIR": path.rpartition("/")[0]}
    for command in commands[:WORDS_AT_MOST]:
        words = expand(command.arguments, variables)
        if command.name == "set" and words:
            values = words[1 : words.index("CACHE")] if "CACHE" in words else words[1:]
            variables[words[0]] = ";".join(values)[:VALUE_LIMIT]
        elif command.name == "string" and len(words) > 2 and words[0] == "APPEND":
            variables[words[1]] = (variables.get(words[1], "") + "".join(words[2:]))[:VALUE_LIMIT]
    return variables
