"""The grammar: what tools say, in their words, quotes and languages (messages.toml), and what is read from it."""

from pathlib import Path
from typing import Any

import pytest
import tomli

from envdoctor.explain.learn import messages_in
from envdoctor.explain.messages import fields

CASES: list[dict[str, Any]] = tomli.loads(Path(__file__).with_name("messages.toml").read_text("utf-8"))["case"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["line"][:60])
def test_a_message_yields_its_fields(case: dict[str, Any]) -> None:
    told = [message.fields for message in messages_in(case["line"]) if message.kind == case["kind"]]

    assert any(one.items() >= case["fields"].items() for one in told), told


def test_a_message_has_no_field_that_its_kind_does_not_list() -> None:
    for case in CASES:
        for message in messages_in(case["line"]):
            assert set(message.fields) <= fields()[message.kind]


def test_an_ordinary_line_of_a_build_is_no_message() -> None:
    line = "/usr/bin/c++ -DFOO -I/usr/include -O2 -Werror=return-type -L/usr/lib -lcudart -o foo.o -c /home/user/foo.cc"

    assert messages_in(line) == []
