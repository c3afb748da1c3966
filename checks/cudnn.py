"""cuDNN and NCCL: the ones built with, compiled against and loaded."""

import shlex
from collections.abc import Iterator
from posixpath import dirname

from envdoctor.checking.check import (
    COMPILE,
    CONFIGURE,
    LOAD,
    RUN,
    Evidence,
    Finding,
    Judgement,
    NotApplicable,
    Remedy,
    check,
    seen,
    undetermined,
)
from envdoctor.facts import Facts, HeaderFile, Known, LibraryFile, Unreadable, value_of
from envdoctor.knowledge.torch import release
from envdoctor.knowledge.versions import compare, numbers, series

from . import building, cuda_use, remedies
from .cuda_use import BUILD, NO_CUDA, NO_CUDA_BUILD
from .path_lists import entry_of, without

# The CMake files of PyPI torch 1.5.0 still read cudnn.h, those of 1.6.0 read cudnn_version.h where there is one.
LAST_TO_READ_CUDNN_H = "1.5"
# Where CMake looks for cuDNN by itself; wheels are in no such place.
PACKAGED = ("pip", "torch")


@check("DNN001", "cudnn-misread-by-old-check", needs=("cudnn", *BUILD), strikes=CONFIGURE + 31)
def cudnn_misread(facts: Facts) -> Iterator[Judgement]:
    """An old Caffe2 or torch reads the version of a newer cuDNN from the wrong header

    What it finds:
        CMake files of torch up to 1.5 and the headers of cuDNN 8 or later.
    Why it breaks:
        They read CUDNN_MAJOR from cudnn.h. Since cuDNN 8 it is in cudnn_version.h, so they see no version and take it
        for one before 7.
    Example:
        Found cuDNN: v?
        PyTorch requires cuDNN 7 and above.
    What to do:
        Give them a copy of the headers whose cudnn.h holds the version itself.
    Sources:
        measured with PyPI torch 1.0.1 and the headers of cuDNN 8.5.0; public/cuda.cmake of torch 1.5.0 and 1.6.0
    """
    installation, project = building.built_against(facts), value_of(facts.project.cmake)
    if project is None or {"Caffe2", "Torch"}.isdisjoint(project.packages) or installation is None:
        yield NotApplicable("no project whose CMake files look for Caffe2 or torch")
        return
    skip = building.not_judged_before_build(facts) if building.builds_ops(facts) else None
    version, header = value_of(installation.version), _found_by_cmake(facts)
    if skip is not None or not isinstance(installation.cuda, Known):
        yield skip or NO_CUDA
    elif header is None or version is None:
        yield NotApplicable("no cuDNN headers that CMake finds")
    elif compare(series(version) or version, LAST_TO_READ_CUDNN_H) <= 0 and header.path.endswith("/cudnn_version.h"):
        yield Finding(
            state="fail",
            title=f"the CMake files of torch {version} cannot read the version of cuDNN {header.version}",
            why="They look for it in cudnn.h; since cuDNN 8 it is in cudnn_version.h, and they take none for too old.",
            evidence=(
                Evidence("cuDNN headers", f"{header.version} {header.path}", header.path),
                seen("torch", installation.version),
            ),
            remedy=Remedy(
                "Name a copy of the headers whose cudnn.h holds the version itself.", _readable_copy(facts, header)
            ),
        )


def _found_by_cmake(facts: Facts) -> HeaderFile | None:
    return next((header for header in facts.cudnn.headers if header.origin not in PACKAGED), None)


def _readable_copy(facts: Facts, header: HeaderFile) -> tuple[str, ...]:
    copy, source = shlex.quote(remedies.overlay(facts, "cudnn")), shlex.quote(dirname(header.path))
    return (
        f"mkdir -p {copy} && cp {source}/cudnn*.h {copy}",
        f"cat {source}/cudnn_version.h {source}/cudnn.h > {copy}/cudnn.h && : > {copy}/cudnn_version.h",
        f"export CUDNN_INCLUDE_DIR={copy}",
    )


@check("DNN002", "cudnn-loaded-is-not-the-one-built-with", needs=("cudnn", "torch", "environment"), strikes=RUN + 41)
def cudnn_loaded_differs(facts: Facts) -> Iterator[Judgement]:
    """The cuDNN that torch loads is not the one it was built with

    What it finds:
        The libcudnn that a process with this torch loads, against the release torch was built with: another major, or
        an older minor release. A newer minor release of the same major is no fault.
    Why it breaks:
        torch compares the two before it first uses cuDNN, and refuses. A foreign one comes by LD_LIBRARY_PATH mostly.
    Example:
        RuntimeError: cuDNN version incompatibility: PyTorch was compiled against (8, 5, 0) but found runtime version
        (8, 3, 3).
    What to do:
        Take the directory of the foreign one off LD_LIBRARY_PATH; torch brings its own.
    Sources:
        torch/backends/cudnn/__init__.py, _init
    """
    built, loaded = facts.torch.cudnn, facts.cudnn.loaded
    if not isinstance(facts.torch.cuda, Known) or not isinstance(built, Known):
        yield NO_CUDA
    elif isinstance(loaded, Unreadable):
        yield undetermined("it is not known which cuDNN torch would load", loaded, "libcudnn")
    elif not isinstance(loaded, Known) or loaded.value.version is None:
        yield NotApplicable("no cuDNN, or one that tells no version, would be loaded")
    elif not _compatible(built.value, loaded.value.version):
        taken = loaded.value
        yield Finding(
            state="fail",
            title=f"torch was built with cuDNN {built.value} and would load {taken.version}",
            why="torch takes the cuDNN it was built with or a newer minor release of its major, and refuses others.",
            evidence=(seen("built with", built), seen("loaded", loaded, f"{taken.version} {taken.path}")),
            remedy=_own_library(facts, taken),
        )


