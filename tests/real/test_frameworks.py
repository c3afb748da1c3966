"""What the probes say of the real torch and Caffe2 without importing them, against what these say when imported."""

import ast
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from envdoctor.elf.loader import Files, start
from envdoctor.facts import Absent, Extension, Facts, Known, value_of
from envdoctor.files import LiveFiles
from envdoctor.probes.extensions import probe
from envdoctor.probes.gather import gather
from envdoctor.probes.load_order import Kind, process_of
from envdoctor.programs import LivePrograms
from envdoctor.target import Target
from tests.real import components
from tests.real.environments import Environment

Ask = Callable[[str], Environment]
Library = Callable[[str], Path]

TELL = """
import sys, torch
flags = torch._C._cuda_getArchFlags() if hasattr(torch._C, '_cuda_getArchFlags') else None
abi = getattr(torch._C, '_GLIBCXX_USE_CXX11_ABI', None)
print('\\n'.join(map(repr, (sys.path[1:], torch.__path__[0], str(torch.__version__), torch.version.cuda, flags, abi))))
"""


def target_of(environment: Environment, project: Path | None = None, **variables: str) -> Target:
    names = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    folder = str(project) if project else None
    return Target("live", LiveFiles(), names, LivePrograms(), str(environment.python), "test", folder)


