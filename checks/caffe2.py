"""What a build against Caffe2 needs of its package: configuration, headers, targets, CUDA, Python modules."""

import shlex
from collections.abc import Iterator
from posixpath import basename, dirname

from envdoctor.checking.check import (
    BEFORE,
    COMPILE,
    CONFIGURE,
    LINK,
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
from envdoctor.facts import Absent, Caffe2Installation, Facts, Known, Unreadable, value_of
from envdoctor.knowledge.versions import compare, numbers

from . import building, remedies
from .left_out_headers import headers_remedy, missing_headers

NO_CAFFE2 = NotApplicable("Caffe2 is not installed")
# Modules that caffe2.python 1.0.1 imports at once, and the packages that bring them.
PYTHON_PACKAGES = (("numpy", "numpy"), ("future", "past"), ("six", "six"), ("protobuf", "google.protobuf"))


@check("C2001", "caffe2-config-not-found", needs=("project", "caffe2", "environment"), strikes=CONFIGURE + 10)
def config_not_found(facts: Facts) -> Iterator[Judgement]:
    """CMake does not find Caffe2's configuration

    What it finds:
        A project with `find_package(Caffe2)`, a Caffe2 with a `Caffe2Config.cmake`, and nothing that leads CMake to it.
    Why it breaks:
        A Python package lies in no prefix that CMake searches.
    Example:
        Could not find a package configuration file provided by "Caffe2" with any of the following names
    What to do:
        Set `Caffe2_DIR`, as environment variable or CMake variable, to the directory of `Caffe2Config.cmake`.
    Sources:
        Measured with PyPI torch 1.0.1 and CMake 3.25; https://cmake.org/cmake/help/latest/command/find_package.html
    """
    skip = building.caffe2_not_searched(facts)
    if skip is not None:
        yield skip
        return
    found = facts.caffe2.cmake_finds
    if isinstance(facts.project.cmake, Unreadable):
        yield undetermined("it is not known whether CMake finds Caffe2", facts.project.cmake, "CMakeLists.txt")
    elif isinstance(found, Unreadable):
        yield undetermined("it is not known whether CMake finds Caffe2", found, "Caffe2Config.cmake")
    elif not facts.caffe2.installations:
        yield NO_CAFFE2
    elif isinstance(found, Absent):
        yield _config_finding(facts, found)


def _config_finding(facts: Facts, found: Absent) -> Finding:
    usable = [
        one for one in facts.caffe2.installations if building.config_directory(one) and not one.config_is_build_tree
    ]
    if not usable:
        return Finding(
            state="fail",
            title="no Caffe2 here brings a Caffe2Config.cmake that a build can use",
            why="find_package(Caffe2) reads that file, and only an installed Caffe2 has it.",
            evidence=(seen("Caffe2Config.cmake", facts.caffe2.installations[0].config),),
            remedy=Remedy("Install a Caffe2 that has it: the wheels of torch do, in torch/share/cmake/Caffe2."),
        )
    return Finding(
        state=building.certain(facts),
        title="CMake does not find Caffe2: nothing leads it to Caffe2Config.cmake",
        why="find_package(Caffe2) searches Caffe2_DIR, CMAKE_PREFIX_PATH and the system's prefixes, not this place.",
        evidence=(
            seen("find_package(Caffe2) finds", found),
            seen("Caffe2Config.cmake", usable[0].config),
            *building.toolchain(facts),
        ),
        remedy=Remedy(
            "Point CMake at the installed configuration.", remedies.caffe2_dir(usable[0]), recipe="caffe2-dir"
        ),
    )


@check("C2002", "caffe2-not-installed", needs=("project", "caffe2", "python", "torch"), strikes=BEFORE + 10)
def not_installed(facts: Facts) -> Iterator[Judgement]:
    """The project needs Caffe2, and there is none

    What it finds:
        A project of Caffe2 operators, and an interpreter and prefixes without Caffe2.
    Why it breaks:
        Headers, libraries and CMake files all come with Caffe2. Today's torch no longer contains it.
    Example:
        ModuleNotFoundError: No module named 'caffe2'
    What to do:
        Install an old torch that contains Caffe2 into an interpreter of its time: torch 1.0.1 into CPython 3.7.
    Sources:
        Measured with PyPI torch 1.0.1 (contains Caffe2) and 2.13.0 (does not).
    """
    if not building.builds_ops(facts):
        yield building.NO_OPS_PROJECT
        return
    if facts.caffe2.installations:
        return
    if isinstance(facts.caffe2.importable, Unreadable):
        yield undetermined("it is not known whether Caffe2 is installed", facts.caffe2.importable, "the caffe2 package")
        return
    folder = shlex.quote(remedies.overlay(facts, "caffe2"))

    def install(python: str) -> str:
        return f"{python} -m pip install torch==1.0.1 numpy future six 'protobuf<3.21'"

    yield Finding(
        state="fail",
        title="the project needs Caffe2, and none is installed",
        why="Caffe2 was a part of torch until 2022. Its headers, libraries and CMake files come from nowhere else.",
        evidence=(
            seen("caffe2 package", facts.caffe2.importable),
            seen("torch, without Caffe2", facts.torch.version),
            seen("interpreter", facts.python.version),
        ),
        remedy=Remedy("Install a torch that contains Caffe2 into this interpreter.", (install(remedies.python(facts)),))
        if numbers(value_of(facts.python.version) or "")[:2] == (3, 7)
        else Remedy(
            "Examine an interpreter that has Caffe2 (--python), or make one: CPython 3.7 takes torch 1.0.1.",
            (f"python3.7 -m venv {folder} && {install(f'{folder}/bin/python')}",),
        ),
    )


@check("C2003", "caffe2-config-of-build-tree", needs=("project", "caffe2"), strikes=CONFIGURE + 20)
def config_of_build_tree(facts: Facts) -> Iterator[Judgement]:
    """CMake finds the Caffe2 configuration of a build tree

    What it finds:
        `Caffe2_DIR` or a prefix that leads to `build/Caffe2Config.cmake` of a source tree.
    Why it breaks:
        That file includes others (`public/utils.cmake`, the targets) that only `make install` puts beside it.
    Example:
        CMake Error at /src/pytorch/build/Caffe2Config.cmake:14 (include): include could not find requested file
    What to do:
        Name the directory of the installed configuration, `<prefix>/share/cmake/Caffe2`.
    Sources:
        https://cmake.org/cmake/help/latest/manual/cmake-packages.7.html; cmake/Caffe2Config.cmake.in of PyTorch
    """
    skip = building.caffe2_not_searched(facts)
    if skip is not None:
        yield skip
        return
    config = value_of(facts.caffe2.cmake_finds)
    if not facts.caffe2.installations:
        yield NO_CAFFE2
        return
    found = [one for one in facts.caffe2.installations if building.same_path(value_of(one.config), config)]
    if not any(one.config_is_build_tree for one in found):
        return
    others = [one for one in facts.caffe2.installations if not one.config_is_build_tree]
    commands = next(filter(None, map(remedies.caffe2_dir, others)), ())
    yield Finding(
        state="fail",
        title="the Caffe2Config.cmake that CMake finds belongs to a build tree, not to an installation",
        why="It includes files that only an installation has beside it, so configuring stops in it.",
        evidence=(seen("find_package(Caffe2) finds", facts.caffe2.cmake_finds),),
        remedy=Remedy("Point CMake at the installed configuration.", commands, recipe="caffe2-dir")
        if commands
        else Remedy("Run `make install` in that build tree, and set Caffe2_DIR to <prefix>/share/cmake/Caffe2."),
        subject=config or "",
    )


@check("C2004", "caffe2-include-directory-wrong", needs=("project", "caffe2", "environment"), strikes=COMPILE + 10)
def include_directory_wrong(facts: Facts) -> Iterator[Judgement]:
    """Caffe2's CMake targets name an include directory that does not hold its headers

    What it finds:
        Targets that name `<torch>/include` while the headers lie in `<torch>/lib/include`.
    Why it breaks:
        The compiler gets the directory from the targets, and finds no header of Caffe2 there.
    Example:
        fatal error: caffe2/core/context.h: No such file or directory
    What to do:
        Put the directory that holds the headers on the include path, by `CPATH` or compiler flags.
    Sources:
        Measured with PyPI torch 1.0.1: Caffe2Targets.cmake names ${_IMPORT_PREFIX}/include.
    """
    skip = building.not_judged_before_build(facts)
    installation = building.built_against(facts)
    if skip is not None or installation is None:
        yield skip or NO_CAFFE2
        return
    include = installation.include
    if isinstance(include, Unreadable):
        yield undetermined("it is not known where the headers of Caffe2 lie", include, "the include directory")
        return
    if not isinstance(include, Known) or not installation.include_named:
        return
    if any(building.same_path(named, include.value) for named in installation.include_named):
        return
    if building.on_include_path(facts, include.value):
        return
    named = ", ".join(installation.include_named)
    yield Finding(
        state=building.certain(facts),
        title=f"Caffe2's CMake targets name {_below(installation, named)}, "
        f"its headers lie in {_below(installation, include.value)}",
        why="A build takes the include directory from the targets, so no header of Caffe2 is found.",
        evidence=(
            seen("caffe2/core/context.h lies in", include),
            Evidence("the targets name", named, value_of(installation.config) or ""),
            *building.toolchain(facts),
        ),
        remedy=Remedy(
            "Put the directory with the headers on the include path.",
            (remedies.put_first("CPATH", include.value),),
            recipe="include-path",
        ),
        subject=installation.root,
    )


@check(
    "C2005",
    "caffe2-headers-left-out",
    needs=("project", "caffe2", "headers", "environment", "python"),
    strikes=COMPILE + 40,
)
def headers_left_out(facts: Facts) -> Iterator[Judgement]:
    """The Caffe2 package leaves out headers that its own headers include

    What it finds:
        Headers such as `caffe2/utils/threadpool/ThreadPool.h` that the package includes and does not contain.
    Why it breaks:
        Binary packages install only a list of headers, and the list of some releases has holes.
    Example:
        caffe2/core/workspace.h:19:10: fatal error: caffe2/utils/threadpool/ThreadPool.h: No such file or directory
    What to do:
        Take the missing headers from the source tree of the release. For torch 1.0.1 to 1.3.1 those of the torch 1.4.0
        wheel fit: the class is the same, it compiles, links and runs.
    Sources:
        Measured with PyPI torch 1.0.1 (headers missing) and 1.4.0 (headers present).
    """
    skip = building.not_judged_before_build(facts)
    installation = building.built_against(facts)
    if skip is not None or installation is None:
        yield skip or NO_CAFFE2
        return
    if isinstance(installation.include, Absent):
        yield Finding(
            state="fail",
            title="this Caffe2 contains no headers",
            why="Operators are compiled against caffe2/core/context.h and others; this package is for running only.",
            evidence=(seen("caffe2/core/context.h lies in", installation.include),),
            remedy=Remedy("Take a Caffe2 with headers: the torch wheels from 1.0 to 1.12 have them."),
            subject=installation.root,
        )
        return
    missing, source = missing_headers(facts, installation)
    if missing:
        yield Finding(
            state=building.certain(facts),
            title=f"Caffe2 leaves out headers that its own headers include: {', '.join(missing[:3])}",
            why="The package installs only a part of the source tree's headers, and a build needs more than it has.",
            evidence=(
                *(Evidence("missing header", header, source) for header in missing[:8]),
                *building.toolchain(facts),
            ),
            remedy=headers_remedy(facts, installation, missing),
            subject=installation.root,
        )


@check("C2006", "caffe2-target-renamed", needs=("project", "caffe2"), strikes=LINK + 10)
def target_renamed(facts: Facts) -> Iterator[Judgement]:
    """The project links a CMake target that this Caffe2 does not define

    What it finds:
        `target_link_libraries(... caffe2_library)` against a Caffe2 whose library has become a part of libtorch.
    Why it breaks:
        CMake takes a name that is no target for a library file, and the linker does not find one.
    Example:
        /usr/bin/ld: cannot find -lcaffe2_library
    What to do:
        Link `torch` in place of `caffe2_library` and `caffe2_gpu_library`.
    Sources:
        The targets of PyPI torch 1.0.1 (caffe2, caffe2_gpu) and of the releases from 1.2 on (torch).
    """
    project = value_of(facts.project.cmake)
    installation = building.built_against(facts)
    if not building.builds_ops(facts) or project is None:
        yield building.NO_OPS_PROJECT
        return
    if installation is None or not installation.cmake_targets:
        yield NotApplicable("no CMake targets of Caffe2 are known")
        return
    defined = set(installation.cmake_targets) | {f"{name}_library" for name in installation.cmake_targets}
    defined |= {*(target.name for target in project.targets), *project.imported, *building.declared_targets(facts)}
    for target in project.targets:
        gone = [
            name for name in target.links if name in ("caffe2_library", "caffe2_gpu_library") and name not in defined
        ]
        if not gone:
            continue
        yield Finding(
            state="fail",
            title=f"{target.name} links {' and '.join(gone)}, which this Caffe2 does not define",
            why="The library became a part of libtorch in PyTorch 1.2, and the target went with it.",
            evidence=(
                Evidence("links", ", ".join(target.links), f"{target.path}:{target.line}"),
                Evidence("targets", ", ".join(installation.cmake_targets), value_of(installation.config) or ""),
            ),
            remedy=Remedy(
                "Link torch in its place.",
                (f"sed -i -E 's/caffe2(_gpu)?_library/torch/g' {shlex.quote(target.path)}",) if target.path else (),
                recipe="caffe2-target-renamed",
            ),
            subject=target.name,
        )


@check("C2007", "single-argument-without-this", needs=("project",), strikes=COMPILE + 35)
def single_argument_without_this(facts: Facts) -> Iterator[Judgement]:
    """An operator calls GetSingleArgument without `this->template`

    What it finds:
        Calls such as `GetSingleArgument<T>(...)` or `this->GetSingleArgument<T>(...)` inside a class template.
    Why it breaks:
        The function is a member of a base class that depends on a template parameter: the compiler does not find the
        bare name, and takes `<` for less-than.
    Example:
        accumulate_op.h: error: expected primary-expression before 'float'
    What to do:
        Write `this->template GetSingleArgument<T>(...)`, which every release accepts.
    Sources:
        Measured with the headers of torch 1.0.1 and 1.4.0: both refuse these, and take `OperatorBase::` before it.
    """
    skip = building.not_judged_before_build(facts)
    calls = [call for call in facts.project.single_argument_calls if not call.name.startswith("OperatorBase::")]
    if skip is not None or not calls:
        yield skip or NotApplicable("the project has no such call")
        return
    files = tuple(dict.fromkeys(call.path for call in calls))
    change = "s/(this->)?GetSingleArgument</this->template GetSingleArgument</"
    yield Finding(
        state="warn",
        title=f"{basename(files[0])} calls GetSingleArgument without `this->template`",
        why="Without it the compiler cannot tell a template of a dependent base class from a comparison.",
        evidence=tuple(Evidence("call", call.name, f"{call.path}:{call.line}") for call in calls[:8]),
        remedy=Remedy(
            "Say that it is a template of the base class.",
            tuple(f"sed -i -E '{change}' {shlex.quote(file)}" for file in files[:8]),
            recipe="single-argument",
            safety="unsafe",
        ),
        subject=files[0],
    )


@check(
    "C2008",
    "caffe2-cuda-not-available",
    needs=("project", "caffe2", "cuda", "cudnn", "environment"),
    strikes=CONFIGURE + 30,
)
def cuda_not_available(facts: Facts) -> Iterator[Judgement]:
    """Caffe2 was built with CUDA, and its CMake files find no CUDA or cuDNN here

    What it finds:
        A CUDA build of Caffe2, and no toolkit with headers and runtime library, or no cuDNN to compile with.
    Why it breaks:
        Caffe2Config.cmake stops without them, even where only CPU operators are built.
    Example:
        Your installed Caffe2 version uses CUDA but I cannot find the CUDA libraries.
    What to do:
        Install the CUDA toolkit and cuDNN that Caffe2 was built with. For CPU operators alone declare the CUDA targets
        empty, in a file that `CMAKE_PROJECT_INCLUDE` names: the configuration then asks for neither.
    Sources:
        Measured with PyPI torch 1.0.1: public/cuda.cmake returns at once where the target caffe2::cudart exists.
    """
    skip = building.caffe2_not_searched(facts)
    installation = building.built_against(facts)
    if skip is not None or installation is None:
        yield skip or NO_CAFFE2
        return
    if not isinstance(installation.cuda, Known):
        yield NotApplicable("this Caffe2 is not known to be built with CUDA")
        return
    if building.cuda_left_out(facts):
        yield NotApplicable("the toolchain file declares the CUDA targets, so that no CUDA is looked for")
        return
    usable = [one for one in facts.cuda.toolkits if {type(one.nvcc), type(one.include), type(one.libraries)} == {Known}]
    cudnn = [library for library in facts.cudnn.libraries if library.origin not in ("torch", "pip")]
    lacking = (["a CUDA toolkit"] if not usable else []) + (["cuDNN"] if not (facts.cudnn.headers and cudnn) else [])
    if not lacking:
        return
    yield Finding(
        state=building.certain(facts),
        title=f"Caffe2 was built with CUDA {installation.cuda.value}, and its CMake files find no "
        + " and no ".join(part.removeprefix("a ") for part in lacking),
        why="Caffe2Config.cmake stops without them, even where only CPU operators are built.",
        evidence=(
            seen("Caffe2 was built with CUDA", installation.cuda),
            Evidence("toolkits with headers and runtime", ", ".join(one.root for one in usable) or "none", "CUDA"),
            Evidence("cuDNN headers", ", ".join(one.path for one in facts.cudnn.headers) or "none", "cuDNN"),
            Evidence("cuDNN libraries", ", ".join(one.path for one in cudnn) or "none", "cuDNN"),
            *building.toolchain(facts),
        ),
        remedy=Remedy(
            f"Install {' and '.join(lacking)}; or, for operators of the CPU alone, build anew with empty CUDA targets.",
            remedies.without_cuda(facts),
            recipe="cpu-only",
            safety="unsafe",
        ),
        subject=installation.root,
        explains=() if usable else ("CUDA003",),
    )


@check("C2009", "caffe2-python-modules-missing", needs=("project", "caffe2", "packages", "python"), strikes=LOAD + 5)
def python_modules_missing(facts: Facts) -> Iterator[Judgement]:
    """Modules that Caffe2's Python side imports are not installed

    What it finds:
        A Caffe2 without numpy, future, six or protobuf beside it.
    Why it breaks:
        caffe2.python imports them at once, and the wheel of that time names none of them as a requirement.
    Example:
        ModuleNotFoundError: No module named 'past'
    What to do:
        Install them. The module `past` comes with the package `future`; protobuf must stay below 3.21.
    Sources:
        Measured with PyPI torch 1.0.1 on CPython 3.7.
    """
    installation = facts.caffe2.first()
    if not building.builds_ops(facts) or installation is None or not isinstance(facts.caffe2.importable, Known):
        yield NotApplicable("no project of Caffe2 operators, or no caffe2 package to import")
        return
    version = value_of(installation.version) or ""
    if not numbers(version) or compare(version, "1.0.1") > 0:
        yield NotApplicable("what this release of caffe2.python imports is not known")
        return
    missing = [(name, module) for name, module in PYTHON_PACKAGES if facts.packages.get(name) is None]
    if facts.packages.unreadable and missing:
        yield undetermined(
            "it is not known whether Caffe2's modules are there", facts.packages.unreadable[0], "packages"
        )
    elif missing:
        wanted = ["'protobuf<3.21'" if name == "protobuf" else name for name, _ in missing]
        command = f"{remedies.python(facts)} -m pip install {' '.join(wanted)}"
        yield Finding(
            state="fail",
            title=f"caffe2.python cannot be imported: {', '.join(module for _, module in missing)} missing",
            why="Caffe2 imports these modules, and its package does not require them.",
            evidence=tuple(Evidence(module, "not installed", f"package {name}") for name, module in missing),
            remedy=Remedy("Install them.", (command,), recipe="build-tools"),
            subject=installation.root,
        )


@check("C2010", "caffe2-config-of-another-installation", needs=("project", "caffe2"), strikes=CONFIGURE + 25)
def config_of_another_installation(facts: Facts) -> Iterator[Judgement]:
    """CMake finds another Caffe2 than the one that the interpreter imports

    What it finds:
        Two installations of Caffe2: one that builds take, one that `import caffe2` takes.
    Why it breaks:
        The operators are compiled for one Caffe2 and loaded into the other, which may differ in release and ABI.
    Example:
        OSError: libcaffe2_ops.so: undefined symbol: _ZN6caffe28TypeMeta...
    What to do:
        Set `Caffe2_DIR` to the configuration that lies beside the imported Caffe2.
    Sources:
        https://cmake.org/cmake/help/latest/command/find_package.html
    """
    skip = building.caffe2_not_searched(facts)
    if skip is not None:
        yield skip
        return
    built, imported = building.built_against(facts), facts.caffe2.first()
    if built is None or imported is None:
        yield NO_CAFFE2
        return
    if not isinstance(facts.caffe2.cmake_finds, Known) or not isinstance(facts.caffe2.importable, Known):
        return
    if built.root == imported.root:
        return
    yield Finding(
        state="warn",
        title=f"CMake finds the Caffe2 of {built.root}, the interpreter imports that of {imported.root}",
        why="Operators are compiled for the first and loaded into the second.",
        evidence=(
            seen("find_package(Caffe2) finds", facts.caffe2.cmake_finds),
            seen("import caffe2 takes", facts.caffe2.importable),
        ),
        remedy=Remedy("Build against the one that is imported.", remedies.caffe2_dir(imported), recipe="caffe2-dir"),
        subject=built.root,
    )


def _below(installation: Caffe2Installation, path: str) -> str:
    """The path without what lies before the installation's own directory."""
    return path.replace(dirname(installation.root) + "/", "")
