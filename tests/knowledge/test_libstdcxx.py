from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.knowledge.libstdcxx import (
    distribution,
    distributions_with_glibc,
    gcc_that_provides,
    manylinux,
    release_of_file,
    release_of_gcc,
)
from envdoctor.knowledge.tables import read
from envdoctor.knowledge.versions import compare, numbers


@pytest.mark.parametrize(
    ("symbol_version", "gcc"),
    [
        ("GLIBCXX_3.4.30", "12.1.0"),
        ("GLIBCXX_3.4.21", "5.1.0"),
        ("GLIBCXX_3.4.28", "9.3.0"),
        ("GLIBCXX_3.4", "3.4.0"),
        ("CXXABI_1.3.13", "11.1.0"),
        ("CXXABI_1.3.9", "5.1.0"),
        ("GLIBCXX_3.4.99", None),
        ("GLIBC_2.17", None),
        ("CXXABI_TM_1", None),
        ("CXXABI_FLOAT128", None),
        ("GLIBCXX_", None),
        ("CXXABI_", None),
        ("", None),
    ],
)
def test_the_oldest_gcc_of_a_symbol_version(symbol_version: str, gcc: str | None) -> None:
    row = gcc_that_provides(symbol_version)

    assert (row.gcc if row else None) == gcc


@pytest.mark.parametrize(
    ("gcc", "glibcxx"),
    [
        ("12.2.0", "3.4.30"),
        ("4.8.5", "3.4.19"),
        ("4.9.2", "3.4.20"),
        ("11.4", "3.4.29"),
        ("13.1.0", "3.4.31"),
        ("13.3.0", "3.4.32"),
        ("13", None),
        ("15.1.0", None),
        ("99.1", None),
        ("3.3.6", None),
        ("", None),
    ],
)
def test_a_gcc_release_has_what_the_listed_one_before_it_has(gcc: str, glibcxx: str | None) -> None:
    row = release_of_gcc(gcc)

    assert (row.glibcxx if row else None) == glibcxx


def test_symbol_versions_and_file_numbers_grow_with_the_releases() -> None:
    rows = read("libstdcxx")["release"]
    for older, newer in pairwise(rows):
        assert compare(older["glibcxx"], newer["glibcxx"]) <= 0
        assert compare(older.get("cxxabi", "0"), newer.get("cxxabi", "99")) <= 0
    for row in rows:
        # libstdc++.so.6.0.N carries GLIBCXX_3.4.N.
        assert numbers(row["file"].removeprefix("libstdc++.so."))[2] == (*numbers(row["glibcxx"]), 0)[2]


def test_the_library_of_a_distribution_is_that_of_its_gcc() -> None:
    for row in read("libstdcxx")["distribution"]:
        if row.get("libstdcxx"):
            assert release_of_gcc(row["libstdcxx"]) is not None


def test_a_library_file_names_its_release() -> None:
    row = release_of_file("libstdc++.so.6.0.30")
    assert row is not None
    assert row.gcc == "12.1.0"
    assert release_of_file("libstdc++.so.6") is None


@pytest.mark.parametrize(
    ("tag", "glibc"),
    [
        ("manylinux2014_x86_64", "2.17"),
        ("manylinux_2_28_x86_64", "2.28"),
        ("manylinux_2_28", "2.28"),
        ("manylinux1_x86_64", "2.5"),
        ("manylinux2010", "2.12"),
        ("manylinux_2_17_aarch64", "2.17"),
        ("manylinux_2_2", None),
        ("manylinux_2_283", None),
        ("manylinux_2_99_x86_64", None),
        ("linux_x86_64", None),
        ("", None),
    ],
)
def test_a_wheel_tag_has_its_ceilings(tag: str, glibc: str | None) -> None:
    row = manylinux(tag)

    assert (row.glibc if row else None) == glibc


@pytest.mark.parametrize(
    ("id_", "version", "glibc"),
    [
        ("debian", "12", "2.36"),
        ("ubuntu", "22.04", "2.35"),
        ("rhel", "8.9", "2.28"),
        ("ubuntu", "23.10", None),
        ("debian", "", None),
        ("arch", "", None),
    ],
)
def test_a_distribution_release_has_its_glibc(id_: str, version: str, glibc: str | None) -> None:
    row = distribution(id_, version)

    assert (row.glibc if row else None) == glibc


def test_distributions_with_a_glibc_are_those_at_least_as_new() -> None:
    names = [row.name for row in distributions_with_glibc("2.39")]

    assert "Ubuntu 24.04" in names
    assert "Ubuntu 22.04" not in names


@given(st.text(max_size=30))
def test_no_text_makes_a_question_raise(text: str) -> None:
    gcc_that_provides(text)
    release_of_gcc(text)
    manylinux(text)
    distribution("debian", text)
    distributions_with_glibc(text)
