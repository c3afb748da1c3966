"""LD_LIBRARY_PATH without the directories that put a wrong library before the right one."""

from collections.abc import Iterator
from posixpath import dirname, normpath

from envdoctor.facts import Facts, Known, LibraryFile, value_of
from envdoctor.knowledge.torch import release
from envdoctor.knowledge.versions import compare, numbers, series
from envdoctor.repair.overlay import Setting
from envdoctor.repair.recipe import Answer, Manual, Options, Refusal, recipe

from .machine_settings import for_this_machine
from .system_packages import system_commands

NEEDS = ("environment", "libstdcxx", "cuda", "cudnn", "torch", "driver", "extensions", "project", "host", "python")
VARIABLE = "LD_LIBRARY_PATH"
# These have checks, and rules, of their own.
NOT_OF_THE_TOOLKIT = ("libcudnn", "libnccl", "libcuda.so")


@recipe("library-path", cures=("ENV003", "CUDA009", "DNN002", "DNN004", "DRV004"), needs=NEEDS)
def library_path(facts: Facts, options: Options) -> Answer:
    """Take off LD_LIBRARY_PATH what puts a wrong library first

    What it does:
        Takes out the directories that offer an older libstdc++ than the system's, CUDA, cuDNN or NCCL libraries that
        torch cannot use in place of its own, or the toolkit's stub of libcuda. All other entries stay, in their order.
    What it changes:
        The overlay's environment.
    When it is not enough:
        A library that comes by another way than LD_LIBRARY_PATH: a run path, conda's own libstdc++, ld.so.conf. A
        program that needs another library of the same directory: name that library with a run path of its own.
    Sources:
        ld.so(8), order of search; each kind of failure is described by the check that finds it
    """
    wrong = tuple(dict.fromkeys(_wrong_entries(facts)))
    if wrong:
        return for_this_machine("library-path", options, *(Setting(VARIABLE, "without", entry) for entry in wrong))
    loaded = value_of(facts.libstdcxx.loaded)
    if loaded is not None and loaded.origin == "conda" and _newer_libstdcxx(facts):
        return Manual("conda's own libstdc++ is the older one: update it.", system_commands(facts, "libstdc++"))
    return Refusal(f"no entry of {VARIABLE} is known to put a wrong library first")


def _wrong_entries(facts: Facts) -> Iterator[str]:
    """The entries, as they are written, that hold what should not be found first."""
    wrong = {*_of_libstdcxx(facts), *_of_cuda(facts), *_of_torch(facts), *_of_driver(facts)}
    for entry in (facts.environment.get(VARIABLE) or "").split(":"):
        if entry and normpath(entry) in wrong:
            yield entry


def _of_libstdcxx(facts: Facts) -> Iterator[str]:
    loaded = value_of(facts.libstdcxx.loaded)
    if loaded is not None and loaded.origin == VARIABLE and _newer_libstdcxx(facts):
        yield normpath(dirname(loaded.path))


def _newer_libstdcxx(facts: Facts) -> bool:
    loaded = value_of(facts.libstdcxx.loaded)
    have = loaded.glibcxx if loaded is not None else None
    others = (one.glibcxx for one in facts.libstdcxx.libraries)
    return have is not None and any(other is not None and compare(other, have) > 0 for other in others)


def _of_cuda(facts: Facts) -> Iterator[str]:
    """Directories with libraries of an older release of torch's CUDA major, where torch has its own in wheels."""
    wanted = value_of(facts.torch.cuda)
    if wanted is None or not any(runtime.origin == "pip" for runtime in facts.cuda.runtimes):
        return
    for library in facts.cuda.in_library_path:
        directory = dirname(library.path)
        have = _release_of(facts, directory)
        if have is None or library.name.startswith(NOT_OF_THE_TOOLKIT):
            continue
        if numbers(have)[:1] == numbers(wanted)[:1] and compare(have, wanted) < 0:
            yield normpath(directory)


def _release_of(facts: Facts, directory: str) -> str | None:
    """The CUDA release of a directory: that of its libcudart, else of the toolkit it belongs to."""
    for library in (*facts.cuda.in_library_path, *facts.cuda.runtimes):
        if dirname(library.path) == directory and library.name.startswith("libcudart.") and library.version:
            return series(library.version)
    for toolkit in facts.cuda.toolkits:
        if directory.startswith(toolkit.root.rstrip("/") + "/") and isinstance(toolkit.version, Known):
            return series(toolkit.version.value)
    return None


def _of_torch(facts: Facts) -> Iterator[str]:
    """The directory of a cuDNN that torch refuses, and of an NCCL older than torch's own."""
    if not isinstance(facts.torch.cuda, Known):
        return
    cudnn, built = value_of(facts.cudnn.loaded), value_of(facts.torch.cudnn)
    if cudnn is not None and cudnn.version and built and not _takes_cudnn(built, cudnn.version):
        yield normpath(dirname(cudnn.path))
    nccl, own = value_of(facts.cudnn.nccl_loaded), _nccl_of_torch(facts)
    if nccl is not None and nccl.version and own and compare(nccl.version, own) < 0:
        yield normpath(dirname(nccl.path))


def _takes_cudnn(built: str, loaded: str) -> bool:
    """As torch compares: the same major, and no older minor."""
    return numbers(loaded)[:1] == numbers(built)[:1] and numbers(loaded)[:2] >= numbers(built)[:2]


def _nccl_of_torch(facts: Facts) -> str | None:
    own = (one for one in facts.cudnn.nccl_libraries if one.origin in ("pip", "torch") and one.version)
    found: LibraryFile | None = next(own, None)
    row = release(value_of(facts.torch.version) or "")
    return found.version if found is not None else row.nccl if row is not None and row.nccl else None


def _of_driver(facts: Facts) -> Iterator[str]:
    """Directories of the toolkit's stubs."""
    yield from map(normpath, facts.cuda.stubs_in_library_path)
    library = value_of(facts.driver.library)
    if library is not None and library.stub:
        yield normpath(dirname(library.path))
