"""What every check promises: a code, a page, and to read nothing but what it says that it needs."""

import importlib
import pkgutil
import re
from collections import Counter
from typing import Any, cast

import envdoctor.checks
import pytest

from envdoctor.checking.check import PAGE_SECTIONS, Check, Finding, NotApplicable
from envdoctor.facts import AREAS, Facts
from tests.checks.builders import LIBRARY, caffe2_box, modern_box, with_library, with_variables


def all_checks() -> list[Check]:
    modules = [name for _, name, _ in pkgutil.iter_modules(envdoctor.checks.__path__, "envdoctor.checks.")]
    found = [value for name in modules for value in vars(importlib.import_module(name)).values()]
    return sorted((value for value in found if isinstance(value, Check)), key=lambda check: check.code)


CHECKS = all_checks()
every_check = pytest.mark.parametrize("check", CHECKS, ids=[check.code for check in CHECKS])


class OnlyNeeded:
    """Facts that refuse to tell what a check has not asked for."""

    def __init__(self, facts: Facts, needs: tuple[str, ...]) -> None:
        self._facts, self._needs = facts, needs

    def __getattr__(self, area: str) -> Any:
        if area in AREAS and area not in self._needs:
            raise AssertionError(f"reads {area}, which it does not declare")
        return getattr(self._facts, area)


BOXES = {
    "healthy": modern_box(),
    "before a build": caffe2_box(),
    "library built": with_library(caffe2_box()),
    "nothing probed": Facts(),
}


def test_codes_and_names_are_unique() -> None:
    assert [code for code, count in Counter(check.code for check in CHECKS).items() if count > 1] == []
    assert [name for name, count in Counter(check.name for check in CHECKS).items() if count > 1] == []


@every_check
def test_a_code_is_letters_and_three_digits_and_the_name_is_in_kebab_case(check: Check) -> None:
    assert re.fullmatch(r"[A-Z]{2,4}\d{3}|C2\d{3}", check.code)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", check.name)


@every_check
def test_a_page_has_a_title_and_all_sections_in_order_with_text(check: Check) -> None:
    title, _, body = check.page.partition("\n")
    assert title and not title.endswith(".")
    sections = re.findall(r"^(\S.*):\n((?:^ +\S.*\n?|^\n)+)", body, re.MULTILINE)
    assert tuple(name for name, _ in sections) == PAGE_SECTIONS
    assert all(text.strip() for _, text in sections)


@every_check
@pytest.mark.parametrize("box", BOXES)
def test_a_check_reads_only_the_areas_that_it_needs(check: Check, box: str) -> None:
    list(check.judge(cast("Facts", OnlyNeeded(BOXES[box], check.needs))))


@every_check
@pytest.mark.parametrize("box", BOXES)
def test_what_a_check_yields_can_be_shown(check: Check, box: str) -> None:
    for judgement in check.judge(BOXES[box]):
        if isinstance(judgement, NotApplicable):
            assert judgement.reason
            continue
        assert isinstance(judgement, Finding)
        assert judgement.title and "\n" not in judgement.title and not judgement.title.endswith(".")
        assert judgement.why.endswith(".")
        assert all(one.fact and one.value for one in judgement.evidence)
        assert judgement.remedy is None or judgement.remedy.text.endswith((".", "?"))


@every_check
def test_nothing_is_found_where_nothing_was_probed(check: Check) -> None:
    assert [one for one in check.judge(Facts()) if isinstance(one, Finding)] == []


@every_check
def test_a_healthy_box_gives_nothing_above_a_note(check: Check) -> None:
    findings = [one for one in check.judge(modern_box()) if isinstance(one, Finding)]
    assert {finding.state for finding in findings} <= {"note"}


def test_a_finding_explains_only_codes_that_exist() -> None:
    codes = {check.code for check in CHECKS}
    for box in BOXES.values():
        for check in CHECKS:
            for judgement in check.judge(box):
                assert isinstance(judgement, NotApplicable) or set(judgement.explains) <= codes


def test_the_chain_of_the_real_caffe2_comes_out_in_the_order_in_which_it_strikes() -> None:
    found = [
        (check.strikes, check.code)
        for check in CHECKS
        for one in check.judge(caffe2_box())
        if isinstance(one, Finding) and one.state == "fail" and check.area in ("caffe2", "protobuf", "mkl", "ops")
    ]
    assert [code for _, code in sorted(found)] == ["C2001", "C2008", "C2004", "PB001", "MKL001", "C2005", "OPS001"]


def test_with_a_toolchain_file_that_may_bring_the_cures_nothing_before_a_build_is_certain() -> None:
    facts = with_variables(caffe2_box(), CMAKE_TOOLCHAIN_FILE="/cures/toolchain.cmake")
    states = {
        one.state
        for check in CHECKS
        for one in check.judge(facts)
        if isinstance(one, Finding) and check.area in ("caffe2", "protobuf", "mkl")
    }
    assert states == {"warn"}


def test_before_a_build_the_faults_of_loading_and_running_are_predicted() -> None:
    by_code = {check.code: [one for one in check.judge(caffe2_box()) if isinstance(one, Finding)] for check in CHECKS}
    assert [[one.state for one in by_code[code]] for code in ("PB002", "ABI001", "ABI002")] == [["warn"]] * 3


def test_a_right_library_leaves_none_of_the_chain_but_what_a_new_build_does_not_touch() -> None:
    facts = with_library(caffe2_box())
    areas = ("caffe2", "protobuf", "mkl", "abi", "symbols")
    found = {
        check.code
        for check in CHECKS
        for one in check.judge(facts)
        if isinstance(one, Finding) and check.area in areas and one.subject == LIBRARY
    }
    assert found == set()
