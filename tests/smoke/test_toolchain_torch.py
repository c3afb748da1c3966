"""torch's build tools are asked for their commands in the target's interpreter; a torch of a few lines has some."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from envdoctor.facts import CMakeProject, Facts, Known, Project, SetupExtension, Torch
from envdoctor.files import LiveFiles
from envdoctor.programs import LivePrograms
from envdoctor.smoke.runner import HERE
from envdoctor.smoke.toolchain import run_toolchain
from envdoctor.smoke.toolchain.torch import CODE, CPP, CUDA, Answer, BuildTools, Commands, module_source
from envdoctor.smoke.toolchain.torch_library import built_by_cmake
from envdoctor.smoke.toolchain.workplace import StageLimits, Workplace
from envdoctor.target import Target

# As torch does it: with ninja through a file and one function that starts it, without through setuptools' compiler.
CPP_EXTENSION = """\
import os
from setuptools import Extension
from setuptools.command.build_ext import build_ext

CUDA_HOME = "/opt/cuda"
WITH_NINJA = %r


def CppExtension(name, sources):
    return Extension(name, sources, include_dirs=["/torch/include"], language="c++")


def CUDAExtension(name, sources):
    raise OSError("CUDA_HOME environment variable is not set.\\nPlease set it.")


def _run_ninja_build(build_directory, verbose, error_prefix):
    raise AssertionError("a command was run")


class BuildExtension(build_ext):
    def build_extensions(self):
        if WITH_NINJA:
            def compile(sources, output_dir=None, **options):
                if not os.path.isdir(output_dir):
                    os.makedirs(output_dir)
                with open(os.path.join(output_dir, "build.ninja"), "w") as file:
                    file.write("rule c\\n  command = c++ '-DNAME=\\"a b\\"' -c $in -o $out\\n")
                    file.write("build %%s/x.o: c %%s\\n" %% (output_dir, sources[0]))
                _run_ninja_build(output_dir, True, "")
                return [output_dir + "/x.o"]
            self.compiler.compile = compile
        build_ext.build_extensions(self)
"""


def torch_in(folder: Path, with_ninja: bool = False, start: str = "") -> Path:
    """A folder for PYTHONPATH with that torch."""
    (folder / "torch" / "utils").mkdir(parents=True)
    (folder / "torch" / "__init__.py").write_text(f"{start}\nfrom . import version\n__version__ = '1.13.1'\n")
    (folder / "torch" / "version.py").write_text("cuda = None\n")
    (folder / "torch" / "utils" / "__init__.py").write_text("")
    (folder / "torch" / "utils" / "cpp_extension.py").write_text(CPP_EXTENSION % with_ninja)
    return folder


def answer_of(python: str, torch: Path, place: Path) -> Answer:
    """What the target's side writes for an extension of each kind."""
    place.mkdir()
    (place / "module.cpp").write_text("#error this is not to be compiled\n")
    job = {
        "extensions": [[CPP, str(place / "module.cpp")], [CUDA, str(place / "kernel.cu")]],
        "folder": str(place / "made"),
        "answer": str(place / "answer.json"),
    }
    variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(torch)}
    command = [python, "-B", "-c", CODE, json.dumps(job), HERE]
    subprocess.run(command, check=True, capture_output=True, cwd=place, env=variables, timeout=60)
    return msgspec.json.decode((place / "answer.json").read_bytes(), type=Answer)


def interpreters() -> "list[str]":
    """Those of pyenv that have setuptools, the oldest one included, and the one that runs this."""
    found = sorted(Path("~/.pyenv/versions").expanduser().glob("*/bin/python"))
    with_setuptools = [path for path in found if list(path.parent.parent.glob("lib/python*/site-packages/setuptools"))]
    return list(map(str, with_setuptools))


@pytest.mark.skipif(not interpreters(), reason="no interpreters of pyenv here")
@pytest.mark.parametrize("python", interpreters())
def test_the_commands_are_told_and_none_is_run(python: str, tmp_path: Path) -> None:
    answer = answer_of(python, torch_in(tmp_path / "site"), tmp_path / "place with blanks")

    assert (answer.torch, answer.cuda, answer.cuda_home, answer.problem) == ("1.13.1", None, "/opt/cuda", "")
    cpp, cuda = answer.extensions
    assert [("-c" in words, "-shared" in words) for words in cpp.commands] == [(True, False), (False, True)]
    assert "-I/torch/include" in cpp.commands[0]
    assert f"{tmp_path}/place with blanks/module.cpp" in cpp.commands[0]
    assert cpp.library.startswith(f"{tmp_path}/place with blanks/made/lib/module")
    assert cuda == Commands((), "OSError: CUDA_HOME environment variable is not set.\nPlease set it.")


