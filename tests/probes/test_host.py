"""The host probe, on this machine and on trees of files."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdoctor.facts import Absent, Facts, Host, Known, Unreadable, value_of
from envdoctor.files import LiveFiles
from envdoctor.probes import host
from tests.filetree import RootedFiles, make_target, write_tree

OS_RELEASE = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'


def probed(root: Path, tree: dict[str, str | bytes], environment: dict[str, str] | None = None) -> Host:
    write_tree(root, tree)
    return host.probe(make_target(RootedFiles(root), environment), Facts())


def test_this_machine_is_told_as_its_own_programs_tell_it() -> None:
    found = host.probe(make_target(LiveFiles(), dict(os.environ), python=sys.executable), Facts())

    assert value_of(found.kernel) == platform.release()
    assert value_of(found.machine) == platform.machine()
    assert value_of(found.cores) == len(os.sched_getaffinity(0))
    memory = value_of(found.memory)
    assert memory is not None
    assert 0 < memory <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library here is not glibc")
def test_the_c_library_is_the_one_that_programs_run_with() -> None:
    printed = subprocess.run(["getconf", "GNU_LIBC_VERSION"], capture_output=True, text=True, check=True).stdout

    found = host.probe(make_target(LiveFiles()), Facts())

    assert value_of(found.glibc) == printed.split()[1]


def test_no_host_name_is_told(tmp_path: Path) -> None:
    tree: dict[str, str | bytes] = {
        "/etc/hostname": "secret-box\n",
        "/proc/sys/kernel/hostname": "secret-box\n",
        "/proc/sys/kernel/osrelease": "6.1.0-13-amd64\n",
        "/proc/version": "Linux version 6.1.0-13-amd64 (root@secret-box) (gcc 12.2.0)\n",
    }

    found = probed(tmp_path, tree, {"HOSTNAME": "secret-box"})

    assert value_of(found.kernel) == "6.1.0-13-amd64"
    assert b"secret-box" not in msgspec.json.encode(found)


@pytest.mark.parametrize(
    ("text", "name", "identity"),
    [
        (OS_RELEASE, "Debian GNU/Linux 12 (bookworm)", "debian"),
        ("ID='rhel'\nPRETTY_NAME='Red Hat \\$8'\n", "Red Hat $8", "rhel"),
        ("# text\nID=arch\nPRETTY_NAME=\n", None, "arch"),
        ("", None, None),
        (b"\xff\xfe\x00ID", None, None),
    ],
)
def test_the_distribution_is_read_from_os_release(
    tmp_path: Path, text: str | bytes, name: str | None, identity: str | None
) -> None:
    found = probed(tmp_path, {"/usr/lib/os-release": text})

    assert (value_of(found.distribution), value_of(found.distribution_id)) == (name, identity)


def test_an_os_release_that_may_not_be_read_is_unreadable(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/etc/os-release": OS_RELEASE})

    found = host.probe(make_target(RootedFiles(tmp_path, denied=("/etc/os-release",))), Facts())

    assert found.distribution == Unreadable("permission denied", "/etc/os-release")


@pytest.mark.parametrize(
    ("tree", "version"),
    [
        ({"/lib64/libc.so.6": b"\x7fELF..GNU C Library (GNU libc) stable release version 2.17, by Roland\n"}, "2.17"),
        ({"/lib64/libc.so.6": b"\x7fELF nothing"}, None),
        ({"/lib64/libc.so.6": b""}, None),
        ({"/lib/ld-musl-x86_64.so.1": b"\x7fELF"}, None),
    ],
)
def test_the_c_library_is_told_by_its_banner(tmp_path: Path, tree: dict[str, str | bytes], version: str | None) -> None:
    assert value_of(probed(tmp_path, tree).glibc) == version


def test_a_system_of_musl_has_no_glibc_and_says_why(tmp_path: Path) -> None:
    found = probed(tmp_path, {"/lib/ld-musl-x86_64.so.1": b"\x7fELF"})

    assert isinstance(found.glibc, Absent)
    assert "musl" in found.glibc.reason


@pytest.mark.parametrize(
    ("header", "machine"),
    [
        (b"\x7fELF\x02\x01" + bytes(12) + b"\x3e\x00", "x86_64"),
        (b"\x7fELF\x02\x01" + bytes(12) + b"\xb7\x00", "aarch64"),
        (b"\x7fELF\x02\x02" + bytes(12) + b"\x00\x16", "s390x"),
        (b"\x7fELF\x02\x01" + bytes(12) + b"\xff\xee", "ELF machine 61183"),
        (b"\x7fELF", None),
        (b"#!/bin/sh\n" + bytes(20), None),
    ],
)
def test_the_machine_is_the_one_that_programs_are_made_for(tmp_path: Path, header: bytes, machine: str | None) -> None:
    assert value_of(probed(tmp_path, {"/bin/sh": header}).machine) == machine


@pytest.mark.parametrize(
    ("allowed", "cores"),
    [("0-3,8", 5), ("7", 1), ("0-", None), ("x", None), ("3-1", None), ("0-99999999999", None), ("9" * 5000, None)],
)
def test_cores_are_those_that_the_process_may_use(tmp_path: Path, allowed: str, cores: int | None) -> None:
    assert value_of(probed(tmp_path, {"/proc/self/status": f"Cpus_allowed_list:\t{allowed}\n"}).cores) == cores


def test_memory_is_the_limit_of_the_control_group_where_that_is_less(tmp_path: Path) -> None:
    tree: dict[str, str | bytes] = {"/proc/meminfo": "MemTotal: 2048 kB\n", "/sys/fs/cgroup/memory.max": "1048576\n"}

    found = probed(tmp_path, tree)

    assert found.memory == Known(1048576, "/sys/fs/cgroup/memory.max", "1048576")


def test_a_control_group_without_limit_leaves_the_memory_of_the_machine(tmp_path: Path) -> None:
    tree: dict[str, str | bytes] = {"/proc/meminfo": "MemTotal: 2048 kB\n", "/sys/fs/cgroup/memory.max": "max\n"}

    assert value_of(probed(tmp_path, tree).memory) == 2048 * 1024


@pytest.mark.parametrize(
    ("tree", "environment", "container"),
    [
        ({"/.dockerenv": ""}, {}, "docker"),
        ({"/run/.containerenv": ""}, {}, "podman"),
        ({"/run/systemd/container": "lxc\n"}, {}, "lxc"),
        ({"/proc/1/cgroup": "0::/kubepods/besteffort/pod1\n"}, {}, "kubernetes"),
        ({"/.dockerenv": ""}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({}, {"APPTAINER_CONTAINER": "/x.sif"}, "apptainer"),
        ({"/proc/1/cgroup": "0::/init.scope\n"}, {}, None),
    ],
)
def test_a_container_is_known_by_its_marks(
    tmp_path: Path, tree: dict[str, str | bytes], environment: dict[str, str], container: str | None
) -> None:
    assert value_of(probed(tmp_path, tree, environment).container) == container


@pytest.mark.parametrize(
    ("release", "wsl"),
    [("5.15.90.1-microsoft-standard-WSL2\n", "WSL2"), ("4.4.0-19041-Microsoft\n", "WSL1"), ("6.1.0-13-amd64\n", None)],
)
def test_wsl_is_known_by_its_kernel(tmp_path: Path, release: str, wsl: str | None) -> None:
    assert value_of(probed(tmp_path, {"/proc/sys/kernel/osrelease": release}).wsl) == wsl


def test_an_empty_file_system_has_no_facts_and_no_guesses(tmp_path: Path) -> None:
    found = probed(tmp_path, {})

    facts = (
        found.distribution,
        found.kernel,
        found.machine,
        found.glibc,
        found.cpu,
        found.cores,
        found.memory,
        found.wsl,
    )
    assert all(isinstance(fact, Absent) for fact in facts)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400))
def test_no_file_of_the_kernel_breaks_the_probe(tmp_path: Path, data: bytes) -> None:
    for path in (
        "/proc/cpuinfo",
        "/proc/meminfo",
        "/proc/self/status",
        "/etc/os-release",
        "/proc/sys/kernel/osrelease",
    ):
        place = tmp_path / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    host.probe(make_target(RootedFiles(tmp_path)), Facts())
