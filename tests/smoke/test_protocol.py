"""Reading what the target's side writes, however little it keeps to the protocol."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envdoctor.smoke import protocol
from envdoctor.smoke.noise import read_noise

# Machines that do much else at once are given all the time they take.
UNHURRIED = settings(deadline=None)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def test_a_line_becomes_its_event() -> None:
    line = b'{"event":"op","op":"nms","device":"cuda:0"}'

    assert protocol.decode(line) == protocol.OpBegun("nms", "cuda:0")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[F box_op.h:28] Check failed",
        b'{"event":"op","op":"nms"}',
        b'{"event":"unheard-of"}',
        b'{"event":"case","label":"a","dtype":"float32","max_error":NaN}',
        b"\xff\xfe",
        b"[" * 10000,
    ],
)
def test_what_is_no_event_is_told_apart_and_never_raises(line: bytes) -> None:
    assert protocol.decode(line) is None


@UNHURRIED
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_line_makes_the_reader_raise(line: bytes) -> None:
    protocol.decode(line)


DEATH = """\
WARNING: this Caffe2 was not built with GPU support
[F roi_align_op.h:28] Check failed: sampling_ratio_ >= 0
Fatal Python error: Aborted

Current thread 0x00007f2a (most recent call first):
  File "/env/caffe2/python/workspace.py", line 160 in CreateNet
  File "/opt/envdoctor/smoke/envdoctor_child/suites/caffe2_workspace.py", line 126 in create_operators
  File "/opt/envdoctor/smoke/envdoctor_child/main.py", line 180 in _run_op
"""


def test_the_last_words_and_our_innermost_line_are_read_off_the_noise() -> None:
    noise = read_noise(DEATH)

    assert noise.words == "[F roi_align_op.h:28] Check failed: sampling_ratio_ >= 0"
    assert noise.place == "create_operators (caffe2_workspace.py:126)"


def test_a_silent_death_has_no_words_and_no_place() -> None:
    assert read_noise("") == read_noise("\n \n")
    assert read_noise("").words == read_noise("").place == ""


@UNHURRIED
@given(st.text(max_size=400))
def test_words_are_one_line_of_bounded_length(text: str) -> None:
    noise = read_noise(text)

    assert "\n" not in noise.words
    assert len(noise.words) <= 303
