"""Whether the process that loads a compiled extension can resolve all that it needs."""

import shlex
from collections.abc import Iterator
from posixpath import basename, dirname
from typing import Literal

from envdoctor.checking.check import LOAD, Evidence, Finding, Judgement, NotApplicable, Remedy, check
from envdoctor.facts import Extension, Facts, MissingLibrary, MissingVersion, UndefinedSymbol, value_of
from envdoctor.knowledge.libstdcxx import gcc_that_provides
from envdoctor.knowledge.versions import at_least, numbers

from . import building, remedies
from .symbol_names import described, in_protobuf

NO_EXTENSION = NotApplicable("no compiled extension")
# They come with the driver: a machine without one lacks them and is not broken.
DRIVER_LIBRARIES = ("libcuda.so", "libnvidia-", "libnvcuvid.so")
# Names of modules that a package imports at once; other libraries of a package may serve optional parts.
MAIN_MODULES = ("_C", "_ext")


@check(
    "SYM001",
    "symbols-of-another-release",
    needs=("project", "extensions", "torch", "caffe2", "python"),
    strikes=LOAD + 30,
)
def symbols_of_another_release(facts: Facts) -> Iterator[Judgement]:
    """An extension needs symbols that the installed framework has in another form or no longer

    What it finds:
        Undefined symbols of at::, c10::, torch:: or caffe2:: whose library is in the process and does not define them.
    Why it breaks:
        The C++ interface of torch changes with every release. An extension is compiled for the one it was built with.
    Example:
        undefined symbol: _ZN2at4_ops13scalar_tensor4callERKN3c106ScalarE...
    What to do:
        Install the release of the extension that was made for this torch, or build the extension again.
    Sources:
        The dynamic symbols of both files; measured with PyPI torch 2.13.0 and extensions of other releases.
    """
    if not facts.extensions.found:
        yield NO_EXTENSION
    for extension in facts.extensions.found:
        symbols = [symbol for symbol in extension.undefined if symbol.reason == "other-release"]
        installed = _framework(facts, extension)
        if symbols:
            yield Finding(
                state=_state(extension),
                title=f"{basename(extension.path)} was built against another release than {installed}",
                why="The libraries that should define these symbols are in the process and do not define them.",
                evidence=(Evidence("installed", installed, "site-packages"), *_symbol_evidence(extension, symbols)),
                remedy=_rebuild(facts, extension),
                subject=extension.path,
            )


def _framework(facts: Facts, extension: Extension) -> str:
    installation = facts.caffe2.first()
    of_caffe2 = extension.kind == "caffe2-ops" and installation is not None
    version = value_of(installation.version if of_caffe2 and installation is not None else facts.torch.version)
    return f"{'Caffe2' if of_caffe2 else 'torch'} {version or 'of unknown version'}"


@check("SYM002", "library-missing", needs=("extensions", "torch", "cuda"), strikes=LOAD + 2)
def library_missing(facts: Facts) -> Iterator[Judgement]:
    """A library that an extension needs is nowhere where the loader looks

    What it finds:
        Names in the needed libraries of the extension, or of one of its libraries, that no rule of the loader finds.
    Why it breaks:
        The loader refuses the extension before a single symbol is looked up.
    Example:
        ImportError: libcudart.so.10.1: cannot open shared object file: No such file or directory
    What to do:
        Install the library, put its directory on `LD_LIBRARY_PATH`, or take an extension built for what is here.
    Sources:
        man 8 ld.so; the search that the evidence lists.
    """
    if not facts.extensions.found:
        yield NO_EXTENSION
    for extension in facts.extensions.found:
        for missing in _missing_libraries(facts, extension):
            yield Finding(
                state=_state(extension, optional="note"),
                title=f"{basename(extension.path)} needs {missing.name}, which is not found",
                why="The loader searches these places in order and refuses the extension.",
                evidence=(
                    Evidence(f"{missing.name} is needed by", basename(missing.needed_by), missing.needed_by),
                    *(Evidence("not at", place, "search of the loader") for place in missing.tried[:6]),
                ),
                remedy=_library_remedy(facts, missing),
                subject=f"{extension.path}:{missing.name}",
                explains=("SYM004",),
            )


def _missing_libraries(facts: Facts, extension: Extension) -> tuple[MissingLibrary, ...]:
    of_torch = _names_of_torch(facts)
    return tuple(
        missing
        for missing in extension.missing
        if not missing.name.startswith(DRIVER_LIBRARIES) and missing.name not in of_torch
    )


