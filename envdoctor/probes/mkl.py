"""MKL: its headers, which a Caffe2 built with MKL asks every operator for, and its libraries."""

from collections.abc import Iterator

from envdoctor.facts import Absent, Fact, Facts, HeaderFile, Known, LibraryFile, Mkl, Unreadable
from envdoctor.probes.include_flags import flag_directories
from envdoctor.probes.include_path import from_environment
from envdoctor.probes.reading import first_text, names_in
from envdoctor.target import Target

NEEDS = ("python", "compilers", "project")

HEADER = "mkl_cblas.h"
LIBRARY = "libmkl_rt.so"
ONEAPI = ("/opt/intel/oneapi/mkl/latest", "/opt/intel/mkl")


def probe(target: Target, known: Facts) -> Mkl:
    """Headers and libraries by their place; a version is known of headers only, by mkl_version.h."""
    headers: dict[str, HeaderFile] = {}
    for directory, origin in _include_directories(target, known):
        path = f"{directory}/{HEADER}"
        if target.files.is_file(path):
            headers.setdefault(target.files.real(path), HeaderFile(path, _version(target, directory), origin))
    libraries: dict[str, LibraryFile] = {}
    for directory, origin in _library_directories(target, known):
        for name in names_in(target.files, directory, 65536):
            if name.startswith(LIBRARY) and target.files.is_file(f"{directory}/{name}"):
                found = LibraryFile(name, f"{directory}/{name}", None, origin)
                libraries.setdefault(target.files.real(found.path), found)
    return Mkl(
        headers=tuple(headers.values()), default_header=_default(target, known), libraries=tuple(libraries.values())
    )


def _prefixes(target: Target, known: Facts) -> Iterator[tuple[str, str]]:
    """Installation roots that may hold `include` and `lib`, with where each comes from."""
    for variable in ("MKLROOT", "MKL_ROOT"):
        root = target.environment.get(variable, "").rstrip("/")
        if root.startswith("/"):
            yield root, variable
    conda = target.environment.get("CONDA_PREFIX", "").rstrip("/")
    if conda.startswith("/"):
        yield conda, "conda"
    prefix = known.python.prefix
    if isinstance(prefix, Known) and prefix.value != conda:
        kind = known.python.kind
        is_conda = isinstance(kind, Known) and kind.value == "conda"
        # The wheels mkl and mkl-include put their files into the environment itself, not below site-packages.
        yield prefix.value.rstrip("/"), "conda" if is_conda else "pip"
    for root in ONEAPI:
        yield root, "system"
    if target.project:
        yield f"{target.project.rstrip('/')}/.envdoctor/prefix", "project"


def _include_directories(target: Target, known: Facts) -> Iterator[tuple[str, str]]:
    yield from _build_directories(target, known)
    for prefix, origin in _prefixes(target, known):
        yield f"{prefix}/include", origin
    fact = known.compilers.include_directories
    own = fact.value if isinstance(fact, Known) else ("/usr/local/include", "/usr/include")
    for directory in own:
        yield directory, "system"
        yield f"{directory}/mkl", "system"


def _library_directories(target: Target, known: Facts) -> Iterator[tuple[str, str]]:
    for variable in ("LD_LIBRARY_PATH", "LIBRARY_PATH"):
        for entry in target.environment.get(variable, "").split(":")[:256]:
            if entry.startswith("/"):
                yield entry.rstrip("/") or "/", variable
    for prefix, origin in _prefixes(target, known):
        yield f"{prefix}/lib", origin
        yield f"{prefix}/lib/intel64", origin
    for directory in ("/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib64"):
        yield directory, "system"


def _default(target: Target, known: Facts) -> Fact[str]:
    searched = known.compilers.include_directories
    own = searched.value if isinstance(searched, Known) else ()
    places = [*_build_directories(target, known), *((each, "compiler's own directory") for each in own)]
    for directory, why in places:
        if target.files.is_file(f"{directory}/{HEADER}"):
            return Known(f"{directory}/{HEADER}", why)
    if isinstance(searched, Unreadable):
        return Unreadable(f"where the compiler looks is not known: {searched.reason}", searched.found_via)
    return Absent(f"no {HEADER} where the compiler looks", tuple(directory for directory, _ in places))


def _build_directories(target: Target, known: Facts) -> Iterator[tuple[str, str]]:
    """What flags and the environment add before the compiler's own directories."""
    yield from flag_directories(target, known.project)
    yield from from_environment(target.environment)


def _version(target: Target, include: str) -> str | None:
    """`2019.0.5` of the macros in mkl_version.h; older releases keep them in mkl.h."""
    text = first_text(target.files, (f"{include}/mkl_version.h", f"{include}/mkl.h"), 64 * 1024)
    if not isinstance(text, Known):
        return None
    words = [line.split() for line in text.value.splitlines() if line.lstrip().startswith("#define")]
    macros = {line[1]: line[2] for line in words if len(line) > 2}
    parts = [macros.get(f"__INTEL_MKL{part}__", "") for part in ("", "_MINOR", "_UPDATE")]
    return ".".join(parts) if all(part.isdigit() for part in parts) else None
