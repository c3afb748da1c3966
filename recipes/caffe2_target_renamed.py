"""Projects that link the CMake target that Caffe2 had before it became a part of libtorch."""

from envdoctor.facts import Facts, value_of
from envdoctor.repair.recipe import Answer, Options, Plan, Refusal, recipe
from envdoctor.repair.steps import MarkedBlock

from .build_cache import configure_anew
from .project_include import included, too_old

OLD_NAMES = ("caffe2_library", "caffe2_gpu_library")
# What holds Caffe2's core in a release, the best first.
NEW_NAMES = ("torch", "caffe2")


@recipe("caffe2-target-renamed", cures=("C2006",), needs=("project", "caffe2", "cmake"))
def caffe2_target_renamed(facts: Facts, options: Options) -> Answer:
    """Give the old name of Caffe2's CMake target to what it is called now

    What it does:
        Has CMake read a file inside of project() that declares `caffe2_library` and `caffe2_gpu_library`, as far as the
        project links them, as interface libraries of `torch`. With --in-place they stand in a marked block at the end
        of CMakeLists.txt.
    What it changes:
        The overlay: .envdoctor/project.cmake and its toolchain file; a configured build's CMakeCache.txt is set aside.
    When it is not enough:
        Operators that use what later releases changed; the compiler will say so.
    Sources:
        The targets of PyPI torch 1.0.1 (caffe2, caffe2_gpu) and of the releases from 1.2 on (torch)
    """
    project, installation = value_of(facts.project.cmake), facts.caffe2.built_against()
    if project is None or installation is None:
        return Refusal("no project that links Caffe2, or no Caffe2 to link")
    defined = {*installation.cmake_targets, *(f"{name}_library" for name in installation.cmake_targets)}
    linked = {link for target in project.targets for link in target.links}
    old = [name for name in OLD_NAMES if name in linked and name not in defined]
    new = next((name for name in NEW_NAMES if name in installation.cmake_targets), None)
    if not old or new is None:
        return Refusal("nothing links an old name, or this Caffe2 has no target that could take it")
    text = "".join(
        f"if(NOT TARGET {name})\n  add_library({name} INTERFACE)\n"
        f"  target_link_libraries({name} INTERFACE {new})\nendif()\n"
        for name in old
    )
    anew = configure_anew(facts)
    if options.in_place:
        summary = f"Declare {' and '.join(old)} at the end of {project.path}"
        block = MarkedBlock(summary, project.path, "caffe2-target-renamed", text, at_top=False)
        return Plan("unsafe", (block, *anew))
    refusal = too_old(facts)
    if refusal is not None:
        return refusal
    return Plan("safe", (*included("caffe2-target-renamed", text, facts, options), *anew))
