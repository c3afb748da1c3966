"""Headers and a static library of one exact protobuf, made of the sources that a release of grpcio-tools carries."""

import ast
import hashlib
import os
import shutil
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from envdoctor.repair.pip import IndexUnreachableError
from envdoctor.repair.steps import Hands, Step, StepError

from .kept_copies import kept, scratch
from .pip_download import command, download

SOURCES = "third_party/protobuf/src/"
LISTING = "protoc_lib_deps.py"
COMPILED = "compiled.txt"
ENDINGS = (".h", ".inc", ".cc", ".proto")
MEMBER_LIMIT = 8 << 20
# Of the compiler's sources the library holds these two, which read .proto files.
OF_COMPILER = ("google/protobuf/compiler/parser.cc", "google/protobuf/compiler/importer.cc")

OPTIONS = ("--no-binary=grpcio-tools",)
# pip runs the setup.py of a source archive to learn its name; those of old archives need pkg_resources, which
# setuptools had until release 81.
BUILD_CONSTRAINT = "setuptools<82"

COMPILE_FLAGS = ("-std=c++11", "-O1", "-fPIC", "-w", "-DHAVE_PTHREAD=1")
# Another protobuf, or a changed standard header, on the include path would get into the library.
OWN_INCLUDE_PATH = {"CPATH": "", "CPLUS_INCLUDE_PATH": ""}


@dataclass(frozen=True)
class Sources:
    """A protobuf and the release of grpcio-tools that carries it. `python` is the interpreter whose pip fetches it."""

    protobuf: str
    sdist: str
    python: str

    @property
    def requirement(self) -> str:
        return f"grpcio-tools=={self.sdist}"


@dataclass(frozen=True)
class BringHeaders(Step):
    """Put the headers into a new `folder`, which holds `google/protobuf/...` afterwards."""

    kind = "headers"
    sources: Sources
    folder: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.folder,)

    @property
    def command(self) -> tuple[str, ...]:
        return command(self.sources.python, self.sources.requirement, OPTIONS, "DIR")

    def perform(self, hands: Hands) -> None:
        source = kept_sources(hands, self.sources)
        shutil.copytree(f"{source}/google", f"{self.folder}/google", ignore=shutil.ignore_patterns("*.cc"))


@dataclass(frozen=True)
class BuildLibrary(Step):
    """Put a static, position-independent libprotobuf at `path`, compiled with `flags` besides those that it needs."""

    kind = "build"
    sources: Sources
    compiler: str
    flags: tuple[str, ...]
    path: str

    @property
    def paths(self) -> tuple[str, ...]:
        return (self.path,)

    @property
    def command(self) -> tuple[str, ...]:
        return (self.compiler, *COMPILE_FLAGS, *self.flags)

    def perform(self, hands: Hands) -> None:
        library = kept_library(hands, self.sources, self.compiler, self.flags)
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        shutil.copyfile(library, self.path)


def kept_sources(hands: Hands, sources: Sources) -> str:
    """The include directory of the sources, in the user's cache. Raises StepError, OSError."""

    def make(folder: str) -> None:
        hands.say(f"fetch protobuf {sources.protobuf} ({sources.requirement})", None)
        with scratch(hands.cache) as aside:
            try:
                _unpack(_fetch(hands, sources, aside), folder)
            except (tarfile.TarError, EOFError, SyntaxError, ValueError) as error:
                raise StepError(f"{sources.requirement} is damaged or not what was expected: {error}") from error

    return os.path.join(kept(hands, f"protobuf-{sources.protobuf}", make), "src")


