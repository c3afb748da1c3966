"""An operator of a few lines, built against Caffe2 as the project's own operators will be.

CMake is run on a generated project that asks for Caffe2 as the real one does: with the same CMake, generator,
compilers, toolchain file and environment, and with what the project's CMake files add.
"""

import os
import time
from collections.abc import Iterator, Sequence

import msgspec

from envdoctor.checking.check import COMPILE, CONFIGURE, LINK, LOAD, RUN
from envdoctor.facts import BuildDirectory, CMakeProject, Facts, Known, SourceUse, value_of
from envdoctor.probes.cmake_language import CMakeSyntaxError, parse
from envdoctor.probes.reading import text_of
from envdoctor.smoke.toolchain.stages import OK, Stage, Verdict, judged
from envdoctor.smoke.toolchain.workplace import TOLD, Once, Workplace

NAME = "envdoctor_toolchain"
FILE_LIMIT = 1 << 20
# What find_package(Caffe2) offers to link with, over its releases.
FRAMEWORK = ("caffe2_library", "caffe2", "torch", "torch_cpu", "torch_library")
# Definitions, standard and include path decide whether a build succeeds; warnings and optimisation do not. Both
# branches of every `if` were read, so that the rest may be meant for another compiler.
KEPT_FLAGS = ("-D", "-U", "-std=", "-I/")
STANDARD = ("CMAKE_CXX_STANDARD", "CMAKE_CXX_STANDARD_REQUIRED", "CMAKE_CXX_EXTENSIONS")
# Entries of a cache that belong to its own build directory, or that CMake refuses from elsewhere.
OF_THE_DIRECTORY = ("CMAKE_HOME_DIRECTORY", "CMAKE_CACHEFILE_DIR", "CMAKE_COMMAND", "CMAKE_GENERATOR")
# What Caffe2's CMake files set for nvcc, where they found CUDA.
TOLD_VARIABLES = ("CUDA_NVCC_EXECUTABLE", "CUDA_NVCC_FLAGS", "CUDA_HOST_COMPILER")
ENDINGS_LEFT = ("_LIB_DEPENDS", "_BINARY_DIR", "_SOURCE_DIR", "_IS_TOP_LEVEL", "_VERSION")

OPERATOR = """\
%(includes)s

namespace caffe2 {

template <class Context>
class EnvdoctorToolchainOp final : public Operator<Context> {
 public:
  USE_OPERATOR_CONTEXT_FUNCTIONS;

  template <class... Args>
  explicit EnvdoctorToolchainOp(Args&&... args) : Operator<Context>(std::forward<Args>(args)...) {}

  bool RunOnDevice() override {
    const auto& X = Input(0);
    auto* Y = Output(0);
    Y->ResizeLike(X);
    const float* from = X.template data<float>();
    float* to = Y->template mutable_data<float>();
    for (int i = 0; i < 3; ++i) {
      to[i] = from[i] + from[i];
    }
    return true;
  }
};

REGISTER_CPU_OPERATOR(EnvdoctorToolchain, EnvdoctorToolchainOp<CPUContext>);

OPERATOR_SCHEMA(EnvdoctorToolchain).NumInputs(1).NumOutputs(1).SetDoc("Doubles three numbers.");

NO_GRADIENT(EnvdoctorToolchain);

} // namespace caffe2
"""


def stages_of(workplace: Workplace) -> tuple[Stage, ...]:
    """Configure, compile, link, load and run against Caffe2."""
    build = _Build(workplace)
    loaded = Once(lambda: workplace.load("caffe2_toolchain", build.library))
    return (
        Stage("configure against Caffe2", CONFIGURE, build.configure),
        Stage("compile C++ against Caffe2", COMPILE, build.compile),
        Stage("link with Caffe2", LINK, lambda: build.linking),
        Stage("load into Caffe2", LOAD, lambda: loaded().loading),
        Stage("run in Caffe2", RUN, lambda: loaded().running),
    )


class _Build:
    """Compiling and linking are one run of the build tool; how far it came is seen by what it made."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._directory = workplace.place("build")
        self.library = f"{self._directory}/lib{NAME}.so"
        self.linking = Verdict("crashed", "the build was never started")

    def configure(self) -> Verdict:
        workplace, facts = self._workplace, self._workplace.facts
        cmake = value_of(facts.cmake.cmake)
        if cmake is None:
            return Verdict("fail", "cmake could not be started: there is none on PATH")
        workplace.write("project/operator.cc", operator_source(facts.project.includes))
        workplace.write("project/CMakeLists.txt", "\n".join(cmake_lists(workplace.facts, self._standard())) + "\n")
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

    def _standard(self) -> Iterator[tuple[str, str]]:
        """The C++ standard that the project's main CMake file sets."""
        project = value_of(self._workplace.facts.project.cmake)
        text = text_of(self._workplace.target.files, project.path, FILE_LIMIT) if project is not None else None
        try:
            commands = parse(text.value) if isinstance(text, Known) else ()
        except CMakeSyntaxError:
            return
        for command in commands:
            words = [argument.text for argument in command.arguments]
            if command.name == "set" and len(words) > 1 and words[0] in STANDARD and words[1].isalnum():
                yield words[0], words[1]

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
                if name.startswith("operator.cc") and name.endswith(".o"):
                    return os.stat(f"{folder}/{name}").st_mtime
        return None


def _with_time(verdict: Verdict, took_ms: int) -> Verdict:
    return msgspec.structs.replace(verdict, took_ms=took_ms)


def operator_source(includes: Sequence[SourceUse]) -> str:
    """The operator, with the headers of Caffe2 that the project's own C++ sources include."""
    names = ["caffe2/core/context.h", "caffe2/core/operator.h"]
    for use in includes:
        # What needs a CUDA compiler is tried with nvcc.
        gpu = "gpu" in use.name or "cuda" in use.name.lower() or use.path.endswith((".cu", ".cuh"))
        if use.name.startswith("caffe2/") and use.name.endswith(".h") and not gpu and '"' not in use.name:
            names.append(use.name)
    return OPERATOR % {"includes": "\n".join(f'#include "{name}"' for name in dict.fromkeys(names))}


def cmake_lists(facts: Facts, standard: Iterator[tuple[str, str]] | Sequence[tuple[str, str]] = ()) -> Iterator[str]:
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
    yield "find_package(Caffe2 REQUIRED)"
    flags = [flag for flag in project.flags if flag.startswith(KEPT_FLAGS) and "$" not in flag]
    if flags:
        yield f"add_compile_options({' '.join(map(_bracket, flags))})"
    for directory in facts.project.include_directories:
        yield f"include_directories({_bracket(directory)})"
    yield f"add_library({NAME} SHARED operator.cc)"
    yield f"target_link_libraries({NAME} {' '.join(linked(facts, project))})"
    lines = "".join(f"{name}=${{{name}}}\\n" for name in TOLD_VARIABLES)
    yield f'file(WRITE "${{CMAKE_SOURCE_DIR}}/../{TOLD}" "{lines}")'


def linked(facts: Facts, project: CMakeProject) -> tuple[str, ...]:
    """What the project's libraries link with of Caffe2, by the names that they use, whether they exist or not."""
    named = [
        link
        for target in project.targets
        if target.kind in ("SHARED", "MODULE", "LIBRARY", "STATIC", "OBJECT")
        for link in target.links
        if link in FRAMEWORK
    ]
    installation = facts.caffe2.built_against()
    offered = installation.cmake_targets if installation is not None else ()
    return tuple(dict.fromkeys(named)) or tuple(name for name in FRAMEWORK if name in offered)[:1] or FRAMEWORK[:1]


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
