"""A signature made of a line and an answer."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from envdoctor.errors import UsageError
from envdoctor.explain.learn import Knowledge, generalised, is_recognised, learned
from envdoctor.explain.signature import SignatureError, parse_signatures

KNOWN = Knowledge(name="site", category="site-fault", cause='It is "odd": \\ so.', cure="Do this.", commands=("a 'b'",))


def test_a_message_is_learned_by_what_it_names() -> None:
    line = "/home/ada/x.cc:1:10: fatal error: mkl_cblas.h: No such file or directory"

    (made,) = parse_signatures(learned(line, KNOWN), "site.toml")

    assert (made.kinds, made.where) == (("missing-header",), {"header": r"^mkl_cblas\.h$"})
    assert is_recognised("Fataler Fehler: mkl_cblas.h: Datei oder Verzeichnis nicht gefunden", made)
    assert not is_recognised(line.replace("mkl_cblas", "cblas"), made)


def test_another_line_is_learned_without_its_paths_and_numbers() -> None:
    line = "gcc-wrapper[123]: licence server at /opt/lic/port 0x7f2a (try 3) is busy"

    (made,) = parse_signatures(learned(line, KNOWN), "site.toml")

    assert is_recognised("gcc-wrapper[9]: licence server at /usr/other 0x1 (try 12) is busy", made)
    assert not is_recognised("gcc-wrapper[9]: licence server at /usr/other 0x1 (try 12) is free", made)


def test_answers_are_kept_letter_by_letter() -> None:
    (made,) = parse_signatures(learned("something odd", KNOWN), "site.toml")

    assert (made.cause, made.cure, made.commands) == (KNOWN.cause, KNOWN.cure, KNOWN.commands)
    assert made.examples == ("something odd",)


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(SignatureError, match="small letters"):
        learned("x", Knowledge(name="Not a name", category="c", cause="c", cure="c"))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=200))
@example("\N{NYIAKENG PUACHUE HMONG DIGIT ZERO}")
def test_a_learned_signature_finds_the_line_it_was_learned_from(line: str) -> None:
    try:
        (made,) = parse_signatures(learned(line, KNOWN), "site.toml")
    except UsageError:
        assert not line.strip()
        return
    assert is_recognised(line, made)


def test_characters_that_mean_something_in_a_pattern_are_taken_as_they_are() -> None:
    assert generalised("a.b*c[d]{2}|(e)^$\\") == r"a\.b\*c\[d\]\{[0-9]+\}\|\(e\)\^\$\\"
