"""Which CUDA toolkit a build takes, what it can emit, and the commands that bring another."""

import re
import shlex
from posixpath import dirname

from envdoctor.facts import Cuda, Environment, Facts, Known, Toolkit, Variable, value_of
from envdoctor.knowledge import cpp_extension, cuda_arch
from envdoctor.knowledge.cuda_arch import Arch
from envdoctor.knowledge.providers import install_commands
from envdoctor.knowledge.torch import releases_for
from envdoctor.knowledge.versions import numbers, series

from . import building, cuda_use, remedies

# The oldest architecture that the CMake files of a wheel compile for where they see no GPU and no list, as measured.
OLDEST_COMMON = {"1.0.1": "30", "1.13.1": "35"}
# Entries of CMakeCache.txt that hold flags for nvcc.
NVCC_FLAGS = ("CUDA_NVCC_FLAGS", "CMAKE_CUDA_FLAGS")


def home_variable(environment: Environment) -> Variable | None:
    """CUDA_HOME, or CUDA_PATH where that is empty, as torch reads them."""
    for name in ("CUDA_HOME", "CUDA_PATH"):
        value = environment.get(name)
        if value:
            return Variable(name, value)
    return None


def complete_toolkits(facts: Facts) -> tuple[Toolkit, ...]:
    """The toolkits with nvcc, headers and runtime library. Reads `cuda`."""
    return tuple(
        toolkit
        for toolkit in facts.cuda.toolkits
        if all(isinstance(part, Known) for part in (toolkit.nvcc, toolkit.include, toolkit.libraries))
    )


def misled_root(toolkit: Toolkit) -> str | None:
    """The directory above the script that starts this nvcc, where the toolkit's headers are not below it."""
    include = value_of(toolkit.include)
    if toolkit.wrapper is None or include is None:
        return None
    root = dirname(dirname(toolkit.wrapper)) or "/"
    return None if include.startswith(f"{root.rstrip('/')}/include") else root


def told_root(facts: Facts, by_cmake: bool) -> bool:
    """Whether the build is told the root in another way than by nvcc, or looks for none.

    Reads `cuda`, `project`, `environment`.
    """
    if by_cmake and building.cuda_left_out(facts):
        return True
    build = value_of(facts.project.build)
    cached = build.get("CUDA_TOOLKIT_ROOT_DIR") if build is not None else None
    toolkit = facts.cuda.toolkit()
    if by_cmake and toolkit is not None and cached is not None and building.same_path(cached, toolkit.root):
        return True
    names = ("CUDA_TOOLKIT_ROOT", "CUDA_PATH", "CUDA_BIN_PATH") if by_cmake else ("CUDA_HOME", "CUDA_PATH")
    return any(facts.environment.get(name) for name in names)


def release_of_directory(cuda: Cuda, directory: str) -> str | None:
    """The CUDA release of a library directory: that of its libcudart, else of the toolkit it belongs to."""
    for library in (*cuda.in_library_path, *cuda.runtimes):
        if dirname(library.path) == directory and library.name.startswith("libcudart.") and library.version:
            return series(library.version)
    for toolkit in cuda.toolkits:
        inside = directory.startswith(toolkit.root.rstrip("/") + "/")
        if inside and isinstance(toolkit.version, Known):
            return series(toolkit.version.value)
    return None


def wanted_architectures(facts: Facts) -> tuple[tuple[Arch, str], ...]:
    """The architectures that a build asks nvcc for, each with the place that names it.

    Where nothing names any, torch takes those of the visible GPUs, a newer one as the newest that torch knows. Reads
    `environment`, `project`, `driver`, `torch`, `caffe2`.
    """
    found: dict[Arch, str] = {}
    listed = facts.environment.get("TORCH_CUDA_ARCH_LIST") or ""
    for arch in cpp_extension.read_arch_list(listed).machine:
        found.setdefault(arch, "variable TORCH_CUDA_ARCH_LIST")
    project, build = value_of(facts.project.cmake), value_of(facts.project.build)
    for flag in project.flags if project is not None else ():
        for arch in _in_flags(flag):
            found.setdefault(arch, project.path if project is not None else "")
    for name in NVCC_FLAGS:
        for arch in _in_flags((build.get(name) if build is not None else None) or ""):
            found.setdefault(arch, f"{name} in the build's CMakeCache.txt")
    if not found and _asks_cmake(facts) and not cuda_use.visible_gpus(facts):
        installation = building.built_against(facts)
        version = value_of(installation.version if installation is not None else facts.torch.version)
        oldest = cuda_arch.parse_arch(OLDEST_COMMON.get(version or "", ""))
        if oldest is not None:
            found[oldest] = f"the CMake files of torch {version}, for want of a GPU and of TORCH_CUDA_ARCH_LIST"
    elif not found and cuda_use.builds_for_torch(facts):
        newest = max(_plain(value_of(facts.torch.architectures) or ()), default=None)
        for gpu in cuda_use.visible_gpus(facts) or ():
            device = cuda_arch.parse_arch(cuda_use.capability(gpu) or "")
            if device is not None and newest is not None:
                found.setdefault(min(device, newest), f"GPU {gpu.index}, {gpu.name}")
    return tuple(found.items())


