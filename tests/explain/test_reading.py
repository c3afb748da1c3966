"""Reading a log: what surrounds its lines, what hides them, and how large it may be."""

import json
import textwrap
import time
import tracemalloc
import urllib.parse
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.explain.matching import Matcher
from envdoctor.explain.pages import pages
from envdoctor.explain.reading import read_log
from tests.explain.samples import ALL, categories, diagnoses, reading, signature

SYMBOL = "_ZN3c105ErrorC1ENS_14SourceLocationERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
LOG = f"""\
[ 10%] Building CXX object CMakeFiles/ops.dir/ops/zero_even_op.cc.o
In file included from /home/user/DensePose/ops/zero_even_op.cc:1:
/home/user/DensePose/ops/zero_even_op.h:3:10: fatal error: caffe2/core/context.h: No such file or directory
compilation terminated.
ImportError: /home/user/DensePose/build/libcaffe2_ops.so: undefined symbol: {SYMBOL}
make: *** [Makefile:5: ops] Error 1
"""


def by_line(change: Callable[[str], str]) -> Callable[[str], bytes]:
    return lambda log: "\n".join(change(line) for line in log.split("\n")).encode()


def cut_at(width: int) -> Callable[[str], bytes]:
    return by_line(lambda line: "\n".join(line[at : at + width] for at in range(0, max(len(line), 1), width)))


def coloured(line: str) -> str:
    return line.replace("fatal error:", "\x1b[01;31m\x1b[Kfatal error: \x1b[m\x1b[K").replace("/home", "\x1b[1m/home")


SURROUNDINGS: dict[str, Callable[[str], bytes]] = {
    "nothing": str.encode,
    "CRLF": lambda log: log.replace("\n", "\r\n").encode(),
    "colours": by_line(coloured),
    "a progress bar": lambda log: ("\r 10%|#  \r 90%|###\r" + log).encode(),
    "mail": by_line(lambda line: f"> > {line}"),
    "times": by_line(lambda line: f"2024-01-01T10:11:12.1234567Z {line}"),
    "a clock": by_line(lambda line: f"[10:11:12] {line}"),
    "syslog": by_line(lambda line: f"Nov 24 10:11:12 host python[12]: {line}"),
    "docker's builder": by_line(lambda line: f"#12 34.56 {line}"),
    "compose": by_line(lambda line: f"worker-1  | {line}"),
    "kubectl": by_line(lambda line: f"[pod/train-0/main] {line}"),
    "pip's box": by_line(lambda line: f"  │ {line}"),
    "JSON": lambda log: json.dumps({"log": log}).encode(),
    "JSON in JSON": lambda log: json.dumps(json.dumps({"log": log})).encode(),
    "Python's repr": lambda log: repr(log.encode()).encode(),
    "a URL": lambda log: urllib.parse.quote(log).encode(),
    "a form": lambda log: urllib.parse.quote_plus(log).encode(),
    "HTML": lambda log: log.replace("<", "&lt;").replace("'", "&#39;").replace("\n", "<br>").encode() + b"&nbsp;",
    "UTF-16": lambda log: log.encode("utf-16"),
    "UTF-16 without a mark": lambda log: log.encode("utf-16-le"),
    "a byte order mark": lambda log: b"\xef\xbb\xbf" + log.encode(),
    "bytes that are no UTF-8": lambda log: b"\xff\x80 \xc3(\n" + log.encode() + b"\xff",
    "a terminal of 80 columns": cut_at(80),
    "a terminal of 72 columns": cut_at(72),
    "a fill to 80 columns": by_line(
        lambda line: "\n".join(textwrap.wrap(line, 80, break_long_words=False, break_on_hyphens=False)) or line
    ),
    "an end that is cut off": lambda log: log.encode()[: log.index("make:") - 20],
}


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_what_surrounds_a_log_does_not_change_its_diagnosis(name: str) -> None:
    assert categories(SURROUNDINGS[name](LOG)) == ["header-missing", "symbol-undefined"]


def test_the_lines_are_counted_as_an_editor_counts_them() -> None:
    header, symbol = diagnoses(LOG)

    assert (header.lines, symbol.lines) == ((3, 3), (5, 5))
    assert [(line.number, line.culprit) for line in header.shown] == [
        (1, False), (2, False), (3, True), (4, False), (5, False),
    ]  # fmt: skip


