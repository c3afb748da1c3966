"""The NVIDIA driver: there, answering, whole, and new enough for what wants it."""

from collections.abc import Iterator

from envdoctor.checking.check import RUN, Evidence, Finding, Judgement, NotApplicable, Remedy, check, seen, undetermined
from envdoctor.facts import Absent, DriverLibrary, Facts, Known, Unreadable, value_of
from envdoctor.knowledge.cuda_driver import forward_compatibility, judge_runtime
from envdoctor.knowledge.torch import releases_for
from envdoctor.knowledge.versions import compare, series

from . import cuda_use, remedies
from .cuda_use import BUILD, NO_CUDA, Runtime, driver_version, is_compat, real_library
from .path_lists import entries, entry_of, without

COMPATIBILITY = "https://docs.nvidia.com/deploy/cuda-compatibility/"
# Refusals of NVML that tell the fault, so that other checks report it.
TOLD = ("mismatch", "not loaded")
NO_DRIVER = NotApplicable("no NVIDIA driver here")

LOOK_FOR_GPU = "grep -l 0x10de /sys/bus/pci/devices/*/vendor"


@check("DRV001", "driver-absent", needs=("driver", "host", *BUILD), strikes=RUN + 1)
def driver_absent(facts: Facts) -> Iterator[Judgement]:
    """No NVIDIA driver, or half of one

    What it finds:
        Something here was built with CUDA, but the kernel module, libcuda.so.1 or both are not there.
    Why it breaks:
        libcuda.so.1 belongs to the driver and no package of torch brings it. Building, importing and work on the CPU go
        well without it; the first call that needs the GPU fails.
    Example:
        RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and ...
    What to do:
        Nothing for a build or for the CPU. For a GPU, install the driver on the host; start a container with its GPUs.
    Sources:
        measured with PyPI torch 1.13.1 on a machine without a driver
        https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html
    """
    driver = facts.driver
    library, module = real_library(driver), value_of(driver.kernel_module)
    if not cuda_use.uses_cuda(facts):
        yield NO_CUDA
    elif isinstance(driver.library, Unreadable):
        yield undetermined("it is not known whether libcuda.so.1 can be loaded", driver.library, "libcuda.so.1")
    elif library is None and isinstance(driver.kernel_module, Unreadable):
        yield undetermined("whether an NVIDIA driver is loaded is not known", driver.kernel_module, "the module")
    elif library is None:
        yield _without_library(facts, module)
    elif isinstance(driver.nvml, Unreadable) and "not loaded" in driver.nvml.reason.lower():
        yield _without_module(facts, library)


def _without_library(facts: Facts, module: str | None) -> Finding:
    owners = " and ".join(runtime.owner for runtime in cuda_use.runtimes(facts)) or "the project"
    stub = value_of(facts.driver.library)
    shown = f"a stub, {stub.path}" if stub is not None else None
    evidence = (seen("kernel module", facts.driver.kernel_module), seen("libcuda.so.1", facts.driver.library, shown))
    if module is None:
        return Finding(
            state="note",
            title=f"no NVIDIA driver here: {owners} can compute on the CPU only",
            why="libcuda.so.1 and the kernel module come with the driver, not with packages. A build needs none.",
            evidence=evidence,
            remedy=Remedy(
                "To run on a GPU, install NVIDIA's driver on the host. Is there a GPU at all?",
                (LOOK_FOR_GPU,),
                recipe="driver",
            ),
        )
    text = f"Install the user libraries of driver {module}, the release of the loaded kernel module."
    if isinstance(facts.host.container, Known):
        text = "Start the container with its GPUs: `--gpus all`, and `compute` in NVIDIA_DRIVER_CAPABILITIES."
    return Finding(
        state="warn",
        title=f"kernel module {module} is loaded, but there is no libcuda.so.1",
        why="Half of the driver is not here, so that no program can reach the GPU.",
        evidence=evidence,
        remedy=Remedy(text, recipe="driver"),
        explains=("DRV005", "DRV006"),
    )


