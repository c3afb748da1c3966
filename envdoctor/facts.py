"""The typed facts: what probes found, where they found it, and what they could not find or read.

Paths are absolute POSIX strings as the target sees them; versions are dotted strings as the source wrote them;
sizes are bytes. Every area has a default that says "nothing found"; `Facts.probed` tells whether anyone looked.
"""

from collections.abc import Mapping
from posixpath import normpath
from typing import Generic, TypeAlias, TypeVar, Union

import msgspec

from envdoctor.op_results import OpResult

T = TypeVar("T")


class Known(msgspec.Struct, Generic[T], frozen=True, tag="known", tag_field="state", omit_defaults=True):
    """A value, the file, command or variable that told it, and the text it was read from."""

    value: T
    found_via: str
    raw: str = ""


class Absent(msgspec.Struct, frozen=True, tag="absent", tag_field="state", omit_defaults=True):
    """Looked for in the places named and not there."""

    reason: str
    looked: tuple[str, ...] = ()


class Unreadable(msgspec.Struct, frozen=True, tag="unreadable", tag_field="state", omit_defaults=True):
    """There, or perhaps there, but it could not be read: no permission, damage, a hang, a crash."""

    reason: str
    found_via: str = ""


Fact: TypeAlias = Union[Known[T], Absent, Unreadable]  # noqa: UP007 - `|` gives no generic alias here

NOT_LOOKED = Absent("not looked for")


def value_of(fact: Fact[T]) -> T | None:
    """The value, or None where it is absent or unreadable."""
    return fact.value if isinstance(fact, Known) else None


