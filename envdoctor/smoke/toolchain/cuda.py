"""A kernel of a few lines, compiled for each GPU architecture that the build wants, and run on each GPU.

Where an extension of torch is built, the commands are those of torch's own build tools; elsewhere nvcc is started as
the CMake files of Caffe2 start it. Never run on a GPU by the authors; the tests imitate nvcc and the kernel's library.
"""

import shlex
from collections.abc import Iterator, Sequence
from functools import partial

import msgspec

from envdoctor.checking.check import COMPILE, CONFIGURE, LINK, LOAD, RUN
from envdoctor.facts import Facts, Known, value_of
from envdoctor.knowledge.cpp_extension import read_arch_list
from envdoctor.knowledge.cuda_arch import parse_arch
from envdoctor.op_results import EXIT
from envdoctor.smoke.toolchain.stages import OK, Stage, Verdict
from envdoctor.smoke.toolchain.torch import CUDA, KERNEL, BuildTools
from envdoctor.smoke.toolchain.torch_library import built_by_cmake
from envdoctor.smoke.toolchain.workplace import Loaded, Once, Workplace

CUDA_TARGET = "caffe2::cudart"
NVCC_FLAGS = ("CUDA_NVCC_FLAGS", "CMAKE_CUDA_FLAGS")
CACHED_NVCC = ("CUDA_NVCC_EXECUTABLE", "CMAKE_CUDA_COMPILER")
CACHED_HOST = ("CMAKE_CUDA_HOST_COMPILER", "CUDA_HOST_COMPILER")
ARCHITECTURES_AT_MOST = 24

SOURCE = """\
#include <cuda_runtime.h>

__global__ void envdoctor_double(float* numbers, int count) {
  int place = blockIdx.x * blockDim.x + threadIdx.x;
  if (place < count) {
    numbers[place] = numbers[place] + numbers[place];
  }
}

extern "C" int envdoctor_devices(int* count) {
  return static_cast<int>(cudaGetDeviceCount(count));
}

extern "C" const char* envdoctor_error(int code) {
  return cudaGetErrorString(static_cast<cudaError_t>(code));
}

// `step` tells how far it came, so that a launch that no GPU can serve is told apart from a missing device.
extern "C" int envdoctor_doubled(int device, float* numbers, int count, int* step) {
  float* there = 0;
  size_t size = count * sizeof(float);
  *step = 1;
  cudaError_t code = cudaSetDevice(device);
  if (code == cudaSuccess) {
    *step = 2;
    code = cudaMalloc(reinterpret_cast<void**>(&there), size);
  }
  if (code == cudaSuccess) {
    *step = 3;
    code = cudaMemcpy(there, numbers, size, cudaMemcpyHostToDevice);
  }
  if (code == cudaSuccess) {
    *step = 4;
    envdoctor_double<<<1, 32>>>(there, count);
    code = cudaGetLastError();
  }
  if (code == cudaSuccess) {
    *step = 5;
    code = cudaDeviceSynchronize();
  }
  if (code == cudaSuccess) {
    *step = 6;
    code = cudaMemcpy(numbers, there, size, cudaMemcpyDeviceToHost);
  }
  if (there != 0) {
    cudaFree(there);
  }
  return static_cast<int>(code);
}
"""


class Wanted(msgspec.Struct, frozen=True):
    """Why no CUDA code is tried; empty where it is. `by_torch`: with the commands of torch's build tools."""

    reason: str = ""
    by_torch: bool = False


def wanted(facts: Facts, device: str) -> Wanted:
    """Whether the build compiles CUDA code, or could."""
    if device == "cpu":
        return Wanted("only the CPU was asked for")
    project, profile = facts.project, value_of(facts.project.profile)
    has_nvcc = nvcc_of(facts) is not None
    with_torch = isinstance(facts.torch.cuda, Known)
    if profile == "caffe2-ops":
        return Wanted(_not_in_caffe2(facts))
    if profile == "torch-extension":
        kinds = {extension.kind for extension in project.setup_extensions}
        if "CUDAExtension" not in kinds and not project.has_cuda_sources:
            return Wanted("the project compiles no CUDA code")
        if built_by_cmake(facts):
            return Wanted("" if with_torch else "this torch is built without CUDA")
        if "CppExtension" in kinds and not (with_torch and has_nvcc):
            return Wanted("the project is built without CUDA where there is none")
        return Wanted(by_torch=True)
    return Wanted("" if has_nvcc else "there is no nvcc", by_torch=with_torch)


