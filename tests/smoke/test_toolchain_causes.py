"""A code is told where the message speaks of it and the facts bear it out, and not because it might fit."""

import os
import sys
from pathlib import Path

import pytest

from envdoctor.checking.check import COMPILE, CONFIGURE, LINK, LOAD, RUN
from envdoctor.checking.discover import load_checks
from envdoctor.facts import AREAS, CMakeProject, Facts, Known, Project
from envdoctor.files import LiveFiles
from envdoctor.programs import LivePrograms
from envdoctor.smoke.toolchain.causes import ANYWHERE, OF_A_DEATH, SIGNS, Causes, codes_of, with_areas
from envdoctor.smoke.toolchain.stages import OK, Stage, Verdict
from envdoctor.target import Target

OPS = Project(profile=Known("caffe2-ops", "x"), cmake=Known(CMakeProject(path="/p", packages=("Caffe2",)), "/p"))
# Nothing is installed at all, and every area was looked at.
BARE = Facts(project=OPS, probed=AREAS)


def codes(point: int, message: str, facts: Facts = BARE, signal: str | None = None) -> tuple[str, ...]:
    target = Target("machine", LiveFiles(), dict(os.environ), LivePrograms(), python=sys.executable)
    return Causes(target, facts).of(Stage("a stage", point, lambda: OK), Verdict("fail", message, signal))


def test_every_code_that_a_sign_names_is_that_of_a_check() -> None:
    signs = [*ANYWHERE, *(sign for several in SIGNS.values() for sign in several)]
    named = {code for sign in signs for code in sign.codes} | set(OF_A_DEATH)

    assert named <= {check.code for check in load_checks()}


def test_a_cause_that_the_facts_bear_out_is_told() -> None:
    message = 'Could not find a package configuration file provided by "Caffe2"'

    assert codes(CONFIGURE, message)[0] in ("C2001", "C2002")


def test_a_cause_that_the_facts_do_not_bear_out_is_not_told() -> None:
    assert codes(COMPILE, "nvcc fatal : Unsupported gpu architecture 'compute_30'") == ()


def test_words_that_no_sign_knows_are_explained_by_what_surely_fails_at_that_point() -> None:
    assert "CC001" in codes(CONFIGURE, "something went wrong")
    assert codes(LINK, "something went wrong") == ()


@pytest.mark.parametrize(
    ("point", "message", "first"),
    [
        (COMPILE, "op.cc:1:10: fatal error: google/protobuf/stubs/common.h: No such file or directory", "PB001"),
        (COMPILE, "a.h:1:10: fatal error: mkl_cblas.h: No such file or directory", "MKL001"),
        (COMPILE, "a.h:1:10: fatal error: cusparse.h: No such file or directory", "CUDA010"),
        (COMPILE, "a.h:1:10: fatal error: Python.h: No such file or directory", "PY001"),
        (LINK, "/usr/bin/ld: cannot find -lcudart", "CUDA008"),
        (LINK, "/usr/bin/ld: cannot find -lcaffe2_library", "C2006"),
        (LOAD, "ImportError: libstdc++.so.6: version `GLIBCXX_3.4.21' not found", "ENV003"),
        (LOAD, "OSError: x.so: undefined symbol: _ZN6google8protobuf8internal9ArenaImpl28E", "PB002"),
        (RUN, "the first kernel launch failed: no kernel image is available", "CUDA007"),
    ],
)
def test_a_message_speaks_first_of_its_likeliest_cause(point: int, message: str, first: str) -> None:
    found = codes_of(point, Verdict("fail", message))

    assert found is not None
    assert found[0] == first


def test_a_death_without_words_is_explained_by_how_the_library_was_compiled() -> None:
    assert codes_of(RUN, Verdict("fail", "the process was ended by SIGSEGV", "SIGSEGV")) == OF_A_DEATH


def test_facts_that_are_there_are_kept_and_missing_ones_gathered(tmp_path: Path) -> None:
    target = Target("machine", LiveFiles(), dict(os.environ), LivePrograms(), project=str(tmp_path))

    facts = with_areas(target, Facts(project=OPS, probed=("project",)), {"host", "project"})

    assert facts.project == OPS
    assert isinstance(facts.host.kernel, Known)
    assert "host" in facts.probed
