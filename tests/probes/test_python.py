"""The interpreter as the probe sees it, against what real interpreters say of themselves."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import ANY

import pytest

from envdoctor.facts import Absent, Facts, Known, Python, Unreadable, value_of
from envdoctor.files import LiveFiles
from envdoctor.probes.interpreter import Answer
from envdoctor.probes.python import probe
from envdoctor.programs import Completed, LivePrograms, Programs
from tests.filetree import AnsweringPrograms, RootedFiles, make_target, write_program, write_tree

PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
INTERPRETERS = sorted(str(path) for path in PYENV.glob("*/bin/python"))
INTERPRETERS += [path for path in ("/usr/bin/python3",) if Path(path).is_file()]
needs_interpreters = pytest.mark.skipif(not INTERPRETERS, reason="no pyenv interpreter and no /usr/bin/python3 here")

TELL = (
    "import sys, json; print(json.dumps([sys.path[1:], sys.prefix, '%d.%d.%d' % sys.version_info[:3], sys.executable]))"
)


def look(python: str, programs: Programs | None = None, **environment: str) -> Python:
    return probe(make_target(LiveFiles(), environment, programs, python), Facts())


def say(python: str, **environment: str) -> tuple[list[str], str, str, str]:
    """What a program started with this interpreter sees: sys.path less its first entry, prefix, version, executable."""
    text = subprocess.run(
        [python, "-c", TELL], env=environment, cwd="/", check=True, capture_output=True, text=True, timeout=60
    ).stdout
    path, prefix, version, executable = json.loads(text)
    return path, prefix, version, executable


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home directory with a user site for every release, and paths that .pth files name."""
    home = tmp_path_factory.mktemp("home")
    for release in ("2.7", *(f"3.{minor}" for minor in range(6, 15))):
        site = home / ".local/lib" / f"python{release}" / "site-packages"
        site.mkdir(parents=True)
        (site / "b.pth").write_text(f"# a comment\n\nimport sys\n{home}/named\nbeside\nnot-there\n{home}/named\n")
        (site / "a.pth").write_text(f"{home}/first  \n")
        (site / "beside").mkdir()
    for name in ("named", "first"):
        (home / name).mkdir()
    return home


@needs_interpreters
@pytest.mark.parametrize("python", INTERPRETERS)
def test_sys_path_is_what_the_interpreter_prints(python: str, home: Path) -> None:
    variables = {"HOME": str(home), "PYTHONPATH": f"{home}/named:/nowhere/./x:/nowhere/x/"}

    found = look(python, LivePrograms(), **variables)

    path, prefix, version, executable = say(python, **variables)
    # CPython 2.7 names a site directory again for every blank line in its .pth files.
    assert found.sys_path == tuple(dict.fromkeys(path))
    assert (value_of(found.prefix), value_of(found.version)) == (prefix, version)
    assert value_of(found.executable) == executable


@needs_interpreters
@pytest.mark.parametrize("python", INTERPRETERS)
def test_files_alone_tell_the_same_sys_path(python: str, home: Path) -> None:
    found = look(python, HOME=str(home))

    path, prefix, version, _ = say(python, HOME=str(home))
    assert found.sys_path == tuple(dict.fromkeys(path))
    assert value_of(found.prefix) == prefix
    # Without headers no file tells the last number.
    assert found.version in (Known(version, ANY), Known(version.rpartition(".")[0], ANY))


@needs_interpreters
@pytest.mark.parametrize("system_site", [False, True], ids=["alone", "system-site"])
@pytest.mark.parametrize("python", [path for path in INTERPRETERS if "/2.7" not in path])
def test_a_virtual_environment_is_seen_as_its_interpreter_sees_it(
    python: str, system_site: bool, tmp_path: Path, home: Path
) -> None:
    folder = tmp_path / "venv"
    options = ["--without-pip", "--symlinks", *(["--system-site-packages"] if system_site else [])]
    made = subprocess.run([python, "-m", "venv", *options, str(folder)], capture_output=True, text=True, timeout=60)
    if made.returncode != 0:
        pytest.skip(f"{python} cannot make a virtual environment: {made.stdout}{made.stderr}")
    environment_python = str(folder / "bin/python")

    live = look(environment_python, LivePrograms(), HOME=str(home))
    still = look(environment_python, HOME=str(home))

    path, prefix, version, executable = say(environment_python, HOME=str(home))
    for found in (live, still):
        assert list(found.sys_path) == path
        assert value_of(found.prefix) == prefix == str(folder)
        assert value_of(found.version) == version
        assert value_of(found.executable) == executable
        assert value_of(found.kind) == "venv"
        assert isinstance(found.externally_managed, Absent)


