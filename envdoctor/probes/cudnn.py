"""cuDNN and NCCL: headers, libraries, and the one that a process with this torch loads."""

import posixpath
import re
from collections.abc import Callable, Iterator

import msgspec

from envdoctor.elf.file import ElfError
from envdoctor.elf.loader import Closure, Process, closure
from envdoctor.facts import Absent, Cudnn, Fact, Facts, HeaderFile, Known, LibraryFile, Unreadable, value_of
from envdoctor.knowledge import cudnn as cudnn_versions
from envdoctor.probes.built_in_version import cudnn_version, defined, nccl_version
from envdoctor.probes.cuda_libraries import Places, places
from envdoctor.probes.cuda_roots import conda_prefixes, include_directories
from envdoctor.probes.library_search import library_path, library_search
from envdoctor.probes.machine import loader_machine, multiarch
from envdoctor.probes.reading import names_in, reason_of, text_of
from envdoctor.probes.wheels import nvidia_wheels
from envdoctor.target import Target

NEEDS: tuple[str, ...] = ("python", "cuda")

HEADER_LIMIT = 1 << 20
HEADERS_AT_MOST = 32
PRELOADS_AT_MOST = 64
ENTRANCES = ("libtorch_python.so", "libtorch.so", "libcaffe2_gpu.so", "libcaffe2.so")


class Subject(msgspec.Struct, frozen=True):
    """What tells cuDNN from NCCL."""

    stem: str
    headers: tuple[str, ...]
    version: Callable[[str], str | None]
    function: str
    built_in: Callable[[bytes], str | None]
    variables: tuple[str, ...]


def probe(target: Target, known: Facts) -> Cudnn:
    wheels = nvidia_wheels(target.files, known)
    roots = [(each.root, each.origins) for each in known.cuda.toolkits]
    where = places(target, known, roots, library_search(target), wheels)
    torch = _torch(target, known)
    needed = _closure(target, known, torch) if torch else None
    return Cudnn(
        headers=_headers(target, known, CUDNN),
        libraries=where.libraries(CUDNN.stem),
        loaded=_loaded(target, known, where, torch, needed, CUDNN),
        nccl_headers=_headers(target, known, NCCL),
        nccl_libraries=where.libraries(NCCL.stem),
        nccl_loaded=_loaded(target, known, where, torch, needed, NCCL),
    )


# Headers


def _nccl_header_version(text: str) -> str | None:
    parts = [
        re.search(rf"^[ \t]*#[ \t]*define[ \t]+NCCL_{part}[ \t]+(\d{{1,4}})\b", text, re.MULTILINE) for part in PARTS
    ]
    return ".".join(part[1] for part in parts if part) if all(parts) else None


PARTS = ("MAJOR", "MINOR", "PATCH")
CUDNN = Subject(
    "cudnn",
    ("cudnn_version.h", "cudnn.h"),
    cudnn_versions.version_from_header,
    "cudnnGetVersion",
    cudnn_version,
    (
        "CUDNN_ROOT",
        "CUDNN_ROOT_DIR",
        "CUDNN_HOME",
        "CUDNN_PATH",
        "CUDNN_DIR",
        "CUDNN_INCLUDE_DIR",
        "CUDNN_INCLUDE_PATH",
    ),
)
NCCL = Subject(
    "nccl",
    ("nccl.h",),
    _nccl_header_version,
    "ncclGetVersion",
    nccl_version,
    ("NCCL_ROOT", "NCCL_ROOT_DIR", "NCCL_HOME", "NCCL_PATH", "NCCL_DIR", "NCCL_INCLUDE_DIR"),
)


def _headers(target: Target, known: Facts, subject: Subject) -> tuple[HeaderFile, ...]:
    """One for each directory, the file that tells the version where there is one."""
    found: dict[str, HeaderFile] = {}
    for directory, origin in _include_directories(target, known, subject):
        if len(found) == HEADERS_AT_MOST:
            break
        header = _header(target, directory, origin, subject)
        if header is not None:
            found.setdefault(target.files.real(header.path), header)
    return tuple(found.values())


def _header(target: Target, directory: str, origin: str, subject: Subject) -> HeaderFile | None:
    """cudnn.h up to cuDNN 7 tells its version itself, later ones include cudnn_version.h."""
    there: str | None = None
    for name in subject.headers:
        path = f"{directory}/{name}"
        if not target.files.is_file(path):
            continue
        there = there or path
        version = subject.version(value_of(text_of(target.files, path, HEADER_LIMIT)) or "")
        if version is not None:
            return HeaderFile(path, version, origin)
    return HeaderFile(there, None, origin) if there else None


