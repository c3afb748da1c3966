"""CUDA toolkits against torch, the GPUs and the build that is to use them."""

import shlex
from collections.abc import Iterator
from posixpath import dirname

from envdoctor.checking.check import (
    BEFORE,
    COMPILE,
    CONFIGURE,
    LOAD,
    RUN,
    Evidence,
    Finding,
    Judgement,
    NotApplicable,
    Remedy,
    check,
    seen,
    undetermined,
)
from envdoctor.facts import Absent, Facts, Known, Toolkit, Unreadable, value_of
from envdoctor.knowledge.versions import compare, numbers, series

from . import building, cuda_use
from .cuda_tools import (
    common_architectures,
    complete_toolkits,
    emits,
    get_toolkit,
    home_variable,
    misled_root,
    release_of_directory,
    told_root,
    torch_for,
    torch_with_code_for,
    use_toolkit,
    wanted_architectures,
)
from .cuda_use import BUILD, NO_CUDA, NO_CUDA_BUILD
from .extension_tags import fits
from .path_lists import without

NO_GPU = NotApplicable("no GPU whose architecture is known")


@check("CUDA001", "toolkit-and-torch-differ", needs=("cuda", "python", *BUILD), strikes=CONFIGURE + 45)
def toolkit_and_torch_differ(facts: Facts) -> Iterator[Judgement]:
    """The CUDA toolkit is of another release than the CUDA that torch was built with

    What it finds:
        The toolkit that a build of a torch extension takes, and the CUDA release of torch. Another major is a fault;
        another minor release is not.
    Why it breaks:
        torch.utils.cpp_extension compares the two and stops where the majors differ.
    Example:
        The detected CUDA version (13.0) mismatches the version that was used to compile PyTorch (11.7).
    What to do:
        Point CUDA_HOME to a toolkit of torch's major, or install a torch built for the toolkit's.
    Sources:
        torch 1.13.1 and 2.13.0, torch/utils/cpp_extension.py, _check_cuda_version
    """
    severity, wanted, toolkit = cuda_use.nvcc_severity(facts), facts.torch.cuda, facts.cuda.toolkit()
    if severity is None or not isinstance(wanted, Known) or not cuda_use.builds_for_torch(facts):
        yield NO_CUDA_BUILD
    elif toolkit is None or not isinstance(toolkit.nvcc, Known):
        yield NotApplicable("no toolkit that a build would take")
    elif isinstance(toolkit.version, Unreadable) and severity != "note":
        yield undetermined(
            "the release of the CUDA toolkit is not known", toolkit.version, "nvcc's release", toolkit.root
        )
    elif isinstance(toolkit.version, Known) and series(toolkit.version.value) != series(wanted.value):
        have = toolkit.version.value
        same_major = numbers(have)[:1] == numbers(wanted.value)[:1]
        owner = cuda_use.named("torch", facts.torch.version)
        text = "Build with a toolkit of torch's CUDA, or with a torch of the toolkit's."
        remedy = Remedy(text, _match(facts, toolkit), recipe="cuda-build")
        yield Finding(
            state="note" if same_major else severity,
            title=f"the toolkit is CUDA {have}, {owner} was built with CUDA {wanted.value}",
            why="Releases of one major work together."
            if same_major
            else "torch's build tools stop where the major of nvcc differs from that of torch's CUDA.",
            evidence=(
                seen("toolkit", toolkit.version, f"{have} {toolkit.root}"),
                seen("chosen by", facts.cuda.default, toolkit.root),
                seen("CUDA of torch", wanted),
            ),
            remedy=remedy if severity != "note" and not same_major else None,
        )


def _match(facts: Facts, toolkit: Toolkit) -> tuple[str, ...]:
    wanted = value_of(facts.torch.cuda) or ""
    for other in complete_toolkits(facts):
        if numbers(value_of(other.version) or "")[:1] == numbers(wanted)[:1]:
            return use_toolkit(other)
    return get_toolkit(facts, wanted) or torch_for(facts, series(value_of(toolkit.version) or ""))


