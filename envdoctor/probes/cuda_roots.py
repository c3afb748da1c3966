"""Where CUDA toolkits are: variables, PATH, conda, the system's places, pip's wheels. Each real root once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

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


@dataclass(frozen=True)
class Root:
    """A directory that holds a toolkit or a part of one. `nvcc` is its real compiler, if it has one."""

    path: str
    origins: tuple[str, ...]
    nvcc: Nvcc | None


def cuda_roots(target: Target, known: Facts) -> tuple[Root, ...]:
    """Every toolkit that was met, in the order of `origins`: variables, PATH, conda, system, pip."""
    roots: dict[str, Root] = {}
    for root in _met(target, known):
        before = roots.get(root.path)
        if before is not None:
            origins = tuple(dict.fromkeys((*before.origins, *root.origins)))
            roots[root.path] = replace(before, origins=origins, nvcc=_better(before.nvcc, root.nvcc))
        elif len(roots) < ROOTS_AT_MOST:
            roots[root.path] = root
    return tuple(roots.values())


def _better(first: Nvcc | None, second: Nvcc | None) -> Nvcc | None:
    """Of two ways to one nvcc the one through a script: who takes it is led elsewhere."""
    return second if first is None or (second is not None and first.wrapper is None and second.wrapper) else first


def _met(target: Target, known: Facts) -> Iterator[Root]:
    files = target.files
    for name in VARIABLES:
        yield from _at(target, target.environment.get(name, ""), name)
    compiler = target.environment.get("CUDACXX", "")
    if compiler.startswith("/") and files.is_file(compiler):
        yield _of_nvcc(target, compiler, "CUDACXX")
    for directory in target.search_path()[:PATH_AT_MOST]:
        path = f"{directory.rstrip('/')}/nvcc"
        if path.startswith("/") and files.is_file(path):
            yield _of_nvcc(target, path, "PATH")
    for prefix in conda_prefixes(target, known):
        yield from _at(target, prefix, "conda")
    for directory in _system(files):
        yield from _at(target, directory, "system")
    for directory in _wheels(files, known):
        yield from _at(target, directory, "pip")


def _at(target: Target, directory: str, origin: str) -> Iterator[Root]:
    """The toolkit in a directory, which may be a script's way to another directory; none where nothing of CUDA is."""
    files = target.files
    if not directory.startswith("/"):
        return
    directory = directory.rstrip("/")
    compiler = f"{directory}/bin/nvcc"
    if files.is_file(compiler):
        yield _of_nvcc(target, compiler, origin)
    elif any(files.is_file(f"{place}/{name}") for place in _own_includes(target, directory) for name in HEADERS):
        yield Root(files.real(directory), (origin,), None)


def _of_nvcc(target: Target, path: str, origin: str) -> Root:
    nvcc = real_nvcc(target, path)
    return Root(nvcc.root, (origin,), nvcc)


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


def default_root(target: Target) -> Fact[str]:
    """What torch.utils.cpp_extension takes, as its `_find_cuda_home` does: CUDA_HOME, CUDA_PATH, nvcc on PATH,
    /usr/local/cuda. The value is the root of the toolkit that is really used, `raw` the directory that torch computes:
    they differ where nvcc is a script or a link."""
    environment = target.environment
    named = environment.get("CUDA_HOME") or environment.get("CUDA_PATH")
    if named is not None:
        if not named:
            return Absent("CUDA_PATH is set and empty")
        variable = "CUDA_HOME" if environment.get("CUDA_HOME") else "CUDA_PATH"
        return Known(_used_root(target, named), f"variable {variable}", named)
    compiler = target.which("nvcc")
    if compiler is not None:
        computed = compiler.rpartition("/")[0].rpartition("/")[0] or "/"
        return Known(_used_root(target, computed), f"{compiler} on PATH", computed)
    if target.files.is_dir("/usr/local/cuda"):
        return Known(_used_root(target, "/usr/local/cuda"), "/usr/local/cuda", "/usr/local/cuda")
    return Absent("no CUDA_HOME, no CUDA_PATH, no nvcc on PATH, no /usr/local/cuda")


def _used_root(target: Target, directory: str) -> str:
    compiler = f"{directory.rstrip('/')}/bin/nvcc"
    if directory.startswith("/") and target.files.is_file(compiler):
        return real_nvcc(target, compiler).root
    return target.files.real(directory) if target.files.is_dir(directory) else directory