def _without_module(facts: Facts, library: DriverLibrary) -> Finding:
    return Finding(
        state="warn",
        title=f"driver {library.version or '(version unknown)'} is installed, its kernel module is not loaded",
        why="Programs reach the GPU through the kernel module; NVML says that it is not loaded.",
        evidence=(seen("NVML", facts.driver.nvml), Evidence("libcuda.so.1", library.path, "loader search")),
        remedy=Remedy(
            "Load the kernel module; its log tells why it would not load.",
            ("sudo modprobe nvidia", "sudo dmesg"),
            recipe="driver",
        ),
        explains=("DRV005", "DRV006"),
    )


@check("DRV002", "driver-older-than-runtime", needs=("driver", "python", *BUILD), strikes=RUN + 2)
def driver_older_than_runtime(facts: Facts) -> Iterator[Judgement]:
    """The driver is too old for the CUDA that something was built with

    What it finds:
        torch or Caffe2 was built with a CUDA that this driver cannot run: a newer major, or before CUDA 11 any newer
        release. A newer minor release of the same major runs from CUDA 11 on and is no fault.
    Why it breaks:
        The CUDA runtime asks the driver for its version on the first call and refuses an older one.
    Example:
        CUDA driver version is insufficient for CUDA runtime version
        RuntimeError: The NVIDIA driver on your system is too old (found version 10000).
    What to do:
        Install the driver named, or a torch built for a CUDA that this driver runs.
    Sources:
        https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
        NVIDIA CUDA release notes, table of toolkits and drivers
    """
    version = driver_version(facts.driver)
    wanted = cuda_use.runtimes(facts)
    if not wanted:
        yield NO_CUDA
    elif version is None:
        yield NO_DRIVER
    else:
        for runtime in wanted:
            yield from _older_than(facts, runtime, version)


def _effective(facts: Facts, version: Known[str]) -> tuple[str, str | None]:
    """Driver version and its CUDA; those of a cuda-compat library where the loader takes one."""
    library = real_library(facts.driver)
    if library is not None and library.version is not None and is_compat(facts.driver, library):
        return library.version, None
    return version.value, value_of(facts.driver.cuda)


def _older_than(facts: Facts, runtime: Runtime, version: Known[str]) -> Iterator[Finding]:
    judged = judge_runtime(runtime.cuda, *_effective(facts, version))
    if judged.verdict != "too-old":
        return
    needed = f"driver {judged.needed} or newer" if judged.needed else f"a driver of CUDA {runtime.cuda}"
    yield Finding(
        state="fail",
        title=f"{runtime.owner} needs {needed} for CUDA {runtime.cuda}, the driver is {version.value}",
        why=f"This driver runs CUDA up to {judged.driver_cuda or 'an older release'}; the runtime refuses it at once.",
        evidence=(
            seen("driver", version),
            seen("CUDA of the driver", facts.driver.cuda),
            runtime.evidence,
            Evidence(f"driver for CUDA {runtime.cuda}", judged.needed or "newer", judged.source),
        ),
        remedy=Remedy(
            f"Install {needed} on the host, or a build for an older CUDA.",
            _older_torch(facts, runtime, version),
            recipe="driver",
        ),
        links=(COMPATIBILITY,),
        subject=runtime.owner,
    )


def _older_torch(facts: Facts, runtime: Runtime, version: Known[str]) -> tuple[str, ...]:
    interpreter = value_of(facts.python.version)
    if interpreter is None or not runtime.owner.startswith("torch"):
        return ()
    for release in releases_for(interpreter):
        if judge_runtime(release.cuda, *_effective(facts, version)).verdict in ("native", "minor-version"):
            pair = f" torchvision=={release.torchvision}" if release.torchvision else ""
            return (f"{remedies.python(facts)} -m pip install torch=={release.version}{pair}",)
    return ()


