"""What in the target uses CUDA and which release of it, and whether a build here compiles CUDA code."""

from typing import Literal

import msgspec

from envdoctor.checking.check import Evidence, NotApplicable, seen
from envdoctor.facts import Driver, DriverLibrary, Fact, Facts, Gpu, Known, value_of
from envdoctor.knowledge import cuda_arch, gpu

from . import building

Severity = Literal["fail", "warn", "note"]

# The areas that `build_severity` and `runtimes` read.
USE = ("torch", "caffe2")
BUILD = ("project", "environment", *USE)

NO_CUDA = NotApplicable("nothing here uses CUDA")
NO_CUDA_BUILD = NotApplicable("no CUDA code is built here")


class Runtime(msgspec.Struct, frozen=True):
    """A CUDA release that something here was built with."""

    owner: str
    cuda: str
    evidence: Evidence


def runtimes(facts: Facts) -> tuple[Runtime, ...]:
    """The CUDA releases of torch and of a Caffe2 that is not part of it. Reads `torch`, `caffe2`."""
    found: list[Runtime] = []
    torch = facts.torch
    if isinstance(torch.cuda, Known):
        found.append(Runtime(named("torch", torch.version), torch.cuda.value, seen("CUDA of torch", torch.cuda)))
    installation = building.built_against(facts)
    if installation is not None and isinstance(installation.cuda, Known) and installation.root != value_of(torch.root):
        evidence = seen("CUDA of Caffe2", installation.cuda)
        found.append(Runtime(named("Caffe2", installation.version), installation.cuda.value, evidence))
    return tuple(found)


def builds_for_torch(facts: Facts) -> bool:
    """Whether an extension of torch is, or could be, built here: not where Caffe2 operators are. Reads `project`."""
    return value_of(facts.project.profile) != "caffe2-ops"


def build_severity(facts: Facts) -> Severity | None:
    """How hard a fault of the CUDA tools hits. Reads `project`, `environment`, `torch`, `caffe2`.

    `fail` where the project is sure to compile CUDA code, `warn` where it does so on some machines only, `note` where
    nothing is built but CUDA is used, None where what is built has no CUDA code or nothing uses CUDA.
    """
    project = facts.project
    profile = value_of(project.profile)
    if profile == "caffe2-ops":
        installation = building.built_against(facts)
        with_cuda = installation is not None and isinstance(installation.cuda, Known)
        # What is built has found its way, if only to operators of the CPU; and so will a build without CUDA.
        settled = building.built_library(facts) is not None or building.cuda_left_out(facts)
        return "fail" if project.has_cuda_sources and with_cuda and not settled else None
    if profile != "torch-extension":
        return "note" if runtimes(facts) else None
    kinds = {extension.kind for extension in project.setup_extensions}
    if "CUDAExtension" in kinds:
        # Projects that name both kinds take CUDAExtension where they see a GPU, or are told to.
        sure = "CppExtension" not in kinds or facts.environment.get("FORCE_CUDA") == "1"
        return "fail" if sure else "warn"
    return "fail" if project.has_cuda_sources and "CppExtension" not in kinds else None


def nvcc_severity(facts: Facts) -> Severity | None:
    """How hard a fault of nvcc itself hits: as `build_severity`, but None for a project without .cu files.

    torch's CUDAExtension takes headers and libraries of the toolkit also for C++ files alone, and starts no nvcc then.
    """
    severity = build_severity(facts)
    return severity if severity == "note" or facts.project.has_cuda_sources else None


def uses_cuda(facts: Facts) -> bool:
    """Whether anything installed or built here wants a GPU. Reads `project`, `environment`, `torch`, `caffe2`."""
    return bool(runtimes(facts)) or build_severity(facts) is not None


def real_library(driver: Driver) -> DriverLibrary | None:
    """The libcuda.so.1 that the loader takes, unless it is a stub."""
    library = value_of(driver.library)
    return library if library is not None and not library.stub else None


def is_compat(driver: Driver, library: DriverLibrary) -> bool:
    """Whether a libcuda is that of a cuda-compat package, made to be newer than the kernel module."""
    compat = value_of(driver.compat)
    return (compat is not None and compat.path == library.path) or "/compat/" in library.path


def driver_version(driver: Driver) -> Known[str] | None:
    """The driver's version: NVML's answer, else the kernel module's, else the library's own."""
    for fact in (driver.nvml, driver.kernel_module):
        if isinstance(fact, Known):
            return fact
    library = real_library(driver)
    if library is None or library.version is None or not isinstance(driver.library, Known):
        return None
    return Known(library.version, driver.library.found_via)


def visible_gpus(facts: Facts) -> tuple[Gpu, ...] | None:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves; None where they are not known. Reads `driver`, `environment`."""
    gpus = value_of(facts.driver.gpus)
    wanted = facts.environment.get("CUDA_VISIBLE_DEVICES")
    if gpus is None or wanted is None:
        return gpus
    left: list[Gpu] = []
    for entry in wanted.split(","):
        name = entry.strip()
        if not (name.isascii() and name.isdecimal()):
            # The list ends at the first entry that is no device; names (UUIDs) say nothing about their place.
            return None if name.startswith(("GPU-", "MIG-")) else tuple(left)
        if len(name) > 6 or int(name) >= len(gpus):
            return tuple(left)
        left.append(gpus[int(name)])
    return tuple(left)


def capability(device: Gpu) -> str | None:
    """The compute capability that the driver tells, else that of the product."""
    if device.compute_capability is not None:
        return device.compute_capability
    row = gpu.find(device.name)
    return row.cc if row is not None else None


def coverage(architectures: tuple[str, ...], cc: str) -> cuda_arch.Runs:
    """How code for these architectures (`86`, `90a`, `90+PTX`) serves a GPU: the best of what its parts do."""
    verdicts: set[cuda_arch.Runs] = set()
    for text in architectures:
        plain = text.removesuffix("+PTX")
        arch = cuda_arch.parse_arch(plain)
        verdicts.add("unknown" if arch is None else cuda_arch.runs_on("ptx" if plain != text else "elf", arch, cc))
    order: tuple[cuda_arch.Runs, ...] = ("native", "jit", "unknown")
    return next((verdict for verdict in order if verdict in verdicts), "no")


def named(name: str, version: Fact[str]) -> str:
    """`torch 2.13.0`, or the name alone."""
    return f"{name} {version.value}" if isinstance(version, Known) else name