def _not_in_caffe2(facts: Facts) -> str:
    installation = facts.caffe2.built_against()
    if not facts.project.has_cuda_sources:
        return "the project compiles no CUDA code"
    if installation is None or not isinstance(installation.cuda, Known):
        return "Caffe2 is built without CUDA"
    project, toolchain = value_of(facts.project.cmake), value_of(facts.project.toolchain)
    declared = (*(project.imported if project else ()), *(toolchain.targets if toolchain else ()))
    return "the build leaves CUDA out: its targets are declared empty" if CUDA_TARGET in declared else ""


def nvcc_of(facts: Facts) -> str | None:
    """The nvcc that a build with CMake takes: that of its cache, else that of the toolkit found first."""
    build, toolkit = value_of(facts.project.build), facts.cuda.toolkit()
    for name in CACHED_NVCC if build is not None else ():
        path = (build.get(name) if build is not None else None) or ""
        if path.startswith("/"):
            return path
    return value_of(toolkit.nvcc) if toolkit is not None else None


def stages_of(workplace: Workplace, tools: BuildTools | None, device: str) -> Iterator[Stage]:
    """Each is made when those before it have run, since what they told decides what there is to compile.

    `tools` are those of torch, None where CMake starts nvcc.
    """
    workplace.write(f"{KERNEL}.cu", SOURCE)
    if tools is not None:
        yield Stage("ask torch for its CUDA build commands", CONFIGURE, lambda: tools.asked(CUDA))
        build = build_of_torch(workplace, tools)
    else:
        build = build_of_cmake(workplace)
    for part in build.parts:
        yield Stage(f"compile CUDA{part.label}", COMPILE, partial(build.compile, (part,)), alone=True)
    yield Stage("link CUDA", LINK, build.link)
    loaded = Once(lambda: workplace.load(build.suite, build.library, _devices_asked(device)))
    yield Stage("load CUDA code", LOAD, lambda: loaded().loading)
    yield from _running(loaded, device)


def _devices_asked(device: str) -> frozenset[str] | None:
    return frozenset((device,)) if device.startswith("cuda:") else None


def _running(loaded: Once, device: str) -> Iterator[Stage]:
    """One stage a GPU. Asked for what was loaded only where loading was tried."""
    tried = loaded.held
    if tried is None or tried.loading.state != "ok" or not tried.ran:
        yield Stage("run CUDA on a GPU", RUN, lambda: _no_gpu(loaded(), device), "cuda" if device == "auto" else device)
        return
    for one in tried.ran:
        name = "end the process after CUDA" if one.op == EXIT else f"run CUDA on {one.op}"
        yield Stage(name, RUN, partial(tried.of_op, one.op), device if one.op == EXIT else one.op, alone=True)


def _no_gpu(loaded: Loaded, device: str) -> Verdict:
    reason = loaded.nothing_to_run
    if not reason and device.startswith("cuda:") and loaded.offered:
        reason = f"there is no {device}; CUDA offers {', '.join(loaded.offered)}"
    if not reason:
        return loaded.running
    return Verdict("fail" if device.startswith("cuda") else "skipped", reason)


class Part(msgspec.Struct, frozen=True):
    """One target of nvcc: machine code or PTX for one architecture. No flags where nvcc is left to choose."""

    label: str = ""
    flags: tuple[str, ...] = ()


class Build(msgspec.Struct, frozen=True):
    """How the kernel is compiled and linked. The flags of the parts come last in the commands that compile."""

    workplace: Workplace
    parts: tuple[Part, ...]
    compiling: tuple[str, ...]
    linking: tuple[str, ...]
    library: str
    suite: str

    def compile(self, parts: Sequence[Part]) -> Verdict:
        """One object for these parts."""
        flags = [flag for part in parts for flag in part.flags]
        return self.workplace.try_tool((*self.compiling, *flags), self.workplace.limits.compile)

    def link(self) -> Verdict:
        """One library for all parts; each of them has compiled alone."""
        verdict = self.compile(self.parts) if len(self.parts) > 1 else OK
        return verdict if verdict.state != "ok" else self.workplace.try_tool(self.linking, self.workplace.limits.link)


def build_of_torch(workplace: Workplace, tools: BuildTools) -> Build:
    """With the commands of torch's build tools, once they were asked."""
    told = tools.commands(CUDA)
    words = told.commands[0] if told.commands else ()
    rest, parts = split_targets(words)
    linking = told.commands[-1] if told.commands else ()
    return Build(workplace, parts, rest, linking, told.library, "torch_cuda_toolchain")


