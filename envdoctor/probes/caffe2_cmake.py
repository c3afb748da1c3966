"""A Caffe2 CMake package: its version, targets and include directories, and whether it was installed."""

import posixpath
from itertools import pairwise

import msgspec

from envdoctor.facts import Absent, Fact, Known, Unreadable
from envdoctor.files import FileView
from envdoctor.probes.cmake_language import CMakeSyntaxError, Command, expand, parse
from envdoctor.probes.reading import text_of

LIMIT = 1 << 20
# Commands of Caffe2's own public/utils.cmake and of CMake that bring a target into being.
INTERFACE_LIBRARY = "caffe2_interface_library"
HERE = "${CMAKE_CURRENT_LIST_DIR}"


class CMakePackage(msgspec.Struct, frozen=True):
    """`root` is what its files call the installation prefix. Include directories are as named, existing or not."""

    config: str
    root: str
    version: Fact[str]
    is_build_tree: bool
    include_named: tuple[str, ...]
    include_variable: tuple[str, ...]
    targets: tuple[str, ...]
    uses_cuda: bool
    problem: Unreadable | None = None


def read_package(files: FileView, config: str) -> CMakePackage:
    """Read Caffe2Config.cmake and the files beside it."""
    directory = posixpath.dirname(config)
    commands, problem = _commands(files, config)
    exported, exported_problem = _commands(files, f"{directory}/Caffe2Targets.cmake")
    missing = _missing_includes(files, directory, commands)
    root = directory if missing else _prefix(directory)
    variables = {"CMAKE_CURRENT_LIST_DIR": directory, "_IMPORT_PREFIX": root, "_INSTALL_PREFIX": root}
    return CMakePackage(
        config=config,
        root=root,
        version=_version(files, config, commands, variables),
        is_build_tree=bool(missing),
        include_named=_included(exported, variables),
        include_variable=_assigned(commands, "CAFFE2_INCLUDE_DIRS", variables),
        targets=_targets((*exported, *commands)),
        uses_cuda=_assigned(commands, "CAFFE2_USE_CUDA", variables)[:1] in (("1",), ("ON",), ("TRUE",)),
        problem=problem or exported_problem,
    )


def config_in(files: FileView, directory: str) -> str | None:
    """The configuration file that find_package(Caffe2) accepts in a directory."""
    for name in ("Caffe2Config.cmake", "caffe2-config.cmake"):
        if files.is_file(f"{directory}/{name}"):
            return f"{directory.rstrip('/')}/{name}"
    return None


def _commands(files: FileView, path: str) -> tuple[tuple[Command, ...], Unreadable | None]:
    text = text_of(files, path, LIMIT)
    if isinstance(text, Unreadable):
        return (), text
    if isinstance(text, Absent):
        return (), None
    try:
        return parse(text.value), None
    except CMakeSyntaxError as error:
        return (), Unreadable(str(error), path)


def _prefix(directory: str) -> str:
    """`<prefix>` of `<prefix>/share/cmake/Caffe2` and of `<prefix>/lib/cmake/Caffe2`."""
    parts = directory.split("/")
    return "/".join(parts[:-3]) or "/" if len(parts) > 3 and parts[-2].lower() == "cmake" else directory


def _missing_includes(files: FileView, directory: str, commands: tuple[Command, ...]) -> tuple[str, ...]:
    """Files that the configuration includes from beside itself and that only an installation would have put there."""
    named = (
        command.arguments[0].text for command in commands if command.name == "include" and len(command.arguments) == 1
    )
    paths = (text.replace(HERE, directory) for text in named if text.startswith(f"{HERE}/"))
    return tuple(path for path in paths if "$" not in path and not files.is_file(path))


def _version(
    files: FileView, config: str, commands: tuple[Command, ...], variables: dict[str, str]
) -> Known[str] | Absent:
    told = _assigned(commands, "CAFFE2_VERSION", variables)[:1]
    if told and told[0]:
        return Known(told[0], config, f'set(CAFFE2_VERSION "{told[0]}")')
    beside = f"{posixpath.dirname(config)}/Caffe2ConfigVersion.cmake"
    told = _assigned(_commands(files, beside)[0], "PACKAGE_VERSION", variables)[:1]
    if told and told[0]:
        return Known(told[0], beside, f'set(PACKAGE_VERSION "{told[0]}")')
    return Absent("its CMake package names no version", (config, beside))


def _assigned(commands: tuple[Command, ...], name: str, variables: dict[str, str]) -> tuple[str, ...]:
    """The words of the last `set(NAME ...)`."""
    for command in reversed(commands):
        if command.name == "set" and command.arguments and command.arguments[0].text == name:
            words = expand(command.arguments[1:], variables)
            return tuple(part for word in words for part in word.split(";"))
    return ()


def _included(commands: tuple[Command, ...], variables: dict[str, str]) -> tuple[str, ...]:
    """INTERFACE_INCLUDE_DIRECTORIES of every target, generator expressions left out."""
    found: dict[str, None] = {}
    for command in commands:
        if command.name != "set_target_properties":
            continue
        words = expand(command.arguments, variables)
        for name, value in pairwise(words):
            if name == "INTERFACE_INCLUDE_DIRECTORIES":
                found.update(dict.fromkeys(part for part in value.split(";") if part.startswith("/")))
    return tuple(posixpath.normpath(path) for path in found)


def _targets(commands: tuple[Command, ...]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for command in commands:
        words = [argument.text for argument in command.arguments]
        if command.name == "add_library" and words and "$" not in words[0] and words[0] != "dummy":
            names[words[0]] = None
        elif command.name == INTERFACE_LIBRARY and len(words) == 2:
            names[words[1]] = None
    return tuple(names)