def _names_of_torch(facts: Facts) -> frozenset[str]:
    return frozenset(basename(path) for path in facts.torch.libraries)


def _library_remedy(facts: Facts, missing: MissingLibrary) -> Remedy:
    for runtime in facts.cuda.runtimes:
        if runtime.name == missing.name:
            command = remedies.put_first("LD_LIBRARY_PATH", dirname(runtime.path))
            return Remedy(f"Let the loader look where it lies ({runtime.origin}).", (command,))
    return Remedy(
        f"Install the package that holds {missing.name}, or look for it on this disk and put its directory on "
        "LD_LIBRARY_PATH.",
        (f"find / -xdev -name {shlex.quote(missing.name)} 2>/dev/null",),
    )


@check("SYM003", "symbol-version-missing", needs=("extensions", "libstdcxx"), strikes=LOAD + 4)
def symbol_version_missing(facts: Facts) -> Iterator[Judgement]:
    """A library in the process is older than the one that an extension was linked with

    What it finds:
        Symbol versions such as GLIBCXX_3.4.30, CXXABI_1.3.13 or GLIBC_2.34 that the library found does not provide.
    Why it breaks:
        The loader compares versions before it looks up symbols, and refuses the extension.
    Example:
        libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by _C.so)
    What to do:
        For libstdc++ let the loader find a newer one; for glibc build on this machine or on one as old.
    Sources:
        https://gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html; the version tables of both files.
    """
    if not facts.extensions.found:
        yield NO_EXTENSION
    for extension in facts.extensions.found:
        by_library: dict[str, list[MissingVersion]] = {}
        for version in extension.versions:
            by_library.setdefault(version.library, []).append(version)
        for library, versions in by_library.items():
            newest = max(versions, key=lambda version: numbers(version.version.rpartition("_")[2]))
            release = gcc_that_provides(newest.version)
            made_by = (Evidence(newest.version, f"GCC {release.gcc} or later", release.source),) if release else ()
            yield Finding(
                state=_state(extension),
                title=f"{basename(extension.path)} needs {newest.version}, {basename(library)} is older",
                why="The library that the process loads is older than the one that the extension was linked with.",
                evidence=(
                    Evidence("library that is loaded", newest.have or "no such version", library),
                    *(Evidence("needed version", one.version, one.needed_by) for one in versions[:6]),
                    *made_by,
                ),
                remedy=_version_remedy(facts, newest),
                subject=f"{extension.path}:{basename(library)}",
            )


def _version_remedy(facts: Facts, wanted: MissingVersion) -> Remedy:
    kind, _, version = wanted.version.rpartition("_")
    if kind == "GLIBC":
        return Remedy("Build the extension on this machine, or take one that was built for a glibc as old as this one.")
    for library in facts.libstdcxx.libraries:
        have = library.glibcxx if kind == "GLIBCXX" else library.cxxabi if kind == "CXXABI" else None
        if have is not None and at_least(have, version):
            command = remedies.put_first("LD_LIBRARY_PATH", dirname(library.path))
            return Remedy(f"Let the loader take the newer one ({library.origin}).", (command,))
    return Remedy(
        "Let the loader take a newer libstdc++, conda-forge's for example, or build the extension on this machine.",
        ("conda install -c conda-forge libstdcxx-ng",) if kind in ("GLIBCXX", "CXXABI") else (),
    )


@check("SYM004", "symbol-undefined", needs=("project", "extensions", "python", "torch"), strikes=LOAD + 40)
def symbol_undefined(facts: Facts) -> Iterator[Judgement]:
    """An extension needs symbols that nothing in its process defines

    What it finds:
        Undefined symbols that a relocation uses, and that neither the extension's libraries nor the process define.
    Why it breaks:
        Python loads extensions with all symbols bound at once, so a single one is enough.
    Example:
        ImportError: _C.so: undefined symbol: _ZN5mylib6kernelEv
    What to do:
        Link the library that defines them, or compile the file that was left out.
    Sources:
        man 8 ld.so (LD_BIND_NOW); the dynamic symbols of all libraries in the process.
    """
    if not facts.extensions.found:
        yield NO_EXTENSION
    for extension in facts.extensions.found:
        symbols = _unexplained(extension)
        if not symbols:
            continue
        candidates = tuple(dict.fromkeys(path for symbol in symbols for path in symbol.candidates))
        yield Finding(
            state=_state(extension),
            title=f"{basename(extension.path)} needs symbols that nothing in its process defines",
            why=_reason(symbols[0]),
            evidence=(
                *_symbol_evidence(extension, symbols),
                *(Evidence("defined in", basename(path), path) for path in candidates[:4]),
            ),
            remedy=_rebuild(facts, extension)
            if not candidates
            else Remedy(f"Link {basename(candidates[0])} ({candidates[0]}) into the extension, in a new build."),
            subject=extension.path,
        )


