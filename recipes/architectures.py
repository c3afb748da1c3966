"""GPU architectures to compile for: those of the GPUs, within what nvcc emits and torch knows."""

import re

from envdoctor.facts import Facts, value_of
from envdoctor.knowledge import cuda_arch, gpu
from envdoctor.knowledge.cpp_extension import read_arch_list
from envdoctor.knowledge.cuda_arch import Arch, parse_arch

# The CMake files of a Caffe2 understand none from 10.0 on: they take the first digit for the major.
TOO_LONG_FOR_CAFFE2 = 100


def capabilities(facts: Facts) -> tuple[str, ...]:
    """The compute capabilities of the GPUs here, each once. Reads `driver`."""
    found = [_capability(one.compute_capability, one.name) for one in value_of(facts.driver.gpus) or ()]
    return tuple(dict.fromkeys(cc for cc in found if cc is not None))


def emitted(facts: Facts) -> tuple[Arch, ...]:
    """What the default toolkit's nvcc emits and torch knows; all that nvcc emits where they share none.

    Variants with a letter are left out: they are asked for by name alone. Reads `cuda`, `torch`, `project`.
    """
    toolkit = facts.cuda.toolkit()
    nvcc = _plain((value_of(toolkit.architectures) if toolkit is not None else None) or ())
    torch = _plain(value_of(facts.torch.architectures) or ())
    shared = tuple(arch for arch in nvcc if arch in torch) or nvcc or torch
    if value_of(facts.project.profile) == "caffe2-ops":
        return tuple(arch for arch in shared if arch.number < TOO_LONG_FOR_CAFFE2)
    return shared


def entry_for(cc: str, able: tuple[Arch, ...]) -> str | None:
    """The entry of TORCH_CUDA_ARCH_LIST that serves a GPU: machine code, else PTX; None where neither can."""
    native = [arch for arch in able if cuda_arch.runs_on("elf", arch, cc) == "native"]
    if native:
        return max(native).capability
    compiled = [arch for arch in able if cuda_arch.runs_on("ptx", arch, cc) == "jit"]
    return f"{max(compiled).capability}+PTX" if compiled else None


def arch_list(facts: Facts) -> str:
    """The value of TORCH_CUDA_ARCH_LIST for this machine; empty where nothing serves.

    What the variable names already and nvcc emits stays in it; then come the GPUs'. Without either it is all that
    nvcc and torch share. Reads `environment`, `driver`, `cuda`, `torch`, `project`.
    """
    able = emitted(facts)
    listed = read_arch_list(facts.environment.get("TORCH_CUDA_ARCH_LIST") or "")
    kept = [f"{arch.capability}{'+PTX' * (arch in listed.ptx)}" for arch in listed.machine if arch in able]
    served = [entry for cc in capabilities(facts) if (entry := entry_for(cc, able)) is not None]
    if capabilities(facts) and not served:
        return ""
    return ";".join(dict.fromkeys([*kept, *served]) or [arch.capability for arch in able])


def covers(architectures: tuple[str, ...], cc: str) -> bool:
    """Whether code for these architectures (`86`, `90a`, `90+PTX`) is known not to leave a GPU out."""
    for text in architectures:
        arch = parse_arch(text.removesuffix("+PTX"))
        if arch is None or cuda_arch.runs_on("ptx" if text.endswith("+PTX") else "elf", arch, cc) != "no":
            return True
    return False


def named_in(flags: str) -> tuple[Arch, ...]:
    """The architectures that flags of nvcc name (`compute_75`, `sm_75`), each once."""
    names = re.findall(r"\b(?:compute|sm)_[0-9]{2,3}[af]?\b", flags[:10_000])
    return tuple(dict.fromkeys(arch for arch in map(parse_arch, names) if arch is not None))


def _capability(told: str | None, name: str) -> str | None:
    if told is not None:
        return told
    row = gpu.find(name)
    return row.cc if row is not None else None


def _plain(names: tuple[str, ...]) -> tuple[Arch, ...]:
    found = (parse_arch(name) for name in names if not name.endswith("+PTX"))
    return tuple(sorted(arch for arch in found if arch is not None and not arch.suffix))
