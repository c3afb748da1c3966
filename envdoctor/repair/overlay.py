"""The overlay: what recipes bring to a build, as environment variables and a CMake toolchain file, no source edited.

`env.sh` (for a shell) and `applied` (for a program that we start) mean the same.
"""

import shlex
from collections.abc import Mapping
from typing import Literal

import msgspec

FOLDER = ".envdoctor"
STATE_FILE = "overlay.json"
SCRIPT = "env.sh"
TOOLCHAIN = "toolchain.cmake"
NEXT_TOOLCHAIN = "ENVDOCTOR_NEXT_TOOLCHAIN"


class Setting(msgspec.Struct, frozen=True):
    """One change of an environment variable.

    `set` replaces it; `prepend` puts an entry first in a list of paths; `append` adds a compiler flag unless it is
    there; `without` takes an entry out of a list of paths; `unset` removes it (`value` is unused).
    """

    variable: str
    action: Literal["set", "prepend", "append", "without", "unset"]
    value: str = ""


class CMakeSetting(msgspec.Struct, frozen=True):
    """One CMake variable of the toolchain file; `append` adds text after a blank."""

    variable: str
    action: Literal["set", "append"]
    value: str


class Contribution(msgspec.Struct, frozen=True):
    """What one recipe brings."""

    recipe: str
    settings: tuple[Setting, ...] = ()
    cmake: tuple[CMakeSetting, ...] = ()


class Overlay(msgspec.Struct, frozen=True):
    """The contributions in the order in which they came; later ones act after earlier ones."""

    contributions: tuple[Contribution, ...] = ()

    def including(self, contribution: Contribution) -> "Overlay":
        """With this contribution last, in place of an earlier one of the same recipe."""
        others = tuple(one for one in self.contributions if one.recipe != contribution.recipe)
        return Overlay((*others, contribution))

    @property
    def settings(self) -> tuple[Setting, ...]:
        return tuple(setting for one in self.contributions for setting in one.settings)

    @property
    def cmake(self) -> tuple[CMakeSetting, ...]:
        return tuple(setting for one in self.contributions for setting in one.cmake)


def folder_of(project: str) -> str:
    """The overlay's folder of a project."""
    return f"{project.rstrip('/')}/{FOLDER}"


def applied(overlay: Overlay, folder: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with the overlay's settings. What a list or a flag variable held before is kept."""
    result = dict(environment)
    for setting in overlay.settings:
        _apply(setting, result)
    if overlay.cmake:
        ours = f"{folder}/{TOOLCHAIN}"
        theirs = result.get("CMAKE_TOOLCHAIN_FILE", "")
        if theirs and theirs != ours:
            result[NEXT_TOOLCHAIN] = theirs
        result["CMAKE_TOOLCHAIN_FILE"] = ours
    return result


def script(overlay: Overlay, folder: str) -> str:
    """`env.sh` for any POSIX shell. Sourcing it twice is the same as once."""
    lines = [_PREAMBLE, *(_shell(setting) for setting in overlay.settings)]
    if overlay.cmake:
        ours = shlex.quote(f"{folder}/{TOOLCHAIN}")
        lines.append(
            f'if [ -n "${{CMAKE_TOOLCHAIN_FILE-}}" ] && [ "$CMAKE_TOOLCHAIN_FILE" != {ours} ]; then\n'
            f'    export {NEXT_TOOLCHAIN}="$CMAKE_TOOLCHAIN_FILE"\n'
            f"fi\nexport CMAKE_TOOLCHAIN_FILE={ours}"
        )
    return "\n".join(lines) + "\n"


def toolchain(overlay: Overlay) -> str:
    """The CMake toolchain file. The user's own, if the environment names one, is read first."""
    lines = [
        "# Written by envdoctor; `envdoctor undo` takes it back.",
        f"if(DEFINED ENV{{{NEXT_TOOLCHAIN}}})",
        f'  include("$ENV{{{NEXT_TOOLCHAIN}}}")',
        "endif()",
    ]
    for setting in overlay.cmake:
        if setting.action == "set":
            lines.append(f"set({setting.variable} {_bracket(setting.value)})")
        else:
            lines.append(f"string(APPEND {setting.variable} {_bracket(' ' + setting.value)})")
    return "\n".join(lines) + "\n"


def _apply(setting: Setting, environment: dict[str, str]) -> None:
    name, value = setting.variable, setting.value
    before = environment.get(name, "")
    if setting.action == "set":
        environment[name] = value
    elif setting.action == "unset":
        environment.pop(name, None)
    elif setting.action == "append":
        if f" {value} " not in f" {before} ":
            environment[name] = f"{before} {value}" if before else value
    else:
        rest = ":".join(entry for entry in before.split(":") if entry != value)
        if setting.action == "prepend":
            environment[name] = f"{value}:{rest}" if rest else value
        elif rest:
            environment[name] = rest
        else:
            environment.pop(name, None)


_PREAMBLE = """\
# Written by envdoctor; `envdoctor undo` takes it back. Source it, or start a command with `envdoctor run -- COMMAND`.
_envdoctor_without() {
    _envdoctor_rest="$1:"
    _envdoctor_kept=""
    while [ -n "$_envdoctor_rest" ]; do
        _envdoctor_entry="${_envdoctor_rest%%:*}"
        _envdoctor_rest="${_envdoctor_rest#*:}"
        [ "$_envdoctor_entry" = "$2" ] || _envdoctor_kept="$_envdoctor_kept:$_envdoctor_entry"
    done
    _envdoctor_kept="${_envdoctor_kept#:}"
}"""


def _shell(setting: Setting) -> str:
    name, value = setting.variable, shlex.quote(setting.value)
    if setting.action == "set":
        return f"export {name}={value}"
    if setting.action == "unset":
        return f"unset {name}"
    if setting.action == "append":
        return f'case " ${{{name}-}} " in *" "{value}" "*) ;; *) export {name}="${{{name}:+${name} }}"{value} ;; esac'
    without = f'_envdoctor_without "${{{name}-}}" {value}'
    if setting.action == "prepend":
        return f'{without}\nexport {name}={value}"${{_envdoctor_kept:+:$_envdoctor_kept}}"'
    return f'{without}\nif [ -n "$_envdoctor_kept" ]; then export {name}="$_envdoctor_kept"; else unset {name}; fi'


def _bracket(value: str) -> str:
    equals = "="
    while f"]{equals}]" in value:
        equals += "="
    return f"[{equals}[{value}]{equals}]"
