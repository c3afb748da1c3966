"""Where CMake finds Caffe2's configuration."""

from posixpath import dirname

from envdoctor.facts import Facts, Known, value_of
from envdoctor.repair.overlay import CMakeSetting, Contribution, Setting
from envdoctor.repair.recipe import Answer, Options, Plan, Refusal, recipe
from envdoctor.repair.steps import Contribute, MarkedBlock

from .build_cache import configure_anew


@recipe("caffe2-dir", cures=("C2001", "C2003", "C2010"), needs=("project", "caffe2"))
def caffe2_dir(facts: Facts, options: Options) -> Answer:
    """Lead CMake to the configuration of the installed Caffe2

    What it does:
        Sets Caffe2_DIR to the directory of Caffe2Config.cmake: that of the Caffe2 which the interpreter imports, never
        that of a build tree. Where CMake finds another one now, the toolchain file says it as well, which comes before
        every prefix and variable. With --in-place CMakeLists.txt sets it.
    What it changes:
        The overlay's environment and toolchain file; a configured build's CMakeCache.txt is set aside, for it keeps
        what was found the first time. With --in-place a marked block at the top of CMakeLists.txt.
    When it is not enough:
        No Caffe2 here brings such a file: install one that does (torch 1.0 to 1.12), or run `make install` in its build
        tree.
    Sources:
        https://cmake.org/cmake/help/latest/command/find_package.html, Config Mode Search Procedure; measured with PyPI
        torch 1.0.1 and CMake 3.25
    """
    directory = _installed_configuration(facts)
    if directory is None:
        return Refusal("no Caffe2 here brings a Caffe2Config.cmake that a build can use")
    anew = configure_anew(facts)
    if options.in_place:
        project = value_of(facts.project.cmake)
        if project is None:
            return Refusal("the project has no CMakeLists.txt that could set Caffe2_DIR")
        text = f"set(Caffe2_DIR [==[{directory}]==])"
        block = MarkedBlock(f"Set Caffe2_DIR in {project.path}", project.path, "caffe2-dir", text, at_top=True)
        return Plan("unsafe", (block, *anew))
    in_the_way = isinstance(facts.caffe2.cmake_finds, Known)
    contribution = Contribution(
        "caffe2-dir",
        settings=(Setting("Caffe2_DIR", "set", directory),),
        cmake=(CMakeSetting("Caffe2_DIR", "set", directory),) if in_the_way else (),
    )
    step = Contribute(f"In the overlay: Caffe2_DIR={directory}", options.overlay, contribution)
    return Plan("safe", (step, *anew))


def _installed_configuration(facts: Facts) -> str | None:
    """The directory of the Caffe2Config.cmake that a build can use: first the imported Caffe2's."""
    for installation in facts.caffe2.installations:
        config = value_of(installation.config)
        if config is not None and not installation.config_is_build_tree:
            return dirname(config)
    return None
