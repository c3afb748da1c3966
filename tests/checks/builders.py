"""Facts to judge: a healthy modern box, and the real Caffe2 before a build; tests change one thing in them."""

from typing import Any, TypeVar

import msgspec

from envdoctor.checking.check import Check, Finding, NotApplicable
from envdoctor.facts import (
    AREAS,
    Absent,
    Caffe2,
    Caffe2Installation,
    CMake,
    CMakeProject,
    CMakeTarget,
    Compiler,
    Compilers,
    Cuda,
    Cudnn,
    Driver,
    DriverLibrary,
    Environment,
    Extension,
    Facts,
    GeneratedCode,
    Gpu,
    Headers,
    Host,
    HostCompilerLimits,
    Known,
    LibraryFile,
    Libstdcxx,
    Mkl,
    Package,
    Packages,
    Project,
    Protobuf,
    ProvidedVersions,
    Python,
    SetupExtension,
    SourceUse,
    Tool,
    Toolkit,
    Torch,
    TorchCompanion,
    Unreadable,
    Variable,
)

T = TypeVar("T")

SITE = "/env/lib/python3.7/site-packages"
TORCH = f"{SITE}/torch"
INCLUDE = f"{TORCH}/lib/include"
CONFIG = f"{TORCH}/share/cmake/Caffe2/Caffe2Config.cmake"
PROJECT = "/src/ops"
LIBRARY = f"{PROJECT}/build/libcaffe2_ops.so"


def known(value: T, found_via: str = "a file") -> Known[T]:
    return Known(value, found_via)


NOWHERE = Absent("not found", ("/usr/include",))
CANNOT_READ = Unreadable("permission denied", "/a/file")


def judged(check: Check, facts: Facts) -> list[Finding]:
    """The findings of one check, without what it says of not being applicable."""
    return [one for one in check.judge(facts) if isinstance(one, Finding)]


def states(check: Check, facts: Facts) -> list[str]:
    """The states of its findings; `skipped` alone where it does not apply, nothing where all is well."""
    yielded = list(check.judge(facts))
    return [one.state if isinstance(one, Finding) else "skipped" for one in yielded]


def skipped(check: Check, facts: Facts) -> bool:
    return [type(one) for one in check.judge(facts)] == [NotApplicable]


def changed(facts: Facts, area: str, **fields: Any) -> Facts:
    """The same facts with fields of one area replaced."""
    return msgspec.structs.replace(facts, **{area: msgspec.structs.replace(getattr(facts, area), **fields)})


def with_caffe2(facts: Facts, **fields: Any) -> Facts:
    """The same facts with fields of the first Caffe2 installation replaced."""
    first, *others = facts.caffe2.installations
    return changed(facts, "caffe2", installations=(msgspec.structs.replace(first, **fields), *others))


def with_variables(facts: Facts, **variables: str) -> Facts:
    """The same facts with these environment variables and no others."""
    return changed(facts, "environment", variables=tuple(Variable(*pair) for pair in variables.items()))


def with_library(facts: Facts, **fields: Any) -> Facts:
    """The same facts with the project's library of operators built, healthy but for `fields`."""
    healthy = Extension(
        path=LIBRARY,
        owner="project",
        kind="caffe2-ops",
        string_abi="old",
        function_abi="value",
        compilers=("GCC 12.2.0",),
    )
    facts = changed(facts, "project", libraries=(LIBRARY,))
    return changed(facts, "extensions", found=(msgspec.structs.replace(healthy, **fields),))


