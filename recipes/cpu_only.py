"""Operators of the CPU against a Caffe2 that was built with CUDA."""

from envdoctor.facts import Facts, value_of
from envdoctor.repair.recipe import Answer, Options, Plan, Refusal, recipe
from envdoctor.repair.steps import MarkedBlock

from .build_cache import configure_anew
from .project_include import included, too_old

LIBRARIES = ("cudart", "cufft", "curand", "cudnn", "cublas")
# Caffe2Config.cmake goes on to say that there is CUDA, so that a project declares its GPU library all the same: with
# what stands for FindCUDA's command it is declared, without its .cu files, and never built.
GPU_LIBRARIES = """\
function(cuda_add_library name)
  set(sources ${ARGN})
  list(FILTER sources EXCLUDE REGEX "[.]cu$")
  add_library(${name} EXCLUDE_FROM_ALL ${sources})
endfunction()
"""
NOTE = "Operators of the GPU are not built: a program that asks for them will not find them."


@recipe("cpu-only", cures=("C2008",), needs=("project", "caffe2", "cmake"))
def cpu_only(facts: Facts, options: Options) -> Answer:
    """Build the CPU operators against a Caffe2 whose CUDA cannot be had here

    What it does:
        Has CMake read a file inside of project() that declares the CUDA targets which Caffe2Config.cmake would make,
        empty: it then looks for no CUDA and no cuDNN. GPU libraries of the project are declared and left out of the
        build. With --in-place the same stands in a marked block at the top of CMakeLists.txt. A work-around, therefore
        unsafe.
    What it changes:
        The overlay: .envdoctor/project.cmake and its toolchain file; a configured build's CMakeCache.txt is set aside.
    When it is not enough:
        Operators of the GPU are wanted: they need the CUDA and the cuDNN that Caffe2 was built with, in the releases of
        that time. An `install` of the project that names its GPU library stops where that was not built.
    Sources:
        Measured with PyPI torch 1.0.1 (CUDA 9.0) and CMake 3.25: public/cuda.cmake returns at once where the target
        caffe2::cudart exists
    """
    targets = "".join(
        f"if(NOT TARGET caffe2::{name})\n  add_library(caffe2::{name} INTERFACE IMPORTED)\nendif()\n"
        for name in LIBRARIES
    )
    anew = configure_anew(facts)
    if options.in_place:
        project = value_of(facts.project.cmake)
        if project is None:
            return Refusal("the project has no CMakeLists.txt that could declare the targets")
        summary = f"Declare empty CUDA targets at the top of {project.path}"
        block = MarkedBlock(summary, project.path, "cpu-only", targets + GPU_LIBRARIES, at_top=True)
        return Plan("unsafe", (block, *anew), (NOTE,))
    refusal = too_old(facts)
    if refusal is not None:
        return refusal
    steps = included("cpu-only", targets + GPU_LIBRARIES, facts, options)
    return Plan("unsafe", (*steps, *anew), (NOTE,))
