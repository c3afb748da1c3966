"""The framework's std::string in everything that a project compiles."""

from envdoctor.facts import Extension, Facts, value_of
from envdoctor.repair.overlay import CMakeSetting, Contribution, Setting
from envdoctor.repair.recipe import Answer, Options, Plan, Refusal, recipe
from envdoctor.repair.steps import Contribute, MarkedBlock

from .build_cache import build_anew
from .string_abi import FLAG, framework_flag

NEEDS = ("project", "caffe2", "torch", "extensions", "environment")
# What build tools hand to a C++ compiler.
FLAG_VARIABLES = ("CFLAGS", "CXXFLAGS", "CPPFLAGS")


@recipe("cxx11-abi", cures=("ABI001",), needs=NEEDS)
def cxx11_abi(facts: Facts, options: Options) -> Answer:
    """Compile with the std::string that the framework was built with

    What it does:
        Adds `-D_GLIBCXX_USE_CXX11_ABI=0` or `=1`, whichever Caffe2 was built with, to CXXFLAGS and to the C++ flags of
        CMake's toolchain file, so that every object gets it; protobuf-link builds libprotobuf with the same. For an
        extension of torch it takes the flag out of the user's own variables, since torch's build tools pass the right
        one and what comes after it wins.
    What it changes:
        The overlay's environment and toolchain file. Libraries that were built with the other one, and the
        CMakeCache.txt of a configured build, are set aside. With --in-place CMakeLists.txt adds the definition.
    When it is not enough:
        Objects that no CMake rule compiles again: remove them (`make clean`). A flag that setup.py adds itself has to
        be taken out there. A package from an index (torchvision) is not built here: torch-pair finds a fitting one.
    Sources:
        https://gcc.gnu.org/onlinedocs/libstdc++/manual/using_dual_abi.html; measured with PyPI torch 1.0.1 and 2.13.0
    """
    if value_of(facts.project.profile) == "caffe2-ops":
        return _for_operators(facts, options)
    own = [one for one in facts.extensions.found if one.owner == "project" and one.kind == "torch-extension"]
    if not own:
        return Refusal("the library belongs to a package that was built elsewhere: install one built for this torch")
    return _for_extensions(facts, options, own)


def _for_operators(facts: Facts, options: Options) -> Answer:
    flag = framework_flag(facts)
    if flag is None:
        return Refusal("which std::string this Caffe2 was built with is not known")
    anew = build_anew(facts)
    if options.in_place:
        project = value_of(facts.project.cmake)
        if project is None:
            return Refusal("the project has no CMakeLists.txt that the flag could be written into")
        text = f"add_definitions({flag})"
        block = MarkedBlock(f"Add {flag} in {project.path}", project.path, "cxx11-abi", text, at_top=True)
        return Plan("unsafe", (block, *anew))
    contribution = Contribution(
        "cxx11-abi",
        settings=(*_without_other(facts, "CXXFLAGS", flag), Setting("CXXFLAGS", "append", flag)),
        cmake=(CMakeSetting("CMAKE_CXX_FLAGS_INIT", "append", flag),),
    )
    step = Contribute(f"In the overlay: {flag} in CXXFLAGS and in CMake's C++ flags", options.overlay, contribution)
    return Plan("safe", (step, *anew))


def _for_extensions(facts: Facts, options: Options, own: list[Extension]) -> Answer:
    if options.in_place:
        return Refusal("the flag comes from variables of the environment, which no source sets: no in-place form")
    settings = tuple(setting for name in FLAG_VARIABLES for setting in _without_other(facts, name, ""))
    if not settings:
        return Refusal(f"no variable sets {FLAG}: take it out of the flags in setup.py, and build again")
    contribution = Contribution("cxx11-abi", settings=settings)
    names = ", ".join(setting.variable for setting in settings)
    step = Contribute(f"In the overlay: {names} without {FLAG}", options.overlay, contribution)
    return Plan("safe", (step, *build_anew(facts)), (f"build it again: {', '.join(one.path for one in own)}",))


def _without_other(facts: Facts, name: str, flag: str) -> tuple[Setting, ...]:
    """The variable without choices other than `flag`; nothing where it holds none."""
    words = (facts.environment.get(name) or "").split()
    kept = [word for word in words if not word.startswith(FLAG) or word == flag]
    return (Setting(name, "set", " ".join(kept)),) if len(kept) < len(words) else ()
