import pytest

from envdoctor.checking.check import Check
from envdoctor.checking.select import find_check, select_checks
from envdoctor.errors import UsageError
from tests.checking.sample_checks import make_check

CHECKS = (make_check("AA001"), make_check("AA002"), make_check("BB001"))
AREA = "sample_checks"


def codes(checks: tuple[Check, ...]) -> list[str]:
    return [check.code for check in checks]


def test_everything_runs_where_nothing_is_selected() -> None:
    assert codes(select_checks(CHECKS)) == ["AA001", "AA002", "BB001"]


@pytest.mark.parametrize("word", ["AA002", "aa002"])
def test_a_code_selects_in_either_case(word: str) -> None:
    assert codes(select_checks(CHECKS, select=[word])) == ["AA002"]


def test_an_area_selects_its_checks_less_those_ignored() -> None:
    assert codes(select_checks(CHECKS, areas=[AREA], ignore=["AA001"])) == ["AA002", "BB001"]


@pytest.mark.parametrize("chosen", [{"areas": ["XX"]}, {"select": ["AA009"]}, {"ignore": ["nothing"]}])
def test_an_unknown_word_is_refused_wherever_it_stands(chosen: dict[str, list[str]]) -> None:
    with pytest.raises(UsageError, match="there is no check area or code"):
        select_checks(CHECKS, **chosen)


def test_a_misspelt_code_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean `AA001`"):
        select_checks(CHECKS, select=["AA0001"])


def test_selecting_nothing_is_an_error_and_no_success() -> None:
    with pytest.raises(UsageError, match="no check is left to run"):
        select_checks(CHECKS, select=["AA001"], ignore=["AA001"])


@pytest.mark.parametrize("word", ["BB001", "bb001", "bb001-name"])
def test_a_rule_is_found_by_code_and_by_name(word: str) -> None:
    assert find_check(CHECKS, word).code == "BB001"
