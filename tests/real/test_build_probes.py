"""What a build will meet, told before it: the probes over the real Caffe2, real protobufs and real projects."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from envdoctor.facts import Facts, Headers, Known, value_of
from envdoctor.files import LiveFiles
from envdoctor.probes.gather import gather
from envdoctor.programs import LivePrograms
from envdoctor.target import Target
from tests.filetree import write_program
from tests.real import components
from tests.real.environments import Environment

PROJECTS = Path(__file__).parents[1] / "projects"
THREAD_POOL = "caffe2/utils/threadpool/ThreadPool.h"
CLEARED = (
    "CPATH",
    "CPLUS_INCLUDE_PATH",
    "CXXFLAGS",
    "CPPFLAGS",
    "CC",
    "CXX",
    "LD_LIBRARY_PATH",
    "CMAKE_TOOLCHAIN_FILE",
)


def examined(python: Path, project: Path, *areas: str, **environment: str) -> Facts:
    """The facts of this machine with one interpreter and one project."""
    plain = {name: value for name, value in os.environ.items() if name not in CLEARED}
    target = Target("machine", LiveFiles(), {**plain, **environment}, LivePrograms(), str(python), "test", str(project))
    facts = gather(target, areas)
    assert not facts.failed
    return facts


def missing(headers: Headers) -> set[str]:
    assert isinstance(headers.missing, Known), headers.missing
    return set(headers.missing.value)


def test_one_run_names_all_headers_that_the_real_caffe2_lacks(caffe2: Environment) -> None:
    found = missing(examined(caffe2.python, PROJECTS / "densepose_ops", "headers").headers)

    assert {"mkl_cblas.h", THREAD_POOL, "google/protobuf/stubs/common.h"} <= found
    assert {name for name in found if not name.startswith("google/protobuf/")} == {"mkl_cblas.h", THREAD_POOL}


@pytest.mark.parametrize("version", ["3.3.0", "3.5.0", "3.6.1"])
def test_real_protobuf_headers_too_old_right_and_too_new_hide_nothing(caffe2: Environment, version: str) -> None:
    include = components.protobuf_source(version)

    facts = examined(caffe2.python, PROJECTS / "densepose_ops", "headers", "protobuf", CPATH=str(include))

    assert missing(facts.headers) == {"mkl_cblas.h", THREAD_POOL}
    default = value_of(facts.protobuf.default_headers)
    assert default is not None
    assert (default.version, default.min_protoc, default.origin) == (version, version, "CPATH")
    (generated,) = facts.protobuf.generated
    assert (generated.generated_by, generated.minimum, generated.exact) == ("3.5.0", "3.5.0", False)


@pytest.mark.parametrize("version", ["3.3.0", "3.6.1"])
def test_an_old_gcc_that_names_nothing_after_an_error_names_all_the_same(
    caffe2: Environment, tmp_path: Path, version: str
) -> None:
    """GCC before release 8 writes no dependencies once it met an `#error`."""
    silent = write_program(tmp_path / "g++", f'#!/bin/sh\nrule=$({components.cxx()} "$@") && echo "$rule"\n')
    include = str(components.protobuf_source(version))

    facts = examined(caffe2.python, PROJECTS / "densepose_ops", "headers", CPATH=include, CXX=str(silent))

    assert missing(facts.headers) == {"mkl_cblas.h", THREAD_POOL}


def test_with_every_header_in_place_none_is_missing(caffe2: Environment) -> None:
    places = (components.protobuf_source("3.5.0"), components.mkl_include(), components.thread_pool_include())
    cpath = ":".join(map(str, places))

    facts = examined(caffe2.python, PROJECTS / "densepose_ops", "headers", "mkl", CPATH=cpath)

    assert missing(facts.headers) == set()
    assert value_of(facts.mkl.default_header) == f"{components.mkl_include()}/mkl_cblas.h"


def test_what_the_compiler_says_of_the_real_project_is_what_was_told(caffe2: Environment) -> None:
    """The compiler stops at its first; that one is among those told before."""
    source = PROJECTS / "densepose_ops/ops/pool_points_interp_op.cc"
    include = caffe2.site_packages / "torch/lib/include"
    answer = subprocess.run(
        [components.cxx(), "-std=c++11", "-fsyntax-only", f"-I{include}", str(source)], capture_output=True, text=True
    )

    found = missing(examined(caffe2.python, PROJECTS / "densepose_ops", "headers").headers)

    first = answer.stderr.partition("fatal error: ")[2].partition(":")[0]
    assert first in found


def test_a_built_project_shows_its_library_its_cache_and_the_headers_of_its_toolchain_file(
    caffe2: Environment, ops_library: Callable[[str], Path]
) -> None:
    library = ops_library("correct")
    project = library.parent.parent

    facts = examined(caffe2.python, project, "project", "protobuf", "headers")

    assert str(library) in facts.project.libraries
    build = value_of(facts.project.build)
    assert build is not None
    assert (build.get("CMAKE_TOOLCHAIN_FILE") or "").endswith("/toolchain.cmake")
    assert build.get("CMAKE_HOME_DIRECTORY") == str(project)
    default = value_of(facts.protobuf.default_headers)
    assert default is not None
    assert default.version == "3.5.0"
    assert missing(facts.headers) == set()


@pytest.mark.parametrize("name", ["torch-cpu", "torch-cuda"])
def test_a_healthy_torch_misses_nothing(environment: Callable[[str], Environment], name: str) -> None:
    facts = examined(environment(name).python, PROJECTS / "torch_extension", "headers")

    assert missing(facts.headers) == set()


def test_the_real_caffe2s_python_code_is_of_the_old_kind(caffe2: Environment) -> None:
    protobuf = examined(caffe2.python, PROJECTS / "densepose_ops", "protobuf").protobuf

    assert [each.style for each in protobuf.python_generated] == ["descriptors"]
    assert value_of(protobuf.python) == "3.20.3"