def _unexplained(extension: Extension) -> tuple[UndefinedSymbol, ...]:
    """Those that no other check explains."""
    explained = {"string-abi", "other-release"}
    if extension.missing:
        explained.add("missing-library")
    if extension.versions:
        explained.add("version")
    of_protobuf = extension.kind == "caffe2-ops"
    return tuple(
        one for one in extension.undefined if one.reason not in explained and not (of_protobuf and in_protobuf(one))
    )


def _reason(symbol: UndefinedSymbol) -> str:
    reasons = {
        "not-linked": "A library on this disk defines them, and the extension does not name it as needed.",
        "hidden": "A library in the process contains them and keeps them to itself.",
        "version": "They are defined with another symbol version only.",
    }
    return reasons.get(symbol.reason, "No library in the process or among those that were searched defines them.")


@check("SYM005", "extension-needs-torch-imported-first", needs=("extensions", "torch"), strikes=LOAD + 50)
def needs_torch_first(facts: Facts) -> Iterator[Judgement]:
    """An extension of the project loads only after `import torch`

    What it finds:
        An extension that needs libraries of torch which no run path leads to.
    Why it breaks:
        The loader does not find them by itself; once torch is imported they are in the process under their names.
    Example:
        ImportError: libc10.so: cannot open shared object file: No such file or directory
    What to do:
        Write `import torch` before the import of the extension, for example in the package's `__init__.py`.
    Sources:
        https://pytorch.org/tutorials/advanced/cpp_extension.html
    """
    judged = building.project_extensions(facts)
    if not judged:
        yield NotApplicable("no compiled extension of the project")
    for extension in judged:
        names = [name for name in extension.lent if name in _names_of_torch(facts)]
        if names:
            yield Finding(
                state="note",
                title=f"{basename(extension.path)} loads only after `import torch`",
                why="It needs libraries of torch that the loader does not find by itself.",
                evidence=tuple(Evidence("library of torch", name, extension.path) for name in names),
                remedy=Remedy("Write `import torch` before the import of the extension."),
                subject=extension.path,
            )


@check("SYM006", "library-unreadable", needs=("extensions",), strikes=LOAD)
def library_unreadable(facts: Facts) -> Iterator[Judgement]:
    """A compiled library could not be read

    What it finds:
        An extension that is damaged, cut short, made for another machine, or not readable by this user.
    Why it breaks:
        Nothing can be said of it. If it is damaged, the loader refuses it as well.
    Example:
        ImportError: _C.so: file too short
    What to do:
        Look at the reason; build or install the library again.
    Sources:
        man 5 elf
    """
    if not facts.extensions.found and not facts.extensions.unreadable:
        yield NO_EXTENSION
    for unreadable in facts.extensions.unreadable:
        yield Finding(
            state="unknown",
            title=f"{basename(unreadable.found_via) or 'a library'} could not be judged: {unreadable.reason}",
            why="A library that cannot be read is neither right nor wrong until it can be.",
            evidence=(Evidence("library", unreadable.reason, unreadable.found_via),),
            subject=unreadable.found_via,
        )


def _state(extension: Extension, optional: Literal["warn", "note"] = "warn") -> Literal["fail", "warn", "note"]:
    """A fault of the project, or of a module that its package imports at once, breaks for sure."""
    sure = extension.owner == "project" or basename(extension.path).startswith(MAIN_MODULES)
    return "fail" if sure else optional


def _symbol_evidence(
    extension: Extension, symbols: list[UndefinedSymbol] | tuple[UndefinedSymbol, ...]
) -> tuple[Evidence, ...]:
    shown = tuple(Evidence("undefined symbol", name, extension.path) for name in described(symbols))
    if extension.undefined_count > len(shown):
        return (*shown, Evidence("undefined symbols in all", str(extension.undefined_count), extension.path))
    return shown


def _rebuild(facts: Facts, extension: Extension) -> Remedy:
    if extension.owner != "project":
        return Remedy(f"Install the release of {extension.owner} that was made for the installed torch.")
    return Remedy("Build it again against what is installed now, in a new build directory.", remedies.rebuild(facts))
