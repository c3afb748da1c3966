"""The copies of protobuf in the user's cache: exact, whole or not there, and made once."""

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from envdoctor.recipes.protobuf_build import BringHeaders, BuildLibrary, Sources, kept_library, kept_sources

from envdoctor.repair.steps import Hands, StepError
from tests.recipes.curing import hands_of, machine
from tests.recipes.miniature import OLD_STRINGS, needs_tools, write_sdist

SOURCES = Sources("3.5.0", "1.8.6", sys.executable)
TIMEOUT = 60


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    """Real hands, an index that holds the miniature protobuf, and a cache of their own."""
    index = tmp_path / "index"
    index.mkdir()
    write_sdist(index, "1.8.6", 3005000)
    project = tmp_path / "project"
    project.mkdir()
    variables = {
        "PATH": os.environ["PATH"],
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": index.as_uri(),
        "PIP_CONFIG_FILE": os.devnull,
    }
    return hands_of(machine(project, variables), tmp_path / "cache")


def counting(hands: Hands, commands: list[Sequence[str]]) -> Hands:
    """The same hands, with every command written down."""

    def run(words: Sequence[str], extra: Mapping[str, str] | None, folder: str | None) -> str:
        commands.append(words)
        return hands.run(words, extra, folder)

    return replace(hands, run=run)


def folders(cache: str) -> list[str]:
    return sorted(path.name for path in Path(cache).iterdir() if path.is_dir())


def test_headers_and_proto_files_are_brought_and_sources_and_tests_are_not(hands: Hands, tmp_path: Path) -> None:
    folder = tmp_path / "include"

    BringHeaders("", SOURCES, str(folder)).perform(hands)

    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"google/protobuf/stubs/common.h", "google/protobuf/any.proto"}


@needs_tools
def test_the_library_holds_what_the_archive_compiles_and_no_part_of_the_compiler(hands: Hands, tmp_path: Path) -> None:
    path = tmp_path / "lib" / "libprotobuf.a"

    BuildLibrary("", SOURCES, "g++", (OLD_STRINGS,), str(path)).perform(hands)

    symbols = subprocess.run(["nm", "-C", path], capture_output=True, text=True).stdout
    assert "T google::protobuf::internal::VerifyVersion(std::string const&)" in symbols
    assert symbols.count("0.o:") == 1 and "1.o:" not in symbols


@needs_tools
def test_one_library_is_kept_for_each_set_of_flags_and_used_again(hands: Hands) -> None:
    old = kept_library(hands, SOURCES, "g++", (OLD_STRINGS,))
    new = kept_library(hands, SOURCES, "g++", ())
    commands: list[Sequence[str]] = []

    again = kept_library(counting(hands, commands), SOURCES, "g++", (OLD_STRINGS,))

    assert again == old != new
    assert commands == [("g++", "--version")]


@needs_tools
def test_two_at_once_build_one_library(hands: Hands) -> None:
    commands: list[Sequence[str]] = []
    watched = counting(hands, commands)

    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: kept_library(watched, SOURCES, "g++", ()), range(2)))

    assert paths[0] == paths[1]
    assert len([words for words in commands if "-c" in words]) == 1
    assert len([words for words in commands if "download" in words]) == 1


KILLED_HALFWAY = """
import os, signal, sys
from dataclasses import replace
sys.path[:0] = [sys.argv[1]]
from envdoctor.recipes.protobuf_build import Sources, kept_library
from tests.recipes.curing import hands_of, machine
hands = hands_of(machine(sys.argv[2], dict(os.environ)), sys.argv[3])
def run(words, extra, folder):
    if words[0] == "ar":
        os.kill(os.getpid(), signal.SIGKILL)
    return hands.run(words, extra, folder)
kept_library(replace(hands, run=run), Sources("3.5.0", "1.8.6", sys.executable), "g++", ())
"""


@needs_tools
def test_a_build_that_is_killed_half_way_is_no_library_and_the_next_run_makes_it(hands: Hands, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    words = [sys.executable, "-c", KILLED_HALFWAY, root, tmp_path / "project", hands.cache]
    killed = subprocess.run(words, env=dict(hands.environment), timeout=TIMEOUT)
    assert killed.returncode == -signal.SIGKILL
    assert any("partial" in name for name in folders(hands.cache))

    library = Path(kept_library(hands, SOURCES, "g++", ()))

    assert library.is_file()
    assert folders(hands.cache) == sorted([library.parent.name, "protobuf-3.5.0"])
    assert os.listdir(library.parent) == ["libprotobuf.a"]


@needs_tools
def test_a_compiler_that_refuses_is_quoted_and_leaves_nothing(hands: Hands, tmp_path: Path) -> None:
    write_sdist(tmp_path / "index", "1.8.6", 3005000, source="#error not on this machine\n")

    with pytest.raises(StepError, match="not on this machine"):
        kept_library(hands, SOURCES, "g++", ())

    assert folders(hands.cache) == ["protobuf-3.5.0"]


@needs_tools
def test_what_the_user_has_on_the_include_path_does_not_get_into_the_library(hands: Hands, tmp_path: Path) -> None:
    (tmp_path / "string").write_text("#error a changed standard header\n")
    environment = {**hands.environment, "CPATH": str(tmp_path)}

    def run(words: Sequence[str], extra: Mapping[str, str] | None, folder: str | None) -> str:
        return hands.run(words, {"CPATH": str(tmp_path), **(extra or {})}, folder)

    assert Path(kept_library(replace(hands, run=run, environment=environment), SOURCES, "g++", ())).is_file()


def test_members_of_an_archive_that_lead_elsewhere_are_not_unpacked(hands: Hands, tmp_path: Path) -> None:
    archive = write_sdist(tmp_path / "index", "1.8.6", 3005000)
    source = "grpcio-tools-1.8.6/third_party/protobuf/src"
    with tarfile.open(archive) as tar:
        members = [(member, tar.extractfile(member)) for member in tar.getmembers()]
        contents = [(member, file.read() if file else b"") for member, file in members]
    link = tarfile.TarInfo(f"{source}/google/protobuf/link.h")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    climbing = tarfile.TarInfo(f"{source}/google/../../../../climbing.h")
    # pip refuses the whole archive for such members; here they are taken past it.
    unpacked = tmp_path / "hostile.tar.gz"
    with tarfile.open(unpacked, "w:gz") as tar:
        for member, content in [*contents, (link, b""), (climbing, b"")]:
            tar.addfile(member, io.BytesIO(content))

    def run(words: Sequence[str], _extra: Mapping[str, str] | None, _folder: str | None) -> str:
        shutil.copy(unpacked, Path(words[words.index("--dest") + 1]) / archive.name)
        return ""

    include = Path(kept_sources(replace(hands, run=run), SOURCES))

    names = {path.name for path in tmp_path.rglob("*") if path.suffix == ".h"}
    assert names == {"common.h"}
    assert (include / "google/protobuf/stubs/common.h").is_file()


def test_progress_is_told_as_a_share(hands: Hands) -> None:
    told: list[tuple[str, float | None]] = []

    kept_library(replace(hands, say=lambda text, share: told.append((text, share))), SOURCES, "g++", ())

    assert ("build libprotobuf 3.5.0", 1.0) in told