@check("CUDA002", "cuda-home-wrong", needs=("cuda", *BUILD), strikes=CONFIGURE + 40)
def cuda_home_wrong(facts: Facts) -> Iterator[Judgement]:
    """CUDA_HOME names no toolkit

    What it finds:
        CUDA_HOME, or CUDA_PATH where that is not set, names a directory without `bin/nvcc`.
    Why it breaks:
        torch takes the variable without a look at PATH, and starts the nvcc that is not there.
    Example:
        FileNotFoundError: nvcc not found at '/nonexistent/bin/nvcc'. Ensure CUDA path '/nonexistent' is correct.
    What to do:
        Set it to the root of a toolkit, or unset it where nvcc is on PATH.
    Sources:
        torch 2.13.0, torch/utils/cpp_extension.py, _find_cuda_home and _check_cuda_version
    """
    severity, variable = cuda_use.build_severity(facts), home_variable(facts.environment)
    if severity is None:
        yield NO_CUDA_BUILD
    elif variable is None:
        yield NotApplicable("CUDA_HOME and CUDA_PATH are not set")
    elif ":" not in variable.value and variable.value == variable.value.strip():
        toolkit = next((one for one in facts.cuda.toolkits if variable.name in one.origins), None)
        if toolkit is not None and isinstance(toolkit.nvcc, Unreadable):
            yield undetermined(f"the toolkit of {variable.name} cannot be read", toolkit.nvcc, "nvcc", variable.name)
        elif toolkit is None or not isinstance(toolkit.nvcc, Known):
            others = complete_toolkits(facts)
            commands = use_toolkit(others[0]) if others else (f"unset {variable.name}",)
            # Caffe2's CMake files do not read it.
            read = cuda_use.builds_for_torch(facts) or variable.name == "CUDA_PATH"
            yield Finding(
                state=("warn" if severity == "note" else severity) if read else "note",
                title=f"{variable.name} is {variable.value}, where there is no nvcc",
                why="torch's build tools take the variable as it is and start the nvcc below it.",
                evidence=(Evidence(variable.name, variable.value, f"variable {variable.name}"),),
                remedy=Remedy("Name the root of a toolkit.", commands, recipe="cuda-home"),
                explains=("CUDA001", "CUDA003", "CUDA010"),
            )


@check("CUDA003", "toolkit-missing", needs=("cuda", "python", *BUILD), strikes=CONFIGURE + 41)
def toolkit_missing(facts: Facts) -> Iterator[Judgement]:
    """An extension with CUDA code is to be built, and there is no nvcc

    What it finds:
        A CUDA build of torch, a project with CUDAExtension or .cu files, and no toolkit where torch looks for one. The
        nvidia-* wheels that torch brings are libraries to run with, no toolkit.
    Why it breaks:
        torch's build tools need CUDA_HOME and nvcc.
    Example:
        OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.
    What to do:
        Install the toolkit of torch's CUDA, or set CUDA_HOME where it is already there.
    Sources:
        torch 2.13.0, torch/utils/cpp_extension.py; the wheels nvidia-cuda-nvcc-cu11 and -cu12 hold no nvcc
    """
    severity, toolkit = cuda_use.build_severity(facts), facts.cuda.toolkit()
    wanted = value_of(facts.torch.cuda)
    if severity in (None, "note") or wanted is None or not cuda_use.builds_for_torch(facts):
        yield NO_CUDA_BUILD
    elif toolkit is None or isinstance(toolkit.nvcc, Absent):
        others = complete_toolkits(facts)
        commands = use_toolkit(others[0]) if others else get_toolkit(facts, wanted)
        yield Finding(
            state="fail" if severity == "fail" else "warn",
            title="the project compiles CUDA code, and torch finds no CUDA toolkit",
            why="torch takes CUDA_HOME, CUDA_PATH, nvcc on PATH or /usr/local/cuda, in this order.",
            evidence=(
                seen("toolkit", facts.cuda.default),
                seen("CUDA of torch", facts.torch.cuda),
                Evidence("toolkits elsewhere", ", ".join(one.root for one in others) or "none", "search"),
            ),
            remedy=Remedy("Name the toolkit that is there.", commands, recipe="cuda-home")
            if others
            else Remedy(f"Install the CUDA {wanted} toolkit.", commands, recipe="cuda-build"),
        )


