"""Projects that ask for a CMake from before 3.5, under CMake 4."""

from envdoctor.facts import Facts, Known, value_of
from envdoctor.repair.overlay import Contribution, Setting
from envdoctor.repair.recipe import Answer, Options, Plan, Refusal, recipe
from envdoctor.repair.steps import Contribute, ReplaceInLine

VARIABLE, OLDEST = "CMAKE_POLICY_VERSION_MINIMUM", "3.5"


@recipe("cmake-policy", cures=("CMK002",), needs=("project", "cmake"))
def cmake_policy(facts: Facts, options: Options) -> Answer:
    """Have CMake 4 take a project that asks for a CMake from before 3.5

    What it does:
        Sets CMAKE_POLICY_VERSION_MINIMUM to 3.5, by which CMake 4 takes such a project as one of 3.5. With --in-place
        the project says itself that it knows 3.5: `cmake_minimum_required(VERSION 2.8.12...3.5)`, which older CMakes
        read as 2.8.12.
    What it changes:
        The overlay's environment; with --in-place one line of CMakeLists.txt.
    When it is not enough:
        A project that rests on behaviour from before 3.5: take a CMake below 4 (`pip install 'cmake<4'`).
    Sources:
        https://cmake.org/cmake/help/latest/envvar/CMAKE_POLICY_VERSION_MINIMUM.html; measured with CMake 4.4
    """
    if not options.in_place:
        contribution = Contribution("cmake-policy", settings=(Setting(VARIABLE, "set", OLDEST),))
        return Plan("safe", (Contribute(f"In the overlay: {VARIABLE}={OLDEST}", options.overlay, contribution),))
    project = value_of(facts.project.cmake)
    minimum = project.minimum if project is not None else None
    if not isinstance(minimum, Known):
        return Refusal("no cmake_minimum_required is known that could be changed")
    path, _, line = minimum.found_via.rpartition(":")
    if not line.isdecimal():
        return Refusal(f"the line of cmake_minimum_required is not known: {minimum.found_via}")
    asked = minimum.value.partition("...")[0]
    after = f"{asked}...{OLDEST}"
    step = ReplaceInLine(f"Ask for CMake {after} in {path}:{line}", path, int(line), minimum.value, after)
    return Plan("unsafe", (step,))