def _fetch(hands: Hands, sources: Sources, folder: str) -> str:
    """The archive. Not every interpreter can run its setup.py: where the target's cannot, envdoctor's own is tried."""
    constraint = Path(folder, "constraint.txt")
    constraint.write_text(f"{BUILD_CONSTRAINT}\n", encoding="utf-8")
    given = hands.environment
    # Releases of pip from 25.3 on read the second one.
    variables = {
        name: " ".join(filter(None, (given.get(name), constraint.as_uri())))
        for name in ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT")
    }

    def run(words: Sequence[str], extra: Mapping[str, str] | None, directory: str | None) -> str:
        return hands.run(words, {**variables, **(extra or {})}, directory)

    constrained = replace(hands, run=run)
    reason: StepError | None = None
    for number, python in enumerate(dict.fromkeys((sources.python, sys.executable))):
        archives = f"{folder}/{number}"
        os.mkdir(archives)
        try:
            return download(constrained, python, sources.requirement, OPTIONS, archives)
        except IndexUnreachableError:
            raise
        except StepError as error:
            reason = reason or error
    raise reason or StepError(f"there is no interpreter to fetch {sources.requirement} with")


def kept_library(hands: Hands, sources: Sources, compiler: str, flags: Sequence[str]) -> str:
    """The static library, in the user's cache; one for each compiler and set of flags. Raises StepError, OSError."""
    built_by = hands.run((compiler, "--version"), None, None).partition("\n")[0]
    key = "\n".join((sources.protobuf, sources.sdist, compiler, built_by, *COMPILE_FLAGS, *flags))
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    source = kept_sources(hands, sources)

    def make(folder: str) -> None:
        _compile(hands, source, folder, (compiler, *COMPILE_FLAGS, *flags, f"-I{source}"), sources.protobuf)

    return os.path.join(kept(hands, f"libprotobuf-{sources.protobuf}-{digest}", make), "libprotobuf.a")


def _compile(hands: Hands, source: str, folder: str, words: Sequence[str], version: str) -> None:
    names = Path(source, COMPILED).read_text(encoding="utf-8").splitlines()
    # The largest first, so that no core is left with one at the end.
    names.sort(key=lambda name: os.path.getsize(os.path.join(source, name)), reverse=True)
    # A compiler that outlives a killed run must not write into the folder of the next one.
    aside = os.path.join(folder, f"objects-{os.getpid()}")
    os.mkdir(aside)
    objects = [f"{number}.o" for number in range(len(names))]
    pool = ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0)))
    try:
        jobs = [
            pool.submit(hands.run, (*words, "-c", "-o", made, os.path.join(source, name)), OWN_INCLUDE_PATH, aside)
            for made, name in zip(objects, names, strict=True)
        ]
        for done, job in enumerate(as_completed(jobs), 1):
            job.result()
            hands.say(f"build libprotobuf {version}", done / len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)
    hands.run(("ar", "rcs", "../libprotobuf.a", *objects), None, aside)
    shutil.rmtree(aside)


def _unpack(archive: str, folder: str) -> None:
    """Take headers, sources and .proto files of the library out of an archive, and what it says it is compiled of."""
    listing = None
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            inside = member.name.partition("/")[2]
            wanted = inside == LISTING or (inside.startswith(SOURCES + "google/") and _is_wanted(inside))
            file = tar.extractfile(member) if wanted and member.isfile() and member.size <= MEMBER_LIMIT else None
            if file is None:
                continue
            with closing(file):
                content = file.read()
            if inside == LISTING:
                listing = content.decode()
                continue
            target = Path(folder, "src", inside.removeprefix(SOURCES))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    if listing is None:
        raise ValueError(f"it has no {LISTING}")
    names = [name for name in _compiled(listing) if Path(folder, "src", name).is_file()]
    if not names:
        raise ValueError("it has no sources of libprotobuf")
    Path(folder, "src", COMPILED).write_text("\n".join(names), encoding="utf-8")


def _is_wanted(path: str) -> bool:
    """Neither tests nor anything that is no source; and no path that leads elsewhere."""
    parts = PurePosixPath(path).parts
    words = parts[-1].partition(".")[0].split("_")
    return path.endswith(ENDINGS) and not {"..", "testing"} & set(parts) and not {"test", "unittest"} & set(words)


def _compiled(listing: str) -> Iterator[str]:
    """The sources of libprotobuf itself: of those that the archive's own build compiles, the ones that make no code."""
    for node in ast.parse(listing).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CC_FILES":
            for name in ast.literal_eval(node.value):
                if "/compiler/" not in name or name in OF_COMPILER:
                    yield name