@check("DRV003", "driver-module-and-library-differ", needs=("driver", "host", "environment"), strikes=RUN)
def driver_module_and_library_differ(facts: Facts) -> Iterator[Judgement]:
    """The loaded kernel module and libcuda.so.1 are of two driver releases

    What it finds:
        The version of the kernel module differs from that of libcuda.so.1, or NVML reports the mismatch itself. A
        cuda-compat library may be newer than the module, never older.
    Why it breaks:
        Both sides of the driver speak a private protocol of one release. It happens when an update replaces the
        libraries while the old module stays loaded, or when a container or LD_LIBRARY_PATH brings another libcuda.
    Example:
        Failed to initialize NVML: Driver/library version mismatch
        Error 803: system has unsupported display driver / cuda driver combination
    What to do:
        Restart the machine, or the container; take a foreign libcuda off LD_LIBRARY_PATH.
    Sources:
        https://docs.nvidia.com/cuda/cuda-driver-api/group__CUDA__TYPES.html (CUDA_ERROR_SYSTEM_DRIVER_MISMATCH)
    """
    driver = facts.driver
    library, module = real_library(driver), value_of(driver.kernel_module)
    told = isinstance(driver.nvml, Unreadable) and "mismatch" in driver.nvml.reason.lower()
    if library is None or module is None:
        if told:
            yield _module_differs(facts, library, "NVML reports that kernel module and libraries of the driver differ")
        else:
            yield NotApplicable("no kernel module, or no libcuda.so.1, to compare")
        return
    order = compare(library.version, module) if library.version else 0
    newer_compat = is_compat(driver, library) and order > 0
    if told or (order != 0 and not newer_compat):
        title = (
            f"kernel module {module} and libcuda {library.version or '(version unknown)'} are of two driver releases"
        )
        yield _module_differs(facts, library, title)


def _module_differs(facts: Facts, library: DriverLibrary | None, title: str) -> Finding:
    driver = facts.driver
    entry = entry_of(facts.environment, "LD_LIBRARY_PATH", library.path) if library else None
    remedy = Remedy(
        "Restart the machine, so that the module of the installed release is loaded.", ("sudo reboot",), recipe="driver"
    )
    if entry is not None:
        command = without(facts.environment, "LD_LIBRARY_PATH", entry)
        remedy = Remedy(f"Take {entry} off LD_LIBRARY_PATH.", (command,), recipe="driver")
    elif isinstance(facts.host.container, Known):
        remedy = Remedy(
            "Start the container anew: it was given the libraries of a driver that the host no longer runs.",
            recipe="driver",
        )
    path = library.path if library else ""
    return Finding(
        state="fail",
        title=title,
        why="Module and libraries speak a private protocol of one release, so that every CUDA call fails.",
        evidence=(
            seen("kernel module", driver.kernel_module),
            seen("libcuda.so.1", driver.library, f"{library.version} {path}" if library else None),
            seen("NVML", driver.nvml),
        ),
        remedy=remedy,
        links=(COMPATIBILITY,),
        explains=("DRV001", "DRV002", "DRV005", "DRV006", "DRV008"),
    )


@check("DRV004", "stub-libcuda-on-path", needs=("driver", "cuda", "extensions", "environment"), strikes=RUN + 4)
def stub_libcuda_on_path(facts: Facts) -> Iterator[Judgement]:
    """The toolkit's stub of libcuda is taken for the driver

    What it finds:
        The loader's libcuda.so.1, or that of a compiled extension, is the stub from a toolkit's `stubs` directory.
    Why it breaks:
        The stub has the driver's symbols for the linker and no code. A program that loads it instead of the driver's
        library fails on the first CUDA call.
    Example:
        CUDA error: CUDA driver is a stub library (error 34)
    What to do:
        Keep `stubs` for linking (LIBRARY_PATH, -L) and off LD_LIBRARY_PATH and run paths.
    Sources:
        https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html (cudaErrorStubLibrary)
    """
    driver = facts.driver
    library = value_of(driver.library)
    if library is not None and library.stub:
        hides = any(not other.stub for other in driver.libraries) or isinstance(driver.kernel_module, Known)
        yield _stub(facts, "fail" if hides else "warn", library.path, "the loader takes the stub of libcuda.so.1")
    elif facts.cuda.stubs_in_library_path:
        place = facts.cuda.stubs_in_library_path[0]
        title = "LD_LIBRARY_PATH names the toolkit's stubs; they are harmless only while no libcuda.so.1 lies there"
        yield _stub(facts, "note", place, title)
    for extension in facts.extensions.found:
        for taken in extension.cuda_libraries:
            if (
                taken.name == "libcuda.so.1"
                and "/stubs/" in taken.path
                and (library is None or taken.path != library.path)
            ):
                title = f"{extension.path} loads the stub of libcuda.so.1"
                yield _stub(facts, "fail", taken.path, title, extension.path, taken.found_via)


