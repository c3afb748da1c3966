"""What an earlier build left: CMake keeps what it found the first time, whatever the environment says now."""

from envdoctor.facts import Facts, value_of
from envdoctor.repair.steps import SetAside


def configure_anew(facts: Facts) -> tuple[SetAside, ...]:
    """Take the project's CMakeCache.txt out of the way; nothing where no build is configured. Reads `project`.

    CMake reads flags, compilers, the toolchain file and the places of packages only on its first run in a directory.
    """
    build = value_of(facts.project.build)
    if build is None:
        return ()
    path = f"{build.path.rstrip('/')}/CMakeCache.txt"
    summary = f"Take {path} out of the way: CMake configures anew; what it was given with -D, give it again"
    return (SetAside(summary, path),)


def build_anew(facts: Facts) -> tuple[SetAside, ...]:
    """Take the project's built libraries out of the way too, since they hold what they were built with.

    CMake's own rules compile every object again whose flags have changed. Reads `project`, `extensions`.
    """
    built = (one.path for one in facts.extensions.found if one.owner == "project")
    libraries = (SetAside(f"Take {path} out of the way, so that it is built anew", path) for path in built)
    return (*libraries, *configure_anew(facts))
