"""Compilers are found by their real file, asked once, and named as a build would take them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from envdoctor.facts import Absent, Facts, Known, Unreadable, value_of
from envdoctor.files import LiveFiles
from envdoctor.probes.compilers import probe
from envdoctor.programs import Completed, LivePrograms
from tests.filetree import AnsweringPrograms, RootedFiles, make_target, write_program, write_tree

CLANG = "Ubuntu clang version 14.0.0-1ubuntu1.1\nTarget: x86_64-pc-linux-gnu\n"
SEARCH = """#include <...> search starts here:
 /usr/local/include
 /usr/lib/gcc/x/12/../../../../include
End of search list.
"""


def answer(command: tuple[str, ...]) -> Completed:
    """What GCC 12 and Clang 14 print."""
    if "-v" in command:
        return Completed(command, 0, "", SEARCH)
    if "clang" in command[0]:
        return Completed(command, 0, CLANG, "")
    return Completed(command, 0, "12.2.0\n", "")


DEBIAN = {
    "/usr/bin/x86_64-linux-gnu-gcc-12": "gcc",
    "/usr/bin/x86_64-linux-gnu-g++-12": "g++",
    "/usr/bin/gcc-12": "-> x86_64-linux-gnu-gcc-12",
    "/usr/bin/g++-12": "-> x86_64-linux-gnu-g++-12",
    "/usr/bin/gcc": "-> gcc-12",
    "/usr/bin/g++": "-> g++-12",
    "/usr/bin/g++-11": "another",
    "/usr/bin/gcc-ar-12": "no compiler",
    "/usr/bin/c89-gcc": "a script",
    "/etc/alternatives/c++": "-> /usr/bin/g++",
    "/usr/bin/c++": "-> /etc/alternatives/c++",
    "/bin": "-> usr/bin",
}


@pytest.fixture
def debian(tmp_path: Path) -> RootedFiles:
    write_tree(tmp_path, DEBIAN)
    return RootedFiles(tmp_path)


def test_each_distinct_compiler_is_listed_and_asked_once(debian: RootedFiles) -> None:
    programs = AnsweringPrograms(answer)

    found = probe(make_target(debian, {"PATH": "/usr/bin:/bin"}, programs), Facts())

    assert [(each.path, each.kind) for each in found.installed] == [
        ("/usr/bin/g++", "g++"),
        ("/usr/bin/gcc", "gcc"),
        ("/usr/bin/g++-11", "g++"),
    ]
    assert len([each for each in programs.started if "-dumpversion" in each.command]) == 3


def test_the_default_is_cplusplus_on_path_under_the_name_of_what_it_is(debian: RootedFiles) -> None:
    found = probe(make_target(debian, {"PATH": "/usr/bin"}, AnsweringPrograms(answer)), Facts())

    assert isinstance(found.cxx, Known)
    assert (found.cxx.value.path, found.cxx.value.kind, value_of(found.cxx.value.version)) == (
        "/usr/bin/c++",
        "g++",
        "12.2.0",
    )
    assert found.cxx.found_via == "`c++` on PATH"
    assert found.cuda_host == found.cxx


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("g++-11", "/usr/bin/g++-11"),
        ("/usr/bin/g++-11", "/usr/bin/g++-11"),
        ("ccache g++-11", "/usr/bin/g++-11"),
        ("env CCACHE_DIR=/x ccache g++-11 -m64", "/usr/bin/g++-11"),
        ("g++-11 --sysroot=/s", "/usr/bin/g++-11"),
    ],
)
def test_a_variable_names_the_compiler_even_behind_a_launcher(debian: RootedFiles, text: str, path: str) -> None:
    found = probe(make_target(debian, {"PATH": "/usr/bin", "CXX": text}, AnsweringPrograms(answer)), Facts())

    assert isinstance(found.cxx, Known)
    assert (found.cxx.value.path, found.cxx.found_via, found.cxx.raw) == (path, "variable CXX", text)


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("g++-4.9", Absent, "CXX names g++-4.9, which is not there"),
        ("/opt/gcc/bin/g++", Absent, "CXX names /opt/gcc/bin/g++, which is not there"),
        ("'g++", Unreadable, "is no command: no closing quotation"),
        ("./g++", Unreadable, "relative to the directory of the build"),
        ("''", Absent, "nothing but blanks and quotes"),
    ],
)
def test_a_variable_that_names_no_compiler_is_told_and_not_replaced_by_the_default(
    debian: RootedFiles, text: str, kind: type, reason: str
) -> None:
    found = probe(make_target(debian, {"PATH": "/usr/bin", "CXX": text}, AnsweringPrograms(answer)), Facts())

    assert isinstance(found.cxx, kind)
    assert not isinstance(found.cxx, Known)
    assert reason in found.cxx.reason


def test_the_compiler_for_cuda_may_be_named_by_its_directory(debian: RootedFiles) -> None:
    environment = {"PATH": "/usr/bin", "NVCC_CCBIN": "/usr/bin"}

    found = probe(make_target(debian, environment, AnsweringPrograms(answer)), Facts())

    assert isinstance(found.cuda_host, Known)
    assert (found.cuda_host.value.path, found.cuda_host.found_via) == ("/usr/bin/g++", "variable NVCC_CCBIN")


def test_compilers_of_conda_are_found_without_its_bin_on_path(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/c/bin/x86_64-conda-linux-gnu-g++": "", "/c/bin/x86_64-conda-linux-gnu-c++": ""})
    target = make_target(RootedFiles(tmp_path), {"PATH": "/usr/bin", "CONDA_PREFIX": "/c"}, AnsweringPrograms(answer))

    found = probe(target, Facts())

    assert [(each.path, each.kind) for each in found.installed] == [("/c/bin/x86_64-conda-linux-gnu-g++", "g++")]
    assert isinstance(found.cxx, Absent)


def test_clang_tells_its_release_and_not_the_gcc_that_it_imitates(tmp_path: Path) -> None:
    clang = "-> ../lib/llvm-14/bin/clang"
    write_tree(tmp_path, {"/usr/lib/llvm-14/bin/clang": "", "/usr/bin/clang++-14": clang, "/usr/bin/clang-14": clang})
    target = make_target(RootedFiles(tmp_path), {"PATH": "/usr/bin"}, AnsweringPrograms(answer))

    found = probe(target, Facts()).installed

    assert [(each.kind, value_of(each.version)) for each in found] == [("clang", "14.0.0"), ("clang++", "14.0.0")]


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        (Completed(("g++",), None, "", "", "`g++` gave no answer in 5 s and was ended"), "no answer in 5 s"),
        (Completed(("g++",), -11, "", "", "`g++` was ended by SIGSEGV"), "SIGSEGV"),
        (Completed(("g++",), 127, "", "pyenv: g++: command not found"), "status 127: pyenv"),
        (Completed(("g++",), 0, "hello\n", ""), "'hello', which is no version"),
    ],
)
def test_a_compiler_that_gives_no_version_is_unreadable(debian: RootedFiles, left: Completed, reason: str) -> None:
    found = probe(make_target(debian, {"PATH": "/usr/bin"}, AnsweringPrograms(lambda _: left)), Facts())

    assert isinstance(found.cxx, Known)
    assert isinstance(found.cxx.value.version, Unreadable)
    assert reason in found.cxx.value.version.reason
    assert isinstance(found.include_directories, Unreadable)


def test_a_compiler_that_hangs_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envdoctor.probes.compilers.SECONDS", 0.2)
    write_program(tmp_path / "g++", "#!/bin/sh\nexec /bin/sleep 60\n")
    target = make_target(LiveFiles(), {"PATH": str(tmp_path)}, LivePrograms())

    (compiler,) = probe(target, Facts()).installed

    assert isinstance(compiler.version, Unreadable)
    assert "0.2 s" in compiler.version.reason


def test_without_programs_the_name_tells_the_major(debian: RootedFiles) -> None:
    found = probe(make_target(debian, {"PATH": "/usr/bin"}), Facts())

    assert isinstance(found.cxx, Known)
    assert value_of(found.cxx.value.version) == "12"


def test_include_directories_are_the_compilers_own_and_not_those_of_cpath(debian: RootedFiles) -> None:
    programs = AnsweringPrograms(answer)

    found = probe(make_target(debian, {"PATH": "/usr/bin", "CPATH": "/mine"}, programs), Facts())

    assert value_of(found.include_directories) == ("/usr/local/include", "/usr/include")
    assert all("CPATH" not in each.environment for each in programs.started)


def test_no_compiler_is_absent(tmp_path: Path) -> None:
    found = probe(make_target(RootedFiles(tmp_path), {"PATH": "/usr/bin"}, AnsweringPrograms(answer)), Facts())

    assert found.installed == ()
    assert isinstance(found.c, Absent)
    assert isinstance(found.cxx, Absent)
    assert isinstance(found.include_directories, Absent)


def test_an_unreadable_directory_of_path_is_passed_over(debian: RootedFiles) -> None:
    files = RootedFiles(Path(debian.root), denied=("/secret",))

    found = probe(make_target(files, {"PATH": "/secret:/usr/bin"}, AnsweringPrograms(answer)), Facts())

    assert len(found.installed) == 3


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_the_real_gcc_is_told_as_it_tells_itself() -> None:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    version = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()

    found = probe(make_target(LiveFiles(), environment, LivePrograms()), Facts())

    assert version in [value_of(each.version) for each in found.installed if each.kind == "g++"]
    assert "/usr/include" in (value_of(found.include_directories) or ())
