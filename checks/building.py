"""What is being built, and what its flags and include path already are."""

import shlex
from itertools import pairwise
from posixpath import basename, dirname, normpath
from typing import Literal

from envdoctor.checking.check import Evidence, NotApplicable
from envdoctor.facts import NOT_LOOKED, Absent, Caffe2Installation, Extension, Facts, Known, value_of

NO_OPS_PROJECT = NotApplicable("no project that builds Caffe2 operators")

# A build with CMake reads these on its first run in a build directory.
FLAG_VARIABLES = ("CXXFLAGS", "CPPFLAGS")
INCLUDE_VARIABLES = ("CPATH", "CPLUS_INCLUDE_PATH")
CUDA_TARGET = "caffe2::cudart"


def builds_ops(facts: Facts) -> bool:
    """Whether the project builds Caffe2 operators. Reads `project`."""
    return value_of(facts.project.profile) == "caffe2-ops"


def builds_extension(facts: Facts) -> bool:
    """Whether the project builds an extension of torch. Reads `project`."""
    return value_of(facts.project.profile) == "torch-extension"


def built_library(facts: Facts) -> str | None:
    """A library of the project in its configured build directory. Reads `project`.

    Its existence proves that configuring and compiling found what they need: by this environment or by what the build
    directory's own cache holds.
    """
    build = value_of(facts.project.build)
    if build is None:
        return None
    project = value_of(facts.project.cmake)
    targets = project.targets if project is not None else ()
    names = {f"lib{target.name}.so" for target in targets if target.kind in ("SHARED", "MODULE")}
    for path in facts.project.libraries:
        if path.startswith(build.path.rstrip("/") + "/") and (not names or basename(path) in names):
            return path
    return None


def not_judged_before_build(facts: Facts) -> NotApplicable | None:
    """Why a fault of configuring or compiling Caffe2 operators is not judged; None where it is. Reads `project`."""
    if not builds_ops(facts):
        return NO_OPS_PROJECT
    library = built_library(facts)
    if library is not None:
        return NotApplicable(f"{library} is built, so configuring and compiling found what they need")
    return None


def certain(facts: Facts) -> Literal["fail", "warn"]:
    """`fail`, or `warn` where a toolchain file may bring what is not seen otherwise. Reads `environment`, `project`."""
    return "warn" if toolchain(facts) else "fail"


def toolchain(facts: Facts) -> tuple[Evidence, ...]:
    """The CMake toolchain file of the next build, where it may bring more than is seen; none where all of it is known.

    Reads `environment`, `project`.
    """
    build, fact = value_of(facts.project.build), facts.project.toolchain
    file = build.get("CMAKE_TOOLCHAIN_FILE") if build is not None else facts.environment.get("CMAKE_TOOLCHAIN_FILE")
    known = value_of(fact)
    # Where it was looked for and is none, CMake takes none either.
    taken = not isinstance(fact, Absent) or fact == NOT_LOOKED
    if not file or not taken or (known is not None and not known.unfollowed):
        return ()
    shown = f"{file}, not followed: {known.unfollowed[0]}" if known is not None else file
    return (Evidence("toolchain file, which may bring it", shown, "CMAKE_TOOLCHAIN_FILE"),)


def cuda_left_out(facts: Facts) -> bool:
    """Whether Caffe2's CUDA targets are declared before its configuration is read, so that a build looks for no CUDA.

    The CMake files of Caffe2 return at once where the target is there. Reads `project`.
    """
    project = value_of(facts.project.cmake)
    own = project.imported if project is not None else ()
    return builds_ops(facts) and CUDA_TARGET in (*own, *declared_targets(facts))


def declared_targets(facts: Facts) -> tuple[str, ...]:
    """The targets that the toolchain file has CMake declare inside of project(). Reads `project`."""
    known = value_of(facts.project.toolchain)
    return known.targets if known is not None else ()


def caffe2_not_searched(facts: Facts) -> NotApplicable | None:
    """Why it is not judged whether CMake finds a usable Caffe2; None where it is. Reads `project`."""
    skip = not_judged_before_build(facts)
    project = value_of(facts.project.cmake)
    if skip is None and project is not None and "Caffe2" not in project.packages:
        return NotApplicable("the project's CMake files do not look for Caffe2")
    return skip


def project_extensions(facts: Facts) -> tuple[Extension, ...]:
    """The compiled extensions of the project. Reads `extensions`."""
    return tuple(extension for extension in facts.extensions.found if extension.owner == "project")


def built_against(facts: Facts) -> Caffe2Installation | None:
    """The Caffe2 whose configuration CMake finds, else the one that the interpreter imports. Reads `caffe2`."""
    return facts.caffe2.built_against()


def same_path(left: str | None, right: str | None) -> bool:
    """Whether two paths are spelled alike but for doubled and trailing slashes."""
    return left is not None and right is not None and normpath(left) == normpath(right)


def on_include_path(facts: Facts, directory: str) -> bool:
    """Whether every compile of this environment or project searches the directory. Reads `environment`, `project`."""
    entries = [entry for name in INCLUDE_VARIABLES for entry in (facts.environment.get(name) or "").split(":") if entry]
    flags = compiler_flags(facts)
    entries += [flag[2:] for flag in flags if flag.startswith("-I")]
    entries += [value for flag, value in pairwise(flags) if flag in ("-I", "-isystem")]
    entries += _of_toolchain(facts, "CMAKE_CXX_STANDARD_INCLUDE_DIRECTORIES").split(";")
    entries += facts.project.include_directories
    return any(same_path(entry, directory) for entry in entries if entry)


def compiler_flags(facts: Facts) -> tuple[str, ...]:
    """The C++ flags of variables, the toolchain file, the build's cache and the CMake files, later ones winning.

    A configured build keeps in its cache what variables and toolchain file said at first. Reads `environment` and
    `project`.
    """
    build = value_of(facts.project.build)
    if build is None:
        texts = [facts.environment.get(name) or "" for name in FLAG_VARIABLES]
        texts.append(_of_toolchain(facts, "CMAKE_CXX_FLAGS_INIT"))
    else:
        texts = [build.get("CMAKE_CXX_FLAGS") or ""]
    texts.append(_of_toolchain(facts, "CMAKE_CXX_FLAGS"))
    project = value_of(facts.project.cmake)
    return tuple(flag for text in texts for flag in _words(text)) + (project.flags if project is not None else ())


def linked_libraries(facts: Facts) -> tuple[str, ...]:
    """What every link of the build gets at its end: of the toolchain file or of the build's cache. Reads `project`."""
    build = value_of(facts.project.build)
    texts = [_of_toolchain(facts, "CMAKE_CXX_STANDARD_LIBRARIES")]
    if build is not None:
        texts.append(build.get("CMAKE_CXX_STANDARD_LIBRARIES") or "")
    return tuple(word for text in texts for word in _words(text))


def _of_toolchain(facts: Facts, name: str) -> str:
    known = value_of(facts.project.toolchain)
    return (known.get(name) if known is not None else None) or ""


def _words(text: str) -> list[str]:
    """As the shell of a build reads a line of flags."""
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def config_directory(installation: Caffe2Installation) -> str | None:
    """The directory of its Caffe2Config.cmake."""
    return dirname(installation.config.value) if isinstance(installation.config, Known) else None
