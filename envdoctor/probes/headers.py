"""The headers that the compiler's own preprocessor misses over a project's C++ sources.

`-M -MG` takes a missing header for one that is yet to be made and goes on, so that one run names them all, where a
compile stops at the first.
"""

from collections.abc import Iterable

from envdoctor.facts import Absent, Fact, Facts, Headers, Known, Unreadable, value_of
from envdoctor.files import FileView
from envdoctor.knowledge.protobuf import range_from_generated
from envdoctor.probes.include_flags import flag_directories
from envdoctor.probes.include_path import existing, from_environment
from envdoctor.probes.project_tree import read_tree
from envdoctor.probes.reading import text_of
from envdoctor.programs import Completed
from envdoctor.target import Target

NEEDS = ("python", "packages", "compilers", "caffe2", "project")

SECONDS = 20.0
SOURCES_AT_MOST = 200
RUNS_AT_MOST = 4
MISSING_AT_MOST = 400
ERRORS_AT_MOST = 200
GENERATED_LIMIT = 256 * 1024

CXX_ENDINGS = (".cc", ".cpp", ".cxx", ".C", ".c++")
PROFILES = ("caffe2-ops", "torch-extension")
KEPT_FLAGS = ("-D", "-U", "-std=")


def probe(target: Target, known: Facts) -> Headers:
    """Sources are read in one run of the compiler, which then reads each header of the framework once."""
    profile = value_of(known.project.profile)
    if profile not in PROFILES:
        return Headers(missing=Absent("the project builds no ops"))
    if profile == "torch-extension" and not known.project.sources_named:
        # Of several backends' files a build takes some: what those of the others miss is no fault.
        return Headers(missing=Absent("the build files compute the list of sources"))
    sources = [path for path in known.project.sources if path.endswith(CXX_ENDINGS)][:SOURCES_AT_MOST]
    if not sources:
        return Headers(missing=Absent("the project has no C++ sources"))
    compiler = known.compilers.cxx
    if not isinstance(compiler, Known):
        return Headers(missing=type(compiler)(f"no C++ compiler: {compiler.reason}"))
    if target.programs is None:
        return Headers(missing=Unreadable("only the compiler tells; it needs a live target", compiler.value.path))
    own, framework = _directories(target, known, profile)
    searched = (*own, *framework, *(directory for directory, _ in from_environment(target.environment)))
    missing = _missing(target, known, sources, own, framework)
    return Headers(missing=missing, searched=(*searched, *(value_of(known.compilers.include_directories) or ())))


