"""Host compilers: there, taken by nvcc, new enough for torch; and headers that the preprocessor misses."""

import shlex
from collections.abc import Iterator

from envdoctor.checking.check import (
    COMPILE,
    CONFIGURE,
    Evidence,
    Finding,
    Judgement,
    NotApplicable,
    Remedy,
    check,
    seen,
    undetermined,
)
from envdoctor.facts import Absent, Compiler, Fact, Facts, HostCompilerLimits, Known, Unreadable, value_of
from envdoctor.knowledge.versions import at_least, numbers

from . import building, cuda_use, remedies
from .cuda_use import BUILD, NO_CUDA_BUILD

NO_BUILD = NotApplicable("no project to compile")

# By release of torch, what it needs from then on.
OLDEST_GCC = (
    ("1.0.1", "4.9", "MINIMUM_GCC_VERSION of torch 1.0.1, torch/utils/cpp_extension.py"),
    ("1.13.1", "5", "#error in c10/util/C++17.h of torch 1.13.1"),
    ("2.13.0", "10", "-std=c++20 in torch/utils/cpp_extension.py of torch 2.13.0; GCC knows the option from 10 on"),
)

# Headers whose absence other checks report, by how their names begin.
JUDGED_ELSEWHERE = ("google/protobuf/", "caffe2/", "c10/", "ATen/", "torch/", "TH/", "THC/", "Python.h", "mkl")
CUDA_HEADERS = ("cuda", "cublas", "cusparse", "curand", "cufft", "cusolver", "device_launch", "thrust/", "cub/", "nvtx")

# Packages of Debian and conda-forge that bring headers, by how the headers' names begin.
HEADER_PACKAGES = (
    ("Eigen/", "libeigen3-dev", "eigen"),
    ("glog/", "libgoogle-glog-dev", "glog"),
    ("gflags/", "libgflags-dev", "gflags"),
    ("opencv2/", "libopencv-dev", "libopencv"),
    ("boost/", "libboost-dev", "libboost-headers"),
    ("lmdb.h", "liblmdb-dev", "lmdb"),
    ("leveldb/", "libleveldb-dev", "leveldb"),
    ("cblas.h", "libopenblas-dev", "openblas"),
    ("zlib.h", "zlib1g-dev", "zlib"),
    ("jpeglib.h", "libjpeg-dev", "libjpeg-turbo"),
    ("png.h", "libpng-dev", "libpng"),
    ("pybind11/", "pybind11-dev", "pybind11"),
)


@check(
    "CC001", "compiler-missing", needs=("compilers", "project", "host", "python", "environment"), strikes=CONFIGURE + 2
)
def compiler_missing(facts: Facts) -> Iterator[Judgement]:
    """No compiler

    What it finds:
        A project to build, and no C++ compiler by CXX, c++ or g++; for CMake projects also no C compiler.
    Why it breaks:
        CMake stops while it configures, setuptools at the first file. CC or CXX that names a program which is not there
        is no better.
    Example:
        No CMAKE_CXX_COMPILER could be found.
        error: command 'g++' failed: No such file or directory
    What to do:
        Install one, or set CC and CXX to the one that is there.
    Sources:
        CMake 3.25 and setuptools, run without a compiler
    """
    if not (building.builds_ops(facts) or building.builds_extension(facts)):
        yield NO_BUILD
        return
    yield from _missing(facts, "C++", facts.compilers.cxx)
    project = value_of(facts.project.cmake)
    if project is not None and (not project.languages or "C" in project.languages):
        yield from _missing(facts, "C", facts.compilers.c)


def _missing(facts: Facts, language: str, compiler: Fact[Compiler]) -> Iterator[Finding]:
    title = f"no {language} compiler"
    if isinstance(compiler, Unreadable):
        yield undetermined(f"whether there is a {language} compiler is not known", compiler, title, language)
    elif isinstance(compiler, Absent):
        text = "Install one."
        commands: tuple[str, ...] = ()
        variable = {"C": "CC", "C++": "CXX"}[language]
        if facts.environment.get(variable):
            text = f"Set {variable} to a compiler that is there, or leave the choice to the build."
            commands = (f"unset {variable}",)
        elif value_of(facts.python.kind) == "conda":
            commands = ("conda install -c conda-forge gxx_linux-64",)
        elif (value_of(facts.host.distribution_id) or "") in remedies.DEBIAN_LIKE:
            commands = ("apt-get install g++",)
        yield Finding(
            state="fail",
            title=title,
            why="Nothing compiles without it.",
            evidence=(seen(f"{language} compiler", compiler),),
            remedy=Remedy(text, commands),
            subject=language,
            explains=("CC002", "CC003", "CC004"),
        )


