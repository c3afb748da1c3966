"""Protobuf in all its parts: Python package, protoc, headers, libraries, and code that was generated with it."""

import re
from collections.abc import Iterable, Iterator

from envdoctor.facts import (
    Absent,
    Fact,
    Facts,
    GeneratedCode,
    Known,
    LibraryFile,
    Protobuf,
    ProtobufHeaders,
    Tool,
    Unreadable,
    value_of,
)
from envdoctor.probes.asking import ask_all, refusal
from envdoctor.probes.include_flags import flag_directories
from envdoctor.probes.include_path import from_environment
from envdoctor.probes.protobuf_files import (
    generated_header,
    generated_module,
    libraries_in,
    read_headers,
    version_in_name,
)
from envdoctor.probes.reading import names_in
from envdoctor.programs import Completed
from envdoctor.target import Target

NEEDS = ("python", "packages", "compilers", "caffe2", "project")

SECONDS = 5.0
PROTOCS_AT_MOST = 8
GENERATED_AT_MOST = 60


def probe(target: Target, known: Facts) -> Protobuf:
    """Each installation by its place; protoc is asked only where its name does not tell."""
    package = known.packages.get("protobuf")
    protocs = _protocs(target, known)
    first = next((each for each in protocs if each.path == target.which("protoc")), None)
    headers, refused = _headers(target, known)
    generated, more_refused = _generated(target, known)
    return Protobuf(
        python=Known(package.version, package.path) if package else Absent("no distribution named protobuf"),
        protoc=Known(first, "`protoc` on PATH") if first else Absent("not on PATH", ("PATH",)),
        protocs=protocs,
        headers=tuple(headers.values()),
        default_headers=_default(target, known, headers, refused),
        libraries=tuple(_libraries(target, known)),
        generated=tuple(each for each in generated if each.path.endswith(".h")),
        python_generated=tuple(each for each in generated if not each.path.endswith(".h")),
        unreadable=(*refused.values(), *more_refused),
    )


# protoc


def _protocs(target: Target, known: Facts) -> tuple[Tool, ...]:
    """Every distinct protoc, the one on PATH first."""
    paths: dict[str, str] = {}
    for path in _protoc_paths(target, known):
        if target.files.is_file(path) and len(paths) < PROTOCS_AT_MOST:
            paths.setdefault(target.files.real(path), path)
    versions = {path: told for real, path in paths.items() if (told := version_in_name(real))}
    unknown = [path for path in paths.values() if path not in versions]
    if target.programs is not None and unknown:
        commands = [(path, "--version") for path in unknown]
        answers = ask_all(target.programs, commands, SECONDS, dict(target.environment))
        versions |= {path: _answered(answer) for path, answer in zip(unknown, answers, strict=True)}
    offline = Unreadable("only the program itself tells; it needs a live target")
    return tuple(Tool(path, versions.get(path, offline)) for path in paths.values())


def _protoc_paths(target: Target, known: Facts) -> Iterator[str]:
    for directory in target.search_path():
        if directory.startswith("/"):
            yield f"{directory.rstrip('/')}/protoc"
    if target.python:
        yield f"{target.python.rpartition('/')[0]}/protoc"
    for prefix, _ in _prefixes(target, known):
        yield f"{prefix}/bin/protoc"
    for root in _torch_roots(known):
        named = [name for name in names_in(target.files, f"{root}/bin", 256) if name.startswith("protoc")]
        yield from (f"{root}/bin/{name}" for name in sorted(named, reverse=True)[:1])


def _answered(answer: Completed) -> Fact[str]:
    said = answer.stdout.strip()
    found = re.match(r"libprotoc (\d+(?:\.\d+)+)", said) if answer.ok else None
    via = f"`{' '.join(answer.command)}`"
    return Known(found[1], via, said[:200]) if found else Unreadable(refusal(answer), via)


# Places


def _prefixes(target: Target, known: Facts) -> Iterator[tuple[str, str]]:
    """Installation roots that may hold `include`, `lib` and `bin`, with where each comes from."""
    if target.project:
        yield f"{target.project.rstrip('/')}/.envdoctor/prefix", "project"
    for variable in ("Protobuf_ROOT", "PROTOBUF_ROOT"):
        root = target.environment.get(variable, "").rstrip("/")
        if root.startswith("/"):
            yield root, variable
    conda = target.environment.get("CONDA_PREFIX", "").rstrip("/")
    if conda.startswith("/"):
        yield conda, "conda"
    prefix = (value_of(known.python.prefix) or "").rstrip("/")
    if prefix.startswith("/") and prefix != conda:
        yield prefix, "conda" if value_of(known.python.kind) == "conda" else "pip"


def _torch_roots(known: Facts) -> Iterator[str]:
    package = known.packages.get("torch")
    roots = [each.root for each in known.caffe2.installations]
    if package:
        roots.append(f"{package.path.rpartition('/')[0]}/torch")
    yield from dict.fromkeys(roots)


