"""Whether a library and the framework that loads it agree on std::string and on the calls of std::function."""

from collections.abc import Iterator
from posixpath import basename, dirname

from envdoctor.checking.check import (
    LOAD,
    RUN,
    Evidence,
    Finding,
    Judgement,
    NotApplicable,
    Remedy,
    check,
    seen,
    undetermined,
)
from envdoctor.facts import Compiler, Extension, Fact, Facts, Known, UndefinedSymbol, Unreadable, value_of
from envdoctor.knowledge.versions import numbers

from . import building, remedies
from .symbol_names import described, in_protobuf

FLAG = "-D_GLIBCXX_USE_CXX11_ABI="
FLAVOURS = {False: "old", True: "new"}
# From GCC 5 on the new string is the default and std::function passes its arguments by reference.
FIRST_NEW_GCC = 5
# Before, std::function stood in <functional> itself.
FIRST_STD_FUNCTION_HEADER = (7,)
PASSING = {"value": "by value", "reference": "by reference"}


@check(
    "ABI001",
    "string-abi-differs",
    needs=("project", "caffe2", "torch", "extensions", "compilers", "environment", "host", "python"),
    strikes=LOAD + 20,
)
def string_abi_differs(facts: Facts) -> Iterator[Judgement]:
    """A library is compiled for another std::string than the framework that loads it

    What it finds:
        Undefined symbols that exist with the other flavour of std::string; before a build, a compiler whose default
        is not the flavour of Caffe2.
    Why it breaks:
        libstdc++ has two layouts of std::string. The choice is part of every name that a string occurs in, so the names
        of one side do not match those of the other.
    Example:
        undefined symbol: _ZN6caffe219CPUOperatorRegistryB5cxx11Ev
        undefined symbol: _ZN3c106detail23torchInternalAssertFailEPKcS2_jS2_RKSs
    What to do:
        Compile every object, libprotobuf included, with the framework's flag: `-D_GLIBCXX_USE_CXX11_ABI=0` or `=1`.
    Sources:
        https://gcc.gnu.org/onlinedocs/libstdc++/manual/using_dual_abi.html; measured with PyPI torch 1.0.1 and 2.13.0.
    """
    judged = facts.extensions.found
    for extension in judged:
        finding = _judge_strings(facts, extension)
        if finding is not None:
            yield finding
    if building.builds_ops(facts) and not building.project_extensions(facts):
        yield from _predict_strings(facts)
    elif not judged:
        yield NotApplicable("no compiled extension, and no project of Caffe2 operators")


def _judge_strings(facts: Facts, extension: Extension) -> Finding | None:
    framework, flavour = _framework(facts, extension)
    wanted = FLAVOURS[flavour.value] if isinstance(flavour, Known) else None
    symbols = _string_symbols(extension)
    differs = wanted is not None and extension.string_abi in FLAVOURS.values() and extension.string_abi != wanted
    own = extension.owner == "project"
    if not symbols and not (differs and own):
        return None
    name = basename(extension.path)
    has = f"has the {extension.string_abi} std::string" if differs else "uses the other std::string in some names"
    return Finding(
        state="fail" if symbols else "warn",
        title=f"{name} {has}, {framework} {f'the {wanted} one' if wanted else 'another'}",
        why="The flavour of std::string is a part of symbol names, so those of one side are not found in the other.",
        evidence=(
            Evidence("std::string of the library", extension.string_abi, extension.path),
            seen(f"std::string of {framework}", flavour, wanted),
            *(Evidence("undefined symbol", symbol, extension.path) for symbol in described(symbols)),
        ),
        remedy=_string_remedy(value_of(flavour), own)
        if extension.kind == "caffe2-ops" or not own
        else _extension_remedy(facts),
        subject=extension.path,
    )


def _string_symbols(extension: Extension) -> tuple[UndefinedSymbol, ...]:
    """Those of the other flavour. Of protobuf's only where it is linked at all, which other reasons deny."""
    symbols = [one for one in extension.undefined if one.reason == "string-abi"]
    unlinked = any(in_protobuf(one) and one.reason != "string-abi" for one in extension.undefined)
    return tuple(one for one in symbols if not (unlinked and in_protobuf(one)))


def _framework(facts: Facts, extension: Extension) -> tuple[str, Fact[bool]]:
    installation = building.built_against(facts)
    if extension.kind == "caffe2-ops" and installation is not None:
        return "Caffe2", installation.cxx11_abi
    return "torch", facts.torch.cxx11_abi


