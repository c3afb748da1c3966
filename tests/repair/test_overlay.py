"""The overlay means the same to a shell, to a program that we start, and to CMake."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.repair.overlay import (
    NEXT_TOOLCHAIN,
    CMakeSetting,
    Contribution,
    Overlay,
    Setting,
    applied,
    script,
    toolchain,
)

FOLDER = "/project/.envdoctor"
WORDS = st.text(st.characters(codec="ascii", exclude_characters="\0\n:", min_codepoint=32), min_size=1, max_size=8)
VALUES = st.sampled_from(["", "/a", "/a:/b", "/b:/a:/c", ":/a", "/a:", "a b", "$HOME", "'", '"x"', "-O2 -g"]) | WORDS
ENTRIES = st.sampled_from(["/a", "/b", "a b", "$x", "it's", "-O2"]) | WORDS
SETTINGS = st.builds(
    Setting,
    st.sampled_from(["CPATH", "CXXFLAGS", "Caffe2_DIR"]),
    st.sampled_from(["set", "prepend", "append", "without", "unset"]),
    ENTRIES,
)


def sourced(text: str, environment: dict[str, str], tmp_path: Path, times: int = 1) -> dict[str, str]:
    file = tmp_path / "env.sh"
    file.write_text(text)
    words = ["sh", "-eu", "-c", "; ".join([f'. "{file}"'] * times) + "; env -0"]
    ended = subprocess.run(words, env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, check=True)
    pairs = [item.partition("=") for item in ended.stdout.decode().split("\0") if item]
    return {
        name: value
        for name, _, value in pairs
        if name in environment or name not in ("PATH", "PWD", "OLDPWD", "_", "SHLVL")
    }


def one(*changes: Setting, cmake: tuple[CMakeSetting, ...] = ()) -> Overlay:
    return Overlay((Contribution("test", changes, cmake),))


@settings(max_examples=60, deadline=None)
@given(st.lists(SETTINGS, max_size=5), st.dictionaries(st.sampled_from(["CPATH", "CXXFLAGS"]), VALUES))
def test_a_shell_and_a_program_get_the_same_environment(
    tmp_path_factory: pytest.TempPathFactory, changes: list[Setting], environment: dict[str, str]
) -> None:
    overlay = one(*changes)

    assert sourced(script(overlay, FOLDER), environment, tmp_path_factory.mktemp("sh")) == applied(
        overlay, FOLDER, environment
    )


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (Setting("X", "set", "new"), "old", "new"),
        (Setting("X", "prepend", "/new"), "/a:/b", "/new:/a:/b"),
        (Setting("X", "prepend", "/b"), "/a:/b", "/b:/a"),
        (Setting("X", "prepend", "/new"), None, "/new"),
        (Setting("X", "append", "-Da=0"), "-O2", "-O2 -Da=0"),
        (Setting("X", "append", "-O2"), "-g -O2", "-g -O2"),
        (Setting("X", "append", "-O"), "-O2", "-O2 -O"),
        (Setting("X", "without", "/b"), "/a:/b:/c:/b", "/a:/c"),
        (Setting("X", "without", "/a"), "/a", None),
        (Setting("X", "unset"), "old", None),
    ],
)
def test_what_a_variable_held_before_is_kept_where_it_can_be(
    change: Setting, before: str | None, after: str | None
) -> None:
    environment = {} if before is None else {"X": before}

    assert applied(one(change), FOLDER, environment).get("X") == after


def test_sourcing_twice_is_the_same_as_once(tmp_path: Path) -> None:
    text = script(one(Setting("CPATH", "prepend", "/new"), Setting("CXXFLAGS", "append", "-g")), FOLDER)

    twice = sourced(text, {"CPATH": "/old"}, tmp_path, times=2)

    assert (twice["CPATH"], twice["CXXFLAGS"]) == ("/new:/old", "-g")


def test_a_recipe_that_comes_again_replaces_what_it_brought() -> None:
    first = one(Setting("CPATH", "prepend", "/old"))

    again = first.including(Contribution("test", (Setting("CPATH", "prepend", "/new"),)))

    assert applied(again, FOLDER, {}) == {"CPATH": "/new"}


def test_a_toolchain_file_of_the_user_is_read_first(tmp_path: Path) -> None:
    overlay = one(cmake=(CMakeSetting("MINE", "set", "yes"),))
    environment = {"CMAKE_TOOLCHAIN_FILE": "/their/toolchain.cmake"}

    for result in (applied(overlay, FOLDER, environment), sourced(script(overlay, FOLDER), environment, tmp_path)):
        assert result["CMAKE_TOOLCHAIN_FILE"] == f"{FOLDER}/toolchain.cmake"
        assert result[NEXT_TOOLCHAIN] == "/their/toolchain.cmake"


@pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake on PATH")
@pytest.mark.parametrize("value", ["plain", "a;b", "${HOME} $ENV{HOME}", "]] ]=] \\n", 'quotes " and #'])
def test_cmake_reads_exactly_the_value(value: str, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.cmake"
    theirs.write_text("set(FLAGS theirs)\n")
    ours = tmp_path / "ours.cmake"
    ours.write_text(toolchain(one(cmake=(CMakeSetting("X", "set", value), CMakeSetting("FLAGS", "append", value)))))
    asking = tmp_path / "ask.cmake"
    asking.write_text(
        f'include("{ours}")\nfile(WRITE "{tmp_path}/x" "${{X}}")\nfile(WRITE "{tmp_path}/flags" "${{FLAGS}}")\n'
    )

    subprocess.run(["cmake", "-P", str(asking)], check=True, env={NEXT_TOOLCHAIN: str(theirs), "PATH": "/usr/bin:/bin"})

    assert (tmp_path / "x").read_text() == value
    assert (tmp_path / "flags").read_text() == f"theirs {value}"
