"""The environment variables that matter to a build, exactly as set, and those of their entries that name nothing."""

from collections.abc import Iterator, Mapping

from envdoctor.facts import Environment, Facts, Variable
from envdoctor.files import FileView
from envdoctor.target import Target

NEEDS: tuple[str, ...] = ()

_PATH_LISTS = """
    PATH LD_LIBRARY_PATH LIBRARY_PATH CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH OBJC_INCLUDE_PATH PYTHONPATH
    CMAKE_PREFIX_PATH CMAKE_MODULE_PATH CMAKE_INCLUDE_PATH CMAKE_LIBRARY_PATH PKG_CONFIG_PATH COMPILER_PATH
"""
_SINGLE_PATHS = """
    CUDA_HOME CUDA_PATH CUDA_ROOT CUDA_TOOLKIT_ROOT_DIR CUDACXX CUDAHOSTCXX NVCC_CCBIN CONDA_PREFIX VIRTUAL_ENV
    PYTHONHOME MKLROOT MKL_ROOT Caffe2_DIR Torch_DIR CMAKE_TOOLCHAIN_FILE Protobuf_DIR Protobuf_ROOT PROTOBUF_ROOT
    CUDNN_ROOT CUDNN_ROOT_DIR CUDNN_HOME CUDNN_PATH CUDNN_DIR CUDNN_INCLUDE_DIR CUDNN_INCLUDE_PATH CUDNN_LIB_DIR
    CUDNN_LIBRARY CUDNN_LIBRARY_PATH CUDNN_LIBRARY_DIR
    NCCL_ROOT NCCL_ROOT_DIR NCCL_HOME NCCL_PATH NCCL_DIR NCCL_INCLUDE_DIR NCCL_LIB_DIR NCCL_LIBRARY
"""
_SETTINGS = """
    LD_PRELOAD LD_BIND_NOW CC CXX CFLAGS CXXFLAGS CPPFLAGS LDFLAGS CUDAFLAGS CUDAARCHS MAKEFLAGS MAX_JOBS
    NVCC_PREPEND_FLAGS NVCC_APPEND_FLAGS NVCC_FLAGS TORCH_CUDA_ARCH_LIST TORCH_NVCC_FLAGS TORCH_EXTENSIONS_DIR
    TORCH_DONT_CHECK_COMPILER_ABI FORCE_CUDA FORCE_ONLY_CUDA USE_NINJA CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER
    CUDA_MODULE_LOADING CUDA_FORCE_PTX_JIT CUDA_DISABLE_PTX_JIT CUDA_LAUNCH_BLOCKING
    NVIDIA_VISIBLE_DEVICES NVIDIA_DRIVER_CAPABILITIES NVIDIA_REQUIRE_CUDA NVIDIA_DISABLE_REQUIRE
    CMAKE_POLICY_VERSION_MINIMUM CMAKE_GENERATOR CMAKE_BUILD_TYPE CMAKE_ARGS
    PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION TEMPORARILY_DISABLE_PROTOBUF_VERSION_CHECK
    PYTHONNOUSERSITE CONDA_DEFAULT_ENV CONDA_BUILD_SYSROOT
"""
PATH_LISTS, SINGLE_PATHS, SETTINGS = (frozenset(names.split()) for names in (_PATH_LISTS, _SINGLE_PATHS, _SETTINGS))
PREFIXES = ("CUDNN_", "NCCL_")

ENTRIES_AT_MOST = 512
"""Entries of one variable that are looked up."""


def probe(target: Target, _known: Facts) -> Environment:
    """The allowed variables by name; nothing else of the environment goes into a report."""
    variables = tuple(Variable(name, target.environment[name]) for name in sorted(_allowed(target.environment)))
    missing = tuple(
        Variable(variable.name, entry)
        for variable in variables
        for entry in _entries(variable)
        if _names_nothing(target.files, entry)
    )
    return Environment(variables=variables, missing_entries=missing)


def _allowed(environment: Mapping[str, str]) -> Iterator[str]:
    for name in environment:
        if name in PATH_LISTS or name in SINGLE_PATHS or name in SETTINGS or name.startswith(PREFIXES):
            yield name


def _entries(variable: Variable) -> tuple[str, ...]:
    if variable.name in PATH_LISTS:
        # The loader, and it alone, takes a semicolon as well.
        value = variable.value.replace(";", ":") if variable.name == "LD_LIBRARY_PATH" else variable.value
        return tuple(dict.fromkeys(value.split(":", ENTRIES_AT_MOST)[:ENTRIES_AT_MOST]))
    if variable.name == "LD_PRELOAD":
        return tuple(dict.fromkeys(variable.value.replace(":", " ").split()[:ENTRIES_AT_MOST]))
    return (variable.value,) if variable.name in SINGLE_PATHS else ()


def _names_nothing(files: FileView, entry: str) -> bool:
    """Only absolute paths can be looked up without the directory that a build starts in. What no shell expanded, `~`,
    `$` or a quote, is used by programs as it stands and names nothing."""
    if entry.startswith(("~", "$", '"', "'", " ")):
        return True
    return entry.startswith("/") and not files.is_dir(entry) and not files.is_file(entry)