@needs_interpreters
@pytest.mark.parametrize("python", INTERPRETERS)
def test_extension_suffix_and_headers_are_those_of_sysconfig(python: str) -> None:
    ask = "from sysconfig import *; print(get_config_var('EXT_SUFFIX') or get_config_var('SO'), get_path('include'))"
    suffix, include = subprocess.run(
        [python, "-c", f"from __future__ import print_function; {ask}"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout.split()

    for found in (look(python, LivePrograms()), look(python)):
        assert value_of(found.extension_suffix) == suffix
        if Path(include, "Python.h").is_file():
            assert value_of(found.headers) == include
        else:
            assert isinstance(found.headers, Absent)
            assert include in found.headers.looked


@pytest.mark.skipif(not any("/2.7" in path for path in INTERPRETERS), reason="no CPython 2.7 here")
@pytest.mark.parametrize("system_site", [False, True], ids=["alone", "system-site"])
def test_an_old_virtualenv_of_python_2_lends_the_real_standard_library(tmp_path: Path, system_site: bool) -> None:
    """virtualenv before release 20: its own site.py beside orig-prefix.txt. Written here as it wrote them."""
    python = next(path for path in INTERPRETERS if "/2.7" in path)
    base = str(Path(python).parents[1])
    files: dict[str, str | bytes] = {
        "/v/lib/python2.7/os.py": "",
        "/v/lib/python2.7/site.py": "",
        "/v/lib/python2.7/orig-prefix.txt": base,
        "/v/lib/python2.7/site-packages/": "",
        "/v/lib/python2.7/lib-dynload/": "",
        "/v/bin/python": "",
        f"{base}/lib/python2.7/plat-linux2/": "",
        f"{base}/lib/python2.7/site-packages/": "",
    }
    if not system_site:
        files["/v/lib/python2.7/no-global-site-packages.txt"] = ""
    write_tree(tmp_path, files)

    found = probe(make_target(RootedFiles(tmp_path), python="/v/bin/python"), Facts())

    assert value_of(found.base_prefix) == base
    assert found.sys_path[1] == "/v/lib/python2.7"
    assert (f"{base}/lib/python2.7" in found.sys_path) and (f"{base}/lib/python2.7/plat-linux2" in found.sys_path)
    assert found.site_packages[0] == "/v/lib/python2.7/site-packages"
    assert (f"{base}/lib/python2.7/site-packages" in found.site_packages) == system_site


def test_debian_2_7_dist_packages_are_site_directories(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {
            "/usr/bin/python2.7": "",
            "/usr/bin/python": "-> python2.7",
            "/usr/lib/python2.7/os.py": "",
            "/usr/lib/python2.7/site.py": 'for dist_libdir in ("local/lib", "lib"): "dist-packages"',
            "/usr/lib/python2.7/dist-packages/": "",
            "/usr/lib/python3/dist-packages/": "",
            "/usr/local/lib/python2.7/dist-packages/": "",
            "/h/.local/lib/python2.7/dist-packages/": "",
        },
    )

    found = probe(make_target(RootedFiles(tmp_path), {"HOME": "/h"}, python="/usr/bin/python"), Facts())

    assert found.site_packages == (
        "/h/.local/lib/python2.7/dist-packages",
        "/usr/local/lib/python2.7/dist-packages",
        "/usr/lib/python2.7/dist-packages",
    )
    assert value_of(found.version) == "2.7"


@pytest.mark.parametrize(
    ("files", "prefix", "kind"),
    [
        ({"/opt/conda/conda-meta/history": ""}, "/opt/conda", "conda"),
        ({}, "/home/ada/.pyenv/versions/3.7.16", "pyenv"),
        ({}, "/usr/local", "system"),
    ],
)
def test_the_kind_of_an_installation_is_told_by_its_place(
    tmp_path: Path, files: dict[str, str | bytes], prefix: str, kind: str
) -> None:
    write_tree(tmp_path, {**files, f"{prefix}/bin/python": "", f"{prefix}/lib/python3.7/os.py": ""})

    found = probe(make_target(RootedFiles(tmp_path), python=f"{prefix}/bin/python"), Facts())

    assert value_of(found.kind) == kind


def test_pythonnousersite_takes_the_user_site_away(home: Path) -> None:
    found = look(sys.executable, None, HOME=str(home), PYTHONNOUSERSITE="1")

    assert not any(str(home) in path for path in found.sys_path)


@needs_interpreters
@pytest.mark.parametrize("python", INTERPRETERS[:1] + INTERPRETERS[-1:])
def test_pythonhome_moves_the_standard_library(python: str, tmp_path: Path) -> None:
    (tmp_path / "home").symlink_to(Path(python).parents[1])
    home = {"PYTHONHOME": str(tmp_path / "home")}

    found = look(python, LivePrograms(), **home)

    path, prefix, _, _ = say(python, **home)
    assert found.sys_path == tuple(dict.fromkeys(path))
    assert value_of(found.prefix) == prefix == home["PYTHONHOME"]


def test_a_pyenv_shim_is_followed_to_the_interpreter_behind_it() -> None:
    shim = PYENV.parent / "shims/python"
    if not shim.is_file():
        pytest.skip("no pyenv shims here")

    found = probe(make_target(LiveFiles(), dict(os.environ), LivePrograms(), str(shim)), Facts())

    assert isinstance(found.executable, Known), found.executable
    assert isinstance(found.prefix, Known)
    assert found.executable.value.startswith(str(PYENV)) and found.prefix.value.startswith(str(PYENV))


def test_the_interpreter_runs_no_code_of_its_site_directories(tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(folder)], check=True, timeout=60)
    site = next(folder.glob("lib/python3*/site-packages"))
    (site / "trap.pth").write_text(f"import os; open({str(tmp_path / 'sprung')!r}, 'w')\n")
    (site / "sitecustomize.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n")

    found = look(str(folder / "bin/python"), LivePrograms(), PYTHONPATH=str(site))

    assert isinstance(found.executable, Known)
    assert not (tmp_path / "sprung").exists()


BAD_PROGRAMS = [
    ("hangs", "#!/bin/sh\nsleep 60\n", "gave no answer in 0.3 s"),
    ("crashes", "#!/bin/sh\nkill -SEGV $$\n", "SIGSEGV"),
    ("prints rubbish", "#!/bin/sh\nhead -c 100000 /dev/urandom\n", "did not answer"),
    (
        "names no release",
        "#!/bin/sh\necho 'envdoctor-interpreter "
        + json.dumps({**dict.fromkeys(Answer.__struct_fields__, "x"), "path": ["/"] * 9999})
        + "'\n",
        "names no release: 'x'",
    ),
    ("prints a broken answer", "#!/bin/sh\necho 'envdoctor-interpreter {\"version\": 3'\n", "did not answer"),
    ("fails", "#!/bin/sh\necho no module named encodings >&2\nexit 3\n", "status 3: no module named encodings"),
    ("is no program", "\0\1\2", "could not be started"),
]


@pytest.mark.parametrize(("text", "reason"), [row[1:] for row in BAD_PROGRAMS], ids=[row[0] for row in BAD_PROGRAMS])
def test_an_interpreter_that_misbehaves_is_unreadable_with_the_reason(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("envdoctor.probes.interpreter.SECONDS", 0.3)
    program = write_program(tmp_path / "bin/python", text)
    started = time.monotonic()

    found = look(str(program), LivePrograms())

    assert isinstance(found.executable, Unreadable) and reason in found.executable.reason
    assert isinstance(found.version, Unreadable) and found.sys_path == ()
    assert time.monotonic() - started < 5


def test_an_interpreter_that_crashes_is_still_read_from_its_files(tmp_path: Path) -> None:
    program = write_program(tmp_path / "bin/python3.9", "#!/bin/sh\nexit 1\n")
    write_tree(tmp_path, {"/lib/python3.9/os.py": "", "/lib/python3.9/site-packages/": ""})

    found = look(str(program), LivePrograms())

    assert isinstance(found.executable, Unreadable)
    assert value_of(found.version) == "3.9"
    assert found.site_packages == (f"{tmp_path}/lib/python3.9/site-packages",)


def test_noise_around_the_answer_is_ignored(tmp_path: Path) -> None:
    program = write_program(
        tmp_path / "python", f"#!/bin/sh\necho welcome\nprintf 'no newline'\n'{sys.executable}' \"$@\"\necho bye\n"
    )

    found = look(str(program), LivePrograms())

    assert value_of(found.version) == ".".join(str(number) for number in sys.version_info[:3])


def test_absent_interpreters_and_broken_links_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/nowhere/python")
    (tmp_path / "loop").symlink_to("loop")

    assert isinstance(look(str(tmp_path / "none")).executable, Absent)
    assert isinstance(probe(make_target(LiveFiles()), Facts()).executable, Absent)
    for name, reason in (("link", "a link to /nowhere/python"), ("loop", "a link to loop"), ("", "a directory")):
        executable = look(str(tmp_path / name).rstrip("/")).executable
        assert isinstance(executable, Unreadable) and reason in executable.reason


def test_unreadable_site_directories_stay_on_sys_path(tmp_path: Path) -> None:
    site = "/p/lib/python3.9/site-packages"
    write_tree(tmp_path, {"/p/bin/python": "", "/p/lib/python3.9/os.py": "", f"{site}/a.pth": "/tmp"})

    found = probe(make_target(RootedFiles(tmp_path, denied=(site,)), python="/p/bin/python"), Facts())

    assert found.sys_path[-1] == site


def test_the_question_is_asked_once_and_in_a_calm_environment() -> None:
    programs = AnsweringPrograms(lambda command: Completed(command, 0, "", ""))

    look(sys.executable, programs, PYTHONPATH="/x", PYTHONSTARTUP="/y", HOME="/h")

    (start,) = programs.started
    assert start.command[1:4] == ("-E", "-s", "-S") and start.environment == {"HOME": "/h"}
