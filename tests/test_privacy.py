import subprocess

import msgspec
import pytest

from envdoctor.facts import Facts, Known, Python, Variable
from envdoctor.privacy import hide_home, hide_home_in_command, without_home

HOME = "/home/ada"


def test_a_path_below_home_is_shown_with_a_tilde() -> None:
    assert hide_home("in /home/ada/env/lib, -I/home/ada/include, /home/ada", HOME) == "in ~/env/lib, -I~/include, ~"


@pytest.mark.parametrize("path", ["/home/adam/lib", "/mnt/home/ada/lib", "/home/ada-old", "/home/ada.bak/x"])
def test_a_path_that_only_looks_like_home_stays(path: str) -> None:
    assert hide_home(path, HOME) == path


@pytest.mark.parametrize("home", ["", "/", "relative"])
def test_a_home_that_is_no_folder_hides_nothing(home: str) -> None:
    assert hide_home("/usr/lib", home) == "/usr/lib"


@pytest.mark.parametrize(
    "word",
    [
        "/home/ada/env",
        "-DCaffe2_DIR=/home/ada/env",
        "'/home/ada/my env/lib'",
        '"/home/ada/my env/lib"',
        "'set(X [=[/home/ada/my env]=])'",
        "-I/home/ada/include",
        "~/env",
        "'~/my env/lib'",
        "'a b'",
    ],
)
def test_a_hidden_command_means_the_same_to_a_shell(word: str) -> None:
    command = hide_home_in_command(f"printf %s {word}", HOME)

    shown = subprocess.run(["sh", "-c", command], env={"HOME": HOME}, capture_output=True, text=True, check=True).stdout

    assert HOME not in command
    assert shown == word.strip("'\"").replace("~", HOME)


def test_every_string_of_the_facts_is_hidden_and_their_types_stay() -> None:
    facts = Facts(
        python=Python(executable=Known("/home/ada/env/bin/python", "/home/ada/x"), sys_path=("/home/ada/lib",)),
        probed=("python",),
    )

    hidden = without_home(facts, HOME)

    assert hidden.python.executable == Known("~/env/bin/python", "~/x")
    assert hidden.python.sys_path == ("~/lib",)
    assert without_home(Variable("HOME", "/home/ada/x"), HOME) == Variable("HOME", "~/x")


def test_a_name_that_is_no_text_can_still_be_saved() -> None:
    name = b"/lib/\xff.so".decode("utf-8", "surrogateescape")

    hidden = without_home(Python(sys_path=(name,)), HOME)

    assert hidden.sys_path == ("/lib/\ufffd.so",)
    assert msgspec.json.decode(msgspec.json.encode(hidden), type=Python) == hidden
