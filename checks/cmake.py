"""Whether CMake and the tools that it drives are there, and take this project."""

from collections.abc import Iterator
from posixpath import dirname
from shlex import quote

from envdoctor.checking.check import (
    BEFORE,
    CONFIGURE,
    Evidence,
    Finding,
    Judgement,
    NotApplicable,
    Remedy,
    check,
    seen,
    undetermined,
)
from envdoctor.facts import Absent, BuildDirectory, Facts, Known, Tool, Unreadable, value_of
from envdoctor.knowledge.versions import at_least, numbers

from . import building, remedies

NO_CMAKE_PROJECT = NotApplicable("no project that is built with CMake")
# CMake 4 takes no project that asks for less.
OLDEST_POLICY = "3.5"
POLICY_VARIABLE = "CMAKE_POLICY_VERSION_MINIMUM"


@check("CMK001", "cmake-missing", needs=("project", "cmake", "host", "python"), strikes=BEFORE + 20)
def cmake_missing(facts: Facts) -> Iterator[Judgement]:
    """The project is built with CMake, and there is none

    What it finds:
        A project with CMakeLists.txt, and no `cmake` on PATH.
    Why it breaks:
        The build starts with it.
    Example:
        make: cmake: No such file or directory
    What to do:
        Install it from the distribution, or from PyPI or conda-forge without root.
    Sources:
        https://cmake.org/download/
    """
    if not _built_with_cmake(facts):
        yield NO_CMAKE_PROJECT
    elif isinstance(facts.cmake.cmake, Unreadable):
        yield undetermined("it is not known whether CMake is installed", facts.cmake.cmake, "cmake")
    elif isinstance(facts.cmake.cmake, Absent):
        yield Finding(
            state="fail",
            title="the project is built with CMake, and no cmake is on PATH",
            why="The build starts with it.",
            evidence=(seen("cmake", facts.cmake.cmake),),
            remedy=_install("Install CMake.", facts, "cmake"),
        )


@check(
    "CMK002",
    "cmake-refuses-old-minimum",
    needs=("project", "cmake", "environment"),
    strikes=CONFIGURE + 1,
)
def cmake_refuses_old_minimum(facts: Facts) -> Iterator[Judgement]:
    """CMake 4 refuses the project for the old CMake that it asks for

    What it finds:
        `cmake_minimum_required` below 3.5, and CMake 4 or later.
    Why it breaks:
        CMake 4 has removed the behaviour of releases before 3.5 and stops at such a line.
    Example:
        Compatibility with CMake < 3.5 has been removed from CMake.
    What to do:
        Set the environment variable `CMAKE_POLICY_VERSION_MINIMUM` to 3.5, or take a CMake below 4.
    Sources:
        https://cmake.org/cmake/help/latest/release/4.0.html; measured with CMake 3.31.10, 4.4.3 and 4.4.4.
    """
    asked, have = _asked_and_have(facts)
    if asked is None or have is None:
        yield NotApplicable("no CMake, or no project that says which it needs")
        return
    # `2.8...3.10` says that the project knows the behaviour of 3.10.
    known = asked.rpartition("...")[2]
    build = value_of(facts.project.build)
    allowed = facts.environment.get(POLICY_VARIABLE) or (build.get(POLICY_VARIABLE) if build is not None else None)
    if not at_least(have, "4") or at_least(known, OLDEST_POLICY) or at_least(allowed or "0", OLDEST_POLICY):
        return
    project = value_of(facts.project.cmake)
    yield Finding(
        state="fail",
        title=f"CMake {have} refuses a project that asks for CMake {asked}",
        why="CMake 4 has removed the behaviour of releases before 3.5 and stops at cmake_minimum_required.",
        evidence=(
            Evidence("cmake_minimum_required", asked, project.path if project is not None else ""),
            seen("cmake", facts.cmake.cmake, have),
        ),
        remedy=Remedy(
            "Tell CMake to take it as 3.5.", (f"export {POLICY_VARIABLE}={OLDEST_POLICY}",), recipe="cmake-policy"
        ),
    )


