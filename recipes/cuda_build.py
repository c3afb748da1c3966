"""A torch and a toolkit of one CUDA."""

import sys

from envdoctor.facts import Facts, Known, value_of
from envdoctor.knowledge.torch import Release, release, releases_for
from envdoctor.knowledge.versions import at_least, numbers, series
from envdoctor.repair.overlay import Contribution, Setting
from envdoctor.repair.recipe import Answer, Manual, Options, Plan, Refusal, recipe
from envdoctor.repair.steps import Contribute

from .architectures import capabilities, covers
from .interpreter_packages import install_into_interpreter
from .machine_settings import for_this_machine
from .system_packages import installer, system_commands
from .toolkit_wheels import InstallToolkit, on_the_index
from .toolkits import of_major, whole_toolkits

NEEDS = ("torch", "cuda", "driver", "python", "host", "project", "environment", "caffe2")


@recipe("cuda-build", cures=("CUDA001", "CUDA003", "CUDA006", "TOR002"), needs=NEEDS)
def cuda_build(facts: Facts, options: Options) -> Answer:
    """Bring together a torch and a toolkit of one CUDA

    What it does:
        The first of these that can be had: names a toolkit of torch's CUDA major that is on the disk; puts one out of
        NVIDIA's wheels into the overlay, which hold an nvcc from CUDA 13 on; installs the next torch of PyPI for the
        toolkit's CUDA major, with its torchvision. For a CPU build of torch it installs the build with CUDA of the same
        release, for a GPU that torch has no code for the newest release that has. pip verifies the hash that the index
        states.
    What it changes:
        The overlay, for a toolkit. The interpreter's packages, for a torch (`--unsafe`); undo installs the versions
        that were there, which pip has to find again: those with a local version, such as +cpu, are on torch's own
        index only.
    When it is not enough:
        A toolkit of CUDA 12 or older is in no wheel: commands of this machine's installer are printed where it has one.
        NVIDIA's installer has every release.
    Sources:
        torch/utils/cpp_extension.py, _check_cuda_version; contents of the wheels nvidia-cuda-nvcc on PyPI
    """
    if options.in_place:
        return Refusal("cuda-build changes packages, no source: it has no in-place form")
    torch = value_of(facts.torch.version)
    if torch is None:
        return Refusal("torch is not installed")
    wanted = value_of(facts.torch.cuda)
    if wanted is None:
        return _with_cuda(facts, torch)
    for cc in capabilities(facts):
        architectures = value_of(facts.torch.architectures)
        if architectures and not covers(architectures, cc):
            return _with_code_for(facts, cc)
    return _toolkit(facts, options, wanted)


def _with_cuda(facts: Facts, torch: str) -> Plan | Manual | Refusal:
    public, _, local = torch.partition("+")
    row = release(torch)
    if row is None or not row.cuda:
        return Refusal(f"it is not known which builds of torch {torch} there are")
    wanted = f"torch=={public}"
    # pip takes the build without CUDA for the release that is asked; only then does it look at what that requires.
    installs = (("--force-reinstall", "--no-deps", wanted), (wanted,)) if local else ((wanted,),)
    return install_into_interpreter(facts, f"Install the build for CUDA {row.cuda}", *installs)


def _with_code_for(facts: Facts, cc: str) -> Plan | Manual | Refusal:
    for row in releases_for(value_of(facts.python.version) or ""):
        if row.archs and covers(tuple(row.archs.split()), cc):
            return install_into_interpreter(facts, f"Install a torch with code for {cc}", _pair(row))
    return Refusal(f"no release on PyPI for this Python is known to have code for compute capability {cc}")


def _toolkit(facts: Facts, options: Options, wanted: str) -> Plan | Manual | Refusal:
    here = of_major(whole_toolkits(facts), wanted)
    if here:
        return for_this_machine("cuda-build", options, *_home(here[0].root))
    if on_the_index(wanted):
        return _toolkit_of_wheels(facts, options, wanted)
    current = facts.cuda.toolkit()
    version = value_of(current.version) if current is not None else None
    whole = current in whole_toolkits(facts)
    row = _nearest_built_for(facts, version) if version and whole else None
    if row is not None:
        return install_into_interpreter(facts, f"Install a torch built for CUDA {row.cuda}", _pair(row))
    return Manual(
        f"A toolkit of CUDA {wanted}, which torch was built with, has to be installed: it is in no wheel.",
        _commands(facts, wanted),
    )


def _nearest_built_for(facts: Facts, cuda: str) -> Release | None:
    """Of the releases for this Python and this CUDA major the first from the installed one on, else the last."""
    have = value_of(facts.torch.version) or ""
    fitting = [
        row for row in releases_for(value_of(facts.python.version) or "") if numbers(row.cuda)[:1] == numbers(cuda)[:1]
    ]
    later = [row for row in fitting if at_least(row.version, have)]
    return later[-1] if later else fitting[0] if fitting else None


def _home(root: str) -> tuple[Setting, Setting]:
    return Setting("CUDA_HOME", "set", root), Setting("CUDA_PATH", "set", root)


def _toolkit_of_wheels(facts: Facts, options: Options, wanted: str) -> Plan:
    python = value_of(facts.python.executable) or sys.executable
    folder = f"{options.overlay}/prefix/cuda-{series(wanted)}"
    install = InstallToolkit(f"Put the CUDA {series(wanted)} toolkit of PyPI into {folder}", python, folder, wanted)
    settings = [*_home(install.root)]
    # Headers of cuBLAS and others come with the wheels that torch requires.
    beside = [one.path.rpartition("/lib/")[0] for one in facts.cuda.runtimes if "/nvidia/cu1" in one.path]
    settings += [Setting("CPATH", "prepend", f"{root}/include") for root in dict.fromkeys(filter(None, beside))]
    summary = f"In the overlay: CUDA_HOME={install.root}"
    return Plan("safe", (install, Contribute(summary, options.overlay, Contribution("cuda-build", tuple(settings)))))


def _pair(row: Release) -> tuple[str, ...]:
    return (f"torch=={row.version}", *([f"torchvision=={row.torchvision}"] if row.torchvision else []))


def _commands(facts: Facts, cuda: str) -> tuple[str, ...]:
    """Conda has toolkits by release; a distribution has one of its own, which may be another."""
    if installer(facts) != "conda" or isinstance(facts.python.externally_managed, Known):
        return ()
    need = "nvcc-11" if numbers(cuda)[:1] == (11,) else "nvcc-12"
    version = f"{series(cuda)}.0" if need == "nvcc-11" else series(cuda) or cuda
    return system_commands(facts, need, version=version) if numbers(cuda)[0] >= 11 else ()
