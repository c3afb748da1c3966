"""Which library should define a symbol, by the beginning of its name.

A table of facts, used to explain and never to judge.
"""

from typing import NamedTuple


class Owner(NamedTuple):
    """`libraries`: stems of file names, `libc10` for libc10.so and libc10.so.1, the likeliest first."""

    prefix: str
    libraries: tuple[str, ...]


_TORCH = ("libtorch_cpu", "libtorch", "libcaffe2")

# Qualified C++ names. A longer prefix stands before a shorter one that it begins with.
_CPLUSPLUS = (
    Owner("c10::cuda::", ("libc10_cuda", "libc10")),
    Owner("c10::hip::", ("libc10_hip",)),
    Owner("c10::", ("libc10", "libtorch_cpu", "libcaffe2")),
    Owner("at::cuda::", ("libtorch_cuda", "libtorch_cuda_cpp", "libtorch_cuda_cu", "libtorch", "libcaffe2_gpu")),
    Owner("at::native::", (*_TORCH, "libtorch_cuda", "libtorch_cuda_cu")),
    Owner("at::", _TORCH),
    Owner("torch::autograd::THP", ("libtorch_python",)),
    Owner("torch::jit::", ("libtorch_cpu", "libtorch", "libtorch_python")),
    Owner("torch::", ("libtorch_cpu", "libtorch", "libtorch_python")),
    Owner("caffe2::CUDA", ("libcaffe2_gpu", "libtorch_cuda", "libtorch")),
    Owner("caffe2::", ("libcaffe2", "libtorch_cpu", "libtorch", "libcaffe2_gpu")),
    Owner("google::protobuf::", ("libprotobuf",)),
    Owner("vision::", ("libtorchvision",)),
    Owner("cv::", ("libopencv_core", "libopencv_imgproc", "libopencv_world")),
    Owner("tbb::", ("libtbb",)),
    Owner("std::", ("libstdc++",)),
    Owner("__gnu_cxx::", ("libstdc++",)),
    Owner("__cxxabiv1::", ("libstdc++",)),
)

# C names.
_C = (
    Owner("cublasLt", ("libcublasLt",)),
    Owner("cublas", ("libcublas",)),
    Owner("cudnn", ("libcudnn",)),
    Owner("cufft", ("libcufft",)),
    Owner("curand", ("libcurand",)),
    Owner("cusolver", ("libcusolver",)),
    Owner("cusparse", ("libcusparse",)),
    Owner("nvJitLink", ("libnvJitLink",)),
    Owner("__nvJitLink", ("libnvJitLink",)),
    Owner("nvrtc", ("libnvrtc",)),
    Owner("nvtx", ("libnvToolsExt",)),
    Owner("nccl", ("libnccl",)),
    Owner("cupti", ("libcupti",)),
    Owner("nvml", ("libnvidia-ml",)),
    Owner("__cuda", ("libcudart",)),
    Owner("cuda", ("libcudart",)),
    Owner("cu", ("libcuda",)),
    Owner("THPVariable", ("libtorch_python",)),
    Owner("THP", ("libtorch_python",)),
    Owner("THC", ("libcaffe2_gpu", "libtorch_cuda", "libtorch")),
    Owner("TH", ("libcaffe2", "libtorch_cpu", "libtorch")),
    Owner("_Py", ("libpython",)),
    Owner("Py", ("libpython",)),
    Owner("GOMP_", ("libgomp",)),
    Owner("omp_", ("libgomp", "libiomp5")),
    Owner("__kmpc_", ("libiomp5", "libomp")),
    Owner("mkl_", ("libmkl_rt", "libmkl_core")),
    Owner("cblas_", ("libmkl_rt", "libopenblas", "libcblas")),
    Owner("MPI_", ("libmpi",)),
    Owner("__cxa_", ("libstdc++",)),
)


def libraries_for(qualified: str) -> tuple[str, ...]:
    """Stems of the libraries that should define a symbol, by its qualified name; empty where the table has none."""
    for owner in _CPLUSPLUS if "::" in qualified else _C:
        if qualified.startswith(owner.prefix) and _is_whole(owner.prefix, qualified):
            return owner.libraries
    return ()


def _is_whole(prefix: str, name: str) -> bool:
    """`cu` is the driver's prefix only where a capital follows: cuInit, not cursor."""
    rest = name[len(prefix) : len(prefix) + 1]
    return prefix.endswith(("::", "_")) or prefix in ("__cuda", "__nvJitLink") or not rest.islower() or prefix == "_Py"


def is_named(file_name: str, stem: str) -> bool:
    """True when a file or soname is of that library: libc10.so of `libc10`, also with a version or a wheel's hash.

    auditwheel renames libcudart.so.11.0 to libcudart-e409450e.so.11.0, and libpython carries its version before
    `.so`.
    """
    name = file_name.rpartition("/")[2]
    if not name.startswith(stem):
        return False
    rest = name[len(stem) :]
    return rest == "" or rest.startswith((".", "-")) or (rest[0].isdigit() and ".so" in rest)
