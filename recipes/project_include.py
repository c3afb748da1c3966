"""CMake code that a build reads inside of project(), before anything of the project itself: a part for each recipe.

The toolchain file names one file, since CMake before 3.29 takes no list; that file takes in the parts that are there,
and what the user's own toolchain file named before.
"""

from envdoctor.facts import Facts, Known, value_of
from envdoctor.knowledge.versions import at_least
from envdoctor.repair.overlay import CMakeSetting, Contribution
from envdoctor.repair.recipe import Options, Refusal
from envdoctor.repair.steps import Contribute, Step, WriteFile

VARIABLE = "CMAKE_PROJECT_INCLUDE"
PARTS = ("caffe2-target-renamed", "cpu-only")
# The release that reads the toolchain file's name from the environment; CMAKE_PROJECT_INCLUDE is older.
READS_ENVIRONMENT = "3.21"


def included(recipe: str, text: str, facts: Facts, options: Options) -> tuple[Step, ...]:
    """The steps that have every project() of the build read `text`. `recipe` is one of PARTS. Reads `project`."""
    main, part = f"{options.overlay}/project.cmake", f"{options.overlay}/project/{recipe}.cmake"
    contribution = Contribution(recipe, cmake=(CMakeSetting(VARIABLE, "set", main),))
    return (
        WriteFile(f"Write {part}, which CMake reads inside of project()", part, text),
        WriteFile(f"Write {main}, which takes it in", main, _main(facts, main)),
        Contribute(f"In the toolchain file of the overlay: {VARIABLE}={main}", options.overlay, contribution),
    )


def _main(facts: Facts, path: str) -> str:
    toolchain = value_of(facts.project.toolchain)
    named = (toolchain.get(VARIABLE) if toolchain is not None else None) or ""
    lines = ["# Written by envdoctor; `envdoctor undo` takes it back."]
    lines += [f"include([==[{one}]==])" for one in named.split(";") if one and one != path]
    lines += [f'include("${{CMAKE_CURRENT_LIST_DIR}}/project/{part}.cmake" OPTIONAL)' for part in PARTS]
    return "\n".join(lines) + "\n"


def too_old(facts: Facts) -> Refusal | None:
    """Why the overlay's toolchain file does not reach this CMake; None where it does. Reads `cmake`."""
    tool = value_of(facts.cmake.cmake)
    version = tool.version if tool is not None else None
    if not isinstance(version, Known) or at_least(version.value, READS_ENVIRONMENT):
        return None
    return Refusal(
        f"CMake {version.value} does not read CMAKE_TOOLCHAIN_FILE from the environment, as {READS_ENVIRONMENT} does: "
        f"`pip install 'cmake>={READS_ENVIRONMENT},<4'` brings one, and --in-place needs none"
    )
