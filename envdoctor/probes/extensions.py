"""Compiled extensions of the project and of the environment, each judged in the process that would load it."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec

from envdoctor.facts import (
    Extension,
    Extensions,
    Facts,
    MissingLibrary,
    MissingVersion,
    ResolvedLibrary,
    UndefinedSymbol,
    Unreadable,
    value_of,
)
from envdoctor.files import FileView
from envdoctor.knowledge.torch import release
from envdoctor.probes.load_order import Kind, kind_of, libraries_to_search, process_of, torch_module
from envdoctor.probes.reading import names_in, reason_of
from envdoctor.target import Target

if TYPE_CHECKING:
    from envdoctor.elf.analysis import Examiner, SymbolsReport, Undefined
    from envdoctor.elf.loader import Process

NEEDS = ("python", "packages", "torch", "caffe2", "project")

EXAMINED_AT_MOST = 64
FOLDERS_AT_MOST = 512
SYMBOLS_AT_MOST = 50
# Packages whose libraries are torch itself, or have nothing to do with it: large and common ones, left out for speed.
OTHERS = frozenset(
    [
        "torch",
        "caffe2",
        "functorch",
        "torchgen",
        "triton",
        "nvidia",
        "numpy",
        "scipy",
        "pandas",
        "PIL",
        "cv2",
        "matplotlib",
        "sklearn",
        "skimage",
        "h5py",
        "lxml",
        "google",
        "yaml",
        "sympy",
        "networkx",
        "setuptools",
        "pip",
        "pkg_resources",
        "tensorflow",
        "cupy",
        "numba",
        "llvmlite",
        "pyarrow",
    ]
)
DEEPER = ("torchaudio/lib",)
# Libraries whose place decides what runs on the GPU.
CUDA_STEMS = (
    "libcuda.so",
    "libcudart",
    "libcudnn",
    "libcublas",
    "libcufft",
    "libcurand",
    "libcusolver",
    "libcusparse",
    "libnccl",
    "libnvrtc",
    "libnvToolsExt",
    "libnvJitLink",
    "libnvjpeg",
    "libcupti",
    "libcufile",
    "libnvshmem",
)


class Candidate(msgspec.Struct, frozen=True):
    """A library to be judged, and whose it is."""

    path: str
    owner: str


def probe(target: Target, known: Facts) -> Extensions:
    """Libraries of one kind share a process, so that what it holds is read once."""
    files = target.files
    found: list[Extension] = []
    unreadable: list[Unreadable] = []
    examiners: dict[Kind, Examiner | Unreadable] = {}
    search = libraries_to_search(known)
    for candidate in _candidates(target, known):
        kind = _kind(files, candidate, known)
        if isinstance(kind, Unreadable):
            unreadable.append(kind)
        elif kind is not None and len(found) < EXAMINED_AT_MOST:
            if kind not in examiners:
                examiners[kind] = _examiner(target, known, kind)
            judged = _judged(target, known, examiners[kind], candidate, kind, search)
            if isinstance(judged, Unreadable):
                unreadable.append(judged)
            else:
                found.append(judged)
    return Extensions(found=tuple(found), unreadable=tuple(unreadable))


def _candidates(target: Target, known: Facts) -> Iterator[Candidate]:
    files = target.files
    seen: set[str] = set()
    for candidate in (*_of_project(known), *_of_torch(target, known), *_of_environment(files, known)):
        real = files.real(candidate.path)
        if real not in seen:
            seen.add(real)
            yield candidate


def _of_project(known: Facts) -> Iterator[Candidate]:
    yield from (Candidate(path, "project") for path in known.project.libraries)


def _of_torch(target: Target, known: Facts) -> Iterator[Candidate]:
    """torch's own module, where something may keep it from loading."""
    module = torch_module(target.files, known)
    if module is not None and not _as_published(known, process_of(target, known, None)):
        yield Candidate(module, "torch")


def _of_environment(files: FileView, known: Facts) -> Iterator[Candidate]:
    """Companions of torch wherever they lie, then every library up to one folder deep in the site directories."""
    for companion in known.torch.companions:
        extension = value_of(companion.extension)
        if extension is not None:
            yield Candidate(extension, companion.name)
    for site in known.python.site_packages:
        names = names_in(files, site)
        yield from _libraries(site, names)
        folders = [name for name in names if _may_hold_extensions(name)]
        for folder in (*folders[:FOLDERS_AT_MOST], *DEEPER):
            yield from _libraries(f"{site}/{folder}", names_in(files, f"{site}/{folder}"), folder)


def _may_hold_extensions(name: str) -> bool:
    # A name with a dot is no package: metadata, modules, and the folders where wheels keep libraries of others.
    return "." not in name and name not in OTHERS and name != "__pycache__"


def _libraries(directory: str, names: Iterable[str], folder: str = "") -> Iterator[Candidate]:
    for name in names:
        if name.endswith(".so"):
            yield Candidate(f"{directory}/{name}", folder.partition("/")[0] or name.partition(".")[0])


