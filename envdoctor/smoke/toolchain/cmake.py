"""A library of a few lines, built by CMake as the project's own will be.

CMake is run on a generated project that asks for the framework as the real one does: with the same CMake, generator,
compilers, toolchain file and environment, and with what the project's CMake files add.
"""

import os
import time
from collections.abc import Iterable, Iterator
from itertools import pairwise

import msgspec

from envdoctor.checking.check import COMPILE, CONFIGURE, LINK, LOAD, RUN
from envdoctor.facts import BuildDirectory, CMakeProject, Facts, Known, value_of
from envdoctor.probes.cmake_language import CMakeSyntaxError, parse
from envdoctor.probes.reading import text_of
from envdoctor.smoke.toolchain.stages import OK, Stage, Verdict, judged
from envdoctor.smoke.toolchain.workplace import TOLD, Loaded, Once, Workplace

NAME = "envdoctor_toolchain"
FILE_LIMIT = 1 << 20
# Definitions, standard and include path decide whether a build succeeds; warnings and optimisation do not. Both
# branches of every `if` were read, so that the rest may be meant for another compiler.
KEPT_FLAGS = ("-D", "-U", "-std=", "-I/")
STANDARD = (
    *("CMAKE_CXX_STANDARD", "CMAKE_CXX_STANDARD_REQUIRED", "CMAKE_CXX_EXTENSIONS"),
    *("CXX_STANDARD", "CXX_STANDARD_REQUIRED", "CXX_EXTENSIONS"),
)
SETTING = ("set", "set_property", "set_target_properties")
# Entries of a cache that belong to its own build directory, or that CMake refuses from elsewhere.
OF_THE_DIRECTORY = ("CMAKE_HOME_DIRECTORY", "CMAKE_CACHEFILE_DIR", "CMAKE_COMMAND", "CMAKE_GENERATOR")
# What the CMake files of Caffe2 and of torch set for nvcc, where they found CUDA.
TOLD_VARIABLES = ("CUDA_NVCC_EXECUTABLE", "CMAKE_CUDA_COMPILER", "CUDA_NVCC_FLAGS", "CUDA_HOST_COMPILER")
ENDINGS_LEFT = ("_LIB_DEPENDS", "_BINARY_DIR", "_SOURCE_DIR", "_IS_TOP_LEVEL", "_VERSION")


class Package(msgspec.Struct, frozen=True):
    """The framework that is asked for by `name`, the text built against it, what it links with, and who loads it."""

    name: str
    source: str
    links: tuple[str, ...]
    suite: str


def stages_with(build: "CMakeBuild") -> tuple[Stage, ...]:
    """Configure, compile, link, load and run."""
    name = build.package.name
    loaded = Once(build.load)
    return (
        Stage(f"configure against {name}", CONFIGURE, build.configure),
        Stage(f"compile C++ against {name}", COMPILE, build.compile),
        Stage(f"link with {name}", LINK, lambda: build.linking),
        Stage(f"load into {name}", LOAD, lambda: loaded().loading),
        Stage(f"run in {name}", RUN, lambda: loaded().running),
    )


class CMakeBuild:
    """Compiling and linking are one run of the build tool; how far it came is seen by what it made."""

    def __init__(self, workplace: Workplace, package: Package) -> None:
        self.package = package
        self._workplace = workplace
        self._directory = workplace.place("build")
        self.library = f"{self._directory}/lib{NAME}.so"
        self.linking = Verdict("crashed", "the build was never started")

    def load(self) -> Loaded:
        """In the target's interpreter."""
        return self._workplace.load(self.package.suite, self.library)

    def configure(self) -> Verdict:
        workplace, facts = self._workplace, self._workplace.facts
        cmake = value_of(facts.cmake.cmake)
        if cmake is None:
            return Verdict("fail", "cmake could not be started: there is none on PATH")
        workplace.write("project/source.cc", self.package.source)
        workplace.write("project/CMakeLists.txt", "\n".join(cmake_lists(facts, self.package, self._standard())) + "\n")
        os.makedirs(self._directory, exist_ok=True)
        words = [cmake.path, *self._options(value_of(facts.project.build)), workplace.place("project")]
        # As `cd build && cmake ..` does: releases before 3.13 have no option that names the build directory.
        ran = workplace.run(words, workplace.limits.configure, folder=self._directory)
        return judged(ran, workplace.hidden)

    def _options(self, build: BuildDirectory | None) -> list[str]:
        """What the configured build directory of the project says to the next build in it."""
        if build is None:
            return []
        generator = build.get("CMAKE_GENERATOR")
        cache = self._workplace.write("project/cache.cmake", "\n".join(cache_lines(build)) + "\n")
        return [*(["-G", generator] if generator else []), "-C", cache]

    def _standard(self) -> tuple[tuple[str, str], ...]:
        """What the project's main CMake file sets of the C++ standard."""
        project = value_of(self._workplace.facts.project.cmake)
        text = text_of(self._workplace.target.files, project.path, FILE_LIMIT) if project is not None else None
        return tuple(standard_of(text.value)) if isinstance(text, Known) else ()

    def compile(self) -> Verdict:
        workplace = self._workplace
        cmake = value_of(workplace.facts.cmake.cmake)
        seconds = workplace.limits.compile + workplace.limits.link
        began = time.time()
        ran = workplace.run([cmake.path if cmake else "cmake", "--build", self._directory], seconds)
        verdict = judged(ran, workplace.hidden)
        compiled = self._compiled_at()
        if compiled is None:
            return verdict if verdict.state != "ok" else Verdict("fail", "the build ended well and made no object")
        spent = max(0, min(round((compiled - began) * 1000), ran.took_ms))
        missing = verdict.state == "ok" and not os.path.isfile(self.library)
        self.linking = Verdict("fail", "the build ended well and made no library") if missing else verdict
        self.linking = _with_time(self.linking, ran.took_ms - spent)
        return _with_time(OK, spent)

    def _compiled_at(self) -> float | None:
        """When the object was written; None where there is none. Compilers remove what they could not finish."""
        for folder, _, names in os.walk(self._directory):
            for name in names:
                if name.startswith("source.cc") and name.endswith(".o"):
                    return os.stat(f"{folder}/{name}").st_mtime
        return None


