"""Environment variables: malformed, leading nowhere, or leading to what should not be found first."""

import shlex
from collections.abc import Iterator
from posixpath import basename, dirname, normpath

from envdoctor.checking.check import (
    BEFORE,
    CONFIGURE,
    LOAD,
    Evidence,
    Finding,
    Judgement,
    NotApplicable,
    Remedy,
    check,
    seen,
    undetermined,
)
from envdoctor.facts import Environment, Facts, Known, ProvidedVersions, Unreadable, value_of
from envdoctor.knowledge.cpp_extension import read_arch_list
from envdoctor.knowledge.versions import compare

from . import building, cuda_use
from .cuda_use import BUILD
from .path_lists import entries, without

SINGLE_PATHS = (
    "CUDA_HOME",
    "CUDA_PATH",
    "CUDA_ROOT",
    "CUDA_TOOLKIT_ROOT_DIR",
    "Caffe2_DIR",
    "Torch_DIR",
    "CMAKE_TOOLCHAIN_FILE",
    "CUDNN_ROOT",
    "CUDNN_ROOT_DIR",
    "CUDNN_INCLUDE_DIR",
    "CUDNN_LIBRARY",
    "NCCL_ROOT",
    "NCCL_ROOT_DIR",
    "MKLROOT",
    "CONDA_PREFIX",
    "VIRTUAL_ENV",
)
PATH_LISTS = ("LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "PYTHONPATH")
# What CUDA_HOME and CUDA_PATH name is judged by cuda-home-wrong; entries of PATH that are gone are common and harmless.
NOT_MISSED = ("CUDA_HOME", "CUDA_PATH", "PATH")


@check("ENV001", "variable-malformed", needs=BUILD, strikes=BEFORE + 5)
def variable_malformed(facts: Facts) -> Iterator[Judgement]:
    """A variable holds what the programs that read it cannot use

    What it finds:
        A list where one path is wanted, quotes, blanks at an end, a `$` that no shell expanded, empty entries of lists,
        and entries of TORCH_CUDA_ARCH_LIST that torch does not understand.
    Why it breaks:
        Programs take a variable letter by letter. An empty entry of a list is the current directory.
    Example:
        sh: 1: /usr/local/cuda:/usr/local/cuda-11.8/bin/nvcc: not found
        ValueError: Unknown CUDA arch (8.6,9.0) or GPU not supported
    What to do:
        Set the variable anew.
    Sources:
        torch/utils/cpp_extension.py; ld.so(8) and the GCC manual on empty entries
    """
    environment = facts.environment
    for name in SINGLE_PATHS:
        value = environment.get(name)
        problem = _problem_of_path(value) if value else None
        if value and problem:
            used = name.startswith("CUDA") and cuda_use.build_severity(facts) == "fail"
            explained = ("CUDA001", "CUDA002", "CUDA003", "CUDA010", "C2001", "ENV002")
            yield _malformed(name, value, problem, "fail" if used else "warn", _cleaned(name, value), explained)
    for name in PATH_LISTS:
        yield from _malformed_list(environment, name)
    yield from _arch_list(facts)


def _problem_of_path(value: str) -> str | None:
    if value != value.strip():
        return "begins or ends with a blank"
    if value[0] in "\"'" or value[-1] in "\"'":
        return "holds quotes"
    if value[0] == "$":
        return "begins with `$`, which no shell has expanded"
    if ":" in value or ";" in value:
        return "is a list, where one path is wanted"
    # Saved facts have `~` for the home directory.
    return None if value.startswith(("/", "~")) else "is not an absolute path"


def _cleaned(name: str, value: str) -> tuple[str, ...]:
    """What was probably meant: the first of a list, without blanks and quotes."""
    first = value.replace(";", ":").strip(" \t\r\n\"'").split(":")[0]
    return (f"export {name}={shlex.quote(first)}",) if first.startswith("/") else (f"unset {name}",)


def _malformed_list(environment: Environment, name: str) -> Iterator[Finding]:
    listed = entries(environment, name)
    value = environment.get(name) or ""
    bad = [entry for entry in listed if entry and (entry != entry.strip() or entry[0] in "$\"'" or entry[-1] in "\"'")]
    if bad:
        problem = f"has an entry `{bad[0]}`, which is used as it stands and names nothing"
        yield _malformed(name, value, problem, "warn", (without(environment, name, *bad),), ("ENV002",))
    elif "" in listed and value.strip(":"):
        problem = "has an empty entry, which is the current directory"
        yield _malformed(name, value, problem, "note", (without(environment, name),))


def _arch_list(facts: Facts) -> Iterator[Finding]:
    name = "TORCH_CUDA_ARCH_LIST"
    value = facts.environment.get(name) or ""
    wrong = read_arch_list(value).malformed
    # Caffe2's CMake files read the list too, and take these words.
    if not wrong or (building.builds_ops(facts) and value in ("Auto", "Common", "All")):
        return
    names = [part for part in value.replace(",", " ").replace(";", " ").strip("\"'").split() if part]
    good = [part for part in names if not read_arch_list(part).malformed]
    commands = (f"export {name}={shlex.quote(';'.join(good))}",) if good else ()
    state = cuda_use.build_severity(facts)
    problem = (
        f"has `{wrong[0]}`, which torch does not understand: it takes 8.6, 9.0a, 7.5+PTX, separated by `;` or blanks"
    )
    yield _malformed(name, value, problem, "fail" if state == "fail" else "warn", commands, ("CUDA004", "CUDA005"))


def _malformed(
    name: str,
    value: str,
    problem: str,
    state: cuda_use.Severity,
    commands: tuple[str, ...],
    explains: tuple[str, ...] = (),
) -> Finding:
    return Finding(
        state=state,
        title=f"{name} {problem}",
        why="Programs take a variable letter by letter.",
        evidence=(Evidence(name, value, f"variable {name}"),),
        remedy=Remedy("Set it anew.", commands),
        subject=name,
        explains=explains,
    )


@check("ENV002", "path-entry-missing", needs=("environment", "project"), strikes=CONFIGURE + 3)
def path_entry_missing(facts: Facts) -> Iterator[Judgement]:
    """A variable names a file or directory that is not there

    What it finds:
        Variables that a build reads and that name nothing that exists: single paths, and entries of lists but for PATH.
    Why it breaks:
        CMake stops at a toolchain file that is not there. Elsewhere the entry is passed over, and something else is
        found, or nothing.
    Example:
        Could not find toolchain file: /home/user/toolchain.cmake
    What to do:
        Correct the variable, or take the entry out.
    Sources:
        CMake 3.25, run with such a variable
    """
    environment = facts.environment
    listed: dict[str, list[str]] = {}
    for entry in environment.missing_entries:
        if entry.name not in NOT_MISSED and entry.value.startswith(("/", "~")) and entry.value == entry.value.strip():
            listed.setdefault(entry.name, []).append(entry.value)
    for name, missing in listed.items():
        single = len(entries(environment, name)) == 1
        stops = name == "CMAKE_TOOLCHAIN_FILE" and isinstance(facts.project.cmake, Known)
        command = f"unset {name}" if single else without(environment, name, *missing)
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        yield Finding(
            state="fail" if stops else "note",
            title=f"{name} names {shown}, which does not exist",
            why="CMake stops at a toolchain file that is not there." if stops else "What is not there is passed over.",
            evidence=tuple(Evidence(name, value, f"variable {name}") for value in missing[:8]),
            remedy=Remedy("Correct it, or take it out.", (command,)),
            subject=name,
        )


@check("ENV003", "older-libstdcxx-first", needs=("libstdcxx", "extensions", "environment", "project"), strikes=LOAD + 3)
def older_libstdcxx_first(facts: Facts) -> Iterator[Judgement]:
    """An older libstdc++ is loaded before the system's

    What it finds:
        The libstdc++.so.6 that the interpreter's process loads, by LD_LIBRARY_PATH or from conda, is older than another
        one that the system or the compiler has.
    Why it breaks:
        A process has one libstdc++. Code from a newer compiler needs symbol versions that the older one lacks.
    Example:
        ImportError: /opt/old/lib/libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by ./ops.so)
    What to do:
        Take the directory off LD_LIBRARY_PATH, update libstdcxx-ng in conda, or build with conda's own compiler.
    Sources:
        ld.so(8), order of search; https://gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html
    """
    loaded = facts.libstdcxx.loaded
    builds = building.builds_ops(facts) or building.builds_extension(facts)
    if isinstance(loaded, Unreadable) and (builds or facts.extensions.found):
        yield undetermined("it is not known which libstdc++ the interpreter loads", loaded, "libstdc++.so.6")
        return
    if not isinstance(loaded, Known) or not loaded.value.glibcxx:
        yield NotApplicable("no libstdc++ would be loaded")
        return
    own = loaded.value
    newer = _newest(facts.libstdcxx.libraries)
    lacking = [
        version.version
        for extension in facts.extensions.found
        for version in extension.versions
        if basename(version.library).startswith("libstdc++")
    ]
    foreign = own.origin in ("LD_LIBRARY_PATH", "conda")
    if newer is None or not foreign or compare(own.glibcxx or "", newer.glibcxx or "") >= 0:
        return
    if own.origin == "conda" and not (lacking or builds):
        return
    directory = dirname(own.path)
    remedy = Remedy(
        "Update conda's runtime, or build with conda's compiler.",
        ("conda install -c conda-forge libstdcxx-ng",),
        recipe="library-path",
    )
    if own.origin == "LD_LIBRARY_PATH":
        command = without(facts.environment, "LD_LIBRARY_PATH", directory)
        remedy = Remedy(f"Take {directory} off LD_LIBRARY_PATH.", (command,), recipe="library-path")
    yield Finding(
        state="fail" if lacking else "warn",
        title=f"{own.path} (GLIBCXX_{own.glibcxx}) is loaded before {newer.path} (GLIBCXX_{newer.glibcxx})",
        why="A process has one libstdc++; code from a newer compiler needs symbol versions that the older one lacks.",
        evidence=(
            seen("libstdc++ loaded", loaded, f"GLIBCXX_{own.glibcxx} {own.path}"),
            Evidence("newest libstdc++", f"GLIBCXX_{newer.glibcxx} {newer.path}", newer.origin),
            Evidence("versions lacking", ", ".join(dict.fromkeys(lacking)) or "none so far", "compiled extensions"),
        ),
        remedy=remedy,
        explains=("SYM003", "SYM001", "SYM004") if lacking else ("SYM003",),
    )


def _newest(libraries: tuple[ProvidedVersions, ...]) -> ProvidedVersions | None:
    newest: ProvidedVersions | None = None
    for library in libraries:
        if library.glibcxx and (newest is None or compare(library.glibcxx, newest.glibcxx or "") > 0):
            newest = library
    return newest


@check("ENV004", "torch-directory-on-pythonpath", needs=("environment", "torch", "caffe2"), strikes=BEFORE)
def torch_directory_on_pythonpath(facts: Facts) -> Iterator[Judgement]:
    """PYTHONPATH names the torch package itself

    What it finds:
        An entry of PYTHONPATH that is the directory of a torch package, not the one that holds it.
    Why it breaks:
        torch has modules named like the standard library's (types, random), which are then imported in their place.
    Example:
        ImportError: cannot import name 'GenericAlias' from partially initialized module 'types' (most likely due to a
        circular import)
    What to do:
        Take the entry out. For Caffe2's Detectron library name a directory that holds nothing but `lib -> <torch>/lib`.
    Sources:
        measured with PyPI torch 1.0.1 and 2.13.0
    """
    roots = {normpath(root) for root in (value_of(facts.torch.root), *facts.torch.others) if root}
    roots |= {normpath(one.root) for one in facts.caffe2.installations if one.root.rstrip("/").endswith("/torch")}
    for entry in entries(facts.environment, "PYTHONPATH"):
        path = normpath(entry) if entry else ""
        if path in roots or path.endswith(("site-packages/torch", "dist-packages/torch")):
            yield Finding(
                state="fail",
                title=f"PYTHONPATH names the torch package itself: {entry}",
                why="Its modules `types`, `random` and others then stand before those of the standard library.",
                evidence=(Evidence("PYTHONPATH", entry, "variable PYTHONPATH"),),
                remedy=Remedy("Take it out.", (without(facts.environment, "PYTHONPATH", entry),)),
                subject=entry,
                explains=("PY003",),
            )
