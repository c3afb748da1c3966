"""A directory that the compiler is to search for headers: by CPATH in the overlay, or in CMakeLists.txt."""

from envdoctor.facts import Facts, value_of
from envdoctor.repair.overlay import Contribution, Setting
from envdoctor.repair.recipe import Options, Plan, Refusal
from envdoctor.repair.steps import Contribute, MarkedBlock, Step


def searched(
    recipe: str,
    directory: str,
    facts: Facts,
    options: Options,
    before: tuple[Step, ...] = (),
    notes: tuple[str, ...] = (),
) -> Plan | Refusal:
    """The plan that does the steps `before`, then has the compiler search the directory. Reads `project`.

    CPATH reaches every compiler of GCC and Clang, whatever build system starts it, and builds that are configured too.
    """
    if options.in_place:
        project = value_of(facts.project.cmake)
        if project is None:
            return Refusal("the project has no CMakeLists.txt that the directory could be written into")
        summary = f"Have {project.path} name {directory}"
        block = MarkedBlock(summary, project.path, recipe, f"include_directories([==[{directory}]==])", at_top=True)
        return Plan("unsafe", (*before, block), notes)
    if ":" in directory:
        return Refusal(f"{directory} holds a colon, which no list of directories can hold")
    setting = Setting("CPATH", "prepend", directory)
    step = Contribute(
        f"In the overlay: {directory} first in CPATH", options.overlay, Contribution(recipe, settings=(setting,))
    )
    return Plan("safe", (*before, step), notes)