class Area(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one probe found out about one subject."""


# Host


class Host(Area, frozen=True):
    distribution: Fact[str] = NOT_LOOKED
    """PRETTY_NAME of os-release."""
    distribution_id: Fact[str] = NOT_LOOKED
    """`debian`, `ubuntu`, `rhel`, ...: decides the package manager that a remedy names."""
    kernel: Fact[str] = NOT_LOOKED
    machine: Fact[str] = NOT_LOOKED
    """`x86_64`, `aarch64`."""
    glibc: Fact[str] = NOT_LOOKED
    cpu: Fact[str] = NOT_LOOKED
    cores: Fact[int] = NOT_LOOKED
    memory: Fact[int] = NOT_LOOKED
    container: Fact[str] = NOT_LOOKED
    """`docker`, `podman`, `kubernetes`, ...; Absent outside one."""
    wsl: Fact[str] = NOT_LOOKED


class Variable(msgspec.Struct, frozen=True):
    """One environment variable that matters to a build, exactly as set."""

    name: str
    value: str


class Environment(Area, frozen=True):
    variables: tuple[Variable, ...] = ()
    missing_entries: tuple[Variable, ...] = ()
    """Entries of path lists (and single paths) that name nothing that exists."""

    def get(self, name: str) -> str | None:
        """The value, None where the variable is not set."""
        return next((variable.value for variable in self.variables if variable.name == name), None)


# Interpreter and packages


class Python(Area, frozen=True):
    executable: Fact[str] = NOT_LOOKED
    chosen_by: str = ""
    version: Fact[str] = NOT_LOOKED
    implementation: Fact[str] = NOT_LOOKED
    prefix: Fact[str] = NOT_LOOKED
    base_prefix: Fact[str] = NOT_LOOKED
    kind: Fact[str] = NOT_LOOKED
    """`venv`, `conda`, `pyenv` or `system`."""
    site_packages: tuple[str, ...] = ()
    sys_path: tuple[str, ...] = ()
    """As a program would see it: PYTHONPATH, the standard library, site directories and their .pth entries."""
    extension_suffix: Fact[str] = NOT_LOOKED
    """Such as `.cpython-311-x86_64-linux-gnu.so`; `.so` for Python 2.7."""
    headers: Fact[str] = NOT_LOOKED
    """The directory that holds Python.h; Absent when the headers are not installed."""
    externally_managed: Fact[str] = NOT_LOOKED
    """The EXTERNALLY-MANAGED marker that makes pip refuse."""


class Package(msgspec.Struct, frozen=True):
    name: str
    """Normalised as PEP 503 says."""
    version: str
    path: str
    """Its dist-info or egg-info."""


class Packages(Area, frozen=True):
    installed: tuple[Package, ...] = ()
    """In the order of sys.path: the first of a name is the one that is imported."""
    unreadable: tuple[Unreadable, ...] = ()

    def get(self, name: str) -> Package | None:
        """The first of that normalised name."""
        return next((package for package in self.installed if package.name == name), None)


# Driver and GPUs


class DriverLibrary(msgspec.Struct, frozen=True):
    path: str
    version: str | None
    """From the file that libcuda.so.1 links to, such as `535.104.05`."""
    stub: bool
    """True for the toolkit's linking stub, which drives nothing."""


class Gpu(msgspec.Struct, frozen=True):
    index: int
    name: str
    compute_capability: str | None
    """Such as `8.6`."""
    memory: int | None


class Driver(Area, frozen=True):
    kernel_module: Fact[str] = NOT_LOOKED
    """Version of the loaded kernel module."""
    library: Fact[DriverLibrary] = NOT_LOOKED
    """The libcuda.so.1 that the loader would take."""
    libraries: tuple[DriverLibrary, ...] = ()
    """Every libcuda.so.1 that was met, stubs and cuda-compat included."""
    nvml: Fact[str] = NOT_LOOKED
    """Version of the driver as NVML tells it; Unreadable with NVML's own error, or with the seconds waited."""
    cuda: Fact[str] = NOT_LOOKED
    """Newest CUDA that the driver speaks natively, such as `13.0`."""
    gpus: Fact[tuple[Gpu, ...]] = NOT_LOOKED
    device_nodes: tuple[str, ...] = ()
    compat: Fact[DriverLibrary] = NOT_LOOKED
    """libcuda of a cuda-compat (forward compatibility) package."""


# CUDA


class HostCompilerLimits(msgspec.Struct, frozen=True):
    """Newest majors that nvcc accepts, inclusive."""

    gcc: int | None
    clang: int | None


class Toolkit(msgspec.Struct, frozen=True, kw_only=True):
    root: str
    origins: tuple[str, ...]
    """How it was met: `CUDA_HOME`, `CUDA_PATH`, `PATH`, `conda`, `pip`, `system`."""
    version: Fact[str]
    """Release of nvcc (or of the headers where there is no nvcc), such as `13.0`."""
    nvcc: Fact[str]
    wrapper: str | None = None
    """A script on PATH that starts this nvcc from elsewhere."""
    include: Fact[str] = NOT_LOOKED
    """Directory of cuda_runtime.h."""
    libraries: Fact[str] = NOT_LOOKED
    """Directory of libcudart.so."""
    architectures: Fact[tuple[str, ...]] = NOT_LOOKED
    """What it can emit: `75`, `90a`, ..."""
    host_compilers: Fact[HostCompilerLimits] = NOT_LOOKED


class LibraryFile(msgspec.Struct, frozen=True):
    """A library of one release. `origin` is `conda`, `pip`, `system`, `torch`, `LD_LIBRARY_PATH`, ..."""

    name: str
    """Such as `libcudnn.so.8`."""
    path: str
    version: str | None
    origin: str


class HeaderFile(msgspec.Struct, frozen=True):
    path: str
    version: str | None
    origin: str


class Cuda(Area, frozen=True):
    toolkits: tuple[Toolkit, ...] = ()
    default: Fact[str] = NOT_LOOKED
    """Root that a torch extension build takes: CUDA_HOME, CUDA_PATH, nvcc on PATH, /usr/local/cuda."""
    runtimes: tuple[LibraryFile, ...] = ()
    """Every libcudart.so.N met."""
    in_library_path: tuple[LibraryFile, ...] = ()
    """CUDA libraries that LD_LIBRARY_PATH offers before any other: libcudart, libcublas, libcudnn, libnccl, ..."""
    stubs_in_library_path: tuple[str, ...] = ()
    """Directories named `stubs` on LD_LIBRARY_PATH that hold libcuda."""

    def toolkit(self) -> Toolkit | None:
        """The default toolkit."""
        root = value_of(self.default)
        return next((toolkit for toolkit in self.toolkits if toolkit.root == root), None)


class Cudnn(Area, frozen=True):
    headers: tuple[HeaderFile, ...] = ()
    libraries: tuple[LibraryFile, ...] = ()
    loaded: Fact[LibraryFile] = NOT_LOOKED
    """The one that a process with this torch (or Caffe2) would load."""
    nccl_headers: tuple[HeaderFile, ...] = ()
    nccl_libraries: tuple[LibraryFile, ...] = ()
    nccl_loaded: Fact[LibraryFile] = NOT_LOOKED


# Tools


class Tool(msgspec.Struct, frozen=True):
    path: str
    version: Fact[str]


class Compiler(msgspec.Struct, frozen=True):
    path: str
    kind: str
    """`gcc`, `g++`, `clang`, `clang++` or the name as found."""
    version: Fact[str]


class Compilers(Area, frozen=True):
    installed: tuple[Compiler, ...] = ()
    c: Fact[Compiler] = NOT_LOOKED
    """What a build takes: CC, else cc, else gcc."""
    cxx: Fact[Compiler] = NOT_LOOKED
    """CXX, else c++, else g++."""
    cuda_host: Fact[Compiler] = NOT_LOOKED
    """What nvcc starts: CUDAHOSTCXX or NVCC_CCBIN, else the C++ compiler."""
    include_directories: Fact[tuple[str, ...]] = NOT_LOOKED
    """Where the C++ compiler looks by itself, in order, after CPATH and CPLUS_INCLUDE_PATH."""


class ProvidedVersions(msgspec.Struct, frozen=True):
    """Newest symbol versions that a C or C++ runtime library defines, such as `3.4.30`."""

    path: str
    origin: str
    glibcxx: str | None = None
    cxxabi: str | None = None
    glibc: str | None = None


class Libstdcxx(Area, frozen=True):
    libraries: tuple[ProvidedVersions, ...] = ()
    """Every libstdc++.so.6 met."""
    loaded: Fact[ProvidedVersions] = NOT_LOOKED
    """The one that the interpreter's process would load."""
    glibc: Fact[ProvidedVersions] = NOT_LOOKED


class CMake(Area, frozen=True):
    cmake: Fact[Tool] = NOT_LOOKED
    others: tuple[Tool, ...] = ()
    """Further cmakes on PATH, shadowed by the first."""
    ninja: Fact[Tool] = NOT_LOOKED
    make: Fact[Tool] = NOT_LOOKED


# Libraries that the build needs


class ProtobufHeaders(msgspec.Struct, frozen=True):
    include: str
    """The directory to put on the include path."""
    version: str | None
    min_protoc: str | None
    """Oldest protoc whose code these headers accept."""
    origin: str


class GeneratedCode(msgspec.Struct, frozen=True):
    """A `*.pb.h` and the header versions that it accepts, computed from its own `#if` lines."""

    path: str
    generated_by: str | None
    """protoc's version."""
    minimum: str | None
    exact: bool
    """True since protoc 26: headers of that very version only."""
    owner: str
    """`caffe2` or `project`."""
    style: str = ""
    """Of Python code: `descriptors` (protoc before 3.19; protobuf 4 and later refuse it), `pool` (3.19), `builder`
    (from 3.20 on) or `versioned` (from 5.26 on, with its version in it)."""


class Protobuf(Area, frozen=True):
    python: Fact[str] = NOT_LOOKED
    protoc: Fact[Tool] = NOT_LOOKED
    """The first on PATH."""
    protocs: tuple[Tool, ...] = ()
    headers: tuple[ProtobufHeaders, ...] = ()
    default_headers: Fact[ProtobufHeaders] = NOT_LOOKED
    """Those that the compiler finds: CPATH, CPLUS_INCLUDE_PATH, then its own directories."""
    libraries: tuple[LibraryFile, ...] = ()
    """libprotobuf, shared and static."""
    generated: tuple[GeneratedCode, ...] = ()
    python_generated: tuple[GeneratedCode, ...] = ()
    """`*_pb2.py` of Caffe2 and of the project."""
    unreadable: tuple[Unreadable, ...] = ()


class Mkl(Area, frozen=True):
    headers: tuple[HeaderFile, ...] = ()
    """Every mkl_cblas.h met."""
    default_header: Fact[str] = NOT_LOOKED
    """The mkl_cblas.h that the compiler finds."""
    libraries: tuple[LibraryFile, ...] = ()


# Frameworks


class Caffe2Installation(msgspec.Struct, frozen=True, kw_only=True):
    root: str
    """The directory that holds `lib/libcaffe2.so`: `<site>/torch` or a CMake prefix."""
    version: Fact[str]
    config: Fact[str]
    """Caffe2Config.cmake."""
    config_is_build_tree: bool = False
    """True when the configuration belongs to a build directory and includes files that only an install has."""
    include_named: tuple[str, ...] = ()
    """Include directories that its CMake targets name, existing or not."""
    include: Fact[str] = NOT_LOOKED
    """The directory that really holds caffe2/core/context.h."""
    headers_missing: tuple[str, ...] = ()
    """Headers that its own headers include and the package leaves out: caffe2/utils/threadpool/ThreadPool.h."""
    cmake_targets: tuple[str, ...] = ()
    library: Fact[str] = NOT_LOOKED
    """libcaffe2.so or libtorch*.so, whichever holds the Caffe2 core."""
    cxx11_abi: Fact[bool] = NOT_LOOKED
    """The _GLIBCXX_USE_CXX11_ABI that it was built with."""
    function_abi: Fact[str] = NOT_LOOKED
    """`value` or `reference`: how std::function passes arguments."""
    exports_protobuf: Fact[bool] = NOT_LOOKED
    """False when the library keeps its protobuf to itself."""
    cuda: Fact[str] = NOT_LOOKED
    """CUDA release it was built with; Absent for a CPU build."""
    uses_mkl: Fact[bool] = NOT_LOOKED
    detectron_ops: Fact[str] = NOT_LOOKED
    """libcaffe2_detectron_ops*.so."""


class Caffe2(Area, frozen=True):
    installations: tuple[Caffe2Installation, ...] = ()
    """The first is the one that the interpreter imports."""
    cmake_finds: Fact[str] = NOT_LOOKED
    """Caffe2Config.cmake that find_package would take from Caffe2_DIR, CMAKE_PREFIX_PATH and the system prefixes."""
    importable: Fact[str] = NOT_LOOKED
    """The caffe2 Python package on sys.path."""
    detectron_lookup: Fact[str] = NOT_LOOKED
    """What Caffe2's Python side finds: `lib/libcaffe2_detectron_ops*.so` below an entry of sys.path."""

    def first(self) -> Caffe2Installation | None:
        """The installation that the interpreter imports."""
        return self.installations[0] if self.installations else None

    def built_against(self) -> Caffe2Installation | None:
        """The installation whose configuration CMake finds, else the one that the interpreter imports."""
        found = value_of(self.cmake_finds)
        for installation in self.installations:
            config = value_of(installation.config)
            if found is not None and config is not None and normpath(config) == normpath(found):
                return installation
        return self.first()


class TorchCompanion(msgspec.Struct, frozen=True, kw_only=True):
    """A package built against torch: torchvision, torchaudio, detectron2, mmcv."""

    name: str
    version: str
    path: str
    requires_torch: str | None = None
    """The specifier in its metadata, such as `==1.13.1`."""
    cuda: Fact[str] = NOT_LOOKED
    extension: Fact[str] = NOT_LOOKED
    """Its compiled part; Absent when it was installed without one."""


class Torch(Area, frozen=True):
    root: Fact[str] = NOT_LOOKED
    version: Fact[str] = NOT_LOOKED
    cuda: Fact[str] = NOT_LOOKED
    """CUDA release it was built with; Absent for a CPU build."""
    hip: Fact[str] = NOT_LOOKED
    cudnn: Fact[str] = NOT_LOOKED
    """cuDNN it was built with."""
    cxx11_abi: Fact[bool] = NOT_LOOKED
    architectures: Fact[tuple[str, ...]] = NOT_LOOKED
    """Those for which nearly all of its kernels have code: `75`, `90a`, PTX as `90+PTX`."""
    include: Fact[str] = NOT_LOOKED
    libraries: tuple[str, ...] = ()
    """lib*.so below its lib directory."""
    missing_requirements: tuple[str, ...] = ()
    """nvidia-* packages that its metadata requires for this platform and that are not installed."""
    differing_requirements: tuple[str, ...] = ()
    """Those that it requires in one exact version and that are installed in another: `name==wanted`."""
    companions: tuple[TorchCompanion, ...] = ()
    others: tuple[str, ...] = ()
    """Further torch packages on sys.path, shadowed by the first."""

    def companion(self, name: str) -> TorchCompanion | None:
        return next((companion for companion in self.companions if companion.name == name), None)


# Compiled extensions


class UndefinedSymbol(msgspec.Struct, frozen=True):
    symbol: str
    demangled: str
    version: str
    needed_by: str
    reason: str
    """`string-abi`, `other-release`, `not-linked`, `missing-library`, `hidden`, `version` or `unknown`."""
    candidates: tuple[str, ...] = ()


class MissingLibrary(msgspec.Struct, frozen=True):
    name: str
    needed_by: str
    tried: tuple[str, ...] = ()


class MissingVersion(msgspec.Struct, frozen=True):
    version: str
    library: str
    have: str
    needed_by: str


class ResolvedLibrary(msgspec.Struct, frozen=True):
    name: str
    path: str
    found_via: str


class Extension(msgspec.Struct, frozen=True, kw_only=True):
    """One compiled extension, judged in the process that would load it."""

    path: str
    owner: str
    """`project`, or the name of the package."""
    kind: str
    """`caffe2-ops`, `torch-extension`."""
    undefined: tuple[UndefinedSymbol, ...] = ()
    undefined_count: int = 0
    """All of them; `undefined` holds the first of each reason and library."""
    missing: tuple[MissingLibrary, ...] = ()
    versions: tuple[MissingVersion, ...] = ()
    cuda_libraries: tuple[ResolvedLibrary, ...] = ()
    """Where libcudart, libcudnn, libcuda, ... of its closure come from."""
    string_abi: str = "unknown"
    function_abi: str = "unknown"
    functors_in_place: tuple[str, ...] = ()
    """Examples of functors that it keeps inside std::function, as GCC 5 and later do."""
    lent: tuple[str, ...] = ()
    """Libraries that it finds only because the process has them already: those of torch, after `import torch`."""
    compilers: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    python_tag: str | None = None
    """Interpreter that its file name is made for, such as `cpython-37m`."""


class Extensions(Area, frozen=True):
    found: tuple[Extension, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


# Project


class CMakeTarget(msgspec.Struct, frozen=True):
    name: str
    kind: str
    """`SHARED`, `STATIC`, `MODULE`, `EXECUTABLE`, ..."""
    links: tuple[str, ...] = ()
    path: str = ""
    line: int = 0


class CMakeProject(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    minimum: Fact[str] = NOT_LOOKED
    """Argument of cmake_minimum_required."""
    packages: tuple[str, ...] = ()
    """find_package names."""
    targets: tuple[CMakeTarget, ...] = ()
    languages: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    """Compiler flags that the files set, such as `-D_GLIBCXX_USE_CXX11_ABI=0`."""
    variables: tuple[Variable, ...] = ()
    """What the files set of the variables that lead to packages: Caffe2_DIR, CMAKE_PREFIX_PATH."""
    imported: tuple[str, ...] = ()
    """Targets that the files declare as imported or as an alias."""


class SetupExtension(msgspec.Struct, frozen=True):
    path: str
    kind: str
    """`CppExtension`, `CUDAExtension`, `Extension`, `CMakeExtension`."""
    line: int


class BuildDirectory(msgspec.Struct, frozen=True):
    path: str
    cache: tuple[Variable, ...] = ()
    """Entries of CMakeCache.txt that matter: compilers, Caffe2_DIR, CUDA roots, build type."""

    def get(self, name: str) -> str | None:
        return next((entry.value for entry in self.cache if entry.name == name), None)


class Toolchain(msgspec.Struct, frozen=True):
    """A CMake toolchain file, run as far as its commands are plain."""

    path: str
    variables: tuple[Variable, ...] = ()
    """What it sets of the variables that matter: flags, libraries, prefixes, roots."""
    targets: tuple[str, ...] = ()
    """Those that the files declare which CMAKE_PROJECT_INCLUDE has CMake read."""
    functions: tuple[str, ...] = ()
    """Commands that these files define, in lower case."""
    unfollowed: tuple[str, ...] = ()
    """What was not followed, with its place; empty where all that the file brings is known."""

    def get(self, name: str) -> str | None:
        return next((variable.value for variable in self.variables if variable.name == name), None)


class SourceUse(msgspec.Struct, frozen=True):
    """A name in the project's files that a check asks about, with the place."""

    name: str
    path: str
    line: int


class Project(Area, frozen=True):
    root: Fact[str] = NOT_LOOKED
    profile: Fact[str] = NOT_LOOKED
    """`caffe2-ops`, `torch-extension` or `installed`."""
    cmake: Fact[CMakeProject] = NOT_LOOKED
    setup_extensions: tuple[SetupExtension, ...] = ()
    build: Fact[BuildDirectory] = NOT_LOOKED
    toolchain: Fact[Toolchain] = NOT_LOOKED
    """The CMake toolchain file of the next build: that of the configured build directory, else of the environment."""
    sources: tuple[str, ...] = ()
    """C, C++ and CUDA files that belong to the ops."""
    sources_named: bool = False
    """True where build files name them; otherwise they are all that lie in the project, tests and examples apart."""
    has_cuda_sources: bool = False
    includes: tuple[SourceUse, ...] = ()
    """Headers of frameworks that the sources include."""
    single_argument_calls: tuple[SourceUse, ...] = ()
    """GetSingleArgument without `template` in a class template, named as written: alone, `this->...` or
    `OperatorBase::...`. Compilers refuse the first two; the last compiles with Caffe2 1.0.1 and 1.4.0."""
    detectron_uses: tuple[SourceUse, ...] = ()
    """Where its Python files look for Detectron's operators or import Detectron."""
    programs: tuple[SourceUse, ...] = ()
    """Programs that its Makefile starts: cmake, make, python2, ..."""
    missing_programs: tuple[SourceUse, ...] = ()
    """Those of `programs` that PATH does not offer."""
    build_requires: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    """Shared libraries already built."""
    include_directories: tuple[str, ...] = ()
    """Those of its own that its build files name and that exist."""
    generated: tuple[str, ...] = ()
    """`*.pb.h` and `*_pb2.py` that lie in it or in its build directory."""
    protos: tuple[str, ...] = ()
    """Its `*.proto`."""
    unreadable: tuple[Unreadable, ...] = ()
    """Files that could not be read or understood, and limits that ended the reading."""


class Headers(Area, frozen=True):
    """What the compiler's own preprocessor misses over the project's sources."""

    missing: Fact[tuple[str, ...]] = NOT_LOOKED
    searched: tuple[str, ...] = ()


class Smoke(Area, frozen=True):
    """What running the compiled ops gave. No probe finds it out: only `--smoke` runs what it examines."""

    ops: tuple[OpResult, ...] = ()


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All areas. An area that is not in `probed` holds its default and says nothing."""

    host: Host = Host()
    environment: Environment = Environment()
    python: Python = Python()
    packages: Packages = Packages()
    driver: Driver = Driver()
    cuda: Cuda = Cuda()
    cudnn: Cudnn = Cudnn()
    compilers: Compilers = Compilers()
    libstdcxx: Libstdcxx = Libstdcxx()
    cmake: CMake = CMake()
    protobuf: Protobuf = Protobuf()
    mkl: Mkl = Mkl()
    caffe2: Caffe2 = Caffe2()
    torch: Torch = Torch()
    extensions: Extensions = Extensions()
    project: Project = Project()
    headers: Headers = Headers()
    smoke: Smoke = Smoke()
    probed: tuple[str, ...] = ()
    failed: Mapping[str, str] = {}
    """Areas whose probe itself broke, with the reason."""


AREAS: tuple[str, ...] = tuple(
    field.name for field in msgspec.structs.fields(Facts) if field.name not in ("probed", "failed")
)
# Areas that no probe fills.
NOT_PROBED = ("smoke",)
