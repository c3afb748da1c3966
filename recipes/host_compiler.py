"""A host compiler that nvcc takes."""

from posixpath import basename, dirname

from envdoctor.facts import Compiler, Facts, value_of
from envdoctor.knowledge.versions import numbers
from envdoctor.repair.overlay import Setting
from envdoctor.repair.recipe import Answer, Manual, Options, Refusal, recipe

from .build_cache import configure_anew
from .machine_settings import for_this_machine
from .system_packages import system_commands

NEEDS = ("compilers", "cuda", "project", "environment", "host", "python")
# Older ones do not know the C++ that headers of CUDA 11 and later are written in.
OLDEST_GCC = 5


@recipe("host-compiler", cures=("CC002",), needs=NEEDS)
def host_compiler(facts: Facts, options: Options) -> Answer:
    """Give nvcc a host compiler that it takes

    What it does:
        Chooses the newest installed compiler of the same family that the toolkit's own crt/host_config.h accepts, and
        sets CC, CXX and CUDAHOSTCXX to it, and `-ccbin` in NVCC_PREPEND_FLAGS for an nvcc that a Makefile starts.
    What it changes:
        The overlay's environment. CMakeCache.txt of a configured build is set aside, since it holds the compiler.
    When it is not enough:
        No such compiler is installed: the commands to install one are printed. `-allow-unsupported-compiler` is not
        tried; what then compiles is not promised to work.
    Sources:
        crt/host_config.h of CUDA 11.7 to 13.5; the failure and the cure measured with nvcc 13.0
    """
    toolkit = facts.cuda.toolkit()
    limits = value_of(toolkit.host_compilers) if toolkit is not None else None
    current = value_of(facts.compilers.cuda_host) or value_of(facts.compilers.cxx)
    if limits is None or current is None:
        return Refusal("it is not known which host compilers nvcc takes, or which one it is given")
    clang = "clang" in current.kind
    newest = limits.clang if clang else limits.gcc
    if newest is None:
        return Refusal("this nvcc names no newest host compiler")
    fitting = _newest_up_to(facts.compilers.installed, "clang++" if clang else "g++", newest)
    if fitting is None:
        name = "clang++" if clang else "g++"
        commands = system_commands(facts, "clang" if clang else "g++", major=str(newest))
        return Manual(f"No {name} up to {newest} is installed, and nvcc takes no newer one. Install it.", commands)
    settings = [
        Setting("CXX", "set", fitting.path),
        Setting("CUDAHOSTCXX", "set", fitting.path),
        Setting("NVCC_PREPEND_FLAGS", "append", f"-ccbin={fitting.path}"),
    ]
    c = _c_compiler_of(facts.compilers.installed, fitting)
    if c is not None:
        settings.insert(0, Setting("CC", "set", c))
    return for_this_machine("host-compiler", options, *settings, after=configure_anew(facts))


def _newest_up_to(installed: tuple[Compiler, ...], kind: str, newest: int) -> Compiler | None:
    fitting = [one for one in installed if one.kind == kind and _oldest(kind) <= _major(one) <= newest]
    return max(fitting, key=lambda one: numbers(value_of(one.version) or ""), default=None)


def _oldest(kind: str) -> int:
    return OLDEST_GCC if kind == "g++" else 1


def _major(compiler: Compiler) -> int:
    return (numbers(value_of(compiler.version) or "") or (0,))[0]


def _c_compiler_of(installed: tuple[Compiler, ...], cxx: Compiler) -> str | None:
    """The C compiler beside a C++ compiler, of the same version: `gcc-11` of `g++-11`."""
    name = basename(cxx.path).replace("clang++", "clang").replace("g++", "gcc")
    wanted = f"{dirname(cxx.path).rstrip('/')}/{name}"
    same = [one.path for one in installed if value_of(one.version) == value_of(cxx.version) and one.path == wanted]
    return same[0] if same else None
