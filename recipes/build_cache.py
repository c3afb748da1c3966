"""A configured build directory: what CMake found the first time it keeps, whatever the environment says now."""

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
    return (SetAside(f"Take {path} out of the way, so that CMake configures anew", path),)
