"""Which Caffe2Config.cmake `find_package(Caffe2)` takes: CMake's own order, from the cache to the system prefixes.

As in CMake's documentation of find_package, "Config Mode Search Procedure", for Linux. Directories whose names merely
begin with the package's are looked for below `cmake/` alone: there they are what people install.
"""

from collections.abc import Iterator

from envdoctor.facts import Absent, BuildDirectory, CMakeProject, Facts, Known, Toolchain, value_of
from envdoctor.files import FileView
from envdoctor.probes.caffe2_cmake import config_in
from envdoctor.probes.reading import names_in, text_of
from envdoctor.target import Target

NAME = "Caffe2"
SYSTEM_PREFIXES = ("/usr/local", "/usr", "/", "/usr/X11R6", "/usr/pkg", "/opt")
LIBRARIES = ("lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib64", "lib", "share")
ROOT_VARIABLE_SINCE = (3, 12)


def find_package(target: Target, known: Facts) -> Known[str] | Absent:
    """The configuration file, and the variable or prefix that leads to it."""
    looked: dict[str, None] = {}
    for place, via in _places(target, known):
        for directory in _directories(target.files, place):
            config = config_in(target.files, directory)
            if config is not None:
                return Known(config, via, place)
        looked[f"{place} ({via})"] = None
    return Absent("find_package(Caffe2) finds no Caffe2Config.cmake", tuple(looked))


def _places(target: Target, known: Facts) -> Iterator[tuple[str, str]]:
    """Prefixes in CMake's order, and what names them."""
    files, environment = target.files, target.environment
    cache = _cache(value_of(known.project.build))
    toolchain = _toolchain(value_of(known.project.toolchain))
    # A variable that the project sets hides an entry of the cache.
    project = value_of(known.project.cmake)
    own = {each.name: each.value for each in project.variables} if project is not None else {}
    sources = ((own, "CMakeLists.txt"), (toolchain, "CMAKE_TOOLCHAIN_FILE"), (cache, "CMakeCache.txt"))
    for values, via in sources:
        yield from _listed(values.get(f"{NAME}_DIR", ""), ";", f"{NAME}_DIR in {via}")
    if _roots_count(project):
        yield from _listed(environment.get(f"{NAME}_ROOT", ""), ":", f"variable {NAME}_ROOT")
    for values, via in sources:
        yield from _listed(values.get("CMAKE_PREFIX_PATH", ""), ";", f"CMAKE_PREFIX_PATH in {via}")
    yield from _listed(environment.get(f"{NAME}_DIR", ""), ":", f"variable {NAME}_DIR")
    yield from _listed(environment.get("CMAKE_PREFIX_PATH", ""), ":", "variable CMAKE_PREFIX_PATH")
    yield from ((prefix, "PATH") for prefix in _path_prefixes(target))
    yield from _registered(files, environment.get("HOME", ""))
    yield from ((prefix, "system prefix") for prefix in SYSTEM_PREFIXES)


def _directories(files: FileView, given: str) -> Iterator[str]:
    """The directories of a prefix that may hold the package's configuration."""
    if not files.is_dir(given):
        return
    prefix = given.rstrip("/")
    yield from (prefix or "/", f"{prefix}/cmake", f"{prefix}/CMake")
    names = (NAME, NAME.lower())
    for name in names:
        yield from (f"{prefix}/{name}", f"{prefix}/{name}/cmake")
    for library in LIBRARIES:
        if not files.is_dir(f"{prefix}/{library}"):
            continue
        for name in names_in(files, f"{prefix}/{library}/cmake"):
            if name.lower().startswith(NAME.lower()):
                yield f"{prefix}/{library}/cmake/{name}"
        for name in names:
            yield from (f"{prefix}/{library}/{name}", f"{prefix}/{library}/{name}/cmake")


def _path_prefixes(target: Target) -> tuple[str, ...]:
    """A directory of PATH stands for itself, one named bin or sbin for its parent."""
    prefixes = []
    for entry in target.search_path():
        head, _, tail = entry.rstrip("/").rpartition("/")
        prefixes.append((head or "/") if tail in ("bin", "sbin") else entry)
    return tuple(dict.fromkeys(prefix for prefix in prefixes if prefix.startswith("/")))


def _registered(files: FileView, home: str) -> Iterator[tuple[str, str]]:
    """CMake's user package registry: files whose text is the directory of a build tree or a configuration file."""
    registry = f"{home}/.cmake/packages/{NAME}"
    for name in names_in(files, registry, 64) if home.startswith("/") else ():
        text = text_of(files, f"{registry}/{name}", 4096)
        if isinstance(text, Known) and text.value.strip().startswith("/"):
            yield text.value.strip(), registry


def _cache(build: BuildDirectory | None) -> dict[str, str]:
    return {} if build is None else {entry.name: entry.value for entry in build.cache}


def _toolchain(toolchain: Toolchain | None) -> dict[str, str]:
    return {} if toolchain is None else {variable.name: variable.value for variable in toolchain.variables}


def _roots_count(project: CMakeProject | None) -> bool:
    """CMake regards <Package>_ROOT for projects that ask for 3.12 or later (policy CMP0074)."""
    minimum = value_of(project.minimum) if project is not None else None
    if minimum is None:
        return False
    numbers = [part for part in minimum.replace("...", ".").split(".") if part.isdigit()]
    return tuple(int(part) for part in numbers[:2]) >= ROOT_VARIABLE_SINCE


def _listed(value: str, separator: str, via: str) -> Iterator[tuple[str, str]]:
    for part in value.split(separator):
        if part.startswith("/"):
            yield part, via
