"""One CUDA toolkit: release, headers, libraries, what its nvcc emits, the host compilers it takes.

The release is read from files before nvcc is asked. What it emits nvcc tells itself where programs can be run: its help
lists more than its `--list-gpu-code`, such as `90a`, and every release has it.
"""

import re

import msgspec

from envdoctor.facts import Absent, Fact, HostCompilerLimits, Known, Toolkit, Unreadable, value_of
from envdoctor.knowledge import cuda_arch, nvcc_host
from envdoctor.knowledge.cuda_driver import decode_cuda
from envdoctor.knowledge.versions import numbers, series
from envdoctor.probes.cuda_roots import Root, include_directories, library_directories
from envdoctor.probes.nvcc_wrapper import Nvcc, run_nvcc
from envdoctor.probes.reading import names_in, text_of
from envdoctor.probes.wheels import Wheels
from envdoctor.programs import Completed
from envdoctor.target import Target

HEADER_LIMIT = 65_536
NO_NVCC = "there is no nvcc in it"


def toolkit(target: Target, root: Root, wheels: Wheels) -> Toolkit:
    """Everything that can be told of the toolkit in a root."""
    nvcc = root.nvcc
    directory = root.path
    include = _include(target, directory)
    asked = _asked(target, nvcc) if nvcc else None
    release = _release(target, directory, include, nvcc.path if nvcc else None, wheels, asked)
    return Toolkit(
        root=directory,
        origins=root.origins,
        version=release,
        nvcc=Known(nvcc.path, ", ".join(root.origins)) if nvcc else Absent(NO_NVCC, (f"{directory}/bin/nvcc",)),
        wrapper=nvcc.wrapper if nvcc else None,
        include=include,
        libraries=_libraries(target, directory),
        architectures=_architectures(nvcc.path, asked, release) if nvcc else Absent(NO_NVCC),
        host_compilers=_host_compilers(target, directory, nvcc is not None, release),
    )


# nvcc itself


def _failure(done: Completed) -> str:
    return done.problem or f"`{done.command[0]}` ended with status {done.status}"


def _asked(target: Target, nvcc: Nvcc) -> Completed | None:
    """nvcc's help, or the problem that it had before; None where no program can be run."""
    if nvcc.problem:
        return Completed((nvcc.path,), None, "", "", nvcc.problem)
    return run_nvcc(target, nvcc.path, "--help")


def _architectures(nvcc: str, asked: Completed | None, release: Fact[str]) -> Fact[tuple[str, ...]]:
    via = f"`{nvcc} --help`"
    if asked is not None:
        if not asked.ok:
            return Unreadable(_failure(asked), via)
        found = dict.fromkeys(re.findall(r"'sm_(\d{2,3}[af]?)'", asked.stdout))
        emitted = sorted(found, key=lambda name: (int(name.rstrip("af")), name))
        return Known(tuple(emitted), via) if emitted else Unreadable("it lists no sm_*", via)
    row = cuda_arch.targets(value_of(release) or "")
    if row is None:
        return Unreadable("needs a live target: no table knows this release", nvcc)
    return Known(tuple(row.targets.split()), f"table: {row.source}")


# Release


def _release(
    target: Target, root: str, include: Fact[str], nvcc: str | None, wheels: Wheels, asked: Completed | None
) -> Fact[str]:
    """As `13.0`. What belongs to nvcc comes before what belongs to the headers: in conda they may differ."""
    found = (
        _from_version_file(target, root)
        or (_from_conda(target, root) if nvcc else None)
        or _from_wheel(root, wheels)
        or _from_header(target, value_of(include))
    )
    if found is not None:
        return found
    if nvcc is None:
        return Absent("no file tells a version", (f"{root}/version.json", f"{root}/include/cuda.h"))
    if asked is not None and asked.problem:
        return Unreadable(asked.problem, nvcc)
    done = run_nvcc(target, nvcc, "--version")
    if done is None:
        return Unreadable("needs a live target", nvcc)
    release = re.search(r"release (\d+\.\d+)", done.stdout)
    if release is None:
        return Unreadable("it prints no release" if done.ok else _failure(done), f"`{nvcc} --version`")
    return Known(release[1], f"`{nvcc} --version`", _line_with(done.stdout, release[0]))


def _line_with(text: str, part: str) -> str:
    return next(line.strip() for line in text.splitlines() if part in line)


class _Component(msgspec.Struct, frozen=True):
    version: str = ""


