"""The commands that take entries off a variable, run by a real shell."""

import pytest
from envdoctor.checks.path_lists import entry_of, without

from envdoctor.facts import Environment, Variable
from tests.checks.shell import variable_after


def environment(value: str) -> Environment:
    return Environment(variables=(Variable("LD_LIBRARY_PATH", value),))


def run(value: str, *commands: str) -> str:
    return variable_after(commands, "LD_LIBRARY_PATH", value)


@pytest.mark.parametrize(
    ("value", "unwanted", "left"),
    [
        ("/a:/b:/c", ("/b",), "/a:/c"),
        ("/a:/b/:/c", ("/b",), "/a:/c"),
        ("/a:/b:/a", ("/a",), "/b"),
        ("/a", ("/a",), "unset"),
        ("/a:/a/", ("/a",), "unset"),
        (":/a::/b:", (), "/a:/b"),
        ("/with space:/it's:/b", ("/with space", "/it's"), "/b"),
        ("/a*:/ab", ("/a*",), "/ab"),
        ("/a/b:/a", ("/a",), "/a/b"),
    ],
)
def test_only_the_unwanted_and_the_empty_entries_go(value: str, unwanted: tuple[str, ...], left: str) -> None:
    assert run(value, without(environment(value), "LD_LIBRARY_PATH", *unwanted)) == left


def test_two_commands_of_two_findings_can_follow_each_other() -> None:
    value = "/old/cudnn:/old/cuda:/mine"
    commands = [without(environment(value), "LD_LIBRARY_PATH", entry) for entry in ("/old/cudnn", "/old/cuda")]
    assert run(value, *commands) == "/mine"
    assert run(value, *reversed(commands)) == "/mine"


@pytest.mark.parametrize(
    ("path", "entry"),
    [("/a/libcuda.so.1", "/a/"), ("/b", "/b"), ("/c/x.so", None), ("/libx.so", None), ("relative", None)],
)
def test_the_entry_that_leads_to_a_file_is_found_as_it_is_written(path: str, entry: str | None) -> None:
    assert entry_of(environment("/a/:/b::"), "LD_LIBRARY_PATH", path) == entry
