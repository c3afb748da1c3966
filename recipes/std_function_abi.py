"""std::function as Caffe2's compiler has it."""

import os
import shlex
from dataclasses import dataclass
from posixpath import basename, dirname

from envdoctor.facts import Compiler, Facts, value_of
from envdoctor.knowledge.versions import numbers
from envdoctor.repair.overlay import CMakeSetting, Contribution, Setting
from envdoctor.repair.recipe import Answer, Options, Plan, Refusal, recipe
from envdoctor.repair.steps import Contribute, Hands, Step, StepError

from .build_cache import build_anew

NEEDS = ("project", "caffe2", "compilers", "environment", "extensions")
# From GCC 5 on std::function takes its arguments by reference.
FIRST_BY_REFERENCE = (5,)
# Before, it stands in <functional> itself.
FIRST_OWN_HEADER = (7,)
HEADER_LIMIT = 1 << 20
FOLDER = "function-by-value"

# The header of GCC 5 and later in the form of 4.9: the invoker takes arguments by value, and a functor lies inside the
# object only where it is a pointer, since both sides share the function that destroys it.
CHANGES = (
    ("_M_invoke(const _Any_data& __functor, _ArgTypes&&...", "_M_invoke(const _Any_data& __functor, _ArgTypes..."),
    ("(*)(const _Any_data&, _ArgTypes&&...", "(*)(const _Any_data&, _ArgTypes..."),
    (": is_trivially_copyable<_Tp>::type", ": __or_<is_pointer<_Tp>, is_member_pointer<_Tp>>::type"),
)


@dataclass(frozen=True)
class ChangedHeader(Step):
    """Write a copy of `header` with `CHANGES` to `path`. Refuses a header that does not have each of them once."""

    kind = "write"
    header: str
    path: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    def perform(self, _hands: Hands) -> None:
        with open(self.header, encoding="utf-8", errors="surrogateescape") as file:
            text = file.read(HEADER_LIMIT)
        for before, after in CHANGES:
            if text.count(before) != 1:
                raise StepError(f"{self.header} is not of the form that can be changed: `{before}` is not there once")
            text = text.replace(before, after)
        os.makedirs(dirname(self.path), exist_ok=True)
        with open(self.path, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)


@recipe("std-function-abi", cures=("ABI002", "ABI003"), needs=NEEDS)
def std_function_abi(facts: Facts, options: Options) -> Answer:
    """Pass arguments through std::function as Caffe2 does

    What it does:
        Takes an installed GCC of the age of Caffe2's, GCC 4.9 or older for one that passes arguments by value. Where
        there is none (`--unsafe`): copies this machine's own bits/std_function.h into the overlay, changed in three
        places to the form of GCC 4.9, and puts the copy first in CPATH. `_M_invoke` and `_Invoker_type` then take their
        arguments by value, and only pointers are kept inside the object. The change holds for this build alone.
    What it changes:
        The overlay: CC and CXX, or .envdoctor/function-by-value, CPATH and CMake's C++ flags. Libraries that were built
        otherwise, and the CMakeCache.txt of a configured build, are set aside.
    When it is not enough:
        Objects that no CMake rule compiles again: remove them (`make clean`). GCC before 7 has no such header and Clang
        may use another standard library: build with GCC 4.9. A third library of GCC 5 or later that gets a
        std::function from these operators would now be the one that is called wrongly.
    Sources:
        bits/std_function.h of g++ 12.2, and the names of the _M_invoke functions in PyPI torch 1.0.1 (GCC 4.9.2);
        measured with both: all operators ran with right values, and the process ended well. Headers of other releases
        are changed only where each of the three places is found once.
    """
    installation = facts.caffe2.built_against()
    wanted = value_of(installation.function_abi) if installation is not None else None
    if wanted not in ("value", "reference"):
        return Refusal("how this Caffe2 passes arguments through std::function is not known")
    if options.in_place:
        return Refusal("which compiler and which standard header are taken is no matter of a source: no in-place form")
    compiler = _installed(facts, wanted)
    if compiler is not None:
        return _use_compiler(facts, options, compiler)
    if wanted == "reference":
        return Refusal("no GCC 5 or later is installed, and this Caffe2 was built with one")
    return _change_header(facts, options)


def _use_compiler(facts: Facts, options: Options, cxx: Compiler) -> Plan:
    settings = [Setting("CXX", "set", cxx.path)]
    c = f"{dirname(cxx.path)}/{basename(cxx.path).replace('g++', 'gcc')}"
    if any(one.path == c for one in facts.compilers.installed):
        settings.insert(0, Setting("CC", "set", c))
    contribution = Contribution("std-function-abi", settings=tuple(settings))
    told = ", ".join(f"{setting.variable}={setting.value}" for setting in settings)
    return Plan("safe", (Contribute(f"In the overlay: {told}", options.overlay, contribution), *build_anew(facts)))


def _change_header(facts: Facts, options: Options) -> Answer:
    compiler = value_of(facts.compilers.cxx)
    version = numbers(value_of(compiler.version) or "") if compiler is not None else ()
    directories = value_of(facts.compilers.include_directories) or ()
    folder = next((one for one in directories if basename(dirname(one)) == "c++"), None)
    if compiler is None or compiler.kind not in ("gcc", "g++") or folder is None or version < FIRST_OWN_HEADER:
        return Refusal("the C++ compiler is no GCC 7 or later whose headers are known: build with GCC 4.9")
    header, copies = f"{folder}/bits/std_function.h", f"{options.overlay}/{FOLDER}"
    if ":" in copies:
        return Refusal(f"{copies} holds a colon, which no list of directories can hold")
    change = ChangedHeader(
        f"Copy {header} to {copies}/bits, changed to the form of GCC 4.9", header, f"{copies}/bits/std_function.h"
    )
    contribution = Contribution(
        "std-function-abi",
        settings=(Setting("CPATH", "prepend", copies),),
        # A changed flag has CMake's own rules compile again what was compiled without the copy; CPATH does not.
        cmake=(CMakeSetting("CMAKE_CXX_FLAGS_INIT", "append", f"-I{shlex.quote(copies)}"),),
    )
    overlay = Contribute(
        f"In the overlay: {copies} first in CPATH and CMake's C++ flags", options.overlay, contribution
    )
    return Plan("unsafe", (change, overlay, *build_anew(facts)))


def _installed(facts: Facts, wanted: str) -> Compiler | None:
    """The newest g++ that passes arguments so."""
    fitting = [
        one
        for one in facts.compilers.installed
        if one.kind == "g++" and (version := numbers(value_of(one.version) or ""))
        if (version >= FIRST_BY_REFERENCE) == (wanted == "reference")
    ]
    return max(fitting, key=lambda one: numbers(value_of(one.version) or ""), default=None)
