"""The root of the CUDA toolkit, told to builds that would look for it beside a script."""

from envdoctor.facts import Absent, Facts, Known, Toolkit, value_of
from envdoctor.repair.overlay import Setting
from envdoctor.repair.recipe import Answer, Manual, Options, Plan, Refusal, recipe
from envdoctor.repair.steps import MakeLink

from .build_cache import configure_anew
from .machine_settings import for_this_machine
from .system_packages import system_commands
from .toolkits import looked_for_by_cmake, of_major, whole_toolkits

NEEDS = ("cuda", "project", "environment", "torch", "caffe2", "python", "host")


@recipe("cuda-root", cures=("CUDA008", "CUDA010"), needs=NEEDS)
def cuda_root(facts: Facts, options: Options) -> Answer:
    """Name the real root of the CUDA toolkit

    What it does:
        Sets CUDA_HOME, which torch reads, and CUDA_PATH, which the CMake files of Caffe2 and torch read, to the toolkit
        that the nvcc on PATH really belongs to. Where that toolkit lacks headers or libcudart.so, it names a whole one
        of the same major, or makes the link that the wheels of NVIDIA leave out (`--unsafe`: it lies in site-packages).
    What it changes:
        The overlay's environment. CMakeCache.txt of a configured build is set aside, since CMake keeps the root that it
        found first.
    When it is not enough:
        A toolkit whose parts are nowhere on the machine: the missing part has to be installed.
    Sources:
        measured with nvcc 13.0 behind a script, CMake 3.25 and the CMake files of PyPI torch 1.0.1, 1.13.1 and 2.13.0;
        PyPI nvidia-cuda-runtime 13.0 has libcudart.so.13 and no libcudart.so
    """
    toolkit = facts.cuda.toolkit()
    if toolkit is None:
        return Refusal("there is no CUDA toolkit that a build would take")
    if isinstance(toolkit.include, Known) and isinstance(toolkit.libraries, Known):
        return _name(facts, options, toolkit)
    others = of_major(whole_toolkits(facts), value_of(toolkit.version))
    if others:
        return _name(facts, options, others[0])
    return _complete(facts, toolkit)


def _name(facts: Facts, options: Options, toolkit: Toolkit) -> Plan | Refusal:
    settings = (Setting("CUDA_HOME", "set", toolkit.root), Setting("CUDA_PATH", "set", toolkit.root))
    after = configure_anew(facts) if looked_for_by_cmake(facts) else ()
    return for_this_machine("cuda-root", options, *settings, after=after)


def _complete(facts: Facts, toolkit: Toolkit) -> Plan | Manual:
    """Of a toolkit from NVIDIA's wheels only the link is missing; of others a package is."""
    runtime = next(
        (one for one in facts.cuda.runtimes if one.path.startswith(f"{toolkit.root.rstrip('/')}/lib/")), None
    )
    if isinstance(toolkit.include, Known) and isinstance(toolkit.libraries, Absent) and runtime is not None:
        link = f"{runtime.path.rpartition('/')[0]}/libcudart.so"
        name = runtime.path.rpartition("/")[2]
        return Plan("unsafe", (MakeLink(f"Link {link} to {name}, for the linker", link, name),))
    version = value_of(toolkit.version) or ""
    return Manual(
        f"The toolkit in {toolkit.root} lacks a part that is nowhere on this machine. Install that of CUDA {version}.",
        system_commands(facts, "cudart-13" if version.startswith("13") else "cudart", version=version),
    )
