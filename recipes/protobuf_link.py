"""A libprotobuf for operators of a Caffe2 that keeps its own to itself."""

import shlex

from envdoctor.facts import Facts, value_of
from envdoctor.generated_code import header_demands
from envdoctor.repair.overlay import CMakeSetting, Contribution
from envdoctor.repair.recipe import Answer, Options, Plan, Refusal, recipe
from envdoctor.repair.steps import Contribute, MarkedBlock

from .build_cache import build_anew
from .protobuf_build import BuildLibrary
from .protobuf_versions import sources_of_headers
from .string_abi import cxx_compiler, framework_flag

NEEDS = ("project", "caffe2", "protobuf", "python", "compilers", "torch", "extensions")
# Where the C library still keeps threads apart, protobuf needs them named.
THREADS = "-lpthread"
LINKABLE = ("SHARED", "MODULE", "LIBRARY")


@recipe("protobuf-link", cures=("PB002",), needs=NEEDS)
def protobuf_link(facts: Facts, options: Options) -> Answer:
    """Link a static libprotobuf into the operators

    What it does:
        Builds a static, position-independent libprotobuf of the version whose headers the build takes, with the
        std::string of Caffe2, from the sources inside a grpcio-tools archive of PyPI (pip verifies the hash that the
        index states). It takes about a minute on two cores; the library is kept in the user's cache, one for each
        version, compiler and set of flags, and used again. The toolchain file has every link take it last.
    What it changes:
        The overlay: .envdoctor/prefix/lib and the toolchain file. Libraries that are built without it, and the
        CMakeCache.txt of a configured build, are set aside. With --in-place CMakeLists.txt links it, in a marked block.
    When it is not enough:
        A protobuf that no archive of grpcio-tools is known to carry (3.20, and all from 3.22 on): build it from its own
        sources. CMake before 3.21 does not read the variable that names the toolchain file: give it on the command
        line, or use --in-place.
    Sources:
        Measured with PyPI torch 1.0.1 and protobuf 3.5.0: without it operators are not loaded (`undefined symbol:
        _ZN6google8protobuf...`), with it they load and run
    """
    sources, compiler, flag = sources_of_headers(facts), cxx_compiler(facts), framework_flag(facts)
    if sources is None:
        made = next((code.generated_by for code, _ in header_demands(facts)), None)
        return Refusal(f"no archive of grpcio-tools is known to carry a protobuf that fits code of protoc {made}")
    if compiler is None:
        return Refusal("there is no C++ compiler to build libprotobuf with")
    if flag is None:
        return Refusal(
            "which std::string this Caffe2 was built with is not known, and libprotobuf has to have the same"
        )
    path = f"{options.overlay}/prefix/lib/libprotobuf.a"
    build = BuildLibrary(f"Build {path}, protobuf {sources.protobuf} with {flag}", sources, compiler, (flag,), path)
    anew = build_anew(facts)
    if options.in_place:
        block = _block(facts, path)
        return block if isinstance(block, Refusal) else Plan("unsafe", (build, block, *anew))
    value = f"{shlex.quote(path)} {THREADS}"
    contribution = Contribution("protobuf-link", cmake=(CMakeSetting("CMAKE_CXX_STANDARD_LIBRARIES", "append", value),))
    step = Contribute(f"In the overlay's toolchain file: link {path} last", options.overlay, contribution)
    return Plan("safe", (build, step, *anew))


def _block(facts: Facts, path: str) -> MarkedBlock | Refusal:
    """What links the library to the targets of the project's first CMakeLists.txt."""
    project = value_of(facts.project.cmake)
    own = [one for one in project.targets if one.path == project.path and one.kind in LINKABLE] if project else []
    if project is None or not own:
        return Refusal("the project's CMakeLists.txt has no library that could link it")
    # Not target_link_libraries: it refuses to be called with and without keywords for one target.
    text = "\n".join(
        f"if(TARGET {name})\n  set_property(TARGET {name} APPEND PROPERTY LINK_LIBRARIES [==[{path}]==])\nendif()"
        for name in (one.name for one in own)
    )
    return MarkedBlock(f"Link {path} in {project.path}", project.path, "protobuf-link", text, at_top=False)