def standard_of(text: str) -> Iterator[tuple[str, str]]:
    """Variables that ask for the C++ standard which a CMake file asks for, by variables or by properties of targets."""
    try:
        commands = parse(text)
    except CMakeSyntaxError:
        return
    for command in commands:
        words = [argument.text for argument in command.arguments]
        for name, value in pairwise(words):
            if name in STANDARD and value.isalnum() and command.name in SETTING:
                yield f"CMAKE_{name.removeprefix('CMAKE_')}", value
        if command.name == "target_compile_features":
            years = [word.removeprefix("cxx_std_") for word in words if word.startswith("cxx_std_")]
            yield from (("CMAKE_CXX_STANDARD", year) for year in years if year.isalnum())


def _with_time(verdict: Verdict, took_ms: int) -> Verdict:
    return msgspec.structs.replace(verdict, took_ms=took_ms)


def links_named(facts: Facts) -> tuple[str, ...]:
    """What the libraries of the project link with, as its CMake files write it."""
    project = value_of(facts.project.cmake)
    kinds = ("SHARED", "MODULE", "LIBRARY", "STATIC", "OBJECT")
    targets = [target for target in project.targets if target.kind in kinds] if project is not None else []
    return tuple(dict.fromkeys(link for target in targets for link in target.links))


def cmake_lists(facts: Facts, package: Package, standard: Iterable[tuple[str, str]] = ()) -> Iterator[str]:
    """The lines of the generated project."""
    project = value_of(facts.project.cmake) or CMakeProject(path="")
    minimum = value_of(project.minimum) or ""
    yield f"cmake_minimum_required(VERSION {minimum if minimum.replace('.', '').isdigit() else '2.8.12'})"
    languages = [each for each in project.languages if each in ("C", "CXX")] or ["C", "CXX"]
    yield f"project({NAME} {' '.join(languages)})"
    for name, value in standard:
        yield f"set({name} {value})"
    for variable in project.variables:
        if "$" not in variable.value:
            yield f"set({variable.name} {_bracket(variable.value)})"
    for target in project.imported:
        if target.startswith("caffe2::"):
            yield f"if(NOT TARGET {target})\n  add_library({target} INTERFACE IMPORTED)\nendif()"
    yield f"find_package({package.name} REQUIRED)"
    flags = [flag for flag in project.flags if flag.startswith(KEPT_FLAGS) and "$" not in flag]
    if flags:
        yield f"add_compile_options({' '.join(map(_bracket, flags))})"
    for directory in facts.project.include_directories:
        yield f"include_directories({_bracket(directory)})"
    yield f"add_library({NAME} SHARED source.cc)"
    yield f"target_link_libraries({NAME} {' '.join(package.links)})"
    lines = "".join(f"{name}=${{{name}}}\\n" for name in TOLD_VARIABLES)
    yield f'file(WRITE "${{CMAKE_SOURCE_DIR}}/../{TOLD}" "{lines}")'


def cache_lines(build: BuildDirectory) -> Iterator[str]:
    """The entries of a build directory's cache as CMake's option -C reads them."""
    for entry in build.cache:
        if entry.name in OF_THE_DIRECTORY or entry.name.startswith("CMAKE_CACHE_"):
            continue
        if not entry.name.endswith(ENDINGS_LEFT) and not entry.value.endswith("-NOTFOUND"):
            yield f'set({entry.name} {_bracket(entry.value)} CACHE STRING "")'


def _bracket(text: str) -> str:
    """A bracket argument, in which nothing has a meaning."""
    signs = "="
    while f"]{signs}]" in text:
        signs += "="
    return f"[{signs}[{text}]{signs}]"
