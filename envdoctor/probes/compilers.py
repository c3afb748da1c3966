"""The C and C++ compilers of the target: all that PATH and conda offer, and those that a build takes."""

import re
import shlex
from collections.abc import Iterable, Iterator

from envdoctor.facts import Absent, Compiler, Compilers, Fact, Facts, Known, Unreadable
from envdoctor.probes.asking import ask_all, refusal
from envdoctor.probes.include_path import built_in_directories, read_include_directories
from envdoctor.probes.reading import names_in
from envdoctor.programs import Completed
from envdoctor.target import Target

NEEDS: tuple[str, ...] = ()

SECONDS = 5.0
COMPILERS_AT_MOST = 24

# Programs that start the compiler named after them.
LAUNCHERS = frozenset(("ccache", "sccache", "distcc", "icecc", "buildcache", "env", "nice", "time"))


def probe(target: Target, known: Facts) -> Compilers:  # noqa: ARG001 - every probe is called alike
    """Every distinct compiler is asked for its version once, all of them side by side."""
    installed = tuple(_installed(target))[:COMPILERS_AT_MOST]
    chosen = {
        "c": _chosen(target, ("CC",), ("cc", "gcc", "clang")),
        "cxx": _chosen(target, ("CXX",), ("c++", "g++", "clang++")),
        "cuda_host": _chosen(target, ("CUDAHOSTCXX", "NVCC_CCBIN"), ()),
    }
    if isinstance(chosen["cuda_host"], Absent):
        chosen["cuda_host"] = chosen["cxx"]
    named = [fact.value for fact in chosen.values() if isinstance(fact, Known)]
    paths = list(dict.fromkeys([*installed, *named]))
    versions, searched = _ask(target, paths, chosen["cxx"])

    def described(fact: Fact[str]) -> Fact[Compiler]:
        if not isinstance(fact, Known):
            return fact
        path = fact.value
        return Known(Compiler(path, _kind(target, path), versions[_identity(target, path)]), fact.found_via, fact.raw)

    return Compilers(
        installed=tuple(Compiler(path, _kind(target, path), versions[_identity(target, path)]) for path in installed),
        c=described(chosen["c"]),
        cxx=described(chosen["cxx"]),
        cuda_host=described(chosen["cuda_host"]),
        include_directories=searched,
    )


def _installed(target: Target) -> Iterator[str]:
    """One path for each distinct compiler, the plain name before the one with a version or a triple."""
    pattern = re.compile(r"(?:[\w.]+-(?:[\w.]+-)*)?(?:gcc|g\+\+|clang|clang\+\+)(?:-\d+(?:\.\d+)*)?")
    seen: set[tuple[str, str]] = set()
    for directory in _directories(target):
        names = [name for name in names_in(target.files, directory, 65536) if pattern.fullmatch(name)]
        for name in sorted(names, key=lambda each: (len(each), each)):
            path = f"{directory}/{name}"
            if name in ("c89-gcc", "c99-gcc") or not target.files.is_file(path):
                continue
            identity = _identity(target, path)
            if identity not in seen:
                seen.add(identity)
                yield path


def _directories(target: Target) -> Iterable[str]:
    found = [entry.rstrip("/") or "/" for entry in target.search_path() if entry.startswith("/")]
    conda = target.environment.get("CONDA_PREFIX", "")
    if conda.startswith("/"):
        found.append(f"{conda.rstrip('/')}/bin")
    return dict.fromkeys(found)


def _chosen(target: Target, variables: tuple[str, ...], defaults: tuple[str, ...]) -> Fact[str]:
    """What the first variable that is set names, else the first default on PATH."""
    for variable in variables:
        text = target.environment.get(variable, "")
        if text.strip():
            return _from_variable(target, variable, text)
    for name in defaults:
        path = target.which(name)
        if path is not None:
            return Known(path, f"`{name}` on PATH")
    return Absent(f"no {' or '.join(defaults)} on PATH", defaults) if defaults else Absent("not set", variables)