@check("CUDA004", "architecture-not-in-toolkit", needs=("cuda", "driver", *BUILD), strikes=COMPILE + 60)
def architecture_not_in_toolkit(facts: Facts) -> Iterator[Judgement]:
    """The build asks nvcc for a GPU architecture that it cannot emit

    What it finds:
        Architectures in TORCH_CUDA_ARCH_LIST, in the project's flags or, where nothing names any, of the GPUs, that the
        toolkit's nvcc does not list: newer than it knows, or dropped.
    Why it breaks:
        nvcc stops at the first file.
    Example:
        nvcc fatal   : Unsupported gpu architecture 'compute_70'
    What to do:
        Name architectures that the GPUs have and nvcc emits, or take another toolkit.
    Sources:
        nvcc --list-gpu-code of the toolkit; ptxas --help of PyPI nvidia-cuda-nvcc 11.7 to 13.5
    """
    severity, toolkit = cuda_use.nvcc_severity(facts), facts.cuda.toolkit()
    asked = wanted_architectures(facts)
    if severity is None:
        yield NO_CUDA_BUILD
    elif toolkit is None or not asked:
        yield NotApplicable("no toolkit, or no architecture that is asked for")
    elif isinstance(toolkit.architectures, Unreadable) and severity != "note":
        yield undetermined("what nvcc can emit is not known", toolkit.architectures, "its list", toolkit.root)
    elif isinstance(toolkit.architectures, Known):
        able = toolkit.architectures.value
        version = value_of(toolkit.version) or ""
        lacking = [(arch, place) for arch, place in asked if not emits(version, able, arch)]
        kept = [arch.capability for arch, _ in asked if arch not in [lack for lack, _ in lacking]]
        if lacking:
            names = ", ".join(f"sm_{arch}" for arch, _ in lacking)
            values = ";".join(dict.fromkeys(kept)) or common_architectures(facts, able)
            yield Finding(
                state="warn" if severity == "note" else severity,
                title=f"nvcc {version} does not emit {names}".replace("  ", " "),
                why="nvcc stops where it is asked for an architecture that it does not know or has dropped.",
                evidence=(
                    Evidence("asked for", names, lacking[0][1]),
                    seen("nvcc emits", toolkit.architectures, " ".join(able)),
                ),
                remedy=_compile_for(values, "Name architectures that this nvcc emits, or use another toolkit."),
            )


def _compile_for(architectures: str, text: str) -> Remedy:
    return Remedy(text, (f"export TORCH_CUDA_ARCH_LIST={shlex.quote(architectures)}",), recipe="cuda-arch")


@check("CUDA005", "architecture-list-unset", needs=("cuda", "driver", *BUILD), strikes=CONFIGURE + 60)
def architecture_list_unset(facts: Facts) -> Iterator[Judgement]:
    """No GPU is visible and TORCH_CUDA_ARCH_LIST is not set

    What it finds:
        An extension with CUDA code for a CUDA build of torch, no GPU to ask, and no list of architectures.
    Why it breaks:
        torch's build tools take the architectures of the visible GPUs; of an empty list they take the last element.
    Example:
        IndexError: list index out of range (in torch/utils/cpp_extension.py, _get_cuda_arch_flags)
    What to do:
        Name the architectures of the GPUs that the extension is to run on.
    Sources:
        torch 1.13.1 and 2.13.0, torch/utils/cpp_extension.py
    """
    severity = cuda_use.nvcc_severity(facts)
    if severity in (None, "note") or not facts.project.setup_extensions or not isinstance(facts.torch.cuda, Known):
        yield NO_CUDA_BUILD
        return
    if (facts.environment.get("TORCH_CUDA_ARCH_LIST") or "native").strip() != "native":
        return
    gpus = facts.driver.gpus
    if isinstance(gpus, Unreadable):
        yield undetermined("whether the build sees a GPU, whose architecture it takes, is not known", gpus, "the GPUs")
    # Without a driver torch sees no GPU; one that is there none the less was named, for a machine to run on.
    elif not isinstance(gpus, Known) or cuda_use.visible_gpus(facts) == () or isinstance(facts.driver.library, Absent):
        toolkit = facts.cuda.toolkit()
        able = value_of(toolkit.architectures) if toolkit is not None else None
        yield Finding(
            state="fail" if severity == "fail" else "warn",
            title="no GPU is visible, and TORCH_CUDA_ARCH_LIST does not say what to compile for",
            why="torch's build tools take the architectures of the visible GPUs and fail on an empty list.",
            evidence=(
                seen("GPUs", gpus, "none visible"),
                Evidence("TORCH_CUDA_ARCH_LIST", "not set", "variable TORCH_CUDA_ARCH_LIST"),
            ),
            remedy=_compile_for(
                common_architectures(facts, able or ()),
                "Name the architectures of the GPUs that it is to run on; these are what torch and nvcc both know.",
            ),
        )


