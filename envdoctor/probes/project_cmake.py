"""What a project's CMake files say: packages, targets, sources, flags. Read, never run.

Both branches of an `if` are read: which one CMake takes depends on what it finds later. Variables that plain `set`
commands fill are expanded; a name that needs anything else stays as written.
"""

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from envdoctor.facts import Absent, CMakeProject, CMakeTarget, Fact, Known, Unreadable, Variable
from envdoctor.files import FileView
from envdoctor.probes.cmake_language import CMakeSyntaxError, expand, parse
from envdoctor.probes.reading import names_in, text_of

FILE_LIMIT = 1 << 20
FILES_AT_MOST = 100
LIST_LIMIT = 4096
EXPANDED_LIMIT = 8 << 20
"""Characters of all expanded arguments together: a file of a few lines can ask for any amount."""
VALUE_LIMIT = 64 * 1024

LIBRARY_COMMANDS = frozenset(("add_library", "cuda_add_library", "pybind11_add_module", "python_add_library"))
PROGRAM_COMMANDS = frozenset(("add_executable", "cuda_add_executable"))
KINDS = frozenset(("SHARED", "STATIC", "MODULE", "OBJECT", "INTERFACE", "UNKNOWN"))
NO_SOURCES = frozenset(
    ("IMPORTED", "ALIAS", "INTERFACE", "EXCLUDE_FROM_ALL", "GLOBAL", "WIN32", "MACOSX_BUNDLE", "OPTIONS")
)
SCOPES = frozenset(("PUBLIC", "PRIVATE", "INTERFACE", "BEFORE", "AFTER", "SYSTEM", "LINK_PUBLIC", "LINK_PRIVATE"))
LEADING = ("Caffe2_DIR", "CMAKE_PREFIX_PATH")
FLAG_VARIABLES = ("CMAKE_CXX_FLAGS", "CMAKE_C_FLAGS", "CMAKE_CUDA_FLAGS", "CUDA_NVCC_FLAGS")


@dataclass(frozen=True)
class _Call:
    """One command with its arguments expanded."""

    name: str
    words: tuple[str, ...]
    path: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass
class _Reading:
    """What has been read so far; lives only while the files are walked."""

    files: FileView
    root: str
    variables: dict[str, str]
    minimum: Fact[str] = field(default_factory=lambda: Absent("no cmake_minimum_required"))
    packages: dict[str, str] = field(default_factory=dict)
    targets: dict[str, CMakeTarget] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    includes: list[str] = field(default_factory=list)
    imported: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    budget: int = EXPANDED_LIMIT
    unreadable: list[Unreadable] = field(default_factory=list)


@dataclass(frozen=True)
class CMakeFiles:
    """The project as facts, the places of its find_package commands, and the files that its targets name."""

    project: Fact[CMakeProject]
    packages: Mapping[str, str]
    """find_package name to `path:line`."""
    sources: tuple[str, ...] = ()
    include_directories: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


def read_cmake(files: FileView, root: str) -> CMakeFiles:
    """Read `CMakeLists.txt` of a folder and what it includes from within that folder."""
    path = f"{root}/CMakeLists.txt"
    text = text_of(files, path, FILE_LIMIT)
    if not isinstance(text, Known):
        return CMakeFiles(text, {})
    reading = _Reading(
        files, root, {"CMAKE_SOURCE_DIR": root, "PROJECT_SOURCE_DIR": root, "CMAKE_BINARY_DIR": f"{root}/build"}
    )
    _read_file(reading, path, root)
    broken = next((each for each in reading.unreadable if each.found_via == path), None)
    project = CMakeProject(
        path=path,
        minimum=reading.minimum,
        packages=tuple(reading.packages),
        targets=tuple(reading.targets.values()),
        languages=tuple(dict.fromkeys(reading.languages)),
        flags=tuple(dict.fromkeys(reading.flags)),
        variables=tuple(Variable(name, held) for name in LEADING if (held := reading.variables.get(name))),
        imported=tuple(dict.fromkeys(reading.imported)),
    )
    return CMakeFiles(
        broken or Known(project, path),
        reading.packages,
        tuple(dict.fromkeys(reading.sources)),
        tuple(dict.fromkeys(reading.includes)),
        tuple(reading.unreadable),
    )