def test_a_wrapped_message_has_all_of_its_lines() -> None:
    (found,) = diagnoses(cut_at(60)(LOG.split("\n")[4] + "\nnext line\n"))

    assert found.lines == (1, 3)
    assert found.title.startswith("c10::Error") or SYMBOL in found.title


def test_text_in_other_scripts_is_left_whole() -> None:
    # 录 and 目 hold bytes that are control characters in other encodings.
    assert categories("fatal error: THC/THC.h: 没有那个文件或目录\n") == ["header-missing"]


@pytest.mark.parametrize("name", [name for name in SURROUNDINGS if "columns" not in name and "repr" not in name])
def test_the_beginning_and_the_end_of_a_line_are_those_of_its_text(name: str) -> None:
    # The text of a line begins and ends within what surrounds it.
    whole = signature("whole", pattern=r"^compilation terminated\.$")
    log = LOG.replace("ImportError", "Error") + "\n"

    assert categories(SURROUNDINGS[name](log), [whole]) == ["whole"]


def test_a_neighbour_may_be_a_long_line() -> None:
    command = "/usr/bin/nvcc " + "-I/usr/include " * 300 + "-c late.cu\n"

    assert categories(command + "error: x\n", [signature("near", pattern="error: x", near="late[.]cu")]) == ["near"]


def test_lines_that_stand_alone_are_not_joined_to_a_message() -> None:
    joined = signature("joined", pattern="error: .*mkl")

    assert categories("cc: error: something is wrong here, really\nthe mkl headers are in place\n", [joined]) == []


@pytest.mark.parametrize("place", [0, 3_000, 200_000])
def test_a_fault_is_found_anywhere_in_a_line_of_a_megabyte(place: int) -> None:
    fault = " error: the provided PTX was compiled with an unsupported toolchain. "
    line = "x" * place * 4 + fault + "y" * (1_000_000 - place * 4)

    assert categories(line) == ["ptx-toolchain"]


def test_a_flood_of_one_message_does_not_hide_the_next() -> None:
    flood = "/x/a.so: undefined symbol: foo\n" * 20_000

    assert set(categories(flood + "fatal error: a.h: No such file or directory\n")) == {
        "symbol-undefined", "header-missing",
    }  # fmt: skip


def test_what_looks_alike_does_not_use_up_the_search() -> None:
    # Every line has the words of the pattern, and none the pattern.
    pattern = signature("late", pattern=r"error: number \d+ in module")
    decoys = "error: number of warnings in module\n" * 30_000

    assert categories(decoys + "error: number 7 in module\n", [pattern]) == ["late"]


def test_a_large_log_is_read_in_bounded_memory() -> None:
    def blocks() -> Iterator[bytes]:
        line = b"[ 12%] /usr/bin/c++ -O2 -Werror -o foo.o -c foo.cc -L/usr/lib -lcudart: error: no\n"
        for _ in range(100):
            yield line * 2000
        for _ in range(20):
            yield b"z" * 250_000

    matcher = Matcher(ALL)
    tracemalloc.start()
    try:
        read = read_log(blocks(), matcher)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert read.lines == 200_001
    assert peak < 4_000_000


def test_time_grows_with_the_length_alone() -> None:
    def seconds(count: int) -> float:
        line = "a" * 40 + " undefined symbol: " + "(" * 30 + "\\" * 20 + "%20" * 5 + "\n"
        began = time.process_time()
        reading(line * count)
        return time.process_time() - began

    seconds(100)

    assert seconds(8000) < 4 * 4 * max(seconds(2000), 0.02)


@given(st.binary(max_size=2000))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    log = b"the first line\n" + data

    assert reading(log).lines == log.count(b"\n") + (not log.endswith(b"\n"))


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_pages_hold_every_byte_whatever_the_blocks(blocks: list[bytes]) -> None:
    data = b"".join(blocks)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in data or data[:3] == b"\xef\xbb\xbf":
        return

    assert b"\n".join(page.text for page in pages(block for block in blocks if block)) == data.removesuffix(b"\n")