@pytest.mark.skipif(shutil.which("ninja") is None, reason="no ninja here")
@pytest.mark.parametrize("python", interpreters()[:1] + interpreters()[-1:])
def test_what_ninja_would_run_is_told_word_by_word(python: str, tmp_path: Path) -> None:
    (cpp, _) = answer_of(python, torch_in(tmp_path / "site", with_ninja=True), tmp_path / "place").extensions

    made = f"{tmp_path}/place/made/objects"
    assert cpp.commands[0] == ("c++", '-DNAME="a b"', "-c", f"{tmp_path}/place/module.cpp", "-o", f"{made}/x.o")
    assert len(cpp.commands) == 2


def test_a_torch_that_cannot_be_imported_is_the_problem(tmp_path: Path) -> None:
    torch = torch_in(tmp_path / "site", start="raise ImportError('libcudart.so.11.0: cannot open shared object file')")

    answer = answer_of(sys.executable, torch, tmp_path / "place")

    assert answer.problem == "ImportError: libcudart.so.11.0: cannot open shared object file"


def workplace_in(folder: Path, torch: Path, seconds: float = 60) -> Workplace:
    variables = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(torch)}
    target = Target("machine", LiveFiles(), variables, LivePrograms(), python=sys.executable)
    folder.mkdir()
    return Workplace(target, Facts(), str(folder), StageLimits(ask=seconds), lambda _: None)


def test_a_refusal_of_torchs_tools_fails_the_question_in_one_line(tmp_path: Path) -> None:
    torch = torch_in(tmp_path / "site", start="raise ImportError('first line\\nsecond line')")

    verdict = BuildTools(workplace_in(tmp_path / "place", torch), (CPP,)).asked(CPP)

    assert (verdict.state, verdict.message) == ("fail", "ImportError: first line second line")


def test_a_torch_that_hangs_is_unknown(tmp_path: Path) -> None:
    torch = torch_in(tmp_path / "site", start="import time; time.sleep(64)")

    verdict = BuildTools(workplace_in(tmp_path / "place", torch, seconds=1), (CPP,)).asked(CPP)

    assert verdict.state == "unknown"
    assert "did not end in 1 s" in verdict.message


def test_a_torch_that_crashes_tells_the_signal(tmp_path: Path) -> None:
    torch = torch_in(tmp_path / "site", start="import os; os.abort()")

    verdict = BuildTools(workplace_in(tmp_path / "place", torch), (CPP,)).asked(CPP)

    assert (verdict.state, verdict.signal) == ("fail", "SIGABRT")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"extensions": 3}',
        '{"extensions": []}',
        '{"extensions": [{"commands": [["c++"], []]}]}',
        "\\xff",
    ],
)
def test_an_answer_that_is_none_is_unknown(tmp_path: Path, text: str) -> None:
    start = f"import os; open('answer.json', 'w').write({text!r}); os._exit(0)"

    verdict = BuildTools(workplace_in(tmp_path / "place", torch_in(tmp_path / "site", start=start)), (CPP,)).asked(CPP)

    assert verdict.state == "unknown"


@pytest.mark.parametrize(
    ("version", "header"),
    [
        ("2.13.0", "torch/csrc/utils/pybind.h"),
        ("1.13.1+cu117", "torch/csrc/utils/pybind.h"),
        ("1.4.0", "torch/extension.h"),
    ],
)
def test_headers_are_taken_that_the_release_is_known_to_have(version: str, header: str) -> None:
    facts = Facts(torch=Torch(version=Known(version, "version.py")))

    assert f"#include <{header}>" in module_source(facts)


@pytest.mark.parametrize(
    ("packages", "kinds", "by_cmake"),
    [
        (("Torch",), (), True),
        (("Torch",), ("CMakeExtension",), True),
        (("Torch",), ("CUDAExtension",), False),
        (("pybind11",), (), False),
    ],
)
def test_cmake_is_tried_where_it_builds_the_extension(
    packages: tuple[str, ...], kinds: tuple[str, ...], by_cmake: bool
) -> None:
    project = Project(
        profile=Known("torch-extension", "x"),
        cmake=Known(CMakeProject(path="/p", packages=packages), "/p"),
        setup_extensions=tuple(SetupExtension("/p/setup.py", kind, 1) for kind in kinds),
    )

    assert built_by_cmake(Facts(project=project)) == by_cmake


def test_a_target_of_files_alone_is_skipped_with_the_reason() -> None:
    target = Target("image", LiveFiles(), {}, programs=None, python="/usr/bin/python3")

    (found,) = run_toolchain(target, Facts(), "auto", lambda _: None).results

    assert (found.state, found.message) == ("skipped", "it needs a live target and its interpreter")