def _predict_strings(facts: Facts) -> Iterator[Judgement]:
    installation = building.built_against(facts)
    compiler = facts.compilers.cxx
    if installation is None or not isinstance(installation.cxx11_abi, Known):
        yield NotApplicable("no library is built, and the std::string of Caffe2 is not known")
        return
    wanted = installation.cxx11_abi.value
    chosen = [flag for flag in building.compiler_flags(facts) if flag.startswith(FLAG)]
    if isinstance(compiler, Unreadable) and not chosen:
        yield undetermined("it is not known which std::string the compiler takes", compiler, "the C++ compiler")
        return
    given = chosen[-1] == f"{FLAG}1" if chosen else _default_of(facts, value_of(compiler))
    if given is None or given == wanted:
        return
    source = (
        Evidence("chosen by", chosen[-1], "compiler flags")
        if chosen
        else seen("C++ compiler", compiler, _shown(compiler))
    )
    yield Finding(
        state="warn",
        title=f"operators built now will have the {FLAVOURS[given]} std::string, Caffe2 has the {FLAVOURS[wanted]} one",
        why="Objects built with these defaults will not load in this Caffe2: the names of its functions differ.",
        evidence=(seen("std::string of Caffe2", installation.cxx11_abi, FLAVOURS[wanted]), source),
        remedy=_string_remedy(wanted, own=True),
        subject=installation.root,
    )


def _default_of(facts: Facts, compiler: Compiler | None) -> bool | None:
    """Whether the compiler takes the new std::string by itself; None where that is not known.

    The developer toolsets of RHEL 7 and its kin keep to the old one whatever their version.
    """
    version = numbers(value_of(compiler.version) or "") if compiler is not None else ()
    if not version or compiler is None or compiler.kind not in ("gcc", "g++"):
        return None
    if (value_of(facts.host.distribution_id) or "") in ("rhel", "centos", "scientific", "ol"):
        return None
    return version[0] >= FIRST_NEW_GCC


def _string_remedy(wanted: bool | None, own: bool) -> Remedy:
    if not own:
        return Remedy("Install a build of this package that was made for the installed torch, or build it from source.")
    if wanted is None:
        text = "Build anew with the framework's choice of _GLIBCXX_USE_CXX11_ABI, in every object."
        return Remedy(text, recipe="cxx11-abi")
    flags = f'export CXXFLAGS="{FLAG}{int(wanted)}${{CXXFLAGS:+ $CXXFLAGS}}"'
    return Remedy(
        "Compile every object, libprotobuf included, with the framework's choice, in a new build directory.",
        (flags,),
        recipe="cxx11-abi",
    )


def _extension_remedy(facts: Facts) -> Remedy:
    """torch's build tools pass the flag of torch; what the user sets comes after it and wins."""
    chosen = [one.name for one in facts.environment.variables if FLAG in one.value]
    return Remedy(
        f"Build it again, with no {FLAG} in variables or in setup.py: the build tools of torch pass the right one.",
        (*(f"unset {name}" for name in chosen), *remedies.rebuild(facts)),
        recipe="cxx11-abi",
    )


@check(
    "ABI002",
    "std-function-abi-differs",
    needs=("project", "caffe2", "extensions", "compilers", "environment"),
    strikes=RUN + 10,
)
def function_abi_differs(facts: Facts) -> Iterator[Judgement]:
    """std::function passes its arguments otherwise in the operators than in Caffe2

    What it finds:
        A Caffe2 of GCC 4.9 or older, whose std::function takes arguments by value, and operators of GCC 5 or later,
        where it takes them by reference.
    Why it breaks:
        A std::function that one side makes and the other calls gets its arguments in the wrong form. Both sides
        compile, all symbols are found, and the call corrupts the stack.
    Example:
        Segmentation fault on creating the operator, although `ldd -r` is clean
    What to do:
        Build with GCC 4.9; or put a copy of the compiler's own bits/std_function.h first on the include path in which
        `_M_invoke` and `_Invoker_type` take `_ArgTypes...` in place of `_ArgTypes&&...`.
    Sources:
        The names of the _M_invoke functions in both libraries; measured with PyPI torch 1.0.1 (GCC 4.9.2) and g++ 12.
    """
    installation = building.built_against(facts)
    if not building.builds_ops(facts) or installation is None:
        yield building.NO_OPS_PROJECT if not building.builds_ops(facts) else NotApplicable("Caffe2 is not installed")
        return
    theirs = installation.function_abi
    if not isinstance(theirs, Known) or theirs.value not in PASSING:
        yield NotApplicable("how this Caffe2 passes arguments through std::function is not known")
        return
    libraries = [one for one in building.project_extensions(facts) if one.kind == "caffe2-ops"]
    for library in libraries:
        yield from _judge_functions(facts, library, theirs)
    if not libraries:
        yield from _predict_functions(facts, theirs, installation.root)


def _judge_functions(facts: Facts, library: Extension, theirs: Known[str]) -> Iterator[Finding]:
    name = basename(library.path)
    if library.function_abi == theirs.value:
        return
    evidence = (
        seen("std::function of Caffe2 passes arguments", theirs, PASSING[theirs.value]),
        Evidence(f"std::function of {name}", PASSING.get(library.function_abi, "not known"), library.path),
        Evidence(f"compilers of {name}", ", ".join(library.compilers) or "not known", library.path),
    )
    if library.function_abi not in PASSING:
        yield Finding(
            state="unknown",
            title=f"it is not known how {name} passes arguments through std::function",
            why="Its symbols do not show it, and where it differs from Caffe2 a call corrupts the stack.",
            evidence=evidence,
            subject=library.path,
        )
        return
    ours = PASSING[library.function_abi]
    yield Finding(
        state="fail",
        title=f"std::function passes arguments {ours} in {name}, and {PASSING[theirs.value]} in Caffe2",
        why="The symbols do not show it: such a library loads, and a call between the two corrupts the stack.",
        evidence=evidence,
        remedy=_function_remedy(facts, theirs.value),
        subject=library.path,
        explains=("ABI003",),
    )