def _stub(
    facts: Facts, state: cuda_use.Severity, path: str, title: str, subject: str = "", found_via: str = "loader search"
) -> Finding:
    listed = [name for name in entries(facts.environment, "LD_LIBRARY_PATH") if name.rstrip("/").endswith("/stubs")]
    remedy = Remedy("Take the stubs directory off the run path, or put the driver's library in its place.")
    if listed:
        command = without(facts.environment, "LD_LIBRARY_PATH", *listed)
        remedy = Remedy(
            f"Take {listed[0]} off LD_LIBRARY_PATH; link with -L{listed[0]} instead.", (command,), recipe="library-path"
        )
    return Finding(
        state=state,
        title=title,
        why="The stub holds the driver's symbols for the linker and no code: calls into it fail.",
        evidence=(Evidence("stub", path, found_via if not listed else "variable LD_LIBRARY_PATH"),),
        remedy=remedy,
        subject=subject,
        explains=("DRV005",) if state == "fail" else (),
    )


@check("DRV005", "driver-not-answering", needs=("driver", *BUILD), strikes=RUN + 5)
def driver_not_answering(facts: Facts) -> Iterator[Judgement]:
    """The driver is installed but gives no answer

    What it finds:
        NVML, the driver's own management library, hung, crashed or returned an error.
    Why it breaks:
        Nothing can then be said about the GPUs: neither that they work nor that they do not. A driver that hangs for
        NVML mostly hangs for CUDA too.
    Example:
        NVML gave no answer within 5 s
        Unable to determine the device handle for GPU0000:3B:00.0: Unknown Error
    What to do:
        Look into the kernel's log for NVRM and Xid lines; restart the machine when the driver hangs.
    Sources:
        https://docs.nvidia.com/deploy/xid-errors/
    """
    driver = facts.driver
    silent = driver.nvml if isinstance(driver.nvml, Unreadable) else driver.gpus
    machine_alone = value_of(facts.torch.version) is None and not facts.caffe2.installations
    if not driver.device_nodes and isinstance(driver.kernel_module, Absent):
        yield NO_DRIVER
    elif not (machine_alone or cuda_use.uses_cuda(facts)):
        yield NO_CUDA
    elif isinstance(silent, Unreadable) and not any(told in silent.reason.lower() for told in TOLD):
        yield Finding(
            state="unknown",
            title=f"the NVIDIA driver gives no answer: {silent.reason}",
            why="Whether the GPUs can be used is not known; a hung driver often hangs every CUDA program as well.",
            evidence=(seen("NVML", driver.nvml), seen("GPUs", driver.gpus), seen("module", driver.kernel_module)),
            remedy=Remedy("Read what the driver told the kernel.", ("sudo dmesg | grep -i -e nvrm -e xid",)),
        )


