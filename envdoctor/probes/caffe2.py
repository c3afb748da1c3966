"""Caffe2: every installation that the interpreter, CMake or the variables lead to, and what each of them is."""

import posixpath

from envdoctor.facts import Absent, Caffe2, Caffe2Installation, Fact, Facts, Known, Unreadable, value_of
from envdoctor.files import FileView
from envdoctor.probes.caffe2_cmake import CMakePackage, config_in, read_package
from envdoctor.probes.caffe2_headers import left_out
from envdoctor.probes.caffe2_library import CORE_LIBRARIES, cuda_runtime, detectron_ops, read_core
from envdoctor.probes.cmake_search import find_package
from envdoctor.probes.importing import package_named
from envdoctor.probes.reading import text_of
from envdoctor.target import Target

NEEDS = ("python", "packages", "torch", "project")

CORE_HEADER = "caffe2/core/context.h"
MACROS = "caffe2/core/macros.h"
LIBRARY_DIRECTORIES = ("lib", "lib64", "lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu")
CONFIG_DIRECTORIES = ("share/cmake/Caffe2", "lib/cmake/Caffe2", "lib64/cmake/Caffe2")
DETECTRON_LIBRARY = "lib/libcaffe2_detectron_ops_gpu.so"
# Detectron's and DensePose's env.py: CMake's default prefix, then the interpreter's, then every entry of sys.path.
DETECTRON_PREFIX = "/usr/local"
INSTALLATIONS_AT_MOST = 16
PARENTS_AT_MOST = 8


def probe(target: Target, known: Facts) -> Caffe2:
    """The installation that is imported comes first, then those that CMake and the variables name."""
    files = target.files
    imported = package_named(files, known.python, "caffe2")
    finds = find_package(target, known)
    installations: list[Caffe2Installation] = []
    seen: set[str] = set()
    for root, config in _places(target, known, imported.path if imported else None, finds):
        real = files.real(root)
        if real not in seen and len(installations) < INSTALLATIONS_AT_MOST:
            seen.add(real)
            installation = _installation(files, root, config, known)
            if not _is_torch_alone(installation, known):
                installations.append(installation)
    return Caffe2(
        installations=tuple(installations),
        cmake_finds=finds,
        importable=_importable(known, imported.path if imported else None),
        detectron_lookup=_detectron_lookup(files, known),
    )


def _is_torch_alone(installation: Caffe2Installation, known: Facts) -> bool:
    """Since 1.13 the wheels of torch keep the CMake package of that name, for torch itself, and hold no Caffe2."""
    holds_nothing = isinstance(installation.library, Absent) and isinstance(installation.include, Absent)
    return holds_nothing and installation.root == value_of(known.torch.root)


def _importable(known: Facts, path: str | None) -> Fact[str]:
    if path is not None:
        return Known(path, posixpath.dirname(path))
    if not known.python.sys_path:
        return Unreadable("the interpreter could not be examined", value_of(known.python.executable) or "")
    return Absent("there is no caffe2 package on sys.path", known.python.site_packages)


def _places(
    target: Target, known: Facts, imported: str | None, finds: Known[str] | Absent
) -> list[tuple[str, str | None]]:
    """Roots with their CMake configuration, in order; a place without a trace of Caffe2 is none."""
    files = target.files
    roots: list[str] = []
    if imported is not None:
        roots.extend(_roots_of_package(files, imported))
    torch = value_of(known.torch.root)
    roots.extend([torch] if torch else [])
    places = [
        (root, config) for root in roots for config in [_config_below(files, root)] if _is_caffe2(files, root, config)
    ]
    configs = [finds.value] if isinstance(finds, Known) else []
    for prefix in _prefixes(target, known):
        # The second is that of a build tree, which lies in the tree itself.
        config = _config_below(files, prefix) or config_in(files, prefix)
        if config is not None:
            configs.append(config)
        elif _is_caffe2(files, prefix, None):
            places.append((prefix, None))
    # A source tree on sys.path has its build directory beside the package.
    for entry in known.python.sys_path:
        configs.extend(found for place in (entry, f"{entry}/build") if (found := config_in(files, place)))
    places.extend((read_package(files, config).root, config) for config in dict.fromkeys(configs))
    return places


def _roots_of_package(files: FileView, package: str) -> list[str]:
    """The torch beside a caffe2 package of a wheel, or the prefix that it was installed below."""
    site = posixpath.dirname(package)
    roots = [f"{site}/torch"]
    place = site
    for _ in range(PARENTS_AT_MOST):
        place = posixpath.dirname(place)
        if place in ("", "/"):
            break
        roots.append(place)
    return [root for root in roots if _library_directory(files, root) is not None][:1]