def _predict_functions(facts: Facts, theirs: Known[str], root: str) -> Iterator[Judgement]:
    compiler = facts.compilers.cxx
    if isinstance(compiler, Unreadable):
        yield undetermined("it is not known how the compiler passes arguments", compiler, "the C++ compiler")
        return
    ours = _function_abi_of(value_of(compiler))
    if ours is None or ours == theirs.value or _brings_own_function(facts):
        return
    yield Finding(
        state="warn",
        title=f"operators built now will pass arguments {PASSING[ours]} through std::function, Caffe2 takes them "
        f"{PASSING[theirs.value]}",
        why="Such operators load, and crash when Caffe2 creates or runs them.",
        evidence=(
            seen("std::function of Caffe2 passes arguments", theirs, PASSING[theirs.value]),
            seen("C++ compiler", compiler, _shown(compiler)),
        ),
        remedy=_function_remedy(facts, theirs.value),
        subject=root,
    )


@check(
    "ABI003",
    "std-function-storage-differs",
    needs=("project", "caffe2", "extensions", "compilers"),
    strikes=RUN + 15,
)
def function_storage_differs(facts: Facts) -> Iterator[Judgement]:
    """std::function keeps its functors elsewhere in the operators than in Caffe2

    What it finds:
        Operators that hand arguments by value as Caffe2 of GCC 4.9 does, and still keep lambdas of Caffe2's headers
        inside std::function as GCC 5 and later do. It shows in a build without optimisation only.
    Why it breaks:
        GCC 4.9 keeps only pointers inside and puts other functors on the heap. Both sides share the function that
        destroys such a functor, so one side frees what the other never allocated.
    Example:
        double free or corruption (out), at the end of a process whose operators gave right values
    What to do:
        In the copy of bits/std_function.h that takes arguments by value, let `__is_location_invariant` be true for
        pointers only; or build with optimisation, which leaves nothing to share.
    Sources:
        bits/std_function.h of GCC 4.9 and 12; measured with PyPI torch 1.0.1 and g++ 12 at -O0 and -O2.
    """
    installation = building.built_against(facts)
    libraries = [one for one in building.project_extensions(facts) if one.kind == "caffe2-ops"]
    if installation is None or not libraries:
        yield NotApplicable("no operators of the project are built")
        return
    theirs = installation.function_abi
    if value_of(theirs) != "value":
        yield NotApplicable("this Caffe2 is not known to keep functors as GCC 4.9 does")
        return
    for library in libraries:
        if library.functors_in_place:
            yield _storage_finding(facts, library, theirs)


def _storage_finding(facts: Facts, library: Extension, theirs: Fact[str]) -> Finding:
    name = basename(library.path)
    return Finding(
        state="fail",
        title=f"{name} keeps functors inside std::function, Caffe2 keeps them on the heap",
        why="The process crashes when it frees them, at its end at the latest, though the operators ran.",
        evidence=(
            seen("std::function of Caffe2 passes arguments", theirs, "by value, as GCC 4.9 does"),
            Evidence(f"functor inside std::function of {name}", library.functors_in_place[0], library.path),
        ),
        remedy=_function_remedy(facts, "value"),
        subject=library.path,
    )


def _function_abi_of(compiler: Compiler | None) -> str | None:
    version = numbers(value_of(compiler.version) or "") if compiler is not None else ()
    if not version or compiler is None or compiler.kind not in ("gcc", "g++"):
        return None
    return "reference" if version[0] >= FIRST_NEW_GCC else "value"


def _brings_own_function(facts: Facts) -> bool:
    return building.on_include_path(facts, remedies.overlay(facts, "function-by-value"))


def _function_remedy(facts: Facts, wanted: str) -> Remedy:
    """Only the change to by-value was tried, with the header of g++ 12."""
    found = value_of(facts.compilers.cxx)
    version = numbers(value_of(found.version) or "") if found is not None else ()
    directories = value_of(facts.compilers.include_directories) or ()
    folder = next((one for one in directories if basename(dirname(one)) == "c++"), None)
    if wanted != "value" or folder is None or version < FIRST_STD_FUNCTION_HEADER:
        text = "Build the operators with the compiler series that built Caffe2, GCC 4.9 for one by value."
        return Remedy(text, recipe="std-function-abi")
    return Remedy(
        "Build with GCC 4.9, or put a copy of std_function.h that takes arguments by value first on the include path, "
        "in a new build.",
        remedies.function_by_value(facts, f"{folder}/bits/std_function.h"),
        recipe="std-function-abi",
        safety="unsafe",
    )


def _shown(compiler: Fact[Compiler]) -> str | None:
    if not isinstance(compiler, Known):
        return None
    version = value_of(compiler.value.version)
    return f"{compiler.value.kind} {version or 'of unknown version'} ({compiler.value.path})"