def modern_box() -> Facts:
    """torch 2.13.0 for the CPU on Debian 12, without a project: nothing is wrong."""
    gxx = Compiler("/usr/bin/g++", "g++", known("12.2.0", "`g++ -dumpfullversion`"))
    cmake = Tool("/usr/bin/cmake", known("3.25.1"))
    provided = ProvidedVersions("/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "system", "3.4.30", "1.3.13")
    glibc = ProvidedVersions("/usr/lib/x86_64-linux-gnu/libc.so.6", "system", glibc="2.36")
    return Facts(
        host=Host(
            distribution=known("Debian GNU/Linux 12 (bookworm)", "/etc/os-release"),
            distribution_id=known("debian", "/etc/os-release"),
            machine=known("x86_64"),
            glibc=known("2.36"),
        ),
        environment=Environment(variables=(Variable("PATH", "/usr/bin:/bin"),)),
        python=Python(
            executable=known("/venv/bin/python"),
            version=known("3.11.7"),
            kind=known("venv"),
            site_packages=("/venv/lib/python3.11/site-packages",),
            headers=known("/usr/include/python3.11"),
        ),
        packages=Packages(
            installed=(Package("torch", "2.13.0+cpu", "/venv/lib/python3.11/site-packages/torch.dist-info"),)
        ),
        cuda=Cuda(default=Absent("no toolkit")),
        cudnn=Cudnn(),
        compilers=Compilers(
            installed=(gxx,),
            c=known(Compiler("/usr/bin/gcc", "gcc", known("12.2.0"))),
            cxx=known(gxx, "c++ on PATH"),
            include_directories=known(("/usr/include/c++/12", "/usr/include/x86_64-linux-gnu/c++/12", "/usr/include")),
        ),
        libstdcxx=Libstdcxx(libraries=(provided,), loaded=known(provided), glibc=known(glibc)),
        cmake=CMake(cmake=known(cmake), make=known(Tool("/usr/bin/make", known("4.3"))), ninja=NOWHERE),
        protobuf=Protobuf(python=NOWHERE, protoc=NOWHERE, default_headers=NOWHERE),
        mkl=Mkl(default_header=NOWHERE),
        caffe2=Caffe2(cmake_finds=NOWHERE, importable=NOWHERE, detectron_lookup=NOWHERE),
        torch=Torch(
            root=known("/venv/lib/python3.11/site-packages/torch"),
            version=known("2.13.0+cpu"),
            cuda=Absent("a CPU build"),
            cxx11_abi=known(True),
            libraries=("/venv/lib/python3.11/site-packages/torch/lib/libc10.so",),
        ),
        project=Project(root=NOWHERE, profile=known("installed"), cmake=NOWHERE, build=NOWHERE),
        headers=Headers(missing=Absent("no sources to compile")),
        probed=AREAS,
    )


def gpu_box() -> Facts:
    """torch 2.13.0 for CUDA 13.0 with its torchvision on two H100, and a project with CUDA code: nothing is wrong."""
    site = "/venv/lib/python3.11/site-packages"
    library = DriverLibrary("/usr/lib/x86_64-linux-gnu/libcuda.so.1", "580.95.05", stub=False)
    toolkit = Toolkit(
        root="/usr/local/cuda-13.0",
        origins=("PATH", "system"),
        version=known("13.0"),
        nvcc=known("/usr/local/cuda-13.0/bin/nvcc"),
        include=known("/usr/local/cuda-13.0/include"),
        libraries=known("/usr/local/cuda-13.0/lib64"),
        architectures=known(("75", "80", "86", "89", "90", "100", "120")),
        host_compilers=known(HostCompilerLimits(gcc=15, clang=20)),
    )
    cudnn = LibraryFile("libcudnn.so.9", f"{site}/nvidia/cudnn/lib/libcudnn.so.9", "9.20.0.48", "pip")
    nccl = LibraryFile("libnccl.so.2", f"{site}/nvidia/nccl/lib/libnccl.so.2", "2.29.7", "pip")
    runtime = LibraryFile("libcudart.so.13", f"{site}/nvidia/cu13/lib/libcudart.so.13", "13.0.96", "pip")
    torchvision = TorchCompanion(
        name="torchvision",
        version="0.28.0+cu130",
        path=f"{site}/torchvision",
        requires_torch="==2.13.0",
        cuda=known("13.0"),
        extension=known(f"{site}/torchvision/_C.so"),
    )
    gpus = tuple(Gpu(index, "NVIDIA H100 80GB HBM3", "9.0", 85_520_809_984) for index in range(2))
    facts = msgspec.structs.replace(
        modern_box(),
        driver=Driver(
            kernel_module=known("580.95.05", "/proc/driver/nvidia/version"),
            library=known(library, "ld.so.cache"),
            libraries=(library,),
            nvml=known("580.95.05", "NVML"),
            cuda=known("13.0", "NVML"),
            gpus=known(gpus, "NVML"),
            device_nodes=("/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl"),
            compat=NOWHERE,
        ),
        cuda=Cuda(toolkits=(toolkit,), default=known(toolkit.root, "nvcc on PATH"), runtimes=(runtime,)),
        cudnn=Cudnn(libraries=(cudnn,), loaded=known(cudnn), nccl_libraries=(nccl,), nccl_loaded=known(nccl)),
    )
    facts = changed(
        facts,
        "torch",
        version=known("2.13.0+cu130"),
        cuda=known("13.0"),
        cudnn=known("9.20.0.48"),
        architectures=known(("75", "80", "86", "90", "100", "120")),
        companions=(torchvision,),
    )
    facts = changed(
        facts, "extensions", found=(Extension(path=f"{site}/torchvision/_C.so", owner="torchvision", kind=""),)
    )
    return changed(
        facts,
        "project",
        root=known(PROJECT),
        profile=known("torch-extension"),
        setup_extensions=(SetupExtension(f"{PROJECT}/setup.py", "CUDAExtension", 9),),
        sources=(f"{PROJECT}/ops.cpp", f"{PROJECT}/ops.cu"),
        has_cuda_sources=True,
    )


def with_toolkit(facts: Facts, **fields: Any) -> Facts:
    """The same facts with fields of the first toolkit replaced."""
    first, *others = facts.cuda.toolkits
    return changed(facts, "cuda", toolkits=(msgspec.structs.replace(first, **fields), *others))


def with_companion(facts: Facts, **fields: Any) -> Facts:
    """The same facts with fields of the first package built against torch replaced."""
    first, *others = facts.torch.companions
    return changed(facts, "torch", companions=(msgspec.structs.replace(first, **fields), *others))


def with_extension(facts: Facts, **fields: Any) -> Facts:
    """The same facts with fields of the first compiled extension replaced."""
    first, *others = facts.extensions.found
    return changed(facts, "extensions", found=(msgspec.structs.replace(first, **fields), *others))


def caffe2_box() -> Facts:
    """PyPI torch 1.0.1 and a project of the DensePose kind before any build, on Debian 12 with CUDA 13.0."""
    toolkit = Toolkit(
        root="/usr/local/cuda-13.0",
        origins=("PATH", "system"),
        version=known("13.0"),
        nvcc=known("/usr/local/cuda-13.0/bin/nvcc"),
        wrapper="/usr/local/bin/nvcc",
        include=known("/usr/local/cuda-13.0/include"),
        libraries=known("/usr/local/cuda-13.0/lib64"),
    )
    header = f"{INCLUDE}/caffe2/proto/caffe2.pb.h"
    installation = Caffe2Installation(
        root=TORCH,
        version=known("1.0.1", CONFIG),
        config=known(CONFIG, CONFIG),
        include_named=(f"{TORCH}/include",),
        include=known(INCLUDE, f"{INCLUDE}/caffe2/core/context.h"),
        headers_missing=("caffe2/utils/threadpool/ThreadPool.h",),
        cmake_targets=("c10_cuda", "c10", "caffe2", "caffe2_gpu"),
        library=known(f"{TORCH}/lib/libcaffe2.so"),
        cxx11_abi=known(False, f"{TORCH}/lib/libcaffe2.so"),
        function_abi=known("value", f"{TORCH}/lib/libcaffe2.so"),
        exports_protobuf=known(False, f"{TORCH}/lib/libcaffe2.so"),
        cuda=known("9.0", f"{TORCH}/version.py"),
        uses_mkl=known(True, f"{INCLUDE}/caffe2/core/macros.h"),
        detectron_ops=known(f"{TORCH}/lib/libcaffe2_detectron_ops_gpu.so"),
    )
    names = ("numpy", "future", "six", "protobuf")
    versions = ("1.21.6", "1.0.0", "1.17.0", "3.20.3")
    facts = modern_box()
    facts = changed(
        facts,
        "python",
        executable=known("/env/bin/python"),
        version=known("3.7.16"),
        site_packages=(SITE,),
        headers=known("/opt/python3.7/include/python3.7m"),
    )
    facts = changed(
        facts,
        "packages",
        installed=tuple(Package(name, version, SITE) for name, version in zip(names, versions, strict=True)),
    )
    facts = changed(
        facts,
        "torch",
        root=known(TORCH),
        version=known("1.0.1"),
        cuda=known("9.0"),
        cxx11_abi=known(False),
        libraries=(f"{TORCH}/lib/libcaffe2.so", f"{TORCH}/lib/libc10.so"),
    )
    facts = changed(
        facts,
        "project",
        root=known(PROJECT),
        profile=known("caffe2-ops"),
        cmake=known(
            CMakeProject(
                path=f"{PROJECT}/CMakeLists.txt",
                minimum=known("2.8.12"),
                packages=("Caffe2",),
                targets=(CMakeTarget("caffe2_ops", "SHARED", ("caffe2_library",), f"{PROJECT}/CMakeLists.txt", 9),),
            )
        ),
        sources=(f"{PROJECT}/ops/zero_even_op.cc", f"{PROJECT}/ops/zero_even_op.cu"),
        has_cuda_sources=True,
        detectron_uses=(SourceUse("libcaffe2_detectron_ops", f"{PROJECT}/python/lookup.py", 10),),
        programs=(SourceUse("cmake", f"{PROJECT}/Makefile", 4),),
    )
    missing = ("google/protobuf/stubs/common.h", "mkl_cblas.h", "caffe2/utils/threadpool/ThreadPool.h")
    return msgspec.structs.replace(
        facts,
        cuda=Cuda(toolkits=(toolkit,), default=known(toolkit.root)),
        protobuf=Protobuf(
            python=known("3.20.3"),
            protoc=NOWHERE,
            default_headers=NOWHERE,
            generated=(GeneratedCode(header, "3.5.0", "3.5.0", False, "caffe2"),),
            python_generated=(
                GeneratedCode(f"{SITE}/caffe2/proto/caffe2_pb2.py", None, None, False, "caffe2", "descriptors"),
            ),
        ),
        caffe2=Caffe2(
            installations=(installation,),
            cmake_finds=NOWHERE,
            importable=known(f"{SITE}/caffe2"),
            detectron_lookup=NOWHERE,
        ),
        headers=Headers(missing=known(missing, "`g++ -M -MG`")),
    )