@check("CC002", "host-compiler-newer-than-nvcc-takes", needs=("compilers", "cuda", *BUILD), strikes=COMPILE + 51)
def host_compiler_newer(facts: Facts) -> Iterator[Judgement]:
    """The host compiler is newer than nvcc takes

    What it finds:
        The compiler that nvcc starts for host code, against the newest major in the toolkit's own crt/host_config.h.
    Why it breaks:
        The header stops the compilation with #error, since newer standard headers use what this nvcc does not parse.
    Example:
        crt/host_config.h:132:2: error: #error -- unsupported GNU version! gcc versions later than 11 are not supported!
    What to do:
        Give nvcc an older compiler: CC, CXX and CUDAHOSTCXX, or -ccbin in NVCC_PREPEND_FLAGS.
    Sources:
        crt/host_config.h of CUDA 11.7 to 13.5
    """
    severity, toolkit = cuda_use.nvcc_severity(facts), facts.cuda.toolkit()
    host = facts.compilers.cuda_host if isinstance(facts.compilers.cuda_host, Known) else facts.compilers.cxx
    if severity is None or toolkit is None:
        yield NO_CUDA_BUILD if severity is None else NotApplicable("no toolkit that a build would take")
    elif isinstance(host, Known):
        limits, version = value_of(toolkit.host_compilers), value_of(host.value.version)
        newest = _newest(limits, host.value) if limits is not None else None
        flags = " ".join(facts.environment.get(name) or "" for name in ("NVCC_PREPEND_FLAGS", "NVCC_APPEND_FLAGS"))
        if "-ccbin" in flags or "--compiler-bindir" in flags:
            yield NotApplicable("NVCC_PREPEND_FLAGS or NVCC_APPEND_FLAGS name the host compiler")
        elif isinstance(host.value.version, Unreadable) and severity != "note":
            yield undetermined("the host compiler's release is not known", host.value.version, host.value.path)
        elif newest is not None and version is not None and numbers(version)[:1] > (newest,):
            allowed = "-allow-unsupported-compiler" in flags
            cuda = value_of(toolkit.version) or "?"
            yield Finding(
                state="note" if allowed else severity,
                title=f"nvcc {cuda} takes {_family(host.value)} up to {newest}, the host compiler is {version}",
                why="-allow-unsupported-compiler is set; what then compiles is not promised to work."
                if allowed
                else "nvcc's own header stops the compilation.",
                evidence=(
                    seen("host compiler", host, f"{host.value.path} {version}"),
                    seen("newest that nvcc takes", toolkit.host_compilers, str(newest)),
                ),
                remedy=None if allowed else _older_compiler(facts, _family(host.value), newest),
            )


def _family(compiler: Compiler) -> str:
    return "clang" if "clang" in compiler.kind else "gcc"


def _newest(limits: HostCompilerLimits, compiler: Compiler) -> int | None:
    return limits.clang if _family(compiler) == "clang" else limits.gcc


def _older_compiler(facts: Facts, family: str, newest: int) -> Remedy:
    wanted = "clang++" if family == "clang" else "g++"
    fitting = [
        compiler
        for compiler in facts.compilers.installed
        if compiler.kind == wanted and 5 <= (numbers(value_of(compiler.version) or "") or (0,))[0] <= newest
    ]
    if not fitting:
        return Remedy(f"Install {wanted} {newest} or older, and set CXX and CUDAHOSTCXX to it.", recipe="host-compiler")
    best = max(fitting, key=lambda compiler: numbers(value_of(compiler.version) or ""))
    path = shlex.quote(best.path)
    flags = shlex.quote(f"-ccbin {best.path}")
    command = f"export CXX={path} CUDAHOSTCXX={path} NVCC_PREPEND_FLAGS={flags}"
    return Remedy(f"Give nvcc {best.path}.", (command,), recipe="host-compiler")