def _build_directories(target: Target, known: Facts) -> Iterator[tuple[str, str]]:
    """Where a build of this project looks before the compiler's own directories, in its order."""
    yield from flag_directories(target, known.project)
    first = known.caffe2.first()
    if first is not None and value_of(known.project.profile) == "caffe2-ops" and (include := value_of(first.include)):
        yield include, "caffe2"
    yield from from_environment(target.environment)


def _compiler_directories(known: Facts) -> Iterator[tuple[str, str]]:
    fact = known.compilers.include_directories
    for directory in fact.value if isinstance(fact, Known) else ("/usr/local/include", "/usr/include"):
        yield directory, "system"


def _include_places(target: Target, known: Facts) -> Iterator[tuple[str, str]]:
    yield from _build_directories(target, known)
    yield from _compiler_directories(known)
    for prefix, origin in _prefixes(target, known):
        yield f"{prefix}/include", origin
    build = value_of(known.project.build)
    for name in ("Protobuf_INCLUDE_DIR", "PROTOBUF_INCLUDE_DIR", "Protobuf_INCLUDE_DIRS"):
        directory = build.get(name) if build else None
        if directory and directory.startswith("/"):
            yield directory.rstrip("/"), "CMakeCache.txt"
    for installation in known.caffe2.installations:
        if include := value_of(installation.include):
            yield include, "caffe2"
    for root in _torch_roots(known):
        yield f"{root}/include", "torch"
        yield f"{root}/lib/include", "torch"


# Headers


def _headers(target: Target, known: Facts) -> tuple[dict[str, ProtobufHeaders], dict[str, Unreadable]]:
    """By the real directory: the same headers through two names are one installation."""
    found: dict[str, ProtobufHeaders] = {}
    refused: dict[str, Unreadable] = {}
    for include, origin in _include_places(target, known):
        real = target.files.real(include)
        if real not in found and real not in refused:
            headers = read_headers(target.files, include, origin)
            if isinstance(headers, Unreadable):
                refused[real] = headers
            elif headers is not None:
                found[real] = headers
    return found, refused


def _default(
    target: Target, known: Facts, headers: dict[str, ProtobufHeaders], refused: dict[str, Unreadable]
) -> Fact[ProtobufHeaders]:
    places = [*_build_directories(target, known), *_compiler_directories(known)]
    for include, origin in places:
        real = target.files.real(include)
        if real in headers:
            return Known(headers[real], include if origin == "system" else f"{origin}: {include}")
        if real in refused:
            return refused[real]
    searched = known.compilers.include_directories
    if isinstance(searched, Unreadable):
        return Unreadable(f"where the compiler looks is not known: {searched.reason}", searched.found_via)
    return Absent(
        "no google/protobuf headers where the compiler looks", tuple(dict.fromkeys(each for each, _ in places))
    )


# Libraries


def _libraries(target: Target, known: Facts) -> Iterator[LibraryFile]:
    seen: set[str] = set()
    for directory, origin in _library_places(target, known):
        real = target.files.real(directory)
        if real not in seen:
            seen.add(real)
            yield from libraries_in(target.files, directory, origin)


def _library_places(target: Target, known: Facts) -> Iterator[tuple[str, str]]:
    for variable in ("LD_LIBRARY_PATH", "LIBRARY_PATH"):
        for entry in target.environment.get(variable, "").split(":")[:256]:
            if entry.startswith("/"):
                yield entry.rstrip("/") or "/", variable
    for prefix, origin in _prefixes(target, known):
        yield f"{prefix}/lib", origin
    for root in _torch_roots(known):
        yield f"{root}/lib", "torch"
    multiarch = [name for name in names_in(target.files, "/usr/lib", 4096) if name.endswith("-linux-gnu")]
    for directory in ("/usr/local/lib", "/usr/local/lib64", *(f"/usr/lib/{name}" for name in multiarch[:4])):
        yield directory, "system"
    yield "/usr/lib64", "system"
    yield "/usr/lib", "system"


# Generated code


def _generated(target: Target, known: Facts) -> tuple[list[GeneratedCode], list[Unreadable]]:
    found: list[GeneratedCode] = []
    refused: list[Unreadable] = []
    for path, owner in _generated_places(known):
        read = generated_header if path.endswith(".h") else generated_module
        code = read(target.files, path, owner)
        if isinstance(code, Unreadable):
            refused.append(code)
        elif code is not None:
            found.append(code)
    return found, refused


def _generated_places(known: Facts) -> Iterable[tuple[str, str]]:
    places: dict[str, str] = {}
    for installation in known.caffe2.installations:
        if include := value_of(installation.include):
            places.setdefault(f"{include}/caffe2/proto/caffe2.pb.h", "caffe2")
        package = f"{installation.root.rpartition('/')[0]}/caffe2"
        places.setdefault(f"{package}/proto/caffe2_pb2.py", "caffe2")
    if importable := value_of(known.caffe2.importable):
        places.setdefault(f"{importable.removesuffix('/__init__.py')}/proto/caffe2_pb2.py", "caffe2")
    for path in known.project.generated[:GENERATED_AT_MOST]:
        places.setdefault(path, "project")
    return places.items()