class _VersionFile(msgspec.Struct, frozen=True):
    """version.json of CUDA 11.1 and later."""

    cuda: _Component = _Component()
    cuda_nvcc: _Component = _Component()


def _from_version_file(target: Target, root: str) -> Known[str] | None:
    path = f"{root}/version.json"
    text = value_of(text_of(target.files, path))
    if text is not None:
        try:
            read = msgspec.json.decode(text, type=_VersionFile)
        except (msgspec.DecodeError, RecursionError):
            return None
        version = read.cuda_nvcc.version or read.cuda.version
        release = series(version)
        return Known(release, path, version) if release else None
    path = f"{root}/version.txt"
    text = value_of(text_of(target.files, path, HEADER_LIMIT)) or ""
    found = re.search(r"CUDA Version (\d+\.\d+)[.\d]*", text)
    return Known(found[1], path, found[0]) if found else None


def _from_conda(target: Target, root: str) -> Known[str] | None:
    for name in names_in(target.files, f"{root}/conda-meta", HEADER_LIMIT):
        found = re.match(r"cuda-nvcc(?:-impl|-tools|_[a-z0-9-]+)?-(\d+\.\d+)[.\d]*-", name)
        if found:
            return Known(found[1], f"{root}/conda-meta/{name}", name)
    return None


def _from_wheel(root: str, wheels: Wheels) -> Known[str] | None:
    wheel = wheels.of_directory(root) or wheels.inside(root, "cuda-nvcc") or wheels.inside(root, "cuda-runtime")
    release = series(wheel.version) if wheel else None
    return Known(release, wheel.path, wheel.version) if wheel and release else None


def _from_header(target: Target, include: str | None) -> Known[str] | None:
    if include is None:
        return None
    for name, macro in (("cuda_runtime_api.h", "CUDART_VERSION"), ("cuda.h", "CUDA_VERSION")):
        text = value_of(text_of(target.files, f"{include}/{name}", HEADER_LIMIT)) or ""
        found = re.search(rf"^[ \t]*#[ \t]*define[ \t]+{macro}[ \t]+(\d{{4,6}})\b", text, re.MULTILINE)
        version = decode_cuda(int(found[1])) if found else None
        if found and version:
            return Known(version, f"{include}/{name}", found[0].strip())
    return None


# Headers and libraries


def _include(target: Target, root: str) -> Fact[str]:
    looked = include_directories(target, root)
    for directory in looked:
        if target.files.is_file(f"{directory}/cuda_runtime.h"):
            return Known(directory, f"{directory}/cuda_runtime.h")
    return Absent("no cuda_runtime.h", looked)


def _libraries(target: Target, root: str) -> Fact[str]:
    """The directory to link against: it has libcudart.so, which names no release."""
    looked = library_directories(target, root)
    if root.startswith("/usr/lib/"):
        looked += ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu")
    for directory in looked:
        if target.files.is_file(f"{directory}/libcudart.so"):
            return Known(directory, f"{directory}/libcudart.so")
    return Absent("no libcudart.so", looked)


def _host_compilers(target: Target, root: str, has_nvcc: bool, release: Fact[str]) -> Fact[HostCompilerLimits]:
    looked = tuple(
        f"{directory}/{name}"
        for directory in include_directories(target, root)
        for name in ("crt/host_config.h", "host_config.h")
    )
    for path in looked:
        text = text_of(target.files, path, nvcc_host.HEADER_LIMIT)
        if isinstance(text, Unreadable):
            return text
        limits = nvcc_host.host_limits_from_header(text.value, path) if isinstance(text, Known) else None
        if limits is not None:
            return _majors(limits, path)
    if not has_nvcc:
        return Absent("no crt/host_config.h", looked)
    limits = nvcc_host.host_limits(value_of(release) or "")
    return (
        _majors(limits, f"table: {limits.source}")
        if limits
        else Absent("no crt/host_config.h, and no table row", looked)
    )


def _majors(limits: nvcc_host.HostLimits, found_via: str) -> Known[HostCompilerLimits]:
    gcc, clang = (numbers(text)[:1] for text in (limits.gcc_max, limits.clang_max))
    raw = f"gcc {limits.gcc_max or 'not checked'}, clang {limits.clang_max or 'not checked'}"
    return Known(HostCompilerLimits(gcc[0] if gcc else None, clang[0] if clang else None), found_via, raw)
