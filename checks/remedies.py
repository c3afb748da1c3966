"""Commands that bring to a build what it lacks, without an edit of its sources; each is meant to be copied."""

import shlex
from posixpath import dirname

from envdoctor.facts import Caffe2Installation, Facts, Known, value_of
from envdoctor.knowledge.providers import install_commands

# Their packages come with apt.
DEBIAN_LIKE = ("debian", "ubuntu", "linuxmint", "pop", "raspbian", "kali")

# What Caffe2Config.cmake asks CUDA for, made empty; a GPU library of the project is then declared and never built.
EMPTY_CUDA_TARGETS = (
    "foreach(library cudart cufft curand cudnn cublas)",
    "  if(NOT TARGET caffe2::${library})",
    "    add_library(caffe2::${library} INTERFACE IMPORTED)",
    "  endif()",
    "endforeach()",
    "function(cuda_add_library name)",
    "  set(sources ${ARGN})",
    "  list(FILTER sources EXCLUDE REGEX [.]cu$)",
    "  add_library(${name} EXCLUDE_FROM_ALL ${sources})",
    "endfunction()",
)

# Of protobuf's sources those of the library: neither the compiler nor the tests.
LIBRARY_SOURCES = (
    "! -path '*/compiler/*' ! -path '*/testing/*' ! -name '*_test*' ! -name '*unittest*' ! -name 'test_util*'"
)


def overlay(facts: Facts, *parts: str) -> str:
    """A path below the project's `.envdoctor`. Reads `project`."""
    root = value_of(facts.project.root)
    return "/".join([root.rstrip("/") if root else ".", ".envdoctor", *parts])


def prefix_include(facts: Facts) -> str:
    """Where headers that a build lacks are put. Reads `project`."""
    return overlay(facts, "prefix", "include")


def put_first(variable: str, directory: str) -> str:
    """The command that puts a directory first in a variable that holds a list of directories."""
    return f'export {variable}={shlex.quote(directory)}"${{{variable}:+:${variable}}}"'


def add_to_toolchain(facts: Facts, line: str) -> tuple[str, ...]:
    """The commands that add a line to a CMake toolchain file and name the file to CMake. Reads `project`."""
    file = shlex.quote(overlay(facts, "toolchain.cmake"))
    return (
        f"mkdir -p {shlex.quote(overlay(facts))} && echo {shlex.quote(line)} >> {file}",
        f"export CMAKE_TOOLCHAIN_FILE={file}",
    )


def python(facts: Facts) -> str:
    """The interpreter, quoted for a shell. Reads `python`."""
    executable = value_of(facts.python.executable)
    return shlex.quote(executable) if executable else "python"


def install(facts: Facts, need: str, **words: str) -> tuple[str, ...]:
    """The command of this machine's installer that supplies a need; empty where none does. Reads `host`, `python`."""
    commands = {command.channel: command.text for command in install_commands(need, **words)}
    if value_of(facts.python.kind) == "conda" and "conda" in commands:
        return (commands["conda"],)
    if (value_of(facts.host.distribution_id) or "") in DEBIAN_LIKE and "apt" in commands:
        return (commands["apt"],)
    if "pip" in commands and not isinstance(facts.python.externally_managed, Known):
        return (commands["pip"].replace("python -m pip", f"{python(facts)} -m pip", 1),)
    return ()


def caffe2_dir(installation: Caffe2Installation) -> tuple[str, ...]:
    """The command that leads CMake to its configuration; none where it has none."""
    config = value_of(installation.config)
    return (f"export Caffe2_DIR={shlex.quote(dirname(config))}",) if config else ()


def rebuild(facts: Facts) -> tuple[str, ...]:
    """The command that builds the project's extensions again in their place, where setup.py has them.

    Reads `project` and `python`.
    """
    root = value_of(facts.project.root)
    if root is None or not facts.project.setup_extensions:
        return ()
    return (f"(cd {shlex.quote(root)} && {python(facts)} setup.py build_ext --inplace --force)",)


def without_cuda(facts: Facts) -> tuple[str, ...]:
    """Empty CUDA targets for the operators of the CPU alone. Reads `project`."""
    file = overlay(facts, "without-cuda.cmake")
    lines = " ".join(shlex.quote(line) for line in EMPTY_CUDA_TARGETS)
    return (
        f"mkdir -p {shlex.quote(overlay(facts))} && printf '%s\\n' {lines} > {shlex.quote(file)}",
        *add_to_toolchain(facts, f"set(CMAKE_PROJECT_INCLUDE [=[{file}]=])"),
    )


