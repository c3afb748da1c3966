"""Programs and Python modules that a build needs and nobody names."""

import os
import sys
from dataclasses import dataclass

from envdoctor.facts import Absent, Facts, Known, Tool, value_of
from envdoctor.knowledge.versions import at_least, compare, numbers
from envdoctor.repair.overlay import Contribution, Setting
from envdoctor.repair.recipe import Answer, Manual, Options, Plan, Refusal, recipe
from envdoctor.repair.steps import Contribute, Hands, MakeLink, Step, StepError

from . import wheels_in_folder
from .interpreter_packages import install_into_interpreter
from .system_packages import system_commands

NEEDS = ("project", "cmake", "host", "python", "packages", "caffe2")
# The first that reads CMAKE_TOOLCHAIN_FILE from the environment, and the first that refuses old projects.
OLDEST_CMAKE, TOO_NEW_CMAKE = "3.21", "4"
# What caffe2.python imports and its wheel does not require; `future` brings the module `past`.
CAFFE2_MODULES = (("numpy", "numpy"), ("future", "future"), ("six", "six"), ("protobuf", "protobuf<3.21"))
ELF_MAGIC = b"\x7fELF"


@dataclass(frozen=True)
class InstallTool(Step):
    """Put the wheel of a program into a folder of its own, and link the program to where PATH finds it."""

    kind = "pip"
    python: str
    requirement: str
    program: str
    folder: str
    link: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.folder, self.link)

    @property
    def command(self) -> tuple[str, ...]:
        return wheels_in_folder.command(self.python, self.folder, (self.requirement,))

    def perform(self, hands: Hands) -> None:
        hands.say(self.summary, None)
        wheels_in_folder.install(hands, self.python, self.folder, (self.requirement,))
        os.makedirs(os.path.dirname(self.link), exist_ok=True)
        os.symlink(self._real_program(), self.link)

    def _real_program(self) -> str:
        """The binary itself: the script beside it works only where its module is on sys.path."""
        for place in (f"{self.program}/data/bin", "bin"):
            path = f"{self.folder}/{place}/{self.program}"
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    if file.read(4) == ELF_MAGIC:
                        return path
        raise StepError(f"the wheel of {self.requirement} brought no program {self.program}")


@recipe("build-tools", cures=("CMK001", "CMK003", "CMK004", "CMK005", "C2009"), needs=NEEDS)
def build_tools(facts: Facts, options: Options) -> Answer:
    """Bring cmake, ninja and the Python modules that Caffe2 needs

    What it does:
        Puts the wheels of cmake and ninja into the overlay and their programs first on PATH; a newer cmake that is on
        PATH already is taken instead. A CMake project without make is built with ninja. numpy, future, six and
        protobuf<3.21 are installed into the interpreter where caffe2.python lacks them. pip verifies the hash that the
        index states.
    What it changes:
        The overlay. With modules for Caffe2 the interpreter's packages as well (`--unsafe`).
    When it is not enough:
        make comes from the distribution or conda: the command is printed.
    Sources:
        PyPI cmake 3.31 and ninja 1.13; CMake's manual on CMAKE_GENERATOR; measured with PyPI torch 1.0.1
    """
    if options.in_place:
        return Refusal("build-tools brings programs and packages, no source: it has no in-place form")
    makes = any(use.name in ("make", "gmake") for use in facts.project.programs)
    if isinstance(facts.cmake.make, Absent) and makes:
        return Manual("The project's own Makefile needs make, which no wheel brings.", system_commands(facts, "make"))
    modules = _modules(facts)
    plan = _programs(facts, options)
    if modules:
        installed = install_into_interpreter(facts, "Install what caffe2.python imports", modules)
        if not isinstance(installed, Plan) or plan is None:
            return installed
        return Plan("unsafe", (*plan.steps, *installed.steps))
    return plan or Refusal("no tool is missing that a wheel brings")


def _programs(facts: Facts, options: Options) -> Plan | None:
    steps: list[Step] = []
    settings: list[Setting] = []
    if _cmake_wanted(facts):
        steps.append(_cmake(facts, options))
    if _ninja_wanted(facts):
        steps.append(_wheel(facts, options, "ninja", "ninja"))
        if isinstance(facts.cmake.make, Absent):
            settings.append(Setting("CMAKE_GENERATOR", "set", "Ninja"))
    if not steps:
        return None
    settings.append(Setting("PATH", "prepend", f"{options.overlay}/prefix/bin"))
    summary = f"In the overlay: {options.overlay}/prefix/bin first in PATH"
    return Plan("safe", (*steps, Contribute(summary, options.overlay, Contribution("build-tools", tuple(settings)))))


def _with_cmake(facts: Facts) -> bool:
    return isinstance(facts.project.cmake, Known) or value_of(facts.project.profile) == "caffe2-ops"


def _cmake_wanted(facts: Facts) -> bool:
    """Missing, or older than the project asks for."""
    if not _with_cmake(facts):
        return False
    if isinstance(facts.cmake.cmake, Absent):
        return True
    tool, least = value_of(facts.cmake.cmake), _least(facts)
    have = value_of(tool.version) if tool is not None else None
    return have is not None and bool(numbers(have)) and bool(numbers(least)) and not at_least(have, least)


def _ninja_wanted(facts: Facts) -> bool:
    """The build directory is made for it, or make is not there."""
    build = value_of(facts.project.build)
    made_for_it = build is not None and "Ninja" in (build.get("CMAKE_GENERATOR") or "")
    without_make = _with_cmake(facts) and isinstance(facts.cmake.make, Absent)
    return isinstance(facts.cmake.ninja, Absent) and (made_for_it or without_make)


def _least(facts: Facts) -> str:
    project = value_of(facts.project.cmake)
    return ((value_of(project.minimum) if project is not None else None) or "").partition("...")[0]


def _cmake(facts: Facts, options: Options) -> Step:
    least = _least(facts)
    newer = [tool for tool in facts.cmake.others if numbers(least) and at_least(_version(tool), least)]
    if newer:
        link = f"{options.overlay}/prefix/bin/cmake"
        return MakeLink(f"Link {link} to {newer[0].path}, which is new enough", link, newer[0].path)
    floor = least if numbers(least) and compare(least, OLDEST_CMAKE) > 0 else OLDEST_CMAKE
    bound = "" if at_least(floor, TOO_NEW_CMAKE) else f",<{TOO_NEW_CMAKE}"
    return _wheel(facts, options, "cmake", f"cmake>={floor}{bound}")


def _wheel(facts: Facts, options: Options, program: str, requirement: str) -> InstallTool:
    python = value_of(facts.python.executable) or sys.executable
    folder, link = f"{options.overlay}/prefix/{program}", f"{options.overlay}/prefix/bin/{program}"
    return InstallTool(f"Put {requirement} of PyPI into {folder}", python, requirement, program, folder, link)


def _version(tool: Tool) -> str:
    return value_of(tool.version) or "0"


def _modules(facts: Facts) -> tuple[str, ...]:
    """What caffe2.python of the installed Caffe2 lacks; nothing of a release whose imports are not known."""
    installation = facts.caffe2.first()
    version = value_of(installation.version) or "" if installation is not None else ""
    known = bool(numbers(version)) and compare(version, "1.0.1") <= 0
    if value_of(facts.project.profile) != "caffe2-ops" or not known or not isinstance(facts.caffe2.importable, Known):
        return ()
    return tuple(wanted for name, wanted in CAFFE2_MODULES if facts.packages.get(name) is None)
