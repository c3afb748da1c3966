"""Where the loader looks: its cache, its configuration, its built-in directories, the tokens of a run path."""

import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.elf.ldcache import PATH, conf_directories, read_cache
from envdoctor.elf.search import Tokens, directories, expand, system_search
from envdoctor.files import LiveFiles
from tests.elf.building import Workshop
from tests.elf.memory import MemoryFiles

X86_64 = 62
TOKENS = Tokens("lib64", "x86_64")


def test_the_cache_of_this_machine_reads_as_ldconfig_reads_it() -> None:
    ldconfig = next((path for path in ("/sbin/ldconfig", "/usr/sbin/ldconfig") if Path(path).exists()), None)
    if ldconfig is None or not Path(PATH).exists():
        pytest.skip("no ldconfig or no cache on this machine")
    printed = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=True).stdout
    plain = [line for line in printed.splitlines()[1:] if "=>" in line and "(libc6,x86-64)" in line]

    cache = read_cache(LiveFiles(), X86_64)

    assert {name: cache.lookup(name, ()) for name in cache.entries} == dict(
        reversed([(line.split()[0], line.split(" => ")[1]) for line in plain])
    )


def test_a_cache_made_for_a_folder_prefers_the_processors_subdirectory(workshop: Workshop, tmp_path: Path) -> None:
    ldconfig = "/sbin/ldconfig"
    if not Path(ldconfig).exists():
        pytest.skip("no ldconfig on this machine")
    workshop.library("root/opt/libx.so")
    workshop.library("root/opt/glibc-hwcaps/x86-64-v3/libx.so")
    workshop.path("root/etc/ld.so.conf").write_text("/opt\n")
    subprocess.run([ldconfig, "-r", str(tmp_path / "root"), "-X"], check=True, capture_output=True)
    content = (tmp_path / "root/etc/ld.so.cache").read_bytes()

    cache = read_cache(MemoryFiles({PATH: content}), X86_64)

    assert cache.lookup("libx.so", ("x86-64-v3", "x86-64-v2")) == "/opt/glibc-hwcaps/x86-64-v3/libx.so"
    assert cache.lookup("libx.so", ()) == "/opt/libx.so"
    assert cache.lookup("liby.so", ()) is None


@pytest.mark.parametrize("content", [b"", b"rubbish", b"glibc-ld.so.cache1.1", b"ld.so-1.7.0\0" + b"\xff" * 40])
def test_a_damaged_cache_is_said_to_be_one(content: bytes) -> None:
    cache = read_cache(MemoryFiles({PATH: content}), X86_64)

    assert cache.entries == {}
    assert cache.problem


def test_no_cache_is_no_problem() -> None:
    assert read_cache(MemoryFiles({}), X86_64).problem == ""


@given(st.binary(max_size=200), st.integers(0, 1 << 32 - 1), st.integers(0, 1 << 32 - 1))
def test_any_cache_gives_an_answer(rest: bytes, count: int, extensions: int) -> None:
    header = b"glibc-ld.so.cache1.1" + struct.pack("<II4xI", count, 0, extensions)

    cache = read_cache(MemoryFiles({PATH: header.ljust(48, b"\0") + rest}), X86_64)

    assert all(isinstance(cache.lookup(name, ()), str | None) for name in cache.entries)


def test_the_configuration_is_followed_where_the_cache_is_damaged() -> None:
    files = MemoryFiles(
        {
            "/etc/ld.so.conf": "include ld.so.conf.d/*.conf\n/usr/local/lib # ours\n",
            "/etc/ld.so.conf.d/a.conf": "/opt/a/lib/\n# /not/this\n",
            "/etc/ld.so.conf.d/b.conf": "include /etc/ld.so.conf\n/opt/b=libc6\n",
            "/etc/ld.so.conf.d/c.txt": "/opt/c\n",
            PATH: b"rubbish",
        }
    )

    assert conf_directories(files) == ("/opt/a/lib", "/opt/b", "/usr/local/lib")
    assert system_search(files, X86_64, None).conf == ("/opt/a/lib", "/opt/b", "/usr/local/lib")


def test_files_that_include_each_other_end() -> None:
    assert conf_directories(MemoryFiles({"/etc/ld.so.conf": "include /etc/ld.so.conf\n" * 50 + "/lib\n"})) == ("/lib",)


def test_the_directories_are_those_built_into_the_loader_of_this_machine() -> None:
    interpreter = "/lib64/ld-linux-x86-64.so.2"
    if not Path(interpreter).exists():
        pytest.skip(f"no {interpreter}")
    run = subprocess.run([interpreter, "--list-diagnostics"], capture_output=True, text=True, check=False)
    told = {}
    for line in run.stdout.splitlines():
        name, _, value = line.partition("=")
        told[name] = value.strip('"')
    listed = [value.rstrip("/") for name, value in told.items() if name.startswith("path.system_dirs[")]
    if not listed:
        pytest.skip("the loader cannot list what it has built in")

    search = system_search(LiveFiles(), X86_64, interpreter)

    assert list(search.directories) == listed
    assert search.tokens.lib == told["dl_dst_lib"]


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (
            {"/usr/lib/x86_64-linux-gnu/x": ""},
            ("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib"),
        ),
        ({"/usr/lib64/x": ""}, ("/lib64", "/usr/lib64")),
        ({}, ("/lib", "/usr/lib")),
        ({"/lib64/ld-linux-x86-64.so.2": b"\x7fELF....\0/nix/store/x-glibc/lib/\0more"}, ("/nix/store/x-glibc/lib",)),
    ],
    ids=["Debian", "Fedora", "neither", "built in"],
)
def test_the_directories_follow_the_distribution(tree: dict[str, str | bytes], expected: tuple[str, ...]) -> None:
    assert system_search(MemoryFiles(tree), X86_64, None).directories == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$ORIGIN/../lib", "/o/../lib"),
        ("${ORIGIN}x", "/ox"),
        ("$ORIGINx", "$ORIGINx"),
        ("$ORIGIN_", "$ORIGIN_"),
        ("$LIB/$PLATFORM", "lib64/x86_64"),
        ("${LIB", "${LIB"),
        ("a$b$", "a$b$"),
        ("$$ORIGIN", "$/o"),
        ("", ""),
    ],
)
def test_tokens_stand_for_themselves_only_when_whole(text: str, expected: str) -> None:
    assert expand(text, "/o", TOKENS) == expected


def test_an_entry_with_an_unknown_origin_is_left_out() -> None:
    assert directories(["$ORIGIN/a", "/b"], None, TOKENS, "/") == ("/b",)


def test_directories_are_each_tried_once_and_relative_ones_from_the_working_directory() -> None:
    assert directories(["/a/", "/a", "", "rel", "/"], "/o", TOKENS, "/cwd") == ("/a", "/cwd", "/cwd/rel", "/")


@given(st.text(max_size=80))
def test_expansion_never_fails(text: str) -> None:
    assert "$ORIGIN/" not in (expand(text, "/o", TOKENS) or "")