@check("CUDA006", "gpu-not-covered-by-torch", needs=("driver", "torch", "python", "environment"), strikes=RUN + 31)
def gpu_not_covered_by_torch(facts: Facts) -> Iterator[Judgement]:
    """torch holds no code for this GPU

    What it finds:
        The architectures that nearly all of torch's kernels have code for, against the compute capability of each GPU.
    Why it breaks:
        Machine code runs on its own major and the same or a later minor; a newer GPU needs PTX, an older one has none.
    Example:
        CUDA error: no kernel image is available for execution on the device
    What to do:
        Install a torch that was built for this GPU.
    Sources:
        https://docs.nvidia.com/cuda/cuda-c-programming-guide/ (binary and PTX compatibility); fatbins of torch
    """
    built, gpus = facts.torch.architectures, cuda_use.visible_gpus(facts)
    owner = cuda_use.named("torch", facts.torch.version)
    if not isinstance(facts.torch.cuda, Known):
        yield NO_CUDA
    elif not gpus:
        yield NO_GPU
    elif isinstance(built, Unreadable):
        yield undetermined("whether torch has code for the GPUs here is not known", built, "torch's device code")
    elif isinstance(built, Known):
        for name, cc in dict.fromkeys((gpu.name, cuda_use.capability(gpu)) for gpu in gpus):
            if cc is not None and cuda_use.coverage(built.value, cc) == "no":
                yield Finding(
                    state="fail",
                    title=f"{owner} has no code for {name} (compute capability {cc})",
                    why="Its kernels were compiled for other architectures, and no PTX among them serves this GPU.",
                    evidence=(
                        seen("GPU", facts.driver.gpus, f"{name}, {cc}"),
                        seen("architectures of torch", built, " ".join(built.value)),
                    ),
                    remedy=Remedy(
                        f"Install a torch built for compute capability {cc}.",
                        torch_with_code_for(facts, cc),
                        recipe="cuda-build",
                    ),
                    subject=cc,
                    explains=("CUDA007",),
                )


@check(
    "CUDA007", "gpu-not-covered-by-extension", needs=("driver", "extensions", "environment", "python"), strikes=RUN + 32
)
def gpu_not_covered_by_extension(facts: Facts) -> Iterator[Judgement]:
    """A compiled extension holds no code for this GPU

    What it finds:
        The architectures in an extension's device code, against the compute capability of each visible GPU.
    Why it breaks:
        The extension was built on, or for, another machine; torch itself may run well.
    Example:
        CUDA error: no kernel image is available for execution on the device
    What to do:
        Build it again with TORCH_CUDA_ARCH_LIST naming this GPU.
    Sources:
        https://docs.nvidia.com/cuda/cuda-c-programming-guide/ (binary and PTX compatibility)
    """
    gpus = cuda_use.visible_gpus(facts)
    if not gpus:
        yield NO_GPU
        return
    suffix = value_of(facts.python.extension_suffix)
    for extension in (one for one in facts.extensions.found if suffix is None or fits(one, suffix)):
        if extension.owner == "torch":
            # CUDA006 judges torch itself.
            continue
        for name, cc in dict.fromkeys((gpu.name, cuda_use.capability(gpu)) for gpu in gpus):
            if extension.architectures and cc is not None and cuda_use.coverage(extension.architectures, cc) == "no":
                yield Finding(
                    state="fail",
                    title=f"{extension.path} has no code for {name} (compute capability {cc})",
                    why="It was compiled for other architectures, and no PTX among them serves this GPU.",
                    evidence=(
                        Evidence("architectures", " ".join(extension.architectures), extension.path),
                        seen("GPU", facts.driver.gpus, f"{name}, {cc}"),
                    ),
                    remedy=_compile_for(
                        cc, f"Build {'it' if extension.owner == 'project' else extension.owner} again for this GPU."
                    ),
                    subject=f"{extension.path} {cc}",
                )