@check("CC003", "compiler-too-old-for-torch", needs=("compilers", "torch", "project"), strikes=COMPILE + 5)
def compiler_too_old(facts: Facts) -> Iterator[Judgement]:
    """The C++ compiler is too old for torch's headers

    What it finds:
        The C++ compiler that the build takes is a GCC older than the headers or the build tools of this torch ask for.
    Why it breaks:
        They test for it, or need a language standard that the compiler does not have.
    Example:
        #error "You're trying to build PyTorch with a too old version of GCC. We need GCC 5 or later."
    What to do:
        Build with a newer GCC, named by CC and CXX.
    Sources:
        torch/utils/cpp_extension.py and c10/util/C++17.h of PyPI torch 1.0.1, 1.13.1 and 2.13.0
    """
    cxx, torch = value_of(facts.compilers.cxx), value_of(facts.torch.version)
    if not building.builds_extension(facts):
        yield NotApplicable("no extension of torch is built here")
    elif cxx is None or torch is None or _family(cxx) != "gcc":
        yield NotApplicable("no GCC, or no torch, to compare")
    elif isinstance(cxx.version, Unreadable):
        yield undetermined("the C++ compiler's release is not known", cxx.version, cxx.path)
    else:
        known = [row for row in OLDEST_GCC if at_least(torch, row[0])]
        version = value_of(cxx.version)
        if known and version is not None and not at_least(version, known[-1][1]):
            oldest, source = known[-1][1:]
            yield Finding(
                state="fail",
                title=f"torch {torch} needs GCC {oldest} or later, the C++ compiler is {version}",
                why="torch's headers or build tools ask for it.",
                evidence=(
                    seen("C++ compiler", facts.compilers.cxx, f"{cxx.path} {version}"),
                    Evidence("oldest GCC", oldest, source),
                ),
                remedy=_newer_compiler(facts, oldest),
            )


def _newer_compiler(facts: Facts, oldest: str) -> Remedy:
    for compiler in facts.compilers.installed:
        if compiler.kind == "g++" and at_least(value_of(compiler.version) or "0", oldest):
            return Remedy(f"Build with {compiler.path}.", (f"export CXX={shlex.quote(compiler.path)}",))
    return Remedy(f"Install g++ {oldest} or later, and set CC and CXX to it.")


@check("CC004", "header-missing", needs=("headers", "cuda", "project", "host", "python"), strikes=COMPILE + 45)
def header_missing(facts: Facts) -> Iterator[Judgement]:
    """A header that the sources include is found nowhere

    What it finds:
        What the compiler's own preprocessor misses over all sources of the project. Headers of Caffe2, torch, protobuf,
        MKL and Python have checks of their own.
    Why it breaks:
        The first file that includes it does not compile.
    Example:
        fatal error: Eigen/Core: No such file or directory
    What to do:
        Install the package that brings it, or put its directory on CPATH.
    Sources:
        g++ -M -MG over the project's sources
    """
    missing = facts.headers.missing
    if isinstance(missing, Unreadable):
        yield undetermined("it is not known which headers the sources miss", missing, "the preprocessor's answer")
    elif not isinstance(missing, Known):
        yield NO_BUILD
    else:
        toolkit = facts.cuda.toolkit()
        has_cuda = toolkit is not None and isinstance(toolkit.include, Known)
        skipped = JUDGED_ELSEWHERE if has_cuda else JUDGED_ELSEWHERE + CUDA_HEADERS
        for header in missing.value:
            if not header.startswith(skipped):
                yield _header(facts, header, missing)


def _header(facts: Facts, header: str, missing: Known[tuple[str, ...]]) -> Finding:
    debian, conda = next(
        ((apt, forge) for start, apt, forge in HEADER_PACKAGES if header.startswith(start)), (None, None)
    )
    remedy = Remedy("Install the package that brings it, or put the directory that holds it on CPATH.")
    if conda is not None and value_of(facts.python.kind) == "conda":
        remedy = Remedy("Install it.", (f"conda install -c conda-forge {conda}",))
    elif debian is not None and (value_of(facts.host.distribution_id) or "") in remedies.DEBIAN_LIKE:
        remedy = Remedy("Install it.", (f"apt-get install {debian}",))
    return Finding(
        state="fail",
        title=f"{header} is included and not found",
        why="The compiler finds it in none of the directories that it searches.",
        evidence=(
            seen("missing header", missing, header),
            Evidence("searched", ", ".join(facts.headers.searched[:8]) or "the compiler's own directories", "-M -MG"),
        ),
        remedy=remedy,
        subject=header,
    )