def _include_directories(target: Target, known: Facts, subject: Subject) -> Iterator[tuple[str, str]]:
    for variable in subject.variables:
        value = target.environment.get(variable, "").rstrip("/")
        if value.startswith("/"):
            yield from ((value, variable), (f"{value}/include", variable))
    for variable in ("CPATH", "CPLUS_INCLUDE_PATH", "C_INCLUDE_PATH"):
        for entry in target.environment.get(variable, "").split(":")[:HEADERS_AT_MOST]:
            if entry.startswith("/"):
                yield entry.rstrip("/"), variable
    for site in known.python.site_packages:
        for name in names_in(target.files, f"{site}/nvidia"):
            yield f"{site}/nvidia/{name}/include", "pip"
    for prefix in conda_prefixes(target, known):
        yield f"{prefix}/include", "conda"
    for toolkit in known.cuda.toolkits:
        origin = next((origin for origin in toolkit.origins if origin != "PATH"), "system")
        yield from ((directory, origin) for directory in include_directories(target, toolkit.root))
    triplet = multiarch(loader_machine(target))
    for directory in ("/usr/local/include", "/usr/include", f"/usr/include/{triplet}"):
        yield directory, "system"


# Libraries


def _torch(target: Target, known: Facts) -> str | None:
    """The torch that the interpreter imports: the first on its path."""
    for entry in known.python.sys_path or known.python.site_packages:
        if target.files.is_dir(f"{entry}/torch/lib"):
            return f"{entry}/torch"
    return None


def _closure(target: Target, known: Facts, torch: str) -> Closure | str:
    """What `import torch` brings, by the library that its extension module needs; a reason where it cannot be told."""
    library = next((f"{torch}/lib/{name}" for name in ENTRANCES if target.files.is_file(f"{torch}/lib/{name}")), None)
    if library is None:
        return "no library that Python loads"
    preload = target.environment.get("LD_PRELOAD", "").replace(":", " ").split()[:PRELOADS_AT_MOST]
    process = Process(
        value_of(known.python.executable),
        library_path=library_path(target),
        preload=tuple(name for name in preload if name.startswith("/")),
    )
    needed = _closure_in(target, process, library)
    if isinstance(needed, str) and process.executable:
        # An interpreter that is a script or cannot be read has no run path to add.
        return _closure_in(target, msgspec.structs.replace(process, executable=None), library)
    return needed


def _closure_in(target: Target, process: Process, library: str) -> Closure | str:
    try:
        return closure(target.files, process, library)
    except ElfError as error:
        return f"{library}: {error}"
    except OSError as error:
        return f"{library}: {reason_of(error)}"


def _loaded(
    target: Target, known: Facts, where: Places, torch: str | None, needed: Closure | str | None, subject: Subject
) -> Fact[LibraryFile]:
    if not known.python.sys_path and not known.python.site_packages:
        return Unreadable("the interpreter could not be examined", value_of(known.python.executable) or "")
    if torch is None or needed is None:
        return Absent("no torch that would load it")
    if isinstance(needed, str):
        return Unreadable(needed, torch)
    prefix = f"lib{subject.stem}.so"
    for library in needed.libraries:
        if library.name.startswith(prefix):
            path = _plain(target, library.path)
            return Known(where.described(path, where.origin(path)), library.found_via)
    for missing in needed.missing:
        if missing.name.startswith(prefix):
            return Absent(f"{missing.name}, which {missing.needed_by} needs, is not found", missing.tried)
    for library in needed.libraries:
        if library.path.startswith(f"{torch}/lib/"):
            code = defined(target.files, library.path, subject.function)
            if code is not None:
                name = library.path.rpartition("/")[2]
                built_in = LibraryFile(name, library.path, subject.built_in(code), "torch")
                return Known(built_in, f"static: {subject.function} is inside {library.path}")
    return Absent(f"no library of this torch needs {prefix} or has it inside", (f"{torch}/lib",))


def _plain(target: Target, path: str) -> str:
    """Without `..`, where that names the same file."""
    plain = posixpath.normpath(path)
    return plain if target.files.real(plain) == target.files.real(path) else path