def _from_variable(target: Target, variable: str, text: str) -> Fact[str]:
    via = f"variable {variable}"
    try:
        words = shlex.split(text)
    except ValueError as error:
        return Unreadable(f"{text!r} is no command: {str(error).lower()}", via)
    launched = False
    while len(words) > 1 and (words[0].rpartition("/")[2] in LAUNCHERS or (launched and "=" in words[0])):
        del words[0]
        launched = True
    if not words or not words[0]:
        return Absent(f"{variable} holds nothing but blanks and quotes", (via,))
    if "/" in words[0] and not words[0].startswith("/"):
        return Unreadable(f"{words[0]} is relative to the directory of the build", via)
    path = _file_of(target, variable, words[0])
    if path is None:
        return Absent(f"{variable} names {words[0]}, which is not there", (words[0],))
    return Known(path, via, text)


def _file_of(target: Target, variable: str, word: str) -> str | None:
    """The program that a word names; NVCC_CCBIN and CUDAHOSTCXX may name the directory that holds it."""
    if "/" not in word:
        return target.which(word)
    if target.files.is_file(word):
        return word
    if variable in ("CUDAHOSTCXX", "NVCC_CCBIN") and target.files.is_file(f"{word.rstrip('/')}/g++"):
        return f"{word.rstrip('/')}/g++"
    return None


def _identity(target: Target, path: str) -> tuple[str, str]:
    """What makes two paths one compiler: the file, and what it does by the name that it is called (Clang, ccache)."""
    return target.files.real(path), _kind(target, path)


def _kind(target: Target, path: str) -> str:
    """`gcc`, `g++`, `clang`, `clang++`, or the file's name where it tells none of them."""
    own, alias = _plain_name(target.files.real(path)), _plain_name(path)
    if own == "clang":
        return "clang++" if alias.endswith("++") else "clang"
    return own if own in ("gcc", "g++", "clang++") else alias


def _plain_name(path: str) -> str:
    """`/usr/bin/x86_64-linux-gnu-g++-12` is `g++`."""
    name = path.rpartition("/")[2]
    found = re.search(r"(?:^|-)(gcc|g\+\+|clang\+\+|clang|c\+\+|cc)(?:-\d+(?:\.\d+)*)?$", name)
    return found[1] if found else name


def _ask(
    target: Target, paths: list[str], cxx: Fact[str]
) -> tuple[dict[tuple[str, str], Fact[str]], Fact[tuple[str, ...]]]:
    """The version of each compiler by its identity, and where the C++ compiler looks for headers."""
    by_identity = {_identity(target, path): path for path in reversed(paths)}
    if target.programs is None:
        offline = {identity: _version_by_name(target, path) for identity, path in by_identity.items()}
        return offline, built_in_directories(target.files) if isinstance(cxx, Known) else _no_compiler(cxx)
    identities = list(by_identity)
    commands = [
        _version_command(_kind(target, by_identity[identity]), by_identity[identity]) for identity in identities
    ]
    if isinstance(cxx, Known):
        commands.append([cxx.value, "-E", "-x", "c++", "-v", "/dev/null"])
    # What the environment adds is asked for by others in its own right; the built-in directories are wanted alone.
    environment = {
        name: value
        for name, value in target.environment.items()
        if name not in ("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH")
    }
    answers = ask_all(target.programs, commands, SECONDS, {**environment, "LC_ALL": "C"})
    versions = {identity: _version_of(answer) for identity, answer in zip(identities, answers, strict=False)}
    return versions, read_include_directories(answers[-1]) if isinstance(cxx, Known) else _no_compiler(cxx)


def _no_compiler(cxx: Absent | Unreadable) -> Absent:
    return Absent(f"no C++ compiler: {cxx.reason}")


def _version_command(kind: str, path: str) -> list[str]:
    # Clang answers -dumpversion with 4.2.1 up to its release 9.
    return [path, "--version"] if kind.startswith("clang") else [path, "-dumpfullversion", "-dumpversion"]


def _version_of(answer: Completed) -> Fact[str]:
    said = answer.stdout.strip()
    found = re.search(r"(?:^|clang version )(\d+(?:\.\d+)+|\d+$)", said[:4096]) if answer.ok else None
    if found is None:
        return Unreadable(refusal(answer), f"`{' '.join(answer.command)}`")
    return Known(found[1], f"`{' '.join(answer.command)}`", said.splitlines()[0][:200])


def _version_by_name(target: Target, path: str) -> Fact[str]:
    """The major that Debian and others put behind the name, for targets whose programs cannot be run."""
    real = target.files.real(path)
    found = re.search(r"-(\d+(?:\.\d+)*)$", real.rpartition("/")[2])
    return (
        Known(found[1], real) if found else Unreadable("only the compiler itself tells; it needs a live target", path)
    )
