"""Files of signatures: what is read, and how a wrong one is told."""

from pathlib import Path

import pytest

from envdoctor.explain import catalogue
from envdoctor.explain.matching import Matcher
from envdoctor.explain.messages import fields, grammar
from envdoctor.explain.signature import SignatureError, parse_signatures

GOOD = """
[[signature]]
name = "mkl-missing"
category = "mkl-symbol"
title = "MKL's {header} is not found"
message = "missing-header"
where = { header = '^mkl_' }
cause = "Caffe2 was built with MKL."
cure = "Install the headers."
commands = ["python -m pip install mkl-include"]
"""


def test_a_file_is_read_as_it_is_written() -> None:
    (read,) = parse_signatures(GOOD, "site.toml")

    assert (read.name, read.category, read.kinds) == ("mkl-missing", "mkl-symbol", ("missing-header",))
    assert read.patterns == {"where.header": "^mkl_"}
    assert read.commands == ("python -m pip install mkl-include",)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('name = "mkl-missing"', 'name = "MKL missing"', "small letters"),
        ('name = "mkl-missing"\n', "", "missing required field `name`"),
        ('message = "missing-header"\n', "", "neither `message` nor `pattern`"),
        ("missing-header", "missing-heading", "no kind of message `missing-heading`"),
        ("{ header = ", "{ headers = ", "no field `headers`"),
        ('cure = "Install the headers."\n', "", "`title`, `cause` and `cure`"),
        ("cause =", "because =", "unknown field `because`"),
        ("[[signature]]", "[[signatures]]", "unknown field `signatures`"),
        ('category = "mkl-symbol"', "category = 7", "Expected `str`"),
        ('category = "mkl-symbol"', "category = ", "line 4"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_in_one_line_that_names_it(before: str, after: str, said: str) -> None:
    with pytest.raises(SignatureError) as raised:
        parse_signatures(GOOD.replace(before, after), "site.toml")

    assert said in str(raised.value)
    assert str(raised.value).startswith("site.toml")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("pattern", ["(", r"(?<=a)b", r"(a)\1", "a{1001}"])
def test_what_re2_does_not_take_is_no_pattern(pattern: str) -> None:
    (read,) = parse_signatures(GOOD.replace("^mkl_", pattern), "site.toml")

    with pytest.raises(SignatureError, match="mkl-missing"):
        Matcher((read,))


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_bytes(b"\xff\xfe[[")

    with pytest.raises(SignatureError, match="not UTF-8"):
        catalogue.parse_file(str(tmp_path / "site.toml"))


def test_the_projects_own_signature_replaces_one_of_the_same_name_and_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    for folder, cure in (("home/envdoctor", "The user's."), ("project", "The project's.")):
        (tmp_path / folder / "envdoctor.d").mkdir(parents=True)
        text = GOOD.replace("Install the headers.", cure)
        (tmp_path / folder / "envdoctor.d" / "site.toml").write_text(text)

    found = catalogue.load_signatures(str(tmp_path / "project"))
    (match, *_) = Matcher(found).match("fatal error: mkl_cblas.h: No such file or directory")

    assert match.signature.cure == "The project's."
    assert [one.name for one in found].count("mkl-missing") == 1


def test_another_package_brings_its_signatures_beside_its_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpu_nodes.py").write_text("raise RuntimeError('is not imported to read the file beside it')\n")
    (tmp_path / "gpu_nodes.toml").write_text(GOOD.replace("mkl-missing", "of-another-package"))
    (tmp_path / "unrelated.toml").write_text("[tool]\n")
    (tmp_path / "gpu_nodes-1.dist-info").mkdir()
    entries = "[envdoctor.checks]\ngpu_nodes = gpu_nodes\n"
    (tmp_path / "gpu_nodes-1.dist-info" / "entry_points.txt").write_text(entries)
    (tmp_path / "gpu_nodes-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: gpu-nodes\nVersion: 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    names = [one.name for one in catalogue.installed_signatures()]

    assert "of-another-package" in names


def test_every_rule_of_the_grammar_compiles_and_holds_a_word_to_look_for() -> None:
    from tests.explain.samples import signature

    everything = Matcher([signature(f"kind-{kind}", message=kind) for kind in fields()])

    # A rule without one would have to be tried on every line of a log.
    assert everything.possible_below(b"") == []
    assert {rule.kind for rule in grammar()} == set(fields())
