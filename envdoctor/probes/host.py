"""The host: distribution, kernel, machine, C library, processor, memory, container. Host names are never read."""

import re
from collections.abc import Iterator

from envdoctor.facts import Absent, Fact, Facts, Host, Known, Unreadable, value_of
from envdoctor.files import FileView
from envdoctor.probes.machine import machine_name, machine_of
from envdoctor.probes.reading import first_text, names_in, reason_of, text_of, whole_number
from envdoctor.target import Target

NEEDS: tuple[str, ...] = ()

OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
LIBC_DIRECTORIES = (
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
)
SMALL = 65_536
CPUINFO_LIMIT = 1 << 20


def probe(target: Target, _known: Facts) -> Host:
    files = target.files
    release = first_text(files, OS_RELEASE, SMALL)
    kernel = _line(text_of(files, "/proc/sys/kernel/osrelease", SMALL))
    cpuinfo = text_of(files, "/proc/cpuinfo", CPUINFO_LIMIT)
    return Host(
        distribution=_of_release(release, "PRETTY_NAME"),
        distribution_id=_of_release(release, "ID"),
        kernel=kernel,
        machine=machine_name(machine_of(target)),
        glibc=_glibc(files),
        cpu=_cpu(cpuinfo),
        cores=_cores(files, cpuinfo),
        memory=_memory(files),
        container=_container(target),
        wsl=_wsl(files, kernel),
    )


def _line(text: Fact[str]) -> Fact[str]:
    return Known(text.value.strip(), text.found_via) if isinstance(text, Known) else text


# Distribution


def _of_release(release: Fact[str], key: str) -> Fact[str]:
    if not isinstance(release, Known):
        return release
    for line in release.value.splitlines():
        name, equals, value = line.strip().partition("=")
        if name == key and equals and _unquoted(value):
            return Known(_unquoted(value), release.found_via, line.strip())
    return Absent(f"{release.found_via} has no {key}", (release.found_via,))


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return re.sub(r"\\(.)", r"\1", value)


# C library


def _glibc(files: FileView) -> Fact[str]:
    """From the banner that libc.so.6 prints when it is run: the exact release, read and not run."""
    looked = tuple(f"{directory}/libc.so.6" for directory in LIBC_DIRECTORIES)
    refusal: Unreadable | None = None
    for path in looked:
        try:
            with files.map(path) as library:
                start = library.find(b"GNU C Library ")
                banner = library[start : start + 200] if start >= 0 else b""
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            refusal = Unreadable(reason_of(error), path)
            continue
        line = banner.split(b"\n")[0].decode("utf-8", "replace")
        version = re.search(r"release version (\d+\.\d+(?:\.\d+)?)", line)
        if version:
            return Known(version[1], path, line)
        refusal = Unreadable("it holds no version banner of the GNU C library", path)
    musl = next((name for name in names_in(files, "/lib") if name.startswith("ld-musl-")), None)
    return refusal or Absent("the C library is musl" if musl else "no libc.so.6", looked)


# Processor and memory


def _cpu(cpuinfo: Fact[str]) -> Fact[str]:
    if not isinstance(cpuinfo, Known):
        return cpuinfo
    for key in ("model name", "Model", "cpu model", "Hardware"):
        for name, value in _entries(cpuinfo.value):
            if name == key and value:
                return Known(value, cpuinfo.found_via)
    return Absent(f"{cpuinfo.found_via} names no processor", (cpuinfo.found_via,))


def _cores(files: FileView, cpuinfo: Fact[str]) -> Fact[int]:
    """The processors that this process may use, as `nproc` counts them; all of them where that is not told."""
    status = text_of(files, "/proc/self/status", SMALL)
    if isinstance(status, Known):
        allowed = next((value for name, value in _entries(status.value) if name == "Cpus_allowed_list"), "")
        count = _list_length(allowed)
        if count:
            return Known(count, "/proc/self/status", f"Cpus_allowed_list: {allowed}")
    if not isinstance(cpuinfo, Known):
        return cpuinfo
    count = sum(name == "processor" for name, _ in _entries(cpuinfo.value))
    if count:
        return Known(count, cpuinfo.found_via)
    return Absent(f"{cpuinfo.found_via} lists no processor", (cpuinfo.found_via,))


def _list_length(text: str) -> int:
    """Length of a kernel list such as `0-3,8`; 0 when it is none."""
    count = 0
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        start, end = whole_number(first), whole_number(last if dash else first)
        if start is None or end is None:
            return 0
        count += end - start + 1
    return count if 0 < count < 1 << 20 else 0


def _memory(files: FileView) -> Fact[int]:
    """Bytes: the machine's memory, or the control group's limit where that is less."""
    meminfo = text_of(files, "/proc/meminfo", SMALL)
    if not isinstance(meminfo, Known):
        return meminfo
    text = next((value for name, value in _entries(meminfo.value) if name == "MemTotal"), "")
    kibibytes = whole_number(text.removesuffix("kB"))
    if kibibytes is None:
        return Unreadable("it tells no MemTotal", meminfo.found_via)
    total = kibibytes * 1024
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        limit = whole_number(value_of(text_of(files, path, 64)) or "")
        if limit is not None and 0 < limit < total:
            return Known(limit, path, str(limit))
    return Known(total, meminfo.found_via, f"MemTotal: {text}")


def _entries(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip(), value.strip()


# Container and WSL


def _container(target: Target) -> Fact[str]:
    files = target.files
    if "KUBERNETES_SERVICE_HOST" in target.environment:
        return Known("kubernetes", "variable KUBERNETES_SERVICE_HOST")
    for variable in ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"):
        if variable in target.environment:
            return Known(variable.partition("_")[0].lower(), f"variable {variable}")
    for path, name in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman"), ("/.singularity.d", "apptainer")):
        if files.is_file(path) or files.is_dir(path):
            return Known(name, path)
    systemd = text_of(files, "/run/systemd/container", 64)
    if isinstance(systemd, Known) and systemd.value.strip():
        return Known(systemd.value.strip(), systemd.found_via)
    groups = text_of(files, "/proc/1/cgroup", SMALL)
    for mark, name in (("kubepods", "kubernetes"), ("docker", "docker"), ("libpod", "podman"), ("/lxc", "lxc")):
        if isinstance(groups, Known) and mark in groups.value:
            return Known(name, groups.found_via)
    return Absent(
        "no sign of a container", ("/.dockerenv", "/run/.containerenv", "/run/systemd/container", "/proc/1/cgroup")
    )


def _wsl(files: FileView, kernel: Fact[str]) -> Fact[str]:
    release = value_of(kernel)
    if release is None:
        return Absent("no running kernel to ask") if isinstance(kernel, Absent) else kernel
    if "microsoft" not in release.lower():
        return Absent("the kernel is not Microsoft's", ("/proc/sys/kernel/osrelease",))
    # WSL 1 has no Linux kernel of its own and writes `Microsoft`; only WSL 2 passes a GPU through.
    version = "WSL2" if "microsoft" in release or "dxg" in names_in(files, "/dev") else "WSL1"
    return Known(version, "/proc/sys/kernel/osrelease", release)