@check("CUDA008", "nvcc-wrapper-misleads-build", needs=("cuda", *BUILD), strikes=CONFIGURE + 28)
def nvcc_wrapper_misleads_build(facts: Facts) -> Iterator[Judgement]:
    """nvcc on PATH is a script, and the build takes the script's place for the toolkit

    What it finds:
        An nvcc that is a script starting another one, and a build that finds CUDA by it: `find_package(Caffe2)` or
        `find_package(Torch)`, whose own FindCUDA looks beside the script, or torch's setup tools.
    Why it breaks:
        Neither headers nor libraries lie beside the script.
    Example:
        Could NOT find CUDA (missing: CUDA_INCLUDE_DIRS CUDA_CUDART_LIBRARY)
        Your installed Caffe2 version uses CUDA but I cannot find the CUDA libraries.
    What to do:
        Name the toolkit's real root: CUDA_PATH for CMake, CUDA_HOME for torch. CMake's own FindCUDA needs no help.
    Sources:
        measured with the CMake files of PyPI torch 1.0.1, 1.13.1 and 2.13.0 and CMake 3.25: CUDA_PATH cures, CUDA_HOME
        is not read
    """
    project = value_of(facts.project.cmake)
    by_cmake = project is not None and not {"Caffe2", "Torch"}.isdisjoint(project.packages)
    toolkit = facts.cuda.toolkit()
    root = misled_root(toolkit) if toolkit is not None else None
    ops = building.builds_ops(facts)
    skip = building.not_judged_before_build(facts) if ops else None
    if ops and building.built_against(facts) is None:
        yield NotApplicable("Caffe2 is not installed")
    elif not cuda_use.runtimes(facts) or (not by_cmake and not facts.project.setup_extensions):
        yield NotApplicable("nothing is built here that looks for CUDA by its nvcc")
    elif skip is not None:
        yield skip
    elif toolkit is not None and root is not None and not told_root(facts, by_cmake):
        variable = "CUDA_PATH" if by_cmake else "CUDA_HOME"
        yield Finding(
            state="fail" if by_cmake else cuda_use.build_severity(facts) or "note",
            title=f"{toolkit.wrapper} is a script: the build looks for CUDA in {root}, it is in {toolkit.root}",
            why="The build takes the directory above nvcc for the toolkit, and finds no headers or libraries there.",
            evidence=(
                Evidence("nvcc", f"{toolkit.wrapper}, a script", "PATH"),
                seen("headers", toolkit.include),
                Evidence(variable, facts.environment.get(variable) or "not set", f"variable {variable}"),
            ),
            remedy=Remedy(
                "Name the real toolkit.", (f"export {variable}={shlex.quote(toolkit.root)}",), recipe="cuda-root"
            ),
        )


@check("CUDA009", "cuda-libraries-mixed", needs=("cuda", "torch", "environment"), strikes=LOAD + 50)
def cuda_libraries_mixed(facts: Facts) -> Iterator[Judgement]:
    """LD_LIBRARY_PATH offers CUDA libraries that are older than those torch came with

    What it finds:
        A torch with its CUDA libraries in nvidia-* wheels, and on LD_LIBRARY_PATH the libraries of an older release of
        the same major, which have the same names.
    Why it breaks:
        The wheels' libraries find each other by DT_RUNPATH, which LD_LIBRARY_PATH beats: a newer libcusparse then gets
        an older libnvJitLink.
    Example:
        libcusparse.so.12: undefined symbol: __nvJitLinkAddData_12_1, version libnvJitLink.so.12
    What to do:
        Take the directory off LD_LIBRARY_PATH. A build does not need it there.
    Sources:
        https://github.com/infiniflow/ragflow/issues/4466; ld.so(8), order of search
    """
    wanted = value_of(facts.torch.cuda)
    if wanted is None or not any(runtime.origin == "pip" for runtime in facts.cuda.runtimes):
        yield NotApplicable("no torch with CUDA libraries in wheels")
        return
    for directory in dict.fromkeys(dirname(library.path) for library in facts.cuda.in_library_path):
        have = release_of_directory(facts.cuda, directory)
        names = [one.name for one in facts.cuda.in_library_path if dirname(one.path) == directory]
        shared = [name for name in names if not name.startswith(("libcudnn", "libnccl", "libcuda.so"))]
        if not shared or have is None or numbers(have)[:1] != numbers(wanted)[:1] or compare(have, wanted) >= 0:
            continue
        command = without(facts.environment, "LD_LIBRARY_PATH", directory)
        yield Finding(
            state="warn",
            title=f"LD_LIBRARY_PATH offers libraries of CUDA {have} before those of CUDA {wanted} that torch came with",
            why="Some of the wheels' libraries would load an older one of the same name and lack its newer symbols.",
            evidence=(
                Evidence("LD_LIBRARY_PATH", f"{directory}: {', '.join(shared[:6])}", "variable LD_LIBRARY_PATH"),
                seen("CUDA of torch", facts.torch.cuda),
            ),
            remedy=Remedy(f"Take {directory} off LD_LIBRARY_PATH.", (command,), recipe="library-path"),
            subject=directory,
        )


