"""The project of tests/projects/densepose_ops, built against the real Caffe2 as it should be and as it should not.

`python -m tests.real.build_variants [VARIANT ...]` builds the named variants (all by default) and prints the libraries.

Nothing of the project or of the wheel is edited: a CMake toolchain file, named by the variable CMAKE_TOOLCHAIN_FILE,
brings all that a build lacks, and `make ops` is run as it stands.
"""

import hashlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.real import components
from tests.real.environments import (
    BuildError,
    UnavailableError,
    cache_root,
    clean_environment,
    made_once,
    reported,
    run_step,
    say,
)

PROJECT = Path(__file__).resolve().parent.parent / "projects" / "densepose_ops"
LIBRARY = "libcaffe2_densepose_ops.so"
BUILD_SECONDS = 600

# The wheel's config stops where CUDA cannot be found, unless somebody has made its targets before. It then still says
# that there is CUDA, so that a project goes on to its GPU library; without nvcc that one is declared and never built.
WITHOUT_CUDA = """\
foreach(library cudart cufft curand cudnn cublas)
  if(NOT TARGET caffe2::${library})
    add_library(caffe2::${library} INTERFACE IMPORTED)
  endif()
endforeach()
function(cuda_add_library name)
  set(sources ${ARGN})
  list(REMOVE_ITEM sources SHARED)
  list(FILTER sources EXCLUDE REGEX "\\\\.cu$")
  add_library(${name} SHARED EXCLUDE_FROM_ALL ${sources})
endfunction()
"""


@dataclass(frozen=True)
class Cures:
    """What is brought to a build: each field cures one thing, and an empty one leaves it as the machine has it."""

    caffe2_dir: Path | None = None
    without_cuda: bool = False
    includes: tuple[Path, ...] = ()
    flags: tuple[str, ...] = ()
    libraries: tuple[Path, ...] = ()

    def toolchain(self, folder: Path) -> Path:
        """Write the toolchain file, and what it names, into `folder`."""
        flags = [*self.flags, *(f"-I{path}" for path in self.includes)]
        lines = [f"set(CMAKE_CXX_FLAGS_INIT [=[{shlex.join(flags)}]=])"]
        if self.libraries:
            lines.append(f"set(CMAKE_CXX_STANDARD_LIBRARIES [=[{shlex.join(map(str, self.libraries))}]=])")
        if self.caffe2_dir:
            lines.append(f"set(Caffe2_DIR [=[{self.caffe2_dir}]=])")
        if self.without_cuda:
            (folder / "without-cuda.cmake").write_text(WITHOUT_CUDA)
            lines.append(f"set(CMAKE_PROJECT_INCLUDE [=[{folder / 'without-cuda.cmake'}]=])")
        toolchain = folder / "toolchain.cmake"
        toolchain.write_text("\n".join(lines) + "\n")
        return toolchain