def _compatible(built: str, loaded: str) -> bool:
    """As torch compares: the same major, and no older minor."""
    have, wanted = numbers(loaded)[:2], numbers(built)[:2]
    return len(have) < 2 or len(wanted) < 2 or (have[0] == wanted[0] and have >= wanted)


def _own_library(facts: Facts, taken: LibraryFile) -> Remedy:
    entry = entry_of(facts.environment, "LD_LIBRARY_PATH", taken.path)
    if entry is None:
        return Remedy(f"Let torch load its own instead of {taken.path}.")
    return Remedy(
        f"Take {entry} off LD_LIBRARY_PATH: torch brings its own.",
        (without(facts.environment, "LD_LIBRARY_PATH", entry),),
        recipe="library-path",
    )


@check("DNN003", "cudnn-headers-and-library-differ", needs=("cudnn", *BUILD), strikes=COMPILE + 55)
def cudnn_headers_and_library_differ(facts: Facts) -> Iterator[Judgement]:
    """The cuDNN headers that a build takes are not of the library it links

    What it finds:
        Headers and libraries of one place, such as the system's, that are of different releases: another major, or
        headers newer than the library.
    Why it breaks:
        Code compiled against newer headers calls what an older library does not have; another major has other types.
    Example:
        cuDNN version mismatch: compiled against 7102 but linked against 7605
    What to do:
        Install headers and library of one release.
    Sources:
        https://docs.nvidia.com/deeplearning/cudnn/latest/developer/forward-compatibility.html
    """
    severity = cuda_use.build_severity(facts)
    if severity is None:
        yield NO_CUDA_BUILD
        return
    for origin in dict.fromkeys(header.origin for header in facts.cudnn.headers if header.origin not in PACKAGED):
        header = next(one for one in facts.cudnn.headers if one.origin == origin)
        library = next((one for one in facts.cudnn.libraries if one.origin == origin), None)
        if library is None or not library.version or not header.version:
            continue
        have, wanted = numbers(library.version)[:2], numbers(header.version)[:2]
        if have[:1] != wanted[:1] or have < wanted:
            yield Finding(
                state="note" if severity == "note" else "warn",
                title=f"the cuDNN headers are {header.version}, the library beside them {library.version}",
                why="A build compiles against the one and links the other.",
                evidence=(
                    Evidence("headers", f"{header.version} {header.path}", header.path),
                    Evidence("library", f"{library.version} {library.path}", library.path),
                ),
                remedy=Remedy(f"Install headers and library of one cuDNN release ({origin})."),
                subject=origin,
            )


@check("DNN004", "nccl-mixed", needs=("cudnn", "torch", "environment"), strikes=LOAD + 51)
def nccl_mixed(facts: Facts) -> Iterator[Judgement]:
    """torch would load an older NCCL than it was built with

    What it finds:
        The libnccl that a process with this torch loads comes from LD_LIBRARY_PATH and is older than the one in torch's
        own wheels, or than the one its release was published with.
    Why it breaks:
        Every NCCL 2 has the name libnccl.so.2, so the loader takes the first; an older one lacks newer functions.
    Example:
        libtorch_cuda.so: undefined symbol: ncclCommRegister
    What to do:
        Take the directory off LD_LIBRARY_PATH.
    Sources:
        requirements of the PyPI releases of torch; ld.so(8), order of search
    """
    loaded = facts.cudnn.nccl_loaded
    if not isinstance(facts.torch.cuda, Known) or not isinstance(loaded, Known):
        yield NO_CUDA if not isinstance(facts.torch.cuda, Known) else NotApplicable("no NCCL would be loaded")
        return
    taken, wanted = loaded.value, _nccl_of_torch(facts)
    entry = entry_of(facts.environment, "LD_LIBRARY_PATH", taken.path)
    if entry is not None and wanted is not None and taken.version and compare(taken.version, wanted.value) < 0:
        yield Finding(
            state="warn",
            title=f"torch came with NCCL {wanted.value} and would load {taken.version} from LD_LIBRARY_PATH",
            why="All of them are libnccl.so.2, and an older one lacks functions that torch calls.",
            evidence=(
                seen("NCCL loaded", loaded, f"{taken.version} {taken.path}"),
                Evidence("NCCL of torch", wanted.value, wanted.found_via),
            ),
            remedy=_own_library(facts, taken),
        )


def _nccl_of_torch(facts: Facts) -> Known[str] | None:
    """The one in its wheels, else the one that its release on PyPI asks for."""
    for library in facts.cudnn.nccl_libraries:
        if library.origin in PACKAGED and library.version:
            return Known(library.version, library.path)
    row = release(value_of(facts.torch.version) or "")
    return Known(row.nccl, row.source) if row is not None and row.nccl else None