def _read_file(reading: _Reading, path: str, directory: str) -> None:
    real = reading.files.real(path)
    if real in reading.seen or len(reading.seen) >= FILES_AT_MOST:
        return
    reading.seen.add(real)
    text = text_of(reading.files, path, FILE_LIMIT)
    if isinstance(text, Unreadable):
        reading.unreadable.append(text)
    if not isinstance(text, Known):
        return
    try:
        commands = parse(text.value)
    except CMakeSyntaxError as error:
        reading.unreadable.append(Unreadable(f"no CMake file: {error}", path))
        return
    for command in commands:
        # Included files see the directory of the one that includes them, and change CMAKE_CURRENT_LIST_DIR only.
        reading.variables["CMAKE_CURRENT_SOURCE_DIR"] = directory
        reading.variables["CMAKE_CURRENT_BINARY_DIR"] = f"{reading.root}/build"
        reading.variables["CMAKE_CURRENT_LIST_DIR"] = path.rpartition("/")[0]
        read = _COMMANDS.get(command.name)
        if read is not None:
            words = expand(command.arguments, reading.variables)[:LIST_LIMIT]
            reading.budget -= sum(map(len, words))
            if reading.budget < 0:
                reading.unreadable.append(Unreadable("its variables expand to more text than is read", path))
                return
            read(reading, _Call(command.name, words, path, command.line))


def _minimum(reading: _Reading, call: _Call) -> None:
    if isinstance(reading.minimum, Absent) and len(call.words) > 1 and call.words[0].upper() == "VERSION":
        written = " ".join(call.words)
        reading.minimum = Known(call.words[1], call.place, f"cmake_minimum_required({written})")


def _project(reading: _Reading, call: _Call) -> None:
    if not call.words:
        return
    reading.variables.setdefault("CMAKE_PROJECT_NAME", call.words[0])
    reading.variables["PROJECT_NAME"] = call.words[0]
    reading.variables["PROJECT_SOURCE_DIR"] = reading.variables["CMAKE_CURRENT_SOURCE_DIR"]
    upper = [word.upper() for word in call.words]
    if "LANGUAGES" in upper:
        reading.languages += upper[upper.index("LANGUAGES") + 1 :]
    elif not {"VERSION", "DESCRIPTION", "HOMEPAGE_URL"} & set(upper):
        reading.languages += upper[1:]


def _language(reading: _Reading, call: _Call) -> None:
    reading.languages += [word.upper() for word in call.words if word.upper() != "OPTIONAL"]


def _package(reading: _Reading, call: _Call) -> None:
    if call.words:
        reading.packages.setdefault(call.words[0], call.place)


def _set(reading: _Reading, call: _Call) -> None:
    if not call.words or call.words[0].startswith("ENV{"):
        return
    values = list(call.words[1:])
    for ending in ("CACHE", "PARENT_SCOPE"):
        if ending in values:
            del values[values.index(ending) :]
    _assign(reading, call.words[0], values)


def _assign(reading: _Reading, name: str, values: list[str]) -> None:
    if name.startswith(FLAG_VARIABLES):
        reading.flags += [flag for value in values for flag in value.split() if flag.startswith("-")]
    reading.variables[name] = ";".join(values)[:VALUE_LIMIT]


def _list(reading: _Reading, call: _Call) -> None:
    if len(call.words) > 2 and call.words[0].upper() in ("APPEND", "PREPEND"):
        held = [reading.variables[call.words[1]]] if reading.variables.get(call.words[1]) else []
        added = list(call.words[2:])
        _assign(reading, call.words[1], held + added if call.words[0].upper() == "APPEND" else added + held)


def _file(reading: _Reading, call: _Call) -> None:
    if len(call.words) < 3 or call.words[0].upper() not in ("GLOB", "GLOB_RECURSE"):
        return
    patterns = [word for word in call.words[2:] if "*" in word or "." in word or "?" in word]
    found = [each for pattern in patterns for each in _glob(reading, pattern, call.words[0].upper() == "GLOB_RECURSE")]
    reading.variables[call.words[1]] = ";".join(found)[:VALUE_LIMIT]


def _glob(reading: _Reading, pattern: str, recursive: bool) -> list[str]:
    """Files that a pattern names. The folder part must be plain; only the name may hold wildcards."""
    full = _absolute(reading, pattern)
    directory, _, name = full.rpartition("/")
    if "${" in full or any(sign in directory for sign in "*?[") or not _within(reading, full):
        return []
    directories = [directory]
    if recursive:
        for each in directories[:200]:
            below = names_in(reading.files, each, 500)
            directories += [
                f"{each}/{entry}" for entry in below if "." not in entry and reading.files.is_dir(f"{each}/{entry}")
            ]
    return [
        f"{each}/{entry}"
        for each in directories[:200]
        for entry in names_in(reading.files, each)
        if fnmatch.fnmatchcase(entry, name)
    ]