@check("CUDA010", "toolkit-incomplete", needs=("cuda", "python", *BUILD), strikes=COMPILE + 50)
def toolkit_incomplete(facts: Facts) -> Iterator[Judgement]:
    """The CUDA toolkit has nvcc, but lacks headers or the runtime library

    What it finds:
        The toolkit that the build takes holds no cuda_runtime.h or no libcudart.so.
    Why it breaks:
        nvcc alone compiles nothing that torch's headers include, and nothing links. Conda and pip bring nvcc, headers
        and libraries in packages of their own.
    Example:
        fatal error: cuda_runtime.h: No such file or directory
        cannot find -lcudart
    What to do:
        Install the missing part of the same release.
    Sources:
        PyPI nvidia-cuda-nvcc and nvidia-cuda-runtime 13.0, compiled and linked
    """
    severity, toolkit = cuda_use.build_severity(facts), facts.cuda.toolkit()
    if severity is None or toolkit is None or not isinstance(toolkit.nvcc, Known):
        yield NO_CUDA_BUILD if severity is None else NotApplicable("no toolkit that a build would take")
        return
    parts = (("headers (cuda_runtime.h)", toolkit.include), ("libcudart.so", toolkit.libraries))
    lacking = [(name, fact) for name, fact in parts if isinstance(fact, Absent)]
    if lacking:
        version = value_of(toolkit.version) or ""
        yield Finding(
            state=severity,
            title=f"the CUDA toolkit in {toolkit.root} has no {' and no '.join(name for name, _ in lacking)}",
            why="What includes torch's CUDA headers does not compile or does not link without them.",
            evidence=tuple(seen(name, fact) for name, fact in lacking),
            remedy=Remedy(
                "Install the missing part, of the same release.", get_toolkit(facts, version), recipe="cuda-root"
            ),
        )


@check("CUDA011", "several-toolkits", needs=("cuda", *BUILD), strikes=BEFORE + 50)
def several_toolkits(facts: Facts) -> Iterator[Judgement]:
    """Several CUDA toolkits of different releases

    What it finds:
        More than one toolkit with an nvcc, of different releases, and which of them a build takes.
    Why it breaks:
        It does not, while the one that is taken fits. CMake, torch and a shell may each take another.
    Example:
        nvcc --version says 13.0 in one shell and 11.8 in another.
    What to do:
        Set CUDA_HOME, CUDA_PATH and PATH to the same one.
    Sources:
        torch/utils/cpp_extension.py, _find_cuda_home; CMake's FindCUDA
    """
    whole = [toolkit for toolkit in facts.cuda.toolkits if isinstance(toolkit.nvcc, Known)]
    if not cuda_use.uses_cuda(facts):
        yield NO_CUDA
    elif len({series(value_of(toolkit.version) or "") for toolkit in whole}) > 1:
        shown = [f"{cuda_use.named('CUDA', one.version)} in {one.root} ({', '.join(one.origins)})" for one in whole]
        yield Finding(
            state="note",
            title=f"{len(whole)} toolkits: {'; '.join(shown)}",
            why="A build takes the first that its tools find; they do not all look in the same order.",
            evidence=(seen("taken by torch's build tools", facts.cuda.default),),
        )
