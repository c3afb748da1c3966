"""CUDA_HOME, for torch's build tools."""

from envdoctor.facts import Facts
from envdoctor.repair.overlay import Setting
from envdoctor.repair.recipe import Answer, Options, Refusal, recipe

from .build_cache import configure_anew
from .machine_settings import for_this_machine
from .toolkits import best_toolkit, looked_for_by_cmake

NEEDS = ("cuda", "project", "environment", "torch", "caffe2")


@recipe("cuda-home", cures=("CUDA002", "CUDA003"), needs=NEEDS)
def cuda_home(facts: Facts, options: Options) -> Answer:
    """Set CUDA_HOME to a toolkit that is on the disk

    What it does:
        Sets CUDA_HOME, and CUDA_PATH with it, to a toolkit that has nvcc, headers and runtime library: one of torch's
        CUDA major where there is one, else the first. Without any, a CUDA_HOME that leads nowhere is unset.
    What it changes:
        The overlay's environment. CMakeCache.txt of a configured CMake build is set aside.
    When it is not enough:
        No toolkit on the machine (cuda-build brings one where it can), or one of another major than torch's CUDA.
    Sources:
        torch 2.13.0, torch/utils/cpp_extension.py, _find_cuda_home: CUDA_HOME, CUDA_PATH, nvcc on PATH, /usr/local/cuda
    """
    toolkit = best_toolkit(facts)
    after = configure_anew(facts) if looked_for_by_cmake(facts) else ()
    if toolkit is not None:
        settings = (Setting("CUDA_HOME", "set", toolkit.root), Setting("CUDA_PATH", "set", toolkit.root))
        return for_this_machine("cuda-home", options, *settings, after=after)
    unset = [Setting(name, "unset") for name in ("CUDA_HOME", "CUDA_PATH") if facts.environment.get(name)]
    if unset:
        notes = ("There is no whole CUDA toolkit on this machine; only the variable that leads nowhere is taken out.",)
        return for_this_machine("cuda-home", options, *unset, after=after, notes=notes)
    return Refusal("there is no CUDA toolkit with nvcc, headers and libcudart.so on this machine; see cuda-build")