def _kind(files: FileView, candidate: Candidate, known: Facts) -> Kind | Unreadable | None:
    from envdoctor.elf.file import ElfError, open_elf

    try:
        kind = kind_of(open_elf(files, candidate.path))
    except ElfError as error:
        return Unreadable(str(error), candidate.path) if candidate.owner == "project" else None
    except OSError as error:
        return Unreadable(reason_of(error), candidate.path)
    profile = value_of(known.project.profile)
    if kind is None and candidate.owner == "project":
        # A library of the project that shows no trace of either framework still belongs to the build that made it.
        return "caffe2-ops" if profile == "caffe2-ops" else "torch-extension" if profile == "torch-extension" else None
    return kind


def _examiner(target: Target, known: Facts, kind: Kind) -> "Examiner | Unreadable":
    from envdoctor.elf.analysis import Examiner
    from envdoctor.elf.file import ElfError

    process = process_of(target, known, kind)
    path = process.executable or target.python or ""
    if process.executable is None:
        return Unreadable("the process that would load it is not known: the interpreter is no readable program", path)
    try:
        return Examiner(target.files, process, trusts_loaded=_as_published(known, process))
    except ElfError as error:
        return Unreadable(f"the process that would load it cannot be examined: {error}", path)
    except OSError as error:
        return Unreadable(f"the process that would load it cannot be examined: {reason_of(error)}", path)


def _as_published(known: Facts, process: "Process") -> bool:
    """Whether torch and its libraries came together and nothing leads the loader elsewhere.

    Resolving their symbols again takes longer than everything else here. Their versions are judged in any case.
    """
    torch = known.torch
    published = value_of(known.python.kind) != "conda" and release(value_of(torch.version) or "") is not None
    altered = process.library_path or process.preload or torch.missing_requirements or torch.differing_requirements
    return published and bool(torch.libraries) and not altered


def _judged(
    target: Target,
    known: Facts,
    examiner: "Examiner | Unreadable",
    candidate: Candidate,
    kind: Kind,
    search: tuple[str, ...],
) -> Extension | Unreadable:
    from envdoctor.elf.file import ElfError

    if isinstance(examiner, Unreadable):
        return Unreadable(examiner.reason, candidate.path)
    try:
        report = examiner.examine(candidate.path, search)
        lent = _lent(target.files, process_of(target, known, None), candidate, report)
    except ElfError as error:
        return Unreadable(str(error), candidate.path)
    except OSError as error:
        return Unreadable(reason_of(error), candidate.path)
    return _extension(candidate, kind, report, lent)


def _lent(files: FileView, bare: "Process", candidate: Candidate, report: "SymbolsReport") -> tuple[str, ...]:
    """What only the process lends. Asked for the project's own libraries, whose code decides what is imported first."""
    from envdoctor.elf.loader import closure

    if candidate.owner != "project":
        return ()
    missing = {one.name for one in report.missing}
    return tuple(one.name for one in closure(files, bare, candidate.path).missing if one.name not in missing)


def _extension(candidate: Candidate, kind: Kind, report: "SymbolsReport", lent: tuple[str, ...]) -> Extension:
    return Extension(
        path=candidate.path,
        owner=candidate.owner,
        kind=kind,
        undefined=_examples(report.undefined),
        undefined_count=len(report.undefined),
        missing=tuple(MissingLibrary(one.name, one.needed_by, one.tried) for one in report.missing),
        versions=tuple(MissingVersion(one.version, one.library, one.have, one.needed_by) for one in report.versions),
        cuda_libraries=tuple(
            ResolvedLibrary(one.name, one.path, one.found_via)
            for one in report.closure
            if one.name.rpartition("/")[2].startswith(CUDA_STEMS)
        ),
        string_abi=report.string_abi,
        function_abi=report.function_abi,
        functors_in_place=report.functors_in_place,
        lent=lent,
        compilers=report.compilers,
        architectures=_architectures(report.cuda_archs),
        python_tag=python_tag(candidate.path),
    )


def _examples(undefined: "tuple[Undefined, ...]") -> tuple[UndefinedSymbol, ...]:
    """The first of each reason, each library that should define it and each namespace: they have different causes."""
    kept: dict[tuple[str, str, tuple[str, ...], str], UndefinedSymbol] = {}
    for one in undefined:
        key = (one.reason, one.needed_by, one.candidates, _namespace(one.demangled))
        if key not in kept:
            kept[key] = UndefinedSymbol(
                one.symbol, one.demangled, one.version, one.needed_by, one.reason, one.candidates
            )
        if len(kept) == SYMBOLS_AT_MOST:
            break
    return tuple(kept.values())


def _namespace(name: str) -> str:
    return name.partition("(")[0].rpartition(" ")[2].partition("::")[0]


def _architectures(names: Iterable[str]) -> tuple[str, ...]:
    """As in torch's facts: `sm_90a` is `90a`, `compute_90` is `90+PTX`."""
    found = []
    for name in names:
        kind, _, number = name.partition("_")
        if kind in ("sm", "compute"):
            found.append(number if kind == "sm" else f"{number}+PTX")
    return tuple(found)


def python_tag(path: str) -> str | None:
    """`cpython-37m` of `_C.cpython-37m-x86_64-linux-gnu.so`; None for a name that fits every interpreter."""
    parts = path.rpartition("/")[2].split(".")
    tag = parts[-2] if len(parts) > 2 else ""
    implementation, dash, rest = tag.partition("-")
    if not dash or not implementation.isalnum():
        return None
    return f"{implementation}-{rest.partition('-')[0]}"
