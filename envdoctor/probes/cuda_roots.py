"""Where CUDA toolkits are: variables, PATH, conda, the system's places, pip's wheels. Each real root once."""

from collections.abc import Iterator, Sequence

import msgspec

from envdoctor.facts import Absent, Fact, Facts, Known, value_of
from envdoctor.files import FileView
from envdoctor.probes.machine import cuda_targets, loader_machine
from envdoctor.probes.nvcc_wrapper import Nvcc, real_nvcc
from envdoctor.probes.reading import names_in
from envdoctor.target import Target

VARIABLES = ("CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "CUDA_TOOLKIT_ROOT_DIR")
SYSTEM = ("/usr/lib/cuda", "/usr/lib/nvidia-cuda-toolkit", "/opt/cuda")
HEADERS = ("cuda_runtime.h", "crt/host_config.h")
ROOTS_AT_MOST = 32
PATH_AT_MOST = 256


class Root(msgspec.Struct, frozen=True):
    """A directory that holds a toolkit or a part of one.

    `nvcc` is its real compiler, if it has one; `met_at` are the paths of nvcc, links and scripts, that lead to it.
    """

    path: str
    origins: tuple[str, ...]
    nvcc: Nvcc | None
    met_at: tuple[str, ...] = ()


class _Meeting(msgspec.Struct, frozen=True):
    """A place that may belong to a toolkit: a nvcc, or a directory without one."""

    origin: str
    nvcc: str | None = None
    directory: str = ""


def cuda_roots(target: Target, known: Facts) -> tuple[Root, ...]:
    """Every toolkit that was met, in the order of `origins`: variables, PATH, conda, system, pip."""
    ways: dict[str, Nvcc] = {}
    roots: dict[str, Root] = {}
    for meeting in _meetings(target, known):
        if meeting.nvcc is None:
            _add(roots, Root(target.files.real(meeting.directory), (meeting.origin,), None))
        else:
            if meeting.nvcc not in ways:
                ways[meeting.nvcc] = real_nvcc(target, meeting.nvcc)
            nvcc = ways[meeting.nvcc]
            _add(roots, Root(nvcc.root, (meeting.origin,), nvcc, (meeting.nvcc,)))
    return tuple(roots.values())


def _add(roots: dict[str, Root], root: Root) -> None:
    before = roots.get(root.path)
    if before is not None:
        origins = tuple(dict.fromkeys((*before.origins, *root.origins)))
        met_at = tuple(dict.fromkeys((*before.met_at, *root.met_at)))
        roots[root.path] = Root(root.path, origins, _better(before.nvcc, root.nvcc), met_at)
    elif len(roots) < ROOTS_AT_MOST:
        roots[root.path] = root


def _better(first: Nvcc | None, second: Nvcc | None) -> Nvcc | None:
    """Of two ways to one nvcc the one through a script: who takes it is led elsewhere."""
    return second if first is None or (second is not None and first.wrapper is None and second.wrapper) else first


def _meetings(target: Target, known: Facts) -> Iterator[_Meeting]:
    files = target.files
    for name in VARIABLES:
        yield from _at(target, target.environment.get(name, ""), name)
    compiler = target.environment.get("CUDACXX", "")
    if compiler.startswith("/") and files.is_file(compiler):
        yield _Meeting("CUDACXX", compiler)
    for directory in target.search_path()[:PATH_AT_MOST]:
        path = f"{directory.rstrip('/')}/nvcc"
        if path.startswith("/") and files.is_file(path):
            yield _Meeting("PATH", path)
    for prefix in conda_prefixes(target, known):
        yield from _at(target, prefix, "conda")
    for directory in _system(files):
        yield from _at(target, directory, "system")
    for directory in _wheels(files, known):
        yield from _at(target, directory, "pip")


def _at(target: Target, directory: str, origin: str) -> Iterator[_Meeting]:
    """What a directory has of CUDA; its nvcc may be a script that leads elsewhere."""
    files = target.files
    if not directory.startswith("/"):
        return
    compiler = _compiler(directory)
    if files.is_file(compiler):
        yield _Meeting(origin, compiler)
    elif any(files.is_file(f"{place}/{name}") for place in _own_includes(target, directory) for name in HEADERS):
        yield _Meeting(origin, directory=directory)


def _compiler(directory: str) -> str:
    return f"{directory.rstrip('/')}/bin/nvcc"


def include_directories(target: Target, root: str) -> tuple[str, ...]:
    """Where a toolkit of this root has its headers; Debian's own package has them among the system's."""
    own = _own_includes(target, root)
    return (*own, "/usr/include") if root.startswith("/usr/lib/") else own


def _own_includes(target: Target, root: str) -> tuple[str, ...]:
    names = cuda_targets(loader_machine(target))
    return (f"{root}/include", *(f"{root}/targets/{name}/include" for name in names))


def library_directories(target: Target, root: str) -> tuple[str, ...]:
    """Where a toolkit of this root has its libraries."""
    names = cuda_targets(loader_machine(target))
    return (f"{root}/lib64", f"{root}/lib", *(f"{root}/targets/{name}/lib" for name in names))


def conda_prefixes(target: Target, known: Facts) -> tuple[str, ...]:
    """The active conda environment and the interpreter's own."""
    prefixes = [target.environment.get("CONDA_PREFIX", "")]
    if value_of(known.python.kind) == "conda":
        prefixes.append(value_of(known.python.prefix) or "")
    return tuple(dict.fromkeys(prefix.rstrip("/") for prefix in prefixes if prefix.startswith("/")))


def _system(files: FileView) -> tuple[str, ...]:
    local = tuple(f"/usr/local/{name}" for name in names_in(files, "/usr/local") if name.startswith("cuda"))
    return (*local[:ROOTS_AT_MOST], *SYSTEM)


def _wheels(files: FileView, known: Facts) -> Iterator[str]:
    """Since CUDA 13 the wheels share one folder, `nvidia/cu13`; before, each had its own."""
    for site in known.python.site_packages:
        for name in names_in(files, f"{site}/nvidia"):
            if name in ("cuda_nvcc", "cuda_runtime") or (name.startswith("cu") and name[2:].isdecimal()):
                yield f"{site}/nvidia/{name}"


def default_root(target: Target, roots: Sequence[Root]) -> Fact[str]:
    """What torch.utils.cpp_extension takes, as its `_find_cuda_home` does: CUDA_HOME, CUDA_PATH, nvcc on PATH,
    /usr/local/cuda. The value is the root of the toolkit that is really used, `raw` the directory that torch computes:
    they differ where nvcc is a script or a link."""
    environment = target.environment
    named = environment.get("CUDA_HOME") or environment.get("CUDA_PATH")
    if named is not None:
        if not named:
            return Absent("CUDA_PATH is set and empty")
        variable = "CUDA_HOME" if environment.get("CUDA_HOME") else "CUDA_PATH"
        return Known(_used(target, roots, named), f"variable {variable}", named)
    compiler = target.which("nvcc")
    if compiler is not None:
        computed = compiler.rpartition("/")[0].rpartition("/")[0] or "/"
        return Known(_used(target, roots, computed), f"{compiler} on PATH", computed)
    if target.files.is_dir("/usr/local/cuda"):
        return Known(_used(target, roots, "/usr/local/cuda"), "/usr/local/cuda", "/usr/local/cuda")
    return Absent("no CUDA_HOME, no CUDA_PATH, no nvcc on PATH, no /usr/local/cuda")


def _used(target: Target, roots: Sequence[Root], directory: str) -> str:
    """The root whose nvcc is started when a build takes this directory for the toolkit."""
    started = next((root.path for root in roots if _compiler(directory) in root.met_at), None)
    if started is not None:
        return started
    return target.files.real(directory) if target.files.is_dir(directory) else directory