def build_of_cmake(workplace: Workplace) -> Build:
    """As CMake's module FindCUDA starts nvcc: with what the CMake files of Caffe2 told it, where they were read."""
    facts = workplace.facts
    told = workplace.told_by_cmake()
    nvcc = told.get("CUDA_NVCC_EXECUTABLE") or told.get("CMAKE_CUDA_COMPILER") or nvcc_of(facts) or "nvcc"
    host = told.get("CUDA_HOST_COMPILER") or host_compiler(facts)
    common = (nvcc, *(("-ccbin", host) if host else ()), "-Xcompiler", "-fPIC")
    flags, parts = split_targets([flag for flag in told.get("CUDA_NVCC_FLAGS", "").split(";") if flag])
    source, made = workplace.place(f"{KERNEL}.cu"), workplace.place(f"{KERNEL}.o")
    library = workplace.place(f"lib{KERNEL}.so")
    if not told:
        parts = parts_of(facts)
    compiling = (*common, *flags, "-c", source, "-o", made)
    return Build(workplace, parts, compiling, (*common, "-shared", made, "-o", library), library, "cuda_toolchain")


def host_compiler(facts: Facts) -> str | None:
    """What the build hands nvcc as its compiler for host code; None where nvcc chooses."""
    build = value_of(facts.project.build)
    for name in CACHED_HOST if build is not None else ():
        path = (build.get(name) if build is not None else None) or ""
        if path.startswith("/"):
            return path
    host, c = facts.compilers.cuda_host, facts.compilers.c
    if isinstance(host, Known) and host.found_via.startswith(("variable CUDAHOSTCXX", "variable NVCC_CCBIN")):
        return host.value.path
    # FindCUDA hands over the C compiler.
    return c.value.path if isinstance(c, Known) and c.found_via.startswith("variable CC") else None


def parts_of(facts: Facts) -> tuple[Part, ...]:
    """The architectures of TORCH_CUDA_ARCH_LIST, else of the project's flags, else of the GPUs; else nvcc's choice."""
    listed = read_arch_list(facts.environment.get("TORCH_CUDA_ARCH_LIST") or "")
    flags = [_gencode(str(arch), f"sm_{arch}") for arch in listed.machine]
    flags += [_gencode(str(arch), f"compute_{arch}") for arch in listed.ptx]
    if not flags:
        flags = list(_of_project(facts))
    if not flags:
        capabilities = [gpu.compute_capability or "" for gpu in value_of(facts.driver.gpus) or ()]
        found = dict.fromkeys(arch for text in capabilities if (arch := parse_arch(text)) is not None)
        flags = [_gencode(str(arch), f"sm_{arch}") for arch in found]
    return split_targets(flags)[1]


def _gencode(arch: str, code: str) -> str:
    return f"-gencode=arch=compute_{arch},code={code}"


def _of_project(facts: Facts) -> Iterator[str]:
    project, build = value_of(facts.project.cmake), value_of(facts.project.build)
    lines = [shlex.quote(flag) for flag in (project.flags if project is not None else ())]
    lines += [(build.get(name) or "").replace(";", " ") for name in NVCC_FLAGS] if build is not None else []
    for line in lines:
        try:
            words = shlex.split(line)
        except ValueError:
            continue
        for part in split_targets(words)[1]:
            yield from part.flags


def split_targets(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[Part, ...]]:
    """The words that name no target, and the targets, each once: one without flags where no word names any."""
    rest: list[str] = []
    parts: dict[str, Part] = {}
    skip = False
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        if skip:
            skip = False
        elif word in ("-gencode", "--generate-code") and following:
            skip = True
            parts.setdefault(following, Part(_label(following), (f"-gencode={following}",)))
        elif word.startswith(("-gencode=", "--generate-code=")):
            target = word.partition("=")[2]
            parts.setdefault(target, Part(_label(target), (f"-gencode={target}",)))
        elif word.startswith(("-arch=", "--gpu-architecture=")):
            target = word.partition("=")[2]
            parts.setdefault(target, Part(f" for {target}", (f"-arch={target}",)))
        else:
            rest.append(word)
    return tuple(rest), tuple(parts.values())[:ARCHITECTURES_AT_MOST] or (Part(),)


def _label(target: str) -> str:
    """` for sm_75` of `arch=compute_75,code=sm_75`."""
    return f" for {target.rpartition('code=')[2].strip('[]')}"