@check("CMK003", "cmake-older-than-required", needs=("project", "cmake", "host", "python"), strikes=CONFIGURE)
def cmake_older_than_required(facts: Facts) -> Iterator[Judgement]:
    """CMake is older than the project asks for

    What it finds:
        `cmake_minimum_required` above the version of the first `cmake` on PATH.
    Why it breaks:
        CMake stops at that line.
    Example:
        CMake 3.18 or higher is required.  You are running version 3.10.2
    What to do:
        Put a newer CMake first on PATH; PyPI and conda-forge have current ones.
    Sources:
        https://cmake.org/cmake/help/latest/command/cmake_minimum_required.html
    """
    asked, have = _asked_and_have(facts)
    if asked is None or have is None:
        yield NotApplicable("no CMake, or no project that says which it needs")
        return
    least = asked.partition("...")[0]
    if not numbers(least) or at_least(have, least):
        return
    project = value_of(facts.project.cmake)
    newer = [tool for tool in facts.cmake.others if at_least(value_of(tool.version) or "0", least)]
    command = f"{remedies.python(facts)} -m pip install 'cmake>={least},<4'"
    remedy = Remedy("Install a newer one.", (command,), recipe="build-tools")
    if newer:
        folder = newer[0].path.rpartition("/")[0]
        remedy = Remedy(
            "Put the newer one first on PATH.", (f'export PATH={quote(folder)}:"$PATH"',), recipe="build-tools"
        )
    yield Finding(
        state="fail",
        title=f"the project asks for CMake {least}, and the first on PATH is {have}",
        why="CMake stops at cmake_minimum_required.",
        evidence=(
            Evidence("cmake_minimum_required", asked, project.path if project is not None else ""),
            seen("cmake", facts.cmake.cmake, have),
        ),
        remedy=remedy,
    )


@check("CMK004", "make-missing", needs=("project", "cmake", "host", "python"), strikes=BEFORE + 22)
def make_missing(facts: Facts) -> Iterator[Judgement]:
    """The build runs make, and there is none

    What it finds:
        A Makefile, or a CMake project without Ninja, and no `make` on PATH.
    Why it breaks:
        CMake writes Makefiles unless told otherwise, and asks for make while configuring.
    Example:
        CMake Error: CMake was unable to find a build program corresponding to "Unix Makefiles".
    What to do:
        Install make, or use Ninja: `cmake -G Ninja`.
    Sources:
        https://cmake.org/cmake/help/latest/manual/cmake-generators.7.html
    """
    uses = [use for use in facts.project.programs if use.name in ("make", "gmake")]
    if not _built_with_cmake(facts) and not uses:
        yield NO_CMAKE_PROJECT
        return
    if isinstance(facts.cmake.make, Unreadable):
        yield undetermined("it is not known whether make is installed", facts.cmake.make, "make")
    elif isinstance(facts.cmake.make, Absent) and (uses or not isinstance(facts.cmake.ninja, Known)):
        yield Finding(
            state="fail",
            title="the build runs make, and none is on PATH",
            why="CMake writes Makefiles unless told otherwise, and the project's own Makefile needs it as well.",
            evidence=(
                seen("make", facts.cmake.make),
                *(Evidence("started by", use.name, f"{use.path}:{use.line}") for use in uses[:3]),
            ),
            remedy=_install("Install make.", facts, "make"),
        )


@check("CMK005", "ninja-missing", needs=("project", "cmake", "host", "python"), strikes=BEFORE + 24)
def ninja_missing(facts: Facts) -> Iterator[Judgement]:
    """Ninja is not there

    What it finds:
        A build directory that was made for Ninja, or an extension of torch, and no `ninja` on PATH.
    Why it breaks:
        `torch.utils.cpp_extension.load` and a CMake build for Ninja stop without it. A `setup.py` of torch extensions
        goes on without it, one file at a time.
    Example:
        RuntimeError: Ninja is required to load C++ extensions
    What to do:
        Install ninja, and let PATH name its directory; a virtual environment that is not activated does not.
    Sources:
        torch/utils/cpp_extension.py, verify_ninja_availability
    """
    build = value_of(facts.project.build)
    for_ninja = build is not None and "Ninja" in (build.get("CMAKE_GENERATOR") or "")
    if not for_ninja and not building.builds_extension(facts):
        yield NotApplicable("nothing here is built with Ninja")
        return
    if isinstance(facts.cmake.ninja, Unreadable):
        yield undetermined("it is not known whether Ninja is installed", facts.cmake.ninja, "ninja")
    elif isinstance(facts.cmake.ninja, Absent):
        yield Finding(
            state="fail" if for_ninja else "note",
            title="the build directory is made for Ninja, and there is none"
            if for_ninja
            else "Ninja is missing: extensions build one file at a time, and cpp_extension.load does not work",
            why="The build program of this directory is Ninja."
            if for_ninja
            else "torch builds extensions with Ninja where it can, and loads inline ones only with it.",
            evidence=(seen("ninja", facts.cmake.ninja),),
            remedy=_install("Install Ninja.", facts, "ninja"),
        )