def _asks_cmake(facts: Facts) -> bool:
    project = value_of(facts.project.cmake)
    return project is not None and not {"Caffe2", "Torch"}.isdisjoint(project.packages)


def emits(version: str, able: tuple[str, ...], arch: Arch) -> bool:
    """Whether nvcc emits an architecture. Its own list leaves out the variants with a letter; the table has them."""
    if str(arch) in able:
        return True
    return bool(arch.suffix) and str(arch.number) in able and cuda_arch.emits(version, str(arch)) is not False


def common_architectures(facts: Facts, able: tuple[str, ...]) -> str:
    """What torch and nvcc both know, as TORCH_CUDA_ARCH_LIST names it; else all of one. Reads `torch`, `project`.

    The CMake files of a Caffe2 understand no architecture from 10.0 on.
    """
    torch, nvcc = _plain(value_of(facts.torch.architectures) or ()), _plain(able)
    both = [arch for arch in torch if arch in nvcc] or nvcc or torch
    kept = both if cuda_use.builds_for_torch(facts) else [arch for arch in both if arch.number < 100]
    return ";".join(arch.capability for arch in kept)


def use_toolkit(toolkit: Toolkit) -> tuple[str, ...]:
    """The command that makes torch take this toolkit."""
    return (f"export CUDA_HOME={shlex.quote(toolkit.root)}",)


def get_toolkit(facts: Facts, cuda: str) -> tuple[str, ...]:
    """The commands that install a toolkit of a CUDA release without root. Reads `python`.

    Empty where no package brings it: that of the distribution is of one release of its own, and on PyPI only CUDA 13
    and later have an nvcc.
    """
    release, major = series(cuda), numbers(cuda)[:1]
    if release is None:
        return ()
    if value_of(facts.python.kind) == "conda":
        need, version = ("nvcc-11", f"{release}.0") if major == (11,) else ("nvcc-12", release)
        found = {one.channel: one.text for one in install_commands(need, version=version)} if major >= (11,) else {}
        return (found["conda"],) if "conda" in found else ()
    if major < (13,) or not facts.python.site_packages or isinstance(facts.python.externally_managed, Known):
        return ()
    found = {one.channel: one.text for one in install_commands("nvcc-13", version=f"{release}.*")}
    root = f"{facts.python.site_packages[0]}/nvidia/cu{major[0]}"
    command = found["pip"].replace("python -m pip", f"{remedies.python(facts)} -m pip", 1)
    return (command, f"export CUDA_HOME={shlex.quote(root)}")


def torch_for(facts: Facts, cuda: str | None) -> tuple[str, ...]:
    """The command that installs the newest torch on PyPI built for a CUDA release. Reads `python`."""
    found = releases_for(value_of(facts.python.version) or "", cuda) if cuda else ()
    return _pair(facts, found[0].version, found[0].torchvision) if found else ()


def torch_with_code_for(facts: Facts, cc: str) -> tuple[str, ...]:
    """The command that installs the newest torch on PyPI known to have machine code for a GPU. Reads `python`."""
    for release in releases_for(value_of(facts.python.version) or ""):
        if release.archs and cuda_use.coverage(tuple(release.archs.split()), cc) == "native":
            return _pair(facts, release.version, release.torchvision)
    return ()


def _pair(facts: Facts, torch: str, torchvision: str) -> tuple[str, ...]:
    second = f" torchvision=={torchvision}" if torchvision else ""
    return (f"{remedies.python(facts)} -m pip install torch=={torch}{second}",)


def _in_flags(text: str) -> tuple[Arch, ...]:
    names = re.findall(r"\b(?:compute|sm)_[0-9]{2,3}[af]?\b", text[:10_000])
    return tuple(arch for arch in map(cuda_arch.parse_arch, names) if arch is not None)


def _plain(names: tuple[str, ...]) -> list[Arch]:
    """Those without a letter, PTX left aside."""
    found = (cuda_arch.parse_arch(name) for name in names if not name.endswith("+PTX"))
    return sorted(arch for arch in found if arch is not None and not arch.suffix)
