"""CMake, Ninja and make: the version comes from a file where one tells it, and from the program where none does."""

import shutil
import subprocess
from pathlib import Path

import pytest

from envdoctor.facts import Absent, Facts, Known, Unreadable, value_of
from envdoctor.files import LiveFiles
from envdoctor.probes.cmake import probe
from envdoctor.programs import Completed, LivePrograms
from tests.filetree import AnsweringPrograms, RootedFiles, make_target, write_tree

PATH = {"PATH": "/venv/bin:/usr/bin"}


def answer(command: tuple[str, ...]) -> Completed:
    said = {"cmake": "cmake version 3.10.2\n\nCMake suite\n", "ninja": "1.11.1\n", "make": "GNU Make 4.3\nBuilt for\n"}
    return Completed(command, 0, said[command[0].rpartition("/")[2]], "")


def test_debians_cmake_is_told_by_its_directory_and_not_started(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/usr/bin/cmake": "", "/usr/share/cmake-3.25/Modules/": ""})
    programs = AnsweringPrograms(answer)

    found = probe(make_target(RootedFiles(tmp_path), PATH, programs), Facts())

    assert isinstance(found.cmake, Known)
    assert found.cmake.value.version == Known("3.25", "/usr/share/cmake-3.25")
    assert programs.started == []


def test_two_such_directories_tell_nothing_so_the_program_is_asked(tmp_path: Path) -> None:
    write_tree(
        tmp_path, {"/usr/bin/cmake": "", "/usr/share/cmake-3.25/Modules/": "", "/usr/share/cmake-3.10/Modules/": ""}
    )

    found = probe(make_target(RootedFiles(tmp_path), PATH, AnsweringPrograms(answer)), Facts())

    assert isinstance(found.cmake, Known)
    assert value_of(found.cmake.value.version) == "3.10.2"


def test_pips_cmake_shadows_the_systems_and_is_told_by_its_dist_info(tmp_path: Path) -> None:
    site = "/venv/lib/python3.11/site-packages"
    write_tree(
        tmp_path,
        {
            "/venv/bin/cmake": "#!/venv/bin/python",
            f"{site}/cmake-4.0.3.dist-info/METADATA": "",
            f"{site}/cmake_format-0.6.dist-info/METADATA": "",
            "/venv/bin/ninja": "",
            f"{site}/ninja-1.11.1.4.dist-info/METADATA": "",
            "/usr/bin/cmake": "",
            "/usr/share/cmake-3.25/Modules/": "",
        },
    )

    found = probe(make_target(RootedFiles(tmp_path), PATH), Facts())

    assert isinstance(found.cmake, Known)
    assert found.cmake.value.version == Known("4.0.3", f"{site}/cmake-4.0.3.dist-info")
    assert [(each.path, value_of(each.version)) for each in found.others] == [("/usr/bin/cmake", "3.25")]
    assert isinstance(found.ninja, Known)
    assert value_of(found.ninja.value.version) == "1.11.1.4"


def test_one_cmake_through_two_directories_of_path_is_one(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/usr/bin/cmake": "", "/bin": "-> usr/bin"})

    found = probe(make_target(RootedFiles(tmp_path), {"PATH": "/usr/bin:/bin"}, AnsweringPrograms(answer)), Facts())

    assert found.others == ()


def test_tools_beside_an_interpreter_that_is_not_activated_are_absent_with_a_hint(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/venv/bin/ninja": "", "/venv/bin/python": ""})
    target = make_target(RootedFiles(tmp_path), {"PATH": "/usr/bin"}, python="/venv/bin/python")

    found = probe(target, Facts())

    assert isinstance(found.ninja, Absent)
    assert "/venv/bin/ninja" in found.ninja.reason


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        (Completed(("make",), None, "", "", "`make` gave no answer in 5 s and was ended"), "no answer"),
        (Completed(("make",), 1, "", "broken\n"), "status 1: broken"),
        (Completed(("make",), 0, "", ""), "no version"),
    ],
)
def test_a_tool_that_gives_no_version_is_there_with_an_unreadable_one(
    tmp_path: Path, left: Completed, reason: str
) -> None:
    write_tree(tmp_path, {"/usr/bin/make": ""})

    found = probe(make_target(RootedFiles(tmp_path), PATH, AnsweringPrograms(lambda _: left)), Facts())

    assert isinstance(found.make, Known)
    assert isinstance(found.make.value.version, Unreadable)
    assert reason in found.make.value.version.reason


def test_without_programs_a_version_that_no_file_tells_is_unreadable(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/usr/bin/make": ""})

    found = probe(make_target(RootedFiles(tmp_path), PATH), Facts())

    assert isinstance(found.make, Known)
    assert isinstance(found.make.value.version, Unreadable)
    assert isinstance(found.cmake, Absent)


@pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")
def test_the_real_cmake_agrees_with_what_was_found() -> None:
    path = shutil.which("cmake") or ""
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout

    found = probe(make_target(LiveFiles(), {"PATH": path.rpartition("/")[0]}, LivePrograms()), Facts())

    assert isinstance(found.cmake, Known)
    assert (value_of(found.cmake.value.version) or "nothing") in said
