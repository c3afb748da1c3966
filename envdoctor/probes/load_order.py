"""The process that would load a library: the interpreter, and what `import torch` or `import caffe2` opens before.

Which libraries, in which order and with which flags was read off torch/__init__.py and off
caffe2/python/_import_c_extension.py of the releases named beside each rule.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import msgspec

from envdoctor.elf.file import ElfError, open_elf
from envdoctor.elf.loader import Opened, Process, closure
from envdoctor.facts import Facts, value_of
from envdoctor.files import FileView
from envdoctor.probes.reading import names_in
from envdoctor.target import Target

if TYPE_CHECKING:
    from envdoctor.elf.file import ElfFile

Kind = Literal["caffe2-ops", "torch-extension"]

NVIDIA_FOLDERS_AT_MOST = 64
# What only operators of Caffe2 refer to; caffe2::TypeMeta and the like are met in extensions of torch as well.
CAFFE2_NAMES = (b"6caffe219CPUOperatorRegistry", b"6caffe220CUDAOperatorRegistry", b"N6caffe212OperatorBase")
TORCH_NAMES = (b"_ZN2at", b"_ZNK2at", b"_ZN3c10", b"_ZNK3c10", b"_ZN5torch", b"_ZNK5torch")
PYTHON_MODULE = re.compile(rb"\0(?:PyInit_|init)[A-Za-z0-9_]{1,256}\0")


def kind_of(elf: "ElfFile") -> Kind | None:
    """What the symbols and needs of a library say that it is made for; None for one that has to do with neither."""
    start, size = elf.strings

    def names_any(names: tuple[bytes, ...]) -> bool:
        return any(elf.data.find(name, start, start + size) >= 0 for name in names)

    if names_any(CAFFE2_NAMES):
        return "caffe2-ops"
    needs = elf.needed
    is_module = PYTHON_MODULE.search(elf.view[start : start + size]) is not None
    if not is_module and any(name.startswith("libcaffe2") and "nvrtc" not in name for name in needs):
        return "caffe2-ops"
    needs_torch = any(name.startswith(("libtorch", "libc10", "libcaffe2", "libATen")) for name in needs)
    return "torch-extension" if needs_torch or names_any(TORCH_NAMES) else None


def process_for(target: Target, known: Facts, library: str) -> Process:
    """The process that would load `library`. Needs the areas python, torch and caffe2.

    Where the interpreter is no file that can be read, the process has no executable: the library is judged alone.
    """
    try:
        kind = kind_of(open_elf(target.files, library))
    except (ElfError, OSError):
        kind = None
    return process_of(target, known, kind)


def process_of(target: Target, known: Facts, kind: Kind | None) -> Process:
    """The process of a kind of library; of none, the interpreter as it starts."""
    bare = Process(
        executable=_executable(target, known),
        library_path=_entries(target.environment.get("LD_LIBRARY_PATH", "")),
        preload=tuple(target.environment.get("LD_PRELOAD", "").replace(":", " ").split()),
    )
    if bare.executable is None:
        return bare
    if kind == "caffe2-ops":
        opened = tuple(_caffe2(target.files, known, bare))
        # A torch alone may hold Caffe2 without its Python side.
        return msgspec.structs.replace(bare, opened=opened or tuple(_torch(target, known, bare)))
    if kind == "torch-extension":
        return msgspec.structs.replace(bare, opened=tuple(_torch(target, known, bare)))
    return bare


def torch_module(files: FileView, known: Facts) -> str | None:
    """The extension module that `import torch` loads. Needs the areas python and torch."""
    root = value_of(known.torch.root)
    return _module(files, root, "_C", known) if root else None


def libraries_to_search(known: Facts) -> tuple[str, ...]:
    """Directories where a definition of a missing symbol may lie."""
    roots = [value_of(known.torch.root), *(installation.root for installation in known.caffe2.installations)]
    return tuple(dict.fromkeys(f"{root}/lib" for root in roots if root))


def _executable(target: Target, known: Facts) -> str | None:
    path = value_of(known.python.executable) or target.python
    if path is None:
        return None
    try:
        return path if open_elf(target.files, path).is_dynamic else None
    except (ElfError, OSError):
        return None


def _entries(value: str) -> tuple[str, ...]:
    return tuple(re.split("[:;]", value)) if value else ()


def _torch(target: Target, known: Facts, bare: Process) -> Iterator[Opened]:
    """What `import torch` opens, in order."""
    files, root = target.files, value_of(known.torch.root)
    module = torch_module(files, known)
    if root is None or module is None:
        return
    dependencies = f"{root}/lib/libtorch_global_deps.so"
    if target.environment.get("TORCH_USE_RTLD_GLOBAL") or not files.is_file(dependencies):
        # Up to torch 1.4: everything with RTLD_GLOBAL and RTLD_LAZY, and torch._nvrtc first if it loads at all.
        nvrtc = _module(files, root, "_nvrtc", known)
        if nvrtc is not None and not _missing(files, bare, nvrtc):
            yield Opened(nvrtc, is_global=True, is_lazy=True)
        yield Opened(module, is_global=True, is_lazy=True)
        return
    # Since torch 1.5: the libraries around torch for all, torch itself for those that name it.
    missing = _missing(files, bare, dependencies)
    # Since torch 1.13: what is still missing is taken from the nvidia-* packages, by name.
    yield from (Opened(path) for path in _from_packages(files, known, missing))
    yield Opened(dependencies, is_global=True)
    yield Opened(module)


def _caffe2(files: FileView, known: Facts, bare: Process) -> Iterator[Opened]:
    """What `from caffe2.python import core` opens, with RTLD_GLOBAL: the GPU module if it loads, else the other."""
    package = value_of(known.caffe2.importable)
    for name in ("caffe2_pybind11_state_gpu", "caffe2_pybind11_state"):
        module = _module(files, f"{package}/python", name, known) if package else None
        if module is not None and not _missing(files, bare, module):
            yield Opened(module, is_global=True)
            return


def _module(files: FileView, directory: str, name: str, known: Facts) -> str | None:
    """An extension module as the interpreter would choose it."""
    suffix = value_of(known.python.extension_suffix)
    for candidate in (f"{name}{suffix}", f"{name}.abi3.so", f"{name}.so"):
        if files.is_file(f"{directory}/{candidate}"):
            return f"{directory}/{candidate}"
    return None


def _missing(files: FileView, process: Process, library: str) -> tuple[str, ...]:
    """Names that the library needs in vain; its own where it cannot be read."""
    try:
        return tuple(missing.name for missing in closure(files, process, library).missing)
    except (ElfError, OSError):
        return (library.rpartition("/")[2],)


def _from_packages(files: FileView, known: Facts, names: tuple[str, ...]) -> Iterator[str]:
    if not names:
        return
    for entry in known.python.sys_path:
        folders = names_in(files, f"{entry}/nvidia", NVIDIA_FOLDERS_AT_MOST)
        for name in names:
            for folder in folders:
                path = f"{entry}/nvidia/{folder}/lib/{name}"
                if files.is_file(path):
                    yield path