def _directories(target: Target, known: Facts, profile: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Include directories that exist: those that the project's flags name, and those of its framework."""
    own = existing(target.files, (directory for directory, _ in flag_directories(target, known.project)))
    framework: list[str] = []
    if profile == "caffe2-ops":
        framework += [include for each in known.caffe2.installations[:1] if (include := value_of(each.include))]
    else:
        package = known.packages.get("torch")
        root = f"{package.path.rpartition('/')[0]}/torch" if package else ""
        for include in ("include", "lib/include") if root else ():
            framework += [f"{root}/{include}", f"{root}/{include}/torch/csrc/api/include"]
    if python := value_of(known.python.headers):
        framework.append(python)
    return own, existing(target.files, framework)


def _missing(
    target: Target, known: Facts, sources: list[str], own: tuple[str, ...], framework: tuple[str, ...]
) -> Fact[tuple[str, ...]]:
    tree: tuple[str, ...] | None = None
    for _ in range(RUNS_AT_MOST):
        found = _missing_with(target, known, sources, own, framework)
        if not isinstance(found, Known) or not found.value:
            break
        # Build files may compute the directories of the project's own headers: those are where the headers are.
        tree = read_tree(target.files, value_of(known.project.root) or "/").files if tree is None else tree
        folders = [path.removesuffix(f"/{name}") for name in found.value for path in tree if path.endswith(f"/{name}")]
        if not set(folders) - set(own):
            break
        own = tuple(dict.fromkeys((*own, *folders)))
    return found


def _missing_with(
    target: Target, known: Facts, sources: list[str], own: tuple[str, ...], framework: tuple[str, ...]
) -> Fact[tuple[str, ...]]:
    # A whole torch takes the preprocessor a second, and its wheels leave nothing out. So it is shown the project's own
    # files alone at first, and all of them only where something that it misses is not in torch either.
    if value_of(known.project.profile) == "torch-extension" and isinstance(known.python.headers, Known):
        quick = _preprocess(target, known, sources, own)
        if isinstance(quick, Known) and all(_is_in(target.files, framework, name) for name in quick.value):
            return Known((), quick.found_via)
    return _preprocess(target, known, sources, (*own, *framework))


def _preprocess(
    target: Target, known: Facts, sources: list[str], directories: tuple[str, ...]
) -> Fact[tuple[str, ...]]:
    compiler = value_of(known.compilers.cxx)
    if compiler is None or target.programs is None:
        return Absent("no C++ compiler")
    flags = _flags(known)
    command = [compiler.path, "-M", "-MG", "-w", "-x", "c++", *flags, *(f"-I{each}" for each in directories)]
    # All sources as one: what they share is read once.
    included = [word for source in sources for word in ("-include", source)]
    environment = {**target.environment, "LC_ALL": "C"}
    answer = target.programs.run([*command, *included, "/dev/null"], SECONDS, environment)
    if answer.status and not answer.stdout.strip():
        agreed = _agreed_version(target.files, answer.stderr)
        if agreed:
            answer = target.programs.run([*command, *agreed, *included, "/dev/null"], SECONDS, environment)
    shown = f"`{compiler.path.rpartition('/')[2]} -M -MG` over {len(sources)} C++ sources"
    if answer.status is None or not answer.stdout.strip():
        return Unreadable(_complaint(answer), shown)
    return Known(tuple(_not_found(target.files, answer.stdout, directories)[:MISSING_AT_MOST]), shown)


def _agreed_version(files: FileView, errors: str) -> list[str]:
    """Definitions under which generated code agrees with protobuf's headers, whatever their version.

    GCC before release 8 names no header at all once it met an `#error`, and generated code has one for headers of
    another version. The guard of stubs/common.h keeps those headers from defining their own.
    """
    for line in errors.splitlines()[:ERRORS_AT_MOST]:
        path, found, _ = line.partition(": error: #error")
        path = path.rpartition(":")[0].rpartition(":")[0] if found else ""
        text = text_of(files, path, GENERATED_LIMIT) if path.startswith("/") and path.endswith(".pb.h") else None
        demand = range_from_generated(text.value) if isinstance(text, Known) else None
        if demand is not None and not demand.exact:
            macros = ("GOOGLE_PROTOBUF_VERSION", "GOOGLE_PROTOBUF_MIN_PROTOC_VERSION")
            return ["-DGOOGLE_PROTOBUF_COMMON_H__", *(f"-D{macro}={demand.generated}" for macro in macros)]
    return []


def _flags(known: Facts) -> list[str]:
    """Definitions and the language standard of the project's CMake files, but for those that CMake computes."""
    project = value_of(known.project.cmake)
    return [flag for flag in (project.flags if project else ()) if flag.startswith(KEPT_FLAGS) and "$" not in flag]


def _not_found(files: FileView, rule: str, directories: tuple[str, ...]) -> list[str]:
    """The names in a make rule that are no files: those that the preprocessor left as the sources spell them."""
    # An include by absolute path stays as written too; what lies below a directory that was searched was found there.
    surely_there = ("/usr/", "/dev/null", *directories)
    return [
        name
        for name in dict.fromkeys(_prerequisites(rule))
        if not name.startswith("/") or not (name.startswith(surely_there) or files.is_file(name))
    ]


def _prerequisites(rule: str) -> Iterable[str]:
    """The words after the colon; make's escapes (`\\ ` and `$$`) undone."""
    body = rule.replace("\\\r\n", " ").replace("\\\n", " ").partition(":")[2]
    for word in body.replace("\\ ", "\0").split():
        yield word.replace("\0", " ").replace("\\#", "#").replace("$$", "$")


def _is_in(files: FileView, directories: Iterable[str], name: str) -> bool:
    return any(files.is_file(f"{directory}/{name}") for directory in directories)


def _complaint(answer: Completed) -> str:
    """Old compilers name nothing once an `#error` line was met; then its text is all there is."""
    if answer.problem:
        return answer.problem
    said = next((line.strip() for line in answer.stderr.splitlines() if "error" in line), "")
    return f"the preprocessor gave up: {said[:300]}" if said else f"the preprocessor ended with status {answer.status}"