@check("DRV006", "gpu-hidden", needs=("driver", "host", *BUILD), strikes=RUN + 6)
def gpu_hidden(facts: Facts) -> Iterator[Judgement]:
    """The driver works, but no GPU is visible

    What it finds:
        CUDA_VISIBLE_DEVICES leaves no GPU or names one that is not there; the driver counts none; or a container was
        given no device nodes.
    Why it breaks:
        CUDA numbers only the devices that it sees. An entry that names none hides itself and all after it.
    Example:
        RuntimeError: No CUDA GPUs are available
    What to do:
        Unset the variable or name devices that exist; start a container with its GPUs.
    Sources:
        https://docs.nvidia.com/cuda/cuda-c-programming-guide/index.html#cuda-environment-variables
    """
    driver = facts.driver
    gpus = value_of(driver.gpus)
    wsl = isinstance(facts.host.wsl, Known)
    if not cuda_use.uses_cuda(facts):
        yield NO_CUDA
    elif real_library(driver) is None or (driver_version(driver) is None and not wsl):
        yield NO_DRIVER
    elif gpus:
        yield from _hidden_by_variable(facts, len(gpus))
    elif gpus is not None or (isinstance(driver.kernel_module, Known) and not driver.device_nodes and not wsl):
        remedy = Remedy("Look whether the machine has an NVIDIA GPU at all.", (LOOK_FOR_GPU,))
        if isinstance(facts.host.container, Known):
            remedy = Remedy("Start the container with its GPUs, for docker with `--gpus all`.")
        nodes = ", ".join(driver.device_nodes) or "none"
        yield Finding(
            state="warn",
            title="the NVIDIA driver is here, but no GPU is",
            why="CUDA programs start and then find no device.",
            evidence=(seen("GPUs", driver.gpus), Evidence("device nodes", nodes, "/dev/nvidia*")),
            remedy=remedy,
        )


def _hidden_by_variable(facts: Facts, count: int) -> Iterator[Finding]:
    value = facts.environment.get("CUDA_VISIBLE_DEVICES")
    visible = cuda_use.visible_gpus(facts)
    if value is None or visible is None:
        return
    asked = [entry for entry in value.split(",") if entry.strip()]
    if visible and len(visible) >= len(asked):
        return
    entries = [entry.strip() for entry in asked]
    wrong = next((name for name in entries if not name.isdecimal() or int(name[:9]) >= count), "")
    deliberate = not asked or wrong == "-1"
    title = f"CUDA_VISIBLE_DEVICES hides all {count} GPUs" if not visible else f"CUDA_VISIBLE_DEVICES ends at {wrong}"
    yield Finding(
        state="note" if visible else "warn" if deliberate else "fail",
        title=title if deliberate else f"{title}: there is no GPU `{wrong}`",
        why="CUDA leaves out the first entry that names no device, and everything after it.",
        evidence=(
            Evidence("CUDA_VISIBLE_DEVICES", value, "variable CUDA_VISIBLE_DEVICES"),
            seen("GPUs", facts.driver.gpus, str(count)),
        ),
        remedy=Remedy("Unset it, or name devices from 0 on.", ("unset CUDA_VISIBLE_DEVICES",)),
    )


@check("DRV007", "forward-compatibility-not-supported", needs=("driver", "environment"), strikes=RUN + 7)
def forward_compatibility_not_supported(facts: Facts) -> Iterator[Judgement]:
    """A cuda-compat libcuda on a GPU that does not take it

    What it finds:
        The loader takes the libcuda.so.1 of a cuda-compat package, newer than the kernel module, and a GPU is none of
        those that NVIDIA supports in this way: data-centre GPUs, Jetson, some workstation cards.
    Why it breaks:
        Forward compatibility needs the GPU's consent. GeForce and TITAN refuse it.
    Example:
        CUDA initialization: Unexpected error from cudaGetDeviceCount(): forward compatibility was attempted on non
        supported HW (error 804)
    What to do:
        Take the compat directory off the loader's path and install a newer driver, or a build for an older CUDA.
    Sources:
        https://docs.nvidia.com/deploy/cuda-compatibility/forward-compatibility.html
    """
    driver = facts.driver
    library, module = real_library(driver), value_of(driver.kernel_module)
    if library is None or module is None or not is_compat(driver, library):
        yield NotApplicable("the loader takes no cuda-compat library")
        return
    if library.version is None or compare(library.version, module) <= 0:
        return
    for name in dict.fromkeys(gpu.name for gpu in value_of(driver.gpus) or ()):
        if forward_compatibility(name) != "supported":
            yield _not_supported(facts, name, library, module)