def _prefixes(target: Target, known: Facts) -> tuple[str, ...]:
    environment = target.environment
    named = [environment.get("Caffe2_ROOT", ""), *environment.get("CMAKE_PREFIX_PATH", "").split(":")]
    own = [value_of(known.python.prefix) or "", environment.get("CONDA_PREFIX", "")]
    return tuple(
        dict.fromkeys(path.rstrip("/") for path in (*named, *own, "/usr/local", "/usr") if path.startswith("/"))
    )


def _config_below(files: FileView, root: str) -> str | None:
    return next((found for place in CONFIG_DIRECTORIES if (found := config_in(files, f"{root}/{place}"))), None)


def _is_caffe2(files: FileView, root: str, config: str | None) -> bool:
    return config is not None or any(files.is_file(f"{root}/{place}/libcaffe2.so") for place in LIBRARY_DIRECTORIES)


def _library_directory(files: FileView, root: str) -> str | None:
    for place in LIBRARY_DIRECTORIES:
        if any(files.is_file(f"{root}/{place}/{name}") for name in CORE_LIBRARIES):
            return f"{root}/{place}"
    return None


def _installation(files: FileView, root: str, config: str | None, known: Facts) -> Caffe2Installation:
    package = read_package(files, config) if config is not None else None
    include = _include(files, root, package)
    libraries = _library_directory(files, root) or f"{root}/lib"
    core = read_core(files, libraries)
    is_torch = value_of(known.torch.root) == root
    return Caffe2Installation(
        root=root,
        version=_version(package, known if is_torch else None),
        config=_config(root, package),
        config_is_build_tree=package.is_build_tree if package else False,
        include_named=package.include_named if package else (),
        include=include,
        headers_missing=left_out(files, include.value) if isinstance(include, Known) else (),
        cmake_targets=package.targets if package else (),
        library=core.library,
        cxx11_abi=core.cxx11_abi,
        function_abi=core.function_abi,
        exports_protobuf=core.exports_protobuf,
        cuda=known.torch.cuda if is_torch else cuda_runtime(files, libraries),
        uses_mkl=_uses_mkl(files, include),
        detectron_ops=detectron_ops(files, libraries),
    )


def _version(package: CMakePackage | None, torch: Facts | None) -> Fact[str]:
    if package is not None and isinstance(package.version, Known):
        return package.version
    if torch is not None:
        return torch.torch.version
    return package.version if package is not None else Absent("nothing tells its version")


def _config(root: str, package: CMakePackage | None) -> Fact[str]:
    if package is None:
        return Absent("it has no Caffe2Config.cmake", tuple(f"{root}/{place}" for place in CONFIG_DIRECTORIES))
    return package.problem or Known(package.config, package.config)


def _include(files: FileView, root: str, package: CMakePackage | None) -> Fact[str]:
    named = (*package.include_named, *package.include_variable) if package else ()
    # The headers of a build tree lie in the source tree around it.
    around = (posixpath.dirname(root),) if package and package.is_build_tree else ()
    places = dict.fromkeys((*map(posixpath.normpath, named), f"{root}/include", f"{root}/lib/include", *around))
    for place in places:
        if files.is_file(f"{place}/{CORE_HEADER}"):
            return Known(place, f"{place}/{CORE_HEADER}")
    return Absent(f"no include directory holds {CORE_HEADER}", tuple(places))


def _uses_mkl(files: FileView, include: Fact[str]) -> Fact[bool]:
    if not isinstance(include, Known):
        return Absent("there are no headers that would tell")
    path = f"{include.value}/{MACROS}"
    text = text_of(files, path, 1 << 18)
    if not isinstance(text, Known):
        return text
    for line in text.value.splitlines():
        words = line.replace("/*", " ").split()
        if words[:2] == ["#define", "CAFFE2_USE_MKL"]:
            return Known(True, path, line)
        if words[:2] == ["#undef", "CAFFE2_USE_MKL"]:
            return Known(False, path, line)
    return Absent("its macros.h does not mention MKL", (path,))


def _detectron_lookup(files: FileView, known: Facts) -> Fact[str]:
    """What Detectron's own search finds. The directory of the started script, sys.path[0], is not known here."""
    python = known.python
    if not python.sys_path:
        return Unreadable("the interpreter could not be examined", value_of(python.executable) or "")
    prefixes = dict.fromkeys((DETECTRON_PREFIX, value_of(python.prefix) or DETECTRON_PREFIX, *python.sys_path))
    paths = [f"{prefix.rstrip('/')}/{DETECTRON_LIBRARY}" for prefix in prefixes]
    for path in paths:
        if files.is_file(path):
            return Known(path, path.removesuffix(f"/{DETECTRON_LIBRARY}"))
    return Absent("Detectron ops lib not found below sys.path", tuple(paths))
