"""The build directory of a project and what its CMakeCache.txt remembers."""

from collections.abc import Iterable

from envdoctor.facts import Absent, BuildDirectory, Fact, Known, Unreadable, Variable
from envdoctor.files import FileView
from envdoctor.probes.reading import text_of

CACHE_LIMIT = 2 << 20
ENTRIES_AT_MOST = 400

ENTRIES = frozenset(
    (
        *("CMAKE_HOME_DIRECTORY", "CMAKE_CACHEFILE_DIR", "CMAKE_COMMAND", "CMAKE_GENERATOR", "CMAKE_MAKE_PROGRAM"),
        *("CMAKE_CACHE_MAJOR_VERSION", "CMAKE_CACHE_MINOR_VERSION", "CMAKE_CACHE_PATCH_VERSION"),
        *("CMAKE_BUILD_TYPE", "CMAKE_PREFIX_PATH", "CMAKE_TOOLCHAIN_FILE", "CMAKE_INSTALL_PREFIX"),
        *("CMAKE_C_COMPILER", "CMAKE_CXX_COMPILER", "CMAKE_CUDA_COMPILER", "CMAKE_CUDA_HOST_COMPILER"),
        *("CMAKE_C_FLAGS", "CMAKE_CXX_FLAGS", "CMAKE_CUDA_FLAGS", "CMAKE_CUDA_ARCHITECTURES"),
        *("CMAKE_CXX_STANDARD_LIBRARIES", "CMAKE_POLICY_VERSION_MINIMUM"),
        *("CUDA_TOOLKIT_ROOT_DIR", "CUDAToolkit_ROOT", "CUDA_NVCC_EXECUTABLE", "CUDA_HOST_COMPILER", "CUDA_NVCC_FLAGS"),
        *("CUDA_INCLUDE_DIRS", "CUDA_CUDART_LIBRARY", "CUDA_VERSION", "TORCH_CUDA_ARCH_LIST", "TORCH_LIBRARY"),
        *("PYTHON_EXECUTABLE", "PYTHON_INCLUDE_DIR", "PYTHON_LIBRARY", "Python_EXECUTABLE", "Python3_EXECUTABLE"),
    )
)
PREFIXES = ("Caffe2_", "Torch_", "caffe2_", "c10_", "CUDNN_", "NCCL_", "MKL", "Protobuf_", "PROTOBUF_", "protobuf_")


def read_build(files: FileView, root: str, directories: Iterable[str]) -> Fact[BuildDirectory]:
    """The first build directory that CMake configured."""
    looked: list[str] = []
    broken: Unreadable | None = None
    for directory in directories:
        path = f"{directory}/CMakeCache.txt"
        text = text_of(files, path, CACHE_LIMIT)
        if isinstance(text, Known):
            return Known(BuildDirectory(directory, entries_of_cache(text.value)), path)
        if isinstance(text, Unreadable):
            broken = broken or text
        looked.append(directory)
    return broken or Absent("no directory with a CMakeCache.txt", tuple(looked) or (f"{root}/build",))


def entries_of_cache(text: str) -> tuple[Variable, ...]:
    """The entries that say which compilers, packages and toolkits a build was configured with.

    The form is `KEY:TYPE=VALUE`; a key that holds a colon or begins with `//` or `#` stands in quotes.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line or line[0] in "#/":
            continue
        key, equals, value = line.partition("=")
        name = key.rpartition(":")[0].strip('"')
        if equals and (name in ENTRIES or name.startswith(PREFIXES)) and not name.endswith("-ADVANCED"):
            found.setdefault(name, value)
    return tuple(Variable(name, value) for name, value in list(found.items())[:ENTRIES_AT_MOST])