@check("CMK006", "cmake-cache-stale", needs=("project", "caffe2", "environment"), strikes=CONFIGURE + 2)
def cmake_cache_stale(facts: Facts) -> Iterator[Judgement]:
    """The build directory was configured for something else

    What it finds:
        A CMakeCache.txt of another source or build directory, of another Caffe2 than the one that is installed, or of
        another compiler than `CXX` names.
    Why it breaks:
        CMake keeps what it found the first time. A moved directory it refuses; a changed environment it ignores.
    Example:
        The source "/new/CMakeLists.txt" does not match the source "/old/CMakeLists.txt" used to generate cache.
    What to do:
        Remove the build directory and configure anew.
    Sources:
        https://cmake.org/cmake/help/latest/manual/cmake.1.html; CMakeCache.txt itself
    """
    build = value_of(facts.project.build)
    if build is None:
        yield NotApplicable("no build directory that was configured")
        return
    for name, now, why in _expectations(facts, build):
        cached = build.get(name)
        if cached is None or now is None or cached.endswith("-NOTFOUND") or building.same_path(cached, now):
            continue
        yield Finding(
            state="warn",
            title=f"the build directory was configured with {name}={cached}, now it is {now}",
            why=why,
            evidence=(Evidence(name, cached, f"{build.path}/CMakeCache.txt"),),
            remedy=Remedy("Remove the build directory and configure anew.", (f"rm -rf {quote(build.path)}",)),
            subject=name,
        )


def _expectations(facts: Facts, build: BuildDirectory) -> tuple[tuple[str, str | None, str], ...]:
    """Entries of the cache, what they should be now (None: anything), and why it matters."""
    project, compiler = value_of(facts.project.cmake), facts.environment.get("CXX")
    moved = "CMake refuses a cache that was made for another directory."
    kept = "CMake keeps what it found the first time, whatever the environment says now."
    return (
        ("CMAKE_HOME_DIRECTORY", dirname(project.path) if project is not None else None, moved),
        ("CMAKE_CACHEFILE_DIR", build.path, moved),
        ("Caffe2_DIR", _caffe2_directory(facts, build), kept),
        ("CMAKE_CXX_COMPILER", compiler if compiler is not None and compiler.startswith("/") else None, kept),
    )


def _caffe2_directory(facts: Facts, build: BuildDirectory) -> str | None:
    """Where the imported Caffe2 has its configuration; None where the cache names another one that exists."""
    directories = [building.config_directory(one) for one in facts.caffe2.installations]
    if any(building.same_path(build.get("Caffe2_DIR"), one) for one in directories):
        return None
    return directories[0] if directories else None


@check("CMK007", "several-cmakes", needs=("project", "cmake"), strikes=BEFORE + 26)
def several_cmakes(facts: Facts) -> Iterator[Judgement]:
    """Several versions of CMake are on PATH

    What it finds:
        More than one `cmake` on PATH, of different versions.
    Why it breaks:
        It does not by itself; the first one is taken, which may not be the one that was meant.
    Example:
        /usr/local/bin/cmake 4.4.4 before /usr/bin/cmake 3.25.1
    What to do:
        Nothing, if the first is the right one. Otherwise put the directory of the other first on PATH.
    Sources:
        PATH
    """
    if not _built_with_cmake(facts):
        yield NO_CMAKE_PROJECT
        return
    first = value_of(facts.cmake.cmake)
    others = [
        tool for tool in facts.cmake.others if first is not None and _version(tool) not in (None, _version(first))
    ]
    if first is not None and others:
        yield Finding(
            state="note",
            title=f"CMake {_version(first)} hides {', '.join(str(_version(tool)) for tool in others)}",
            why="The first on PATH is taken.",
            evidence=tuple(
                Evidence("cmake", _version(tool) or "version unknown", tool.path) for tool in (first, *others)
            ),
        )


def _built_with_cmake(facts: Facts) -> bool:
    return isinstance(facts.project.cmake, Known) or building.builds_ops(facts)


def _asked_and_have(facts: Facts) -> tuple[str | None, str | None]:
    """What the project asks of CMake and the version of CMake, None where either is not known."""
    project, tool = value_of(facts.project.cmake), value_of(facts.cmake.cmake)
    asked = value_of(project.minimum) if project is not None else None
    have = _version(tool) if tool is not None else None
    return asked, have if have is not None and numbers(have) else None


def _version(tool: Tool) -> str | None:
    return value_of(tool.version)


def _install(text: str, facts: Facts, need: str) -> Remedy:
    return Remedy(text, remedies.install(facts, need), recipe="build-tools")