def thread_pool_headers(facts: Facts) -> tuple[str, ...]:
    """The ThreadPool headers of the torch 1.4.0 wheel; that of macOS is the smallest. Reads `project`, `python`."""
    wheel = shlex.quote(overlay(facts, "torch-1.4.0"))
    target = shlex.quote(f"{prefix_include(facts)}/caffe2/utils/threadpool")
    headers = " ".join(
        f"{wheel}/torch/include/caffe2/utils/threadpool/{name}" for name in ("ThreadPool.h", "ThreadPoolCommon.h")
    )
    selected = "--no-deps --only-binary=:all: --python-version 3.7 --platform macosx_10_9_x86_64"
    return (
        f"{python(facts)} -m pip download {selected} -d {wheel} torch==1.4.0",
        f"{python(facts)} -m zipfile -e {wheel}/torch-1.4.0-*.whl {wheel}",
        f"mkdir -p {target} && cp {headers} {target}",
        put_first("CPATH", prefix_include(facts)),
    )


def protobuf_source(facts: Facts, sdist: str) -> tuple[str, ...]:
    """The C++ sources of protobuf that a source archive of grpcio-tools holds. Reads `project`, `python`."""
    folder = shlex.quote(overlay(facts))
    return (
        f"{python(facts)} -m pip download --no-deps --no-binary=grpcio-tools -d {folder} grpcio-tools=={sdist}",
        f"tar -xzf {folder}/grpcio-tools-{sdist}.tar.gz -C {folder}",
    )


def protobuf_source_folder(facts: Facts, sdist: str) -> str:
    """Where `protobuf_source` puts them. Reads `project`."""
    return overlay(facts, f"grpcio-tools-{sdist}", "third_party", "protobuf", "src")


def protobuf_headers(facts: Facts, sdist: str) -> tuple[str, ...]:
    """Headers of an exact protobuf on the include path. Reads `project`, `python`."""
    return (*protobuf_source(facts, sdist), put_first("CPATH", protobuf_source_folder(facts, sdist)))


def static_protobuf(facts: Facts, sdist: str, flags: tuple[str, ...]) -> tuple[str, ...]:
    """A static libprotobuf that every link of the build takes last. Reads `project`, `python`."""
    source, library = protobuf_source_folder(facts, sdist), overlay(facts, "libprotobuf.a")
    compiler = shlex.join(["c++", "-std=c++11", "-O1", "-fPIC", "-w", "-DHAVE_PTHREAD", *flags, "-I."])
    enter = f"cd {shlex.quote(source)}"
    files = f"find google -name '*.cc' {LIBRARY_SOURCES} -print0 | xargs -0 -P 2 -I '{{}}'"
    archive = f"find google -name '*.cc.o' -print0 | xargs -0 ar rcs {shlex.quote(library)}"
    return (
        *protobuf_source(facts, sdist),
        f"({enter} && {files} {compiler} -c '{{}}' -o '{{}}.o' && {archive})",
        # The value becomes a part of the link command as it is written.
        *add_to_toolchain(facts, f'set(CMAKE_CXX_STANDARD_LIBRARIES [=["{library}"]=])'),
    )


def function_by_value(facts: Facts, header: str) -> tuple[str, ...]:
    """A copy of a `bits/std_function.h` in the form of GCC 4.9, first on the include path. Reads `project`.

    It takes arguments by value and keeps only pointers in place, so that either side can call and destroy the other's.
    """
    folder = overlay(facts, "function-by-value")
    copy = shlex.quote(f"{folder}/bits/std_function.h")
    passing = "s/_ArgTypes&&\\.\\.\\./_ArgTypes.../"
    keeping = "s/: is_trivially_copyable<_Tp>::type/: __or_<is_pointer<_Tp>, is_member_pointer<_Tp>>::type/"
    return (
        f"mkdir -p {shlex.quote(folder + '/bits')} && sed -e '{passing}' -e '{keeping}' {shlex.quote(header)} > {copy}",
        put_first("CPATH", folder),
    )
