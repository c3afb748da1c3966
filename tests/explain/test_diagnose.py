"""The root cause, its consequences, and logs that are no failure."""

import pytest

from tests.explain.samples import ALL, WARNING, categories, diagnoses, signature

HEADER = "fatal error: a.h: No such file or directory"
SYMBOL = "ImportError: /x/a.so: undefined symbol: foo"
PTX = "the provided PTX was compiled with an unsupported toolchain"


def test_the_first_fault_is_the_cause_and_later_ones_follow_it() -> None:
    assert categories(f"{HEADER}\nmake: *** [all] Error 1\n{SYMBOL}\n") == ["header-missing", "symbol-undefined"]


@pytest.mark.parametrize(
    "soft",
    [
        f"a.cc:1:2: warning: {HEADER}",
        f"-- {HEADER}",
        f"a.cc:1:2: note: {HEADER}",
        f"WARNING:root:{HEADER}",
        f"x.py:3: UserWarning: {HEADER}",
        f"+ echo '{HEADER}'",
    ],
)
def test_a_warning_is_the_cause_only_where_nothing_stronger_is_found(soft: str) -> None:
    assert categories(f"{soft}\n") == ["header-missing"]
    assert categories(f"{soft}\n{SYMBOL}\n") == ["symbol-undefined", "header-missing"]


def test_a_weak_signature_gives_way_to_any_other() -> None:
    log = f"sm_86 is not compatible with the current install\n{SYMBOL}\n"

    assert categories(log, [*ALL, WARNING]) == ["symbol-undefined", "arch-warning"]


def test_the_confidence_of_a_warning_is_lower() -> None:
    (strong,), (weak,) = diagnoses(HEADER), diagnoses(f"-- {HEADER}")

    assert 0 < weak.confidence < strong.confidence <= 1


@pytest.mark.parametrize(
    "ending",
    [
        "Successfully installed torch-1.0.1",
        "[100%] Built target caffe2_ops",
        "-- Build files have been written to: /home/user/build",
        "===== 12 passed, 1 skipped in 3.21s =====",
        "Finished processing dependencies for ops==1.0",
        "\n".join(["[11/12] Building CXX object a.o"] + ["[12/12] Linking CXX shared library a.so"] * 12),
    ],
)
def test_a_log_that_ends_well_is_no_failure(ending: str) -> None:
    assert categories(f"-- {HEADER}\n{ending}\n") == []


@pytest.mark.parametrize("later", [SYMBOL, "make: *** [Makefile:5: all] Error 2", "ninja: build stopped: failed"])
def test_a_success_before_the_last_failure_does_not_count(later: str) -> None:
    assert categories(f"{HEADER}\n[100%] Built target other\n{later}\n")[0] == "header-missing"


@pytest.mark.parametrize(
    "log",
    [
        "",
        "\n\n",
        "main.cpp:3:1: error: expected ';' before '}' token\nmake: *** [all] Error 1\n",
        "urllib.error.HTTPError: HTTP Error 403: Forbidden\n",
        "fatal error: harmless\n",
        "===== 1 failed, 3 passed in 0.2s =====\n",
    ],
)
def test_what_no_signature_knows_is_no_diagnosis(log: str) -> None:
    assert categories(log) == []


def test_of_several_signatures_on_a_line_the_one_that_asks_for_most_wins() -> None:
    general = signature("any-header", message="missing-header")
    special = signature("mkl-header", message="missing-header", where={"header": "^mkl"})
    preferred = signature("preferred", pattern="fatal error", priority=5)
    log = "fatal error: mkl_cblas.h: No such file or directory\n"

    assert categories(log, [general, special])[0] == "mkl-header"
    assert categories(log, [general, special, preferred])[0] == "preferred"


@pytest.mark.parametrize(
    ("keys", "matches"),
    [
        ({"near": "nvcc"}, True),
        ({"near": "hipcc"}, False),
        ({"unless_near": "nvcc"}, False),
        ({"unless_near": "hipcc"}, True),
        ({"unless": "line 12"}, False),
        ({"unless": "line 13"}, True),
    ],
)
def test_the_lines_around_decide_where_a_signature_asks_for_them(keys: dict[str, str], matches: bool) -> None:
    found = categories(f"/usr/bin/nvcc -c a.cu\n\n{PTX} line 12\n", [signature("ptx", pattern="PTX", **keys)])

    assert found == (["ptx"] if matches else [])


def test_the_line_that_is_near_may_be_in_the_next_page() -> None:
    before = "x" * 79 + "\n"
    log = before * (64 * 1024 // len(before)) + "the culprit\n" + before * 3 + "its neighbour\n" + before * 900

    assert categories(log, [signature("found", pattern="culprit", near="neighbour")]) == ["found"]


def test_sentences_are_filled_with_what_the_line_tells() -> None:
    named = signature(
        "named",
        message="missing-header",
        title="{header} is missing in {file}",
        commands=("find / -name {header}",),
    )

    (found,) = diagnoses("a.cc:1:2: fatal error: b.h: No such file or directory\n", [named])
    (bare,) = diagnoses("fatal error: b.h: No such file or directory\n", [named])

    assert (found.title, found.commands) == ("b.h is missing in a.cc", ("find / -name b.h",))
    assert bare.title == "b.h is missing in the file"


def test_the_error_of_a_traceback_is_the_culprit_and_not_the_code_that_it_shows() -> None:
    log = """\
  File "/usr/lib/python3/torch/utils/cpp_extension.py", line 2400, in _join_cuda_home
    raise OSError('CUDA_HOME environment variable is not set. '
OSError: CUDA_HOME environment variable is not set. Please set it to your CUDA install root.
"""
    (found,) = diagnoses(log, [signature("cuda-home", pattern="CUDA_HOME environment variable is not set")])

    assert found.lines == (3, 3)