def _not_supported(facts: Facts, name: str, library: DriverLibrary, module: str) -> Finding:
    sure = forward_compatibility(name) == "unsupported"
    entry = entry_of(facts.environment, "LD_LIBRARY_PATH", library.path)
    commands = (without(facts.environment, "LD_LIBRARY_PATH", entry),) if entry else ()
    verb = "does not take" if sure else "is not known to take"
    return Finding(
        state="fail" if sure else "note",
        title=f"{name} {verb} the cuda-compat libcuda {library.version} over kernel module {module}",
        why="Forward compatibility works on data-centre GPUs, Jetson and some workstation cards (else error 804).",
        evidence=(
            seen("libcuda.so.1", facts.driver.library, f"{library.version} {library.path}"),
            seen("kernel module", facts.driver.kernel_module),
            seen("GPU", facts.driver.gpus, name),
        ),
        remedy=Remedy(
            "Take the compat directory off the loader's path, and install a newer driver where one is needed.", commands
        ),
        links=(COMPATIBILITY,),
        subject=name,
    )


@check("DRV008", "ptx-newer-than-driver", needs=("driver", *BUILD), strikes=RUN + 8)
def ptx_newer_than_driver(facts: Facts) -> Iterator[Judgement]:
    """A newer minor release of CUDA than the driver's: machine code runs, PTX does not

    What it finds:
        torch or Caffe2 was built with a newer minor release of the driver's own CUDA major. From CUDA 11 on this works
        by minor-version compatibility, with one exception.
    Why it breaks:
        The driver compiles PTX for GPUs that a library has no machine code for, and does not know the PTX of a newer
        release.
    Example:
        CUDA error: the provided PTX was compiled with an unsupported toolchain (error 222)
    What to do:
        Nothing while the machine code covers the GPU; otherwise a newer driver.
    Sources:
        https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
    """
    version = driver_version(facts.driver)
    wanted = cuda_use.runtimes(facts)
    if not wanted or version is None:
        yield NO_CUDA if not wanted else NO_DRIVER
        return
    for runtime in wanted:
        judged = judge_runtime(runtime.cuda, *_effective(facts, version))
        if judged.ptx_fails:
            yield _ptx(facts, runtime, version.value, judged.driver_cuda, judged.source)


def _ptx(facts: Facts, runtime: Runtime, version: str, own: str | None, source: str) -> Finding:
    needed = _gpu_that_needs_ptx(facts, runtime)
    cuda = series(runtime.cuda) or runtime.cuda
    title = f"driver {version} is older than CUDA {cuda} of {runtime.owner}: machine code runs, PTX does not"
    if needed:
        title = f"{needed} needs the PTX of {runtime.owner}, of CUDA {cuda}, which driver {version} cannot compile"
    return Finding(
        state="fail" if needed else "note",
        title=title,
        why="Within a CUDA major an older driver runs newer machine code, but compiles no newer PTX (error 222).",
        evidence=(
            Evidence("driver", version, "driver"),
            seen("CUDA of the driver", facts.driver.cuda, own),
            runtime.evidence,
            Evidence("minor-version compatibility", "machine code yes, PTX no", source),
        ),
        remedy=Remedy(f"Install a driver of CUDA {cuda} or newer.") if needed else None,
        links=(COMPATIBILITY,),
        subject=runtime.owner,
    )


def _gpu_that_needs_ptx(facts: Facts, runtime: Runtime) -> str | None:
    architectures = value_of(facts.torch.architectures)
    if architectures is None or not runtime.owner.startswith("torch"):
        return None
    for device in value_of(facts.driver.gpus) or ():
        cc = cuda_use.capability(device)
        if cc is not None and cuda_use.coverage(architectures, cc) == "jit":
            return device.name
    return None