def _target(reading: _Reading, call: _Call) -> None:
    if not call.words:
        return
    upper = [word.upper() for word in call.words[1:]]
    if call.name in PROGRAM_COMMANDS:
        kind = "EXECUTABLE"
    else:
        default = "LIBRARY" if call.name.endswith("add_library") else "MODULE"
        kind = next((word for word in upper if word in KINDS), default)
    if "ALIAS" in upper or "IMPORTED" in upper:
        reading.imported.append(call.words[0])
    else:
        reading.targets.setdefault(call.words[0], CMakeTarget(call.words[0], kind, (), call.path, call.line))
        _add_sources(reading, [word for word in call.words[1:] if word.upper() not in KINDS | NO_SOURCES])


def _target_sources(reading: _Reading, call: _Call) -> None:
    _add_sources(reading, [word for word in call.words[1:] if word not in SCOPES])


def _add_sources(reading: _Reading, words: Iterable[str]) -> None:
    for word in words:
        full = _absolute(reading, word)
        if "." in word and "$" not in full and reading.files.is_file(full):
            reading.sources.append(full)


def _links(reading: _Reading, call: _Call) -> None:
    held = reading.targets.get(call.words[0]) if call.words else None
    if held is not None:
        links = dict.fromkeys((*held.links, *(word for word in call.words[1:] if word not in SCOPES)))
        reading.targets[held.name] = CMakeTarget(held.name, held.kind, tuple(links), held.path, held.line)


def _property(reading: _Reading, call: _Call) -> None:
    """`set_property(TARGET a b APPEND PROPERTY LINK_LIBRARIES x)` links as target_link_libraries does."""
    words = [word for word in call.words if word not in ("APPEND", "APPEND_STRING")]
    if words[:1] == ["TARGET"] and "PROPERTY" in words:
        split = words.index("PROPERTY")
        if words[split + 1 : split + 2] == ["LINK_LIBRARIES"]:
            for name in words[1:split]:
                _links(reading, _Call(call.name, (name, *words[split + 2 :]), call.path, call.line))


def _include_directories(reading: _Reading, call: _Call) -> None:
    named = call.words[1:] if call.name.startswith("target_") else call.words
    for word in named:
        full = _absolute(reading, word)
        if word not in SCOPES and "$" not in full and reading.files.is_dir(full):
            reading.includes.append(full)


def _options(reading: _Reading, call: _Call) -> None:
    named = call.words[1:] if call.name.startswith("target_") else call.words
    for word in named:
        if word in SCOPES or word.startswith("$<"):
            continue
        if call.name.endswith("compile_definitions") and not word.startswith("-"):
            reading.flags.append(f"-D{word}")
        elif word.startswith("-"):
            reading.flags.append(word)


def _subdirectory(reading: _Reading, call: _Call) -> None:
    if call.words and "$" not in call.words[0] and _within(reading, _absolute(reading, call.words[0])):
        directory = _absolute(reading, call.words[0])
        # A subdirectory has a scope of its own: what it sets is gone when it ends.
        outer = dict(reading.variables)
        _read_file(reading, f"{directory}/CMakeLists.txt", directory)
        reading.variables.clear()
        reading.variables.update(outer)


def _include(reading: _Reading, call: _Call) -> None:
    if call.words and "$" not in call.words[0] and ("." in call.words[0] or "/" in call.words[0]):
        full = _absolute(reading, call.words[0])
        if _within(reading, full):
            _read_file(reading, full, reading.variables["CMAKE_CURRENT_SOURCE_DIR"])


def _absolute(reading: _Reading, word: str) -> str:
    joined = word if word.startswith("/") else f"{reading.variables['CMAKE_CURRENT_SOURCE_DIR']}/{word}"
    parts: list[str] = []
    for part in joined.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def _within(reading: _Reading, path: str) -> bool:
    real = reading.files.real(path)
    return real.startswith(f"{reading.files.real(reading.root)}/")


_Reader = Callable[[_Reading, _Call], None]

_COMMANDS: Mapping[str, _Reader] = {
    "cmake_minimum_required": _minimum,
    "project": _project,
    "enable_language": _language,
    "find_package": _package,
    "set": _set,
    "list": _list,
    "file": _file,
    "target_link_libraries": _links,
    "set_property": _property,
    "target_sources": _target_sources,
    "include_directories": _include_directories,
    "target_include_directories": _include_directories,
    "add_subdirectory": _subdirectory,
    "include": _include,
    **dict.fromkeys((*LIBRARY_COMMANDS, *PROGRAM_COMMANDS), _target),
    **dict.fromkeys(
        (
            "add_compile_options",
            "add_definitions",
            "add_compile_definitions",
            "target_compile_options",
            "target_compile_definitions",
        ),
        _options,
    ),
}
