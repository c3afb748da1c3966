"""The project: what kind of build it is, what it asks for, its sources, and what an earlier build left."""

from collections.abc import Iterable, Iterator

from envdoctor.facts import Absent, Fact, Facts, Known, Project, SetupExtension, Tool, Unreadable, value_of
from envdoctor.files import FileView
from envdoctor.probes.project_build import read_build
from envdoctor.probes.project_cmake import CMakeFiles, read_cmake
from envdoctor.probes.project_makefile import read_makefile
from envdoctor.probes.project_python import detectron_uses
from envdoctor.probes.project_setup import read_build_requires, read_setup
from envdoctor.probes.project_sources import CUDA_ENDINGS, SourceUses, is_source, read_sources
from envdoctor.probes.project_toolchain import read_toolchain
from envdoctor.probes.project_tree import read_tree
from envdoctor.probes.reading import reason_of
from envdoctor.target import Target

NEEDS = ("cmake",)

FILES_AT_MOST = 500
ASIDE = frozenset(
    (
        *("test", "tests", "testing", "example", "examples", "sample", "samples", "doc", "docs", "android", "ios"),
        *("benchmark", "benchmarks", "third_party", "third-party", "3rdparty", "external", "vendor"),
    )
)
SHIM_SECONDS = 5.0
NOT_FOUND = 127
"""The status by which shells, and pyenv's shims, say that there is no such program."""


def probe(target: Target, known: Facts) -> Project:
    """Everything is read as text; nothing of the project is run."""
    root = _root(target)
    if not isinstance(root, Known):
        return Project(root=root, profile=_named_profile(target) or _without_project(root))
    files, folder = target.files, root.value
    tree = read_tree(files, folder)
    cmake = read_cmake(files, folder)
    setup = read_setup(files, folder)
    uses = read_sources(files, tree.files)
    named = _sources((*cmake.sources, *_existing(files, folder, setup.sources)))
    sources = named or _sources(path for path in tree.files if not _is_aside(path.removeprefix(folder)))
    programs, makefile_trouble = read_makefile(files, folder, target.environment)
    requires, requires_trouble = read_build_requires(files, folder)
    build = read_build(files, folder, tree.builds)
    return Project(
        root=root,
        profile=_named_profile(target) or _profile(cmake, setup.extensions, uses),
        cmake=cmake.project,
        setup_extensions=setup.extensions,
        build=build,
        toolchain=read_toolchain(files, target.environment, build, _release(known.cmake.cmake)),
        sources=sources,
        sources_named=bool(named),
        has_cuda_sources=any(path.endswith(CUDA_ENDINGS) for path in sources),
        includes=uses.includes,
        single_argument_calls=uses.single_argument_calls,
        detectron_uses=detectron_uses(files, tree.files),
        programs=programs,
        missing_programs=tuple(each for each in programs if _is_missing(target, each.name)),
        build_requires=requires,
        libraries=tuple(_libraries((*tree.built, *tree.files)))[:FILES_AT_MOST],
        include_directories=(*cmake.include_directories, *_existing(files, folder, setup.include_directories)),
        generated=tuple(_generated((*tree.files, *tree.built)))[:FILES_AT_MOST],
        protos=tuple(path for path in tree.files if path.endswith(".proto"))[:FILES_AT_MOST],
        unreadable=(
            *(*tree.unreadable, *cmake.unreadable, *setup.unreadable),
            *(*uses.unreadable, *makefile_trouble, *requires_trouble),
        ),
    )


def _root(target: Target) -> Fact[str]:
    if not target.project:
        return Absent("no project was named")
    folder = target.project.rstrip("/") or "/"
    if not target.files.is_dir(folder):
        return Absent("no such folder", (folder,))
    try:
        target.files.names(folder)
    except OSError as error:
        return Unreadable(reason_of(error), folder)
    return Known(folder, "project that was named")


def _release(cmake: Fact[Tool]) -> str | None:
    return value_of(cmake.value.version) if isinstance(cmake, Known) else None


def _named_profile(target: Target) -> Fact[str] | None:
    return Known(target.profile, "profile that was named") if target.profile else None


def _without_project(root: Absent | Unreadable) -> Fact[str]:
    if isinstance(root, Unreadable):
        return Unreadable(f"the project cannot be read: {root.reason}", root.found_via)
    return Known("installed", root.reason)


def _profile(cmake: CMakeFiles, extensions: tuple[SetupExtension, ...], uses: SourceUses) -> Fact[str]:
    """By the strongest evidence: what build files ask for, then what sources register and include."""
    for package, profile in (("Caffe2", "caffe2-ops"), ("Torch", "torch-extension")):
        if package in cmake.packages:
            return Known(profile, cmake.packages[package], f"find_package({package})")
    if uses.operators:
        first = uses.operators[0]
        return Known("caffe2-ops", f"{first.path}:{first.line}", f"REGISTER_CPU_OPERATOR({first.name}")
    for extension in extensions:
        if extension.kind in ("CppExtension", "CUDAExtension", "SyclExtension"):
            return Known("torch-extension", f"{extension.path}:{extension.line}", extension.kind)
    for prefixes, profile in ((("caffe2/",), "caffe2-ops"), (("torch/", "ATen/"), "torch-extension")):
        use = next((each for each in uses.includes if each.name.startswith(prefixes)), None)
        if use is not None:
            return Known(profile, f"{use.path}:{use.line}", f"#include <{use.name}>")
    return Known("installed", "no build file or source of the project asks for Caffe2 or torch")


def _sources(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for path in paths if is_source(path)))[:FILES_AT_MOST]


def _is_aside(path: str) -> bool:
    """Whether a file lies where no project keeps its ops."""
    return not ASIDE.isdisjoint(path.lower().split("/")[:-1])


def _is_missing(target: Target, program: str) -> bool:
    """Whether PATH does not offer a program. pyenv's shims are there even for versions that are not, and are asked."""
    if not target.search_path():
        return False
    path = target.which(program)
    if path is None or "/shims/" not in path or target.programs is None:
        return path is None
    return target.programs.run((path, "--version"), SHIM_SECONDS, dict(target.environment)).status == NOT_FOUND


def _existing(files: FileView, root: str, words: Iterable[str]) -> Iterator[str]:
    for word in words:
        path = word if word.startswith("/") else f"{root}/{word.removeprefix('./')}".rstrip("/")
        if files.is_file(path) or files.is_dir(path):
            yield path


def _libraries(paths: Iterable[str]) -> Iterator[str]:
    """Shared libraries: `name.so` and `name.so.1.2`."""
    for path in paths:
        name = path.rpartition("/")[2]
        stem, found, version = name.rpartition(".so")
        if found and stem and version.replace(".", "").isdigit() | (version == ""):
            yield path


def _generated(paths: Iterable[str]) -> Iterator[str]:
    return (path for path in paths if path.endswith((".pb.h", "_pb2.py")))
