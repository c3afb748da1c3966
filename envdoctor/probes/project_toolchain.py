"""What the CMake toolchain file of the next build brings: variables, and the targets of what it has CMake read.

Its commands are run as far as they are plain. What is not followed is said, since a build may get more from it than is
seen here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from envdoctor.facts import Absent, BuildDirectory, Fact, Known, Toolchain, Unreadable, Variable, value_of
from envdoctor.files import FileView
from envdoctor.knowledge.versions import at_least
from envdoctor.probes.cmake_language import CMakeSyntaxError, Command, expand, parse
from envdoctor.probes.project_build import ENTRIES
from envdoctor.probes.project_build import PREFIXES as PACKAGE_PREFIXES
from envdoctor.probes.reading import text_of

FILE_LIMIT = 256 * 1024
VALUE_LIMIT = 16 * 1024
FILES_AT_MOST = 8
COMMANDS_AT_MOST = 10_000
EXPANDED_LIMIT = 8 << 20
DEPTH_AT_MOST = 16
UNFOLLOWED_AT_MOST = 16

VARIABLE = "CMAKE_TOOLCHAIN_FILE"
READS_ENVIRONMENT = "3.21"
INCLUDED = ("CMAKE_PROJECT_INCLUDE", "CMAKE_PROJECT_TOP_LEVEL_INCLUDES")
"""Variables that name files which CMake reads inside of project()."""

# What the checks and the other probes understand of a toolchain file. A compiler, a sysroot or another system, set
# there, changes more than they follow.
UNDERSTOOD = ENTRIES - {"CMAKE_C_COMPILER", "CMAKE_CXX_COMPILER"} | {
    *(*INCLUDED, "CMAKE_CXX_FLAGS_INIT", "CMAKE_C_FLAGS_INIT", "CMAKE_CUDA_FLAGS_INIT"),
    *("CMAKE_CXX_STANDARD_LIBRARIES", "CMAKE_CXX_STANDARD_INCLUDE_DIRECTORIES"),
    *("CMAKE_EXE_LINKER_FLAGS_INIT", "CMAKE_SHARED_LINKER_FLAGS_INIT", "CMAKE_MODULE_LINKER_FLAGS_INIT"),
    *("CMAKE_POSITION_INDEPENDENT_CODE", "CMAKE_EXPORT_COMPILE_COMMANDS", "CMAKE_POLICY_VERSION_MINIMUM"),
    *("CMAKE_BUILD_RPATH", "CMAKE_INSTALL_RPATH", "CMAKE_CXX_STANDARD", "CMAKE_VERBOSE_MAKEFILE"),
}
BLOCKS = {"if": "endif", "foreach": "endforeach", "while": "endwhile", "block": "endblock"} | {
    "function": "endfunction",
    "macro": "endmacro",
}
# They change nothing that is asked of a toolchain file, or only targets that it declares itself.
PASSED_OVER = frozenset(
    (
        *("message", "include_guard", "mark_as_advanced", "cmake_policy", "cmake_minimum_required", "return"),
        *("set_target_properties", "target_link_libraries", "target_include_directories", "target_compile_options"),
        *("target_compile_definitions", "set_property"),
    )
)


class _Node(msgspec.Struct, frozen=True):
    """A command; of a block its branches, each with the command that opens it."""

    command: Command
    branches: "tuple[tuple[Command, tuple[_Node, ...]], ...]" = ()


class _Run(msgspec.Struct):
    """What has come of the commands so far; lives only while the files are read."""

    files: FileView
    environment: Mapping[str, str]
    variables: dict[str, str]
    path: str = ""
    targets: dict[str, None] = {}
    functions: dict[str, None] = {}
    unfollowed: dict[str, None] = {}
    read: int = 0
    commands: int = COMMANDS_AT_MOST
    budget: int = EXPANDED_LIMIT

    def leave(self, command: Command, why: str = "") -> None:
        if len(self.unfollowed) < UNFOLLOWED_AT_MOST:
            self.unfollowed[f"{self.path}:{command.line} {why or command.name}"] = None

    def words(self, command: Command) -> tuple[str, ...]:
        words = expand(command.arguments, self.variables)
        self.budget -= sum(map(len, words))
        return words


def read_toolchain(
    files: FileView, environment: Mapping[str, str], build: Fact[BuildDirectory], cmake: str | None = None
) -> Fact[Toolchain]:
    """The toolchain file of the next build with this release of CMake, where it is known.

    A configured build directory keeps the one that it was configured with, or none; elsewhere the environment names it
    (CMake 3.21 and later).
    """
    configured = value_of(build)
    path = (configured.get(VARIABLE) if configured is not None else environment.get(VARIABLE)) or ""
    via = f"{configured.path}/CMakeCache.txt" if configured is not None else f"variable {VARIABLE}"
    if not path:
        return Absent(f"{VARIABLE} is not set", (via,))
    if configured is None and cmake is not None and not at_least(cmake, READS_ENVIRONMENT):
        return Absent(f"CMake {cmake} does not read the variable, {READS_ENVIRONMENT} and later do", (via,))
    if not path.startswith("/"):
        return Unreadable("its path is relative, and where from is not known here", path)
    run = _Run(files, environment, {})
    problem = _read(run, path)
    if problem is not None:
        return problem
    for name in INCLUDED:
        for each in run.variables.get(name, "").split(";"):
            if each and _read(run, each) is not None:
                run.unfollowed[f"{each} (named by {name})"] = None
    kept = tuple(Variable(name, value) for name, value in run.variables.items() if _understood(name))
    run.unfollowed.update(dict.fromkeys(f"{name} is set" for name in run.variables if _reaches_further(name)))
    toolchain = Toolchain(path, kept, tuple(run.targets), tuple(run.functions), tuple(run.unfollowed))
    return Known(toolchain, via)


def _understood(name: str) -> bool:
    return name in UNDERSTOOD or name.startswith(PACKAGE_PREFIXES)


def _reaches_further(name: str) -> bool:
    """Whether CMake itself reads a variable, and the checks do not."""
    return name.startswith("CMAKE_") and not name.startswith("CMAKE_CURRENT_LIST_") and not _understood(name)


def _read(run: _Run, path: str) -> Absent | Unreadable | None:
    """Run the commands of one file; the reason where it cannot be read."""
    if run.read >= FILES_AT_MOST:
        return Unreadable(f"more than {FILES_AT_MOST} files", path)
    run.read += 1
    text = text_of(run.files, path, FILE_LIMIT)
    if not isinstance(text, Known):
        return text
    try:
        nodes, _ = _nested(iter(parse(text.value)), None, 0)
    except CMakeSyntaxError as error:
        return Unreadable(f"no CMake file: {error}", path)
    outer = run.path, run.variables.get("CMAKE_CURRENT_LIST_DIR", "")
    run.path = path
    run.variables["CMAKE_CURRENT_LIST_FILE"] = path
    run.variables["CMAKE_CURRENT_LIST_DIR"] = path.rpartition("/")[0]
    for name in _environment_names(text.value):
        run.variables.setdefault(f"ENV{{{name}}}", run.environment.get(name, ""))
    _execute(run, nodes)
    run.path, run.variables["CMAKE_CURRENT_LIST_DIR"] = outer
    return None


def _environment_names(text: str) -> Iterator[str]:
    for part in text.split("$ENV{")[1:]:
        yield part.partition("}")[0]


def _nested(
    commands: Iterator[Command], opening: Command | None, depth: int
) -> tuple[tuple[_Node, ...], Command | None]:
    """The commands up to the one that ends the block or begins its next branch, and that one."""
    if depth > DEPTH_AT_MOST:
        raise CMakeSyntaxError("blocks within blocks, too deep")
    nodes: list[_Node] = []
    closing = BLOCKS[opening.name] if opening is not None else ""
    for command in commands:
        if opening is not None and command.name in (closing, "else", "elseif"):
            return tuple(nodes), command
        if command.name not in BLOCKS:
            nodes.append(_Node(command))
            continue
        branches: list[tuple[Command, tuple[_Node, ...]]] = []
        head: Command | None = command
        while head is not None and head.name != BLOCKS[command.name]:
            body, end = _nested(commands, command, depth + 1)
            if end is None:
                raise CMakeSyntaxError(f"line {command.line}: {command.name}( is never ended")
            branches.append((head, body))
            head = end
        nodes.append(_Node(command, tuple(branches)))
    return tuple(nodes), None


def _execute(run: _Run, nodes: Sequence[_Node]) -> None:
    for node in nodes:
        run.commands -= 1
        if run.commands < 0 or run.budget < 0:
            run.leave(node.command, "and what follows: too much of it")
            return
        read = _COMMANDS.get(node.command.name)
        if read is not None:
            read(run, node)
        elif node.command.name not in PASSED_OVER:
            run.leave(node.command)


def _if(run: _Run, node: _Node) -> None:
    for head, body in node.branches:
        holds = True if head.name == "else" else _holds(run, run.words(head))
        if holds is None:
            run.leave(head, "a condition")
            return
        if holds:
            _execute(run, body)
            return


def _holds(run: _Run, words: Sequence[str]) -> bool | None:
    """The truth of a condition; None where that depends on what is not known here."""
    if len(words) > 1 and words[0] == "NOT":
        inner = _holds(run, words[1:])
        return None if inner is None else not inner
    if len(words) == 2 and words[0] == "TARGET":
        return words[1] in run.targets
    if len(words) == 2 and words[0] == "EXISTS" and words[1].startswith("/"):
        return run.files.is_file(words[1]) or run.files.is_dir(words[1])
    if len(words) == 2 and words[0] == "DEFINED":
        if words[1].startswith("ENV{"):
            return words[1][4:-1] in run.environment or words[1] in run.variables
        return True if words[1] in run.variables else None
    if len(words) != 1:
        return None
    word = run.variables.get(words[0], words[0]).upper()
    if word in ("1", "ON", "YES", "TRUE", "Y"):
        return True
    return False if word in ("", "0", "OFF", "NO", "FALSE", "N", "IGNORE", "NOTFOUND") else None


def _foreach(run: _Run, node: _Node) -> None:
    words = run.words(node.command)
    items = words[1:]
    if items[:1] in (("IN",), ("RANGE",)):
        if items[1:2] == ("ITEMS",):
            items = items[2:]
        elif items[:2] == ("IN", "LISTS"):
            items = tuple(part for name in items[2:] for part in run.variables.get(name, "").split(";") if part)
        else:
            run.leave(node.command)
            return
    for item in items:
        run.variables[words[0]] = item
        for _, body in node.branches:
            _execute(run, body)
    if words:
        run.variables.pop(words[0], None)


def _function(run: _Run, node: _Node) -> None:
    words = run.words(node.command)
    if words:
        run.functions[words[0].lower()] = None


def _set(run: _Run, node: _Node) -> None:
    words = run.words(node.command)
    if not words:
        return
    name, values = words[0], list(words[1:])
    for ending in ("CACHE", "PARENT_SCOPE"):
        if ending in values:
            del values[values.index(ending) :]
    _assign(run, node.command, name, ";".join(values))
    if len(words) == 1:
        run.variables.pop(name, None)


def _unset(run: _Run, node: _Node) -> None:
    for name in run.words(node.command)[:1]:
        run.variables.pop(name, None)


def _string(run: _Run, node: _Node) -> None:
    words = run.words(node.command)
    held = run.variables.get(words[1], "") if len(words) > 1 else ""
    if words[:1] == ("APPEND",) and len(words) > 1:
        _assign(run, node.command, words[1], held + "".join(words[2:]))
    elif words[:1] == ("PREPEND",) and len(words) > 1:
        _assign(run, node.command, words[1], "".join(words[2:]) + held)
    else:
        run.leave(node.command)


def _list(run: _Run, node: _Node) -> None:
    words = run.words(node.command)
    if words[:1] not in (("APPEND",), ("PREPEND",)) or len(words) < 2:
        run.leave(node.command)
        return
    held = [run.variables[words[1]]] if run.variables.get(words[1]) else []
    added = list(words[2:])
    _assign(run, node.command, words[1], ";".join(held + added if words[0] == "APPEND" else added + held))


def _assign(run: _Run, command: Command, name: str, value: str) -> None:
    if _understood(name) and ("${" in value or len(value) > VALUE_LIMIT):
        run.leave(command, f"what {name} holds")
    run.variables[name] = value[:VALUE_LIMIT]


def _include(run: _Run, node: _Node) -> None:
    words = run.words(node.command)
    if not words:
        return
    if not words[0].startswith("/"):
        run.leave(node.command, f"include({words[0][:60]})")
        return
    problem = _read(run, words[0])
    if isinstance(problem, Unreadable) or (problem is not None and "OPTIONAL" not in words):
        run.leave(node.command, f"include({words[0][:200]}): {problem.reason}")


def _add_library(run: _Run, node: _Node) -> None:
    for name in run.words(node.command)[:1]:
        run.targets[name] = None


_COMMANDS: Mapping[str, Callable[[_Run, _Node], None]] = {
    "if": _if,
    "foreach": _foreach,
    "function": _function,
    "macro": _function,
    "set": _set,
    "unset": _unset,
    "string": _string,
    "list": _list,
    "include": _include,
    "add_library": _add_library,
}