def make_ops(folder: Path, cures: Cures | None = None) -> subprocess.CompletedProcess[str]:
    """Run `make ops` from nothing in a fresh copy of the project at `folder`/project; stdout holds the whole output.

    Raises UnavailableError where the machine has no tools that can.
    """
    _need_tools()
    project = folder / "project"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("build", "__pycache__", ".envdoctor"))
    variables = {"CMAKE_POLICY_VERSION_MINIMUM": "3.5"}
    if cures:
        variables["CMAKE_TOOLCHAIN_FILE"] = str(cures.toolchain(folder))
    return subprocess.run(
        ["make", "ops"],
        cwd=project,
        env=clean_environment(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=BUILD_SECONDS,
    )


def _need_tools() -> None:
    for tool in ("make", "cmake", components.cxx()):
        if shutil.which(tool) is None:
            raise UnavailableError(f"needs {tool}, which is not on PATH")
    words = run_step(["cmake", "--version"], 60).split()
    if tuple(map(int, words[2].split(".")[:2])) < (3, 21):
        raise UnavailableError(f"needs cmake 3.21, which reads CMAKE_TOOLCHAIN_FILE, and this is {words[2]}")


def chain() -> tuple[tuple[str, Cures], ...]:
    """What cures one failure after another, each step with all before it and named by what it adds; the last one links.

    Headers of protobuf are added three times: of those that a machine can have, not all will do.
    """
    root = components.caffe2_root()
    found = Cures(caffe2_dir=root / "share" / "cmake" / "Caffe2")
    configured = replace(found, without_cuda=True)

    def including(*paths: Path) -> Cures:
        return replace(configured, includes=(root / "lib" / "include", *paths))

    protobuf = components.protobuf_source(components.GENERATED_BY)
    mkl = components.mkl_include()
    return (
        ("nothing", Cures()),
        ("Caffe2_DIR", found),
        ("targets of CUDA", configured),
        ("headers of Caffe2", including()),
        ("older headers of protobuf", including(components.protobuf_source("3.3.0"))),
        ("newer headers of protobuf", including(components.protobuf_source("3.6.1"))),
        ("headers of protobuf", including(protobuf)),
        ("headers of MKL", including(protobuf, mkl)),
        ("headers of ThreadPool", including(protobuf, mkl, components.thread_pool_include())),
    )


def enough_to_link() -> Cures:
    """All that cmake, the compiler and the linker ask for, and nothing of what only loading and running ask for."""
    return chain()[-1][1]


def _no_protobuf_new_abi() -> Cures:
    return enough_to_link()


def _new_abi() -> Cures:
    return replace(enough_to_link(), libraries=(components.static_libprotobuf(()),))


def _no_protobuf() -> Cures:
    return replace(enough_to_link(), flags=(components.OLD_ABI,))


def _old_abi_by_reference() -> Cures:
    old_abi = _no_protobuf()
    return replace(old_abi, libraries=(components.static_libprotobuf(old_abi.flags),))


def _by_value_alone() -> Cures:
    """Runs with right values, and corrupts memory when the process ends: Caffe2 frees functors that lie elsewhere."""
    return _with_function("by-value", components.BY_VALUE)


def _correct() -> Cures:
    return _with_function("of-gcc-4.9", components.BY_VALUE + components.ON_THE_HEAP)


def _with_function(name: str, changes: tuple[tuple[str, str], ...]) -> Cures:
    by_reference = _old_abi_by_reference()
    return replace(by_reference, includes=(components.function_include(name, changes), *by_reference.includes))


VARIANTS: Mapping[str, Callable[[], Cures]] = {
    "no-protobuf-new-abi": _no_protobuf_new_abi,
    "new-abi": _new_abi,
    "no-protobuf": _no_protobuf,
    "old-abi-by-reference": _old_abi_by_reference,
    "by-value-alone": _by_value_alone,
    "correct": _correct,
}


def library(variant: str) -> Path:
    """The operators' library of a variant, built now if the project, the compiler or the cures have changed.

    Raises Unavailable where a component cannot be had on this machine, BuildError where the build fails.
    """
    cures = VARIANTS[variant]()

    def make(root: Path) -> None:
        built = make_ops(root, cures)
        if built.returncode:
            raise BuildError(f"make ops, status {built.returncode}:\n{built.stdout[-4000:]}")

    root = made_once(cache_root() / f"ops-{variant}", _digest(cures), make)
    return root / "project" / "build" / LIBRARY


def project_files() -> list[Path]:
    """The files of the project that a copy holds, sorted."""
    passed_over = {"build", "__pycache__", ".envdoctor"}
    files = (path for path in PROJECT.rglob("*") if path.is_file())
    return sorted(path for path in files if passed_over.isdisjoint(path.relative_to(PROJECT).parts))


def _digest(cures: Cures) -> str:
    """Of the project's files, of what is brought to the build, and of the tools."""
    content = hashlib.sha256(repr((cures, WITHOUT_CUDA, components.cxx_version())).encode())
    for path in project_files():
        content.update(str(path.relative_to(PROJECT)).encode())
        content.update(path.read_bytes())
    return content.hexdigest()


def main(names: Sequence[str]) -> int:
    """Build the named variants, or all; 2 for an unknown name, 3 where one cannot be built on this machine."""
    unknown = [name for name in names if name not in VARIANTS]
    if unknown:
        say(f"no variant called {', '.join(unknown)}; there are {', '.join(VARIANTS)}")
        return 2
    for name in names or VARIANTS:
        sys.stdout.write(f"{name} {library(name)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(reported(lambda: main(sys.argv[1:])))
