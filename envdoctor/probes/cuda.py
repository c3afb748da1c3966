"""CUDA: toolkits and where they come from, the one that a build takes, runtimes, what LD_LIBRARY_PATH offers."""

from envdoctor.facts import Cuda, Facts, LibraryFile, Toolkit, value_of
from envdoctor.files import FileView
from envdoctor.probes.cuda_libraries import STEMS, Places, places, shortest
from envdoctor.probes.cuda_roots import cuda_roots, default_root
from envdoctor.probes.cuda_toolkit import toolkit
from envdoctor.probes.library_search import LibrarySearch, library_search
from envdoctor.probes.reading import names_in
from envdoctor.probes.wheels import nvidia_wheels
from envdoctor.target import Target

NEEDS: tuple[str, ...] = ("python",)


def probe(target: Target, known: Facts) -> Cuda:
    search = library_search(target)
    wheels = nvidia_wheels(target.files, known)
    roots = cuda_roots(target, known)
    toolkits = tuple(toolkit(target, root, wheels) for root in roots)
    where = places(target, known, [(each.root, each.origins) for each in toolkits], search, wheels)
    return Cuda(
        toolkits=toolkits,
        default=default_root(target, roots),
        runtimes=tuple(_with_release(library, toolkits) for library in where.libraries("cudart")),
        in_library_path=_in_library_path(target.files, search, where),
        stubs_in_library_path=_stubs(target.files, search),
    )


def _with_release(library: LibraryFile, toolkits: tuple[Toolkit, ...]) -> LibraryFile:
    """A runtime whose name tells no release has that of the toolkit it lies in."""
    if library.version is None:
        for each in toolkits:
            release = value_of(each.version)
            if release and each.root != "/usr" and library.path.startswith(f"{each.root}/"):
                return LibraryFile(library.name, library.path, release, library.origin)
    return library


def _in_library_path(files: FileView, search: LibrarySearch, where: Places) -> tuple[LibraryFile, ...]:
    """The first of each name: the others are never loaded."""
    found: dict[str, LibraryFile] = {}
    for directory in search.library_path:
        for name in shortest(files, directory, STEMS):
            path = f"{directory}/{name}"
            if name not in found:
                found[name] = where.described(path, where.origin(path))
    return tuple(found.values())


def _stubs(files: FileView, search: LibrarySearch) -> tuple[str, ...]:
    return tuple(
        directory
        for directory in search.library_path
        if "stubs" in (directory.rpartition("/")[2], files.real(directory).rpartition("/")[2])
        and any(name.startswith("libcuda.so") for name in names_in(files, directory))
    )
