"""The library that holds Caffe2's core: which file it is, its ABIs, and whether it lends its protobuf."""

from typing import TYPE_CHECKING

import msgspec

from envdoctor.facts import Absent, Fact, Known, Unreadable
from envdoctor.files import FileView
from envdoctor.probes.reading import names_in, reason_of

if TYPE_CHECKING:
    from envdoctor.elf.symbols import Symbols

# In the order in which releases moved the core: libcaffe2 up to torch 1.2, then libtorch, libtorch_cpu since 1.4.
CORE_LIBRARIES = ("libcaffe2.so", "libtorch_cpu.so", "libtorch.so")
# caffe2::CPUOperatorRegistry() returns a registry keyed by std::string: its name tells the ABI by itself.
REGISTRY = {False: b"_ZN6caffe219CPUOperatorRegistryEv", True: b"_ZN6caffe219CPUOperatorRegistryB5cxx11Ev"}
# In every libprotobuf since 2.x, and free of strings, so that the string ABI does not change their names.
PROTOBUF = (b"_ZN6google8protobuf8internal13VerifyVersionEiiPKc", b"_ZN6google8protobuf23ShutdownProtobufLibraryEv")
GPU_LIBRARIES = ("libcaffe2_gpu.so", "libtorch_cuda.so", "libtorch.so")


class Core(msgspec.Struct, frozen=True):
    """What the symbols of the core library tell."""

    library: Fact[str]
    cxx11_abi: Fact[bool]
    function_abi: Fact[str]
    exports_protobuf: Fact[bool]


def read_core(files: FileView, directory: str) -> Core:
    """Look for the operator registry in the libraries of one directory."""
    from envdoctor.elf.file import ElfError, open_elf
    from envdoctor.elf.hashtable import gnu_hash
    from envdoctor.elf.symbols import Symbols

    problem: Unreadable | None = None
    looked = [f"{directory}/{name}" for name in CORE_LIBRARIES]
    for path in looked:
        if not files.is_file(path):
            continue
        try:
            symbols = Symbols(open_elf(files, path))
            for cxx11, name in REGISTRY.items():
                if symbols.defines_any(name, gnu_hash(name)):
                    return _described(path, cxx11, name.decode(), symbols)
        except ElfError as error:
            problem = problem or Unreadable(str(error), path)
        except OSError as error:
            problem = problem or Unreadable(reason_of(error), path)
    nothing = problem or Absent("no library here holds the operators of Caffe2", tuple(looked))
    return Core(nothing, nothing, nothing, nothing)


def detectron_ops(files: FileView, directory: str) -> Fact[str]:
    """libcaffe2_detectron_ops_gpu.so, else the one for the CPU."""
    names = [name for name in names_in(files, directory) if name.startswith("libcaffe2_detectron_ops")]
    for name in sorted(names, key=lambda name: "_gpu" not in name):
        if name.endswith(".so"):
            return Known(f"{directory}/{name}", directory)
    return Absent("this installation has no Detectron module", (f"{directory}/libcaffe2_detectron_ops*.so",))


def cuda_runtime(files: FileView, directory: str) -> Fact[str]:
    """The CUDA release whose runtime its GPU library needs; since CUDA 11 the name tells the major release alone."""
    from envdoctor.elf.file import ElfError, open_elf

    for path in (f"{directory}/{name}" for name in GPU_LIBRARIES):
        if not files.is_file(path):
            continue
        try:
            needed = open_elf(files, path).needed
        except (ElfError, OSError) as error:
            return Unreadable(str(error) if isinstance(error, ElfError) else reason_of(error), path)
        for name in needed:
            if name.startswith("libcudart"):
                release = name.partition(".so.")[2]
                major = release.partition(".")[0]
                return Known(major if major.isdigit() and int(major) >= 11 else release, path, name)
    return Absent("a CPU build", tuple(f"{directory}/{name}" for name in GPU_LIBRARIES))


def _described(path: str, cxx11: bool, registry: str, symbols: "Symbols") -> Core:
    from envdoctor.elf.file import ElfError
    from envdoctor.elf.function_abi import function_abi

    function: Fact[str]
    exports: Fact[bool]
    try:
        passing = function_abi(symbols)
        function = Absent("it defines no invoker that tells", (path,))
        if passing != "unknown":
            function = Known(passing, path, "std::_Function_handler<...>::_M_invoke")
        exports = _exports_protobuf(path, symbols)
    except ElfError as error:
        function = exports = Unreadable(str(error), path)
    return Core(Known(path, path, registry), Known(cxx11, path, registry), function, exports)


def _exports_protobuf(path: str, symbols: "Symbols") -> Known[bool]:
    from envdoctor.elf.hashtable import gnu_hash

    for name in PROTOBUF:
        if symbols.defines_any(name, gnu_hash(name)):
            return Known(True, path, name.decode())
    shared = next((name for name in symbols.elf.needed if name.startswith("libprotobuf")), None)
    if shared is not None:
        return Known(True, path, f"it needs {shared}")
    return Known(False, path, "it exports nothing of google::protobuf and needs no libprotobuf")
