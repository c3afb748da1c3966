"""What an earlier build left: CMake keeps what it found the first time, whatever the environment says now."""

import contextlib
import os
from dataclasses import dataclass

from envdoctor.facts import BuildDirectory, Facts, value_of
from envdoctor.repair.steps import Hands, SetAside

VERSION = ("CMAKE_CACHE_MAJOR_VERSION", "CMAKE_CACHE_MINOR_VERSION", "CMAKE_CACHE_PATCH_VERSION")
# Beside its cache CMake keeps in these what it found of toolchain file and compilers.
FINDINGS = ("CMakeSystem.cmake", "CMakeCCompiler.cmake", "CMakeCXXCompiler.cmake", "CMakeCUDACompiler.cmake")


@dataclass(frozen=True)
class ConfigureAnew(SetAside):
    """Take a CMakeCache.txt out of the way, with those of `findings` that are there: they must go together.

    A cache that undo puts back beside findings of the overlay's toolchain file would end in an error of CMake.
    """

    findings: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path, *self.findings)

    @property
    def command(self) -> tuple[str, ...]:
        return ("rm", "-f", *self.paths)

    def perform(self, hands: Hands) -> None:
        super().perform(hands)
        for path in self.findings:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def configure_anew(facts: Facts) -> tuple[SetAside, ...]:
    """Take the project's CMakeCache.txt out of the way; nothing where no build is configured. Reads `project`.

    CMake reads flags, compilers, the toolchain file and the places of packages only on its first run in a directory.
    """
    build = value_of(facts.project.build)
    if build is None:
        return ()
    path = f"{build.path.rstrip('/')}/CMakeCache.txt"
    summary = f"Take {path} out of the way: CMake configures anew; what it was given with -D, give it again"
    return (ConfigureAnew(summary, path, _findings(build)),)


def _findings(build: BuildDirectory) -> tuple[str, ...]:
    """Where this CMake keeps its findings; nowhere known without its version."""
    version = [build.get(name) for name in VERSION]
    if not all(version):
        return ()
    folder = f"{build.path.rstrip('/')}/CMakeFiles/{'.'.join(part for part in version if part)}"
    return tuple(f"{folder}/{name}" for name in FINDINGS)


def build_anew(facts: Facts) -> tuple[SetAside, ...]:
    """Take the project's built libraries out of the way too, since they hold what they were built with.

    CMake's own rules compile every object again whose flags have changed. Reads `project`, `extensions`.
    """
    built = (one.path for one in facts.extensions.found if one.owner == "project")
    libraries = (SetAside(f"Take {path} out of the way, so that it is built anew", path) for path in built)
    return (*libraries, *configure_anew(facts))
