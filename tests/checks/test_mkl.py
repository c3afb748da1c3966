"""The check of MKL's headers."""

import pytest
from envdoctor.checks import mkl

from envdoctor.facts import Facts, HeaderFile
from tests.checks.builders import CANNOT_READ, caffe2_box, changed, judged, known, modern_box, states, with_caffe2

BOX = caffe2_box()
NOT_ASKED = changed(BOX, "headers", missing=CANNOT_READ)
OTHER = "caffe2/utils/threadpool/ThreadPool.h"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (BOX, ["fail"]),
        (changed(BOX, "headers", missing=known((OTHER,))), []),
        (NOT_ASKED, ["fail"]),
        (changed(NOT_ASKED, "mkl", default_header=known("/usr/include/mkl/mkl_cblas.h")), []),
        (changed(NOT_ASKED, "mkl", default_header=CANNOT_READ), ["unknown"]),
        (with_caffe2(BOX, uses_mkl=known(False)), ["skipped"]),
        (with_caffe2(BOX, uses_mkl=CANNOT_READ), ["unknown"]),
        (changed(BOX, "caffe2", installations=()), ["skipped"]),
        (modern_box(), ["skipped"]),
    ],
)
def test_a_caffe2_with_mkl_needs_its_headers(facts: Facts, expected: list[str]) -> None:
    assert states(mkl.headers_missing, facts) == expected


def test_headers_that_lie_off_the_path_are_put_on_it() -> None:
    found = HeaderFile("/opt/intel/mkl/include/mkl_cblas.h", "2019.0", "system")
    (finding,) = judged(mkl.headers_missing, changed(BOX, "mkl", headers=(found,)))
    assert finding.remedy is not None
    assert finding.remedy.commands == ('export CPATH=/opt/intel/mkl/include"${CPATH:+:$CPATH}"',)