def say(environment: Environment, code: str) -> list[str]:
    done = subprocess.run([environment.python, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", ["caffe2", "torch-cpu", "torch-cuda"])
def test_torch_is_what_it_says_of_itself_when_it_is_imported(environment: Ask, name: str) -> None:
    here = environment(name)

    facts = gather(target_of(here), ("torch",))

    sys_path, root, version, cuda, flags, abi = map(ast.literal_eval, say(here, TELL))
    torch = facts.torch
    assert list(facts.python.sys_path) == sys_path
    assert (value_of(torch.root), value_of(torch.version), value_of(torch.cuda)) == (root, version, cuda)
    if flags:
        names = {flag.removeprefix("sm_") for flag in flags.split() if flag.startswith("sm_")}
        assert isinstance(torch.architectures, Known) and set(torch.architectures.value) == names
    if abi is not None:
        assert value_of(torch.cxx11_abi) is abi
    assert torch.missing_requirements == () and torch.others == ()


def test_the_caffe2_of_the_wheel_is_described_as_it_was_measured(caffe2: Environment) -> None:
    facts = gather(target_of(caffe2), ("caffe2",))

    (one,) = facts.caffe2.installations
    torch = str(components.caffe2_root())
    assert (one.root, value_of(one.version), value_of(one.cuda)) == (torch, "1.0.1", "9.0.176")
    assert (value_of(one.cxx11_abi), value_of(one.function_abi), value_of(one.exports_protobuf)) == (
        False,
        "value",
        False,
    )
    assert (value_of(one.include), one.include_named) == (f"{torch}/lib/include", (f"{torch}/include",))
    assert value_of(one.uses_mkl) is True and not one.config_is_build_tree
    assert {"caffe2", "caffe2_library", "caffe2_gpu_library"} <= set(one.cmake_targets)
    assert value_of(facts.torch.cudnn) == "7.4.2"
    assert value_of(facts.torch.architectures) == ("35", "50", "60", "70")
    assert isinstance(facts.caffe2.cmake_finds, Absent) and isinstance(facts.caffe2.detectron_lookup, Absent)


def test_the_headers_left_out_are_those_that_the_compiler_misses(caffe2: Environment, tmp_path: Path) -> None:
    facts = gather(target_of(caffe2), ("caffe2",))
    include = value_of(facts.caffe2.installations[0].include)
    source = tmp_path / "all.cc"
    source.write_text('#include "caffe2/core/context.h"\n#include "caffe2/core/operator.h"\n')

    # -MG takes missing headers for generated ones: they are named without a directory.
    rule = subprocess.run(
        [components.cxx(), "-std=c++11", f"-I{include}", "-M", "-MG", str(source)],
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    missing = {word for word in rule.split() if word.startswith("caffe2/")}
    assert set(facts.caffe2.installations[0].headers_missing) == missing == {"caffe2/utils/threadpool/ThreadPool.h"}


def test_a_torch_of_today_holds_no_caffe2(environment: Ask) -> None:
    facts = gather(target_of(environment("torch-cpu")), ("caffe2",))

    assert isinstance(facts.caffe2.importable, Absent)
    assert all(isinstance(one.library, Absent) for one in facts.caffe2.installations)


def mapped(environment: Environment, code: str) -> set[str]:
    """The libraries of frameworks that a process really maps after running the code."""
    lines = say(environment, f"{code}\nprint(open('/proc/self/maps').read())")
    files = {line.split(maxsplit=5)[5] for line in lines if line.count(" ") > 5 and "/" in line}
    return {path for path in files if "/torch/lib/" in path or "/nvidia/" in path or "/caffe2/python/" in path}


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("torch-cpu", "torch-extension", "import torch"),
        ("torch-cuda", "torch-extension", "import torch"),
        ("caffe2", "torch-extension", "import torch"),
        ("caffe2", "caffe2-ops", "from caffe2.python import core"),
    ],
)
def test_the_modelled_process_maps_what_the_real_one_maps(environment: Ask, name: str, kind: Kind, code: str) -> None:
    here = environment(name)
    target = target_of(here)
    process = process_of(target, gather(target, ("torch", "caffe2")), kind)
    assert process.executable is not None

    loaded = start(Files(target.files), process, process.executable).loaded

    ours = {target.files.real(link_map.path) for link_map in loaded}
    theirs = mapped(here, code)
    assert theirs
    assert {path for path in ours if "/torch/lib/" in path or "/nvidia/" in path or "/caffe2/python/" in path} == theirs


def judged(environment: Environment, library: Path) -> Extension:
    """The library alone, as a project's."""
    target = target_of(environment)
    facts = gather(target, ("torch", "caffe2", "project"))
    project = msgspec.structs.replace(facts.project, libraries=(str(library),))
    found = probe(target, msgspec.structs.replace(facts, project=project))
    assert found.unreadable == ()
    return next(one for one in found.found if one.owner == "project")


@pytest.mark.parametrize(
    ("variant", "count", "reasons", "string_abi", "function_abi"),
    [
        ("no-protobuf-new-abi", 20, {"hidden", "string-abi"}, "new", "reference"),
        ("no-protobuf", 8, {"hidden"}, "old", "reference"),
        ("old-abi-by-reference", 0, set(), "old", "reference"),
        ("correct", 0, set(), "old", "value"),
    ],
)
def test_operators_are_judged_as_the_loader_and_the_processor_judge_them(
    caffe2: Environment,
    ops_library: Library,
    variant: str,
    count: int,
    reasons: set[str],
    string_abi: str,
    function_abi: str,
) -> None:
    found = judged(caffe2, ops_library(variant))

    assert (found.kind, found.undefined_count, found.missing) == ("caffe2-ops", count, ())
    assert {symbol.reason for symbol in found.undefined} == reasons
    assert (found.string_abi, found.function_abi) == (string_abi, function_abi)


def test_a_healthy_torchvision_has_nothing_undefined_or_missing(environment: Ask) -> None:
    facts: Facts = gather(target_of(environment("torch-cuda")), ("extensions",))

    vision = [one for one in facts.extensions.found if one.owner == "torchvision"]
    assert {Path(one.path).name for one in vision} == {"_C.so", "image.so"}
    assert all(not (one.undefined_count or one.missing or one.versions) for one in vision)
    (companion,) = facts.torch.companions
    assert isinstance(companion.extension, Known) and value_of(companion.cuda) == "11.7"


def test_a_torchvision_of_another_torch_shows_what_it_lacks(environment: Ask) -> None:
    facts = gather(target_of(environment("torch-mismatch")), ("extensions",))

    broken = next(one for one in facts.extensions.found if one.path.endswith("_C_stable.so"))
    assert {missing.name for missing in broken.missing} >= {"libtorch_cuda.so", "libc10_cuda.so"}
    assert broken.undefined_count > 0
