"""The CUDA probe: toolkits of every origin, wrapper scripts, releases, runtimes, LD_LIBRARY_PATH."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envdoctor.facts import (
    Absent,
    Cuda,
    Facts,
    HostCompilerLimits,
    Known,
    LibraryFile,
    Python,
    Toolkit,
    Unreadable,
    value_of,
)
from envdoctor.files import LiveFiles
from envdoctor.probes import cuda
from envdoctor.programs import Completed, LivePrograms
from tests.filetree import AnsweringPrograms, RootedFiles, make_target, write_program, write_tree

ELF = b"\x7fELF" + bytes(60)
SITE = "/venv/lib/python3.11/site-packages"
HOST_CONFIG = """\
#if __GNUC__ > 12
#error -- unsupported GNU version! gcc versions later than 12 are not supported!
#endif
#if (__clang_major__ >= 16) || (__clang_major__ < 3)
#error -- unsupported clang version! clang version must be less than 16 and greater than 3.2 .
#endif
"""
HELP = "Allowed values for this option:  'compute_75','lto_90','sm_100f','sm_75','sm_90','sm_90a','sm_100'.\n"


def toolkit_files(root: str, number: int = 12020, **extra: str) -> dict[str, str | bytes]:
    """A whole toolkit, as the runfile and the packages of NVIDIA install it."""
    return {
        f"{root}/bin/nvcc": ELF,
        f"{root}/bin/nvcc.profile": "TOP              = $(_HERE_)/..\n\nINCLUDES += -I$(TOP)/include\n",
        f"{root}/include/cuda_runtime.h": "",
        f"{root}/include/cuda_runtime_api.h": f"/* */\n#define CUDART_VERSION  {number}\n",
        f"{root}/include/crt/host_config.h": HOST_CONFIG,
        f"{root}/lib64/libcudart.so": "-> libcudart.so.12",
        f"{root}/lib64/libcudart.so.12": "-> libcudart.so.12.2.140",
        f"{root}/lib64/libcudart.so.12.2.140": ELF,
        **extra,
    }


def probed(
    root: Path,
    tree: Mapping[str, str | bytes],
    environment: Mapping[str, str] | None = None,
    programs: AnsweringPrograms | None = None,
    known: Facts | None = None,
) -> Cuda:
    write_tree(root, tree)
    return cuda.probe(make_target(RootedFiles(root), environment, programs), known or Facts())


def with_site() -> Facts:
    return Facts(python=Python(site_packages=(SITE,), sys_path=(SITE,)))


def only(found: Cuda) -> Toolkit:
    assert len(found.toolkits) == 1, [each.root for each in found.toolkits]
    return found.toolkits[0]


# Where toolkits are


def test_one_toolkit_met_on_several_ways_is_one_toolkit(tmp_path: Path) -> None:
    tree: dict[str, str | bytes] = {**toolkit_files("/usr/local/cuda-12.2"), "/usr/local/cuda": "-> cuda-12.2"}
    environment = {"CUDA_HOME": "/usr/local/cuda", "CUDA_PATH": "/usr/local/cuda-12.2/", "PATH": "/usr/local/cuda/bin"}

    found = probed(tmp_path, tree, environment)

    assert only(found).root == "/usr/local/cuda-12.2"
    assert only(found).origins == ("CUDA_HOME", "CUDA_PATH", "PATH", "system")
    assert only(found).wrapper is None
    assert found.toolkit() == only(found)


def test_everything_of_a_whole_toolkit_is_found(tmp_path: Path) -> None:
    root = "/usr/local/cuda-12.2"

    toolkit = only(probed(tmp_path, toolkit_files(root)))

    assert toolkit.version == Known("12.2", f"{root}/include/cuda_runtime_api.h", "#define CUDART_VERSION  12020")
    assert value_of(toolkit.nvcc) == f"{root}/bin/nvcc"
    assert value_of(toolkit.include) == f"{root}/include"
    assert value_of(toolkit.libraries) == f"{root}/lib64"
    assert value_of(toolkit.host_compilers) == HostCompilerLimits(12, 15)


def test_toolkits_of_conda_system_and_variable_are_told_apart(tmp_path: Path) -> None:
    conda = toolkit_files("/conda")
    del conda["/conda/include/cuda_runtime.h"]
    tree: dict[str, str | bytes] = {
        **conda,
        "/conda/targets/x86_64-linux/include/cuda_runtime.h": "",
        "/conda/targets/x86_64-linux/include/cuda_runtime_api.h": "#define CUDART_VERSION 12040\n",
        "/conda/conda-meta/cuda-nvcc-12.4.131-hd3aeb46_0.json": "{}",
        **toolkit_files("/usr/local/cuda-11.8", 11080),
        **toolkit_files("/opt/mine", 10010),
    }

    found = probed(tmp_path, tree, {"CONDA_PREFIX": "/conda", "CUDA_HOME": "/opt/mine"})

    assert {(each.origins, each.root, value_of(each.version)) for each in found.toolkits} == {
        (("CUDA_HOME",), "/opt/mine", "10.1"),
        (("conda",), "/conda", "12.4"),
        (("system",), "/usr/local/cuda-11.8", "11.8"),
    }


def test_the_folder_that_the_wheels_of_cuda_13_share_is_a_toolkit(tmp_path: Path) -> None:
    root = f"{SITE}/nvidia/cu13"
    tree: dict[str, str | bytes] = {
        f"{root}/bin/nvcc": ELF,
        f"{root}/include/cuda_runtime.h": "",
        f"{root}/lib/libcudart.so.13": ELF,
        f"{SITE}/nvidia_cuda_nvcc-13.0.88.dist-info/": "",
        f"{SITE}/nvidia_cuda_runtime-13.0.96.dist-info/": "",
    }

    found = probed(tmp_path, tree, known=with_site())

    assert (only(found).origins, value_of(only(found).version)) == (("pip",), "13.0")
    assert isinstance(only(found).libraries, Absent)
    assert found.runtimes == (LibraryFile("libcudart.so.13", f"{root}/lib/libcudart.so.13", "13.0.96", "pip"),)


def test_older_wheels_are_parts_of_a_toolkit_without_nvcc(tmp_path: Path) -> None:
    root = f"{SITE}/nvidia/cuda_runtime"
    tree: dict[str, str | bytes] = {
        f"{root}/include/cuda_runtime.h": "",
        f"{root}/lib/libcudart.so.11.0": ELF,
        f"{SITE}/nvidia_cuda_runtime_cu11-11.7.99.dist-info/": "",
        f"{SITE}/nvidia_cudnn_cu11-8.5.0.96.dist-info/": "",
    }

    found = probed(tmp_path, tree, known=with_site())

    assert isinstance(only(found).nvcc, Absent)
    assert value_of(only(found).version) == "11.7"
    assert found.runtimes == (LibraryFile("libcudart.so.11.0", f"{root}/lib/libcudart.so.11.0", "11.7.99", "pip"),)


def test_debian_has_its_headers_among_those_of_the_system(tmp_path: Path) -> None:
    root = "/usr/lib/nvidia-cuda-toolkit"
    tree: dict[str, str | bytes] = {
        "/usr/bin/nvcc": f'#!/bin/sh\nexec {root}/bin/nvcc "$@"\n',
        f"{root}/bin/nvcc": ELF,
        f"{root}/bin/nvcc.profile": f"TOP = {root}\n",
        "/usr/include/cuda_runtime.h": "",
        "/usr/include/cuda_runtime_api.h": "#define CUDART_VERSION 11080\n",
        "/usr/include/crt/host_config.h": HOST_CONFIG,
        "/usr/lib/x86_64-linux-gnu/libcudart.so": ELF,
    }

    toolkit = only(probed(tmp_path, tree, {"PATH": "/usr/bin"}))

    assert (toolkit.root, toolkit.wrapper, value_of(toolkit.version)) == (root, "/usr/bin/nvcc", "11.8")
    assert value_of(toolkit.include) == "/usr/include"
    assert value_of(toolkit.libraries) == "/usr/lib/x86_64-linux-gnu"


def test_a_cuda_home_that_holds_no_cuda_is_no_toolkit_but_what_a_build_takes(tmp_path: Path) -> None:
    found = probed(tmp_path, {"/opt/empty/": ""}, {"CUDA_HOME": "/opt/empty"})

    assert found.toolkits == ()
    assert found.default == Known("/opt/empty", "variable CUDA_HOME", "/opt/empty")
    assert found.toolkit() is None


# The way to nvcc


@pytest.mark.parametrize(
    "script",
    [
        '#!/bin/sh\nexec /opt/cuda-12.2/bin/nvcc "$@"\n',
        '#!/bin/bash\n# exec /old/bin/nvcc\nROOT=/opt/cuda-12.2\nexec "$ROOT/bin/nvcc" "$@"\n',
        '#!/bin/bash\nexport CUDA_DIR="/opt/cuda-12.2"\n${CUDA_DIR}/bin/nvcc $@\n',
        '#!/bin/sh\nexec "${UNSET:-/opt/cuda-12.2}/bin/nvcc" "$@"\n',
        '#!/bin/sh\nexec ccache /opt/cuda-12.2/bin/nvcc "$@"\n',
        '#!/bin/sh\nexec "$(dirname "$0")/../cuda-12.2/bin/nvcc" "$@"\n',
        '#!/bin/sh\nHERE=$(cd "$(dirname "$0")" && pwd)\nexec $HERE/../cuda-12.2/bin/nvcc "$@"\n',
        '#!/bin/sh\nexec ${0%/*}/../cuda-12.2/bin/nvcc "$@"\n',
        '#!/bin/sh\nexec "$MY_CUDA"/bin/nvcc "$@"\n',
        '#!/bin/sh\nexec /opt/second/nvcc "$@"\n',
        "#!/bin/sh\nif [ -x /nowhere/bin/nvcc ]; then exec /nowhere/bin/nvcc; fi\nexec /opt/cuda-12.2/bin/nvcc\n",
    ],
)
def test_a_wrapper_script_is_followed_to_the_toolkit_by_reading_it(tmp_path: Path, script: str) -> None:
    tree: dict[str, str | bytes] = {
        **toolkit_files("/opt/cuda-12.2"),
        "/opt/tools/nvcc": script,
        "/opt/second/nvcc": '#!/bin/sh\nexec /opt/cuda-12.2/bin/nvcc "$@"\n',
    }

    toolkit = only(probed(tmp_path, tree, {"PATH": "/opt/tools", "MY_CUDA": "/opt/cuda-12.2"}))

    assert (toolkit.root, toolkit.wrapper) == ("/opt/cuda-12.2", "/opt/tools/nvcc")
    assert value_of(toolkit.nvcc) == "/opt/cuda-12.2/bin/nvcc"


@pytest.mark.parametrize(
    "script",
    [
        '#!/bin/sh\nexec /opt/tools/bin/nvcc "$@"\n',
        '#!/bin/sh\nexec nvcc "$@"\n',
        "#!/bin/sh\nexec 'unfinished\n",
        "#!/usr/bin/env python3\nimport nvcc\n",
        "#!/bin/sh\nA=$A$A$A\n" * 400,
    ],
)
def test_a_script_that_cannot_be_followed_is_taken_as_it_is(tmp_path: Path, script: str) -> None:
    toolkit = only(probed(tmp_path, {"/opt/tools/bin/nvcc": script}, {"PATH": "/opt/tools/bin"}))

    assert (value_of(toolkit.nvcc), toolkit.wrapper) == ("/opt/tools/bin/nvcc", "/opt/tools/bin/nvcc")
    assert isinstance(toolkit.version, Unreadable)


def test_two_scripts_that_start_each_other_are_no_endless_way(tmp_path: Path) -> None:
    tree: dict[str, str | bytes] = {
        "/a/bin/nvcc": "#!/bin/sh\nexec /b/bin/nvcc\n",
        "/b/bin/nvcc": "#!/bin/sh\nexec /a/bin/nvcc\n",
    }

    assert only(probed(tmp_path, tree, {"PATH": "/a/bin"})).wrapper == "/a/bin/nvcc"


def test_a_script_that_does_not_tell_is_asked_what_it_would_do(tmp_path: Path) -> None:
    answers = {
        "--dryrun": Completed((), 0, "", "#$ _HERE_=/opt/cuda-12.2/bin\n#$ TOP=/opt/cuda-12.2/bin/..\n"),
        "--help": Completed((), 0, HELP, ""),
    }
    tree: dict[str, str | bytes] = {
        **toolkit_files("/opt/cuda-12.2"),
        "/opt/tools/nvcc": '#!/bin/sh\nexec "$(which-nvcc)" "$@"\n',
    }
    programs = AnsweringPrograms(lambda command: answers[command[1]])

    found = probed(tmp_path, tree, {"PATH": "/opt/tools"}, programs)

    assert (only(found).root, only(found).wrapper) == ("/opt/cuda-12.2", "/opt/tools/nvcc")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.text(alphabet=st.sampled_from("/nvcc $\"'(){}=;\n\\-:%AB0"), max_size=200))
def test_no_script_breaks_the_probe(tmp_path: Path, body: str) -> None:
    place = tmp_path / "opt" / "nvcc"
    place.parent.mkdir(exist_ok=True)
    place.write_text("#!/bin/sh\n" + body)

    cuda.probe(make_target(RootedFiles(tmp_path), {"PATH": "/opt"}), Facts())


# What a build takes


@pytest.mark.parametrize(
    ("environment", "value", "raw"),
    [
        ({"CUDA_HOME": "/opt/a", "CUDA_PATH": "/opt/b", "PATH": "/opt/b/bin"}, "/opt/a", "/opt/a"),
        ({"CUDA_HOME": "", "CUDA_PATH": "/opt/b"}, "/opt/b", "/opt/b"),
        ({"CUDA_PATH": "/nowhere", "PATH": "/opt/b/bin"}, "/nowhere", "/nowhere"),
        ({"PATH": "/usr/bin:/opt/b/bin:/opt/a/bin"}, "/opt/b", "/opt/b"),
        ({"PATH": "/opt/tools/bin"}, "/opt/a", "/opt/tools"),
        ({"PATH": "/usr/bin"}, "/opt/a", "/usr/local/cuda"),
        ({"CUDA_HOME": ""}, "/opt/a", "/usr/local/cuda"),
        ({"CUDA_PATH": ""}, None, None),
    ],
)
def test_the_default_is_what_torch_takes(
    tmp_path: Path, environment: dict[str, str], value: str | None, raw: str | None
) -> None:
    tree: dict[str, str | bytes] = {
        **toolkit_files("/opt/a"),
        **toolkit_files("/opt/b"),
        "/opt/tools/bin/nvcc": '#!/bin/sh\nexec /opt/a/bin/nvcc "$@"\n',
        "/usr/local/cuda": "-> /opt/a",
    }

    found = probed(tmp_path, tree, environment).default

    assert value_of(found) == value
    assert (found.raw if isinstance(found, Known) else None) == raw


def test_without_any_cuda_there_is_no_default(tmp_path: Path) -> None:
    found = probed(tmp_path, {}, {"PATH": "/usr/bin"})

    assert isinstance(found.default, Absent)
    assert (found.toolkits, found.runtimes, found.in_library_path) == ((), (), ())


# Release, architectures, host compilers


@pytest.mark.parametrize(
    ("extra", "release"),
    [
        ({"/c/version.json": '{"cuda": {"version": "12.1.0"}, "cuda_nvcc": {"version": "12.1.66"}}'}, "12.1"),
        ({"/c/version.json": '{"cuda": {"name": "CUDA SDK", "version": "11.8.89"}}'}, "11.8"),
        ({"/c/version.txt": "CUDA Version 10.0.130\n"}, "10.0"),
        ({"/c/version.json": "{broken"}, "12.2"),
        ({"/c/version.json": '{"x": ' + "[" * 100_000}, "12.2"),
        ({"/c/version.json": "[]", "/c/version.txt": "nothing"}, "12.2"),
        ({"/c/conda-meta/cuda-nvcc_linux-64-12.6.20-h1.json": "{}"}, "12.6"),
    ],
)
def test_the_release_is_that_of_nvcc_before_that_of_the_headers(
    tmp_path: Path, extra: dict[str, str], release: str
) -> None:
    found = only(probed(tmp_path, {**toolkit_files("/c"), **extra}, {"CUDA_HOME": "/c"}))

    assert value_of(found.version) == release


def test_nvcc_is_asked_for_its_release_where_no_file_tells(tmp_path: Path) -> None:
    answers = {
        "--version": Completed((), 0, "Cuda compilation tools, release 9.0, V9.0.176\n", ""),
        "--help": Completed((), 0, "'compute_30','sm_30','sm_70'", ""),
    }
    programs = AnsweringPrograms(lambda command: answers[command[1]])

    found = only(probed(tmp_path, {"/c/bin/nvcc": ELF}, {"CUDA_HOME": "/c", "NVCC_APPEND_FLAGS": "--bad"}, programs))

    assert found.version == Known("9.0", "`/c/bin/nvcc --version`", "Cuda compilation tools, release 9.0, V9.0.176")
    assert value_of(found.architectures) == ("30", "70")
    assert isinstance(found.host_compilers, Known)
    assert found.host_compilers.found_via.startswith("table")
    assert all("NVCC_APPEND_FLAGS" not in started.environment for started in programs.started)


@pytest.mark.parametrize(
    "answer",
    [
        Completed(("nvcc",), None, "", "", "`nvcc` gave no answer in 5 s and was ended"),
        Completed(("nvcc",), -11, "", "", "`nvcc` was ended by SIGSEGV"),
        Completed(("nvcc",), 1, "", "error"),
        Completed(("nvcc",), 0, "rubbish", ""),
    ],
)
def test_an_nvcc_that_does_not_answer_is_unreadable_with_the_reason(tmp_path: Path, answer: Completed) -> None:
    found = only(probed(tmp_path, {"/c/bin/nvcc": ELF}, {"CUDA_HOME": "/c"}, AnsweringPrograms(lambda _: answer)))

    assert isinstance(found.version, Unreadable)
    assert isinstance(found.architectures, Unreadable)
    if answer.problem:
        assert answer.problem in (found.version.reason, found.architectures.reason)


def test_what_nvcc_emits_is_what_nvcc_says(tmp_path: Path) -> None:
    programs = AnsweringPrograms(lambda _: Completed((), 0, HELP, ""))

    found = only(probed(tmp_path, toolkit_files("/c"), {"CUDA_HOME": "/c"}, programs))

    assert value_of(found.architectures) == ("75", "90", "90a", "100", "100f")


def test_where_nvcc_cannot_be_run_the_table_tells_what_it_emits_and_says_so(tmp_path: Path) -> None:
    known = only(probed(tmp_path / "a", toolkit_files("/c", 11080), {"CUDA_HOME": "/c"}))
    unknown = only(probed(tmp_path / "b", toolkit_files("/c", 99000), {"CUDA_HOME": "/c"}))

    assert isinstance(known.architectures, Known)
    assert known.architectures.found_via.startswith("table")
    assert "90" in known.architectures.value
    assert isinstance(unknown.architectures, Unreadable)


def test_a_host_config_that_may_not_be_read_is_unreadable(tmp_path: Path) -> None:
    write_tree(tmp_path, toolkit_files("/c"))
    files = RootedFiles(tmp_path, denied=("/c/include/crt",))

    found = only(cuda.probe(make_target(files, {"CUDA_HOME": "/c"}), Facts()))

    assert found.host_compilers == Unreadable("permission denied", "/c/include/crt/host_config.h")


# Libraries


def test_the_library_path_offers_the_first_of_each_name(tmp_path: Path) -> None:
    tree: dict[str, str | bytes] = {
        "/one/libcudart.so.11.0": "-> libcudart.so.11.8.89",
        "/one/libcudart.so.11.8.89": ELF,
        "/one/libcudart.so": "-> libcudart.so.11.0",
        "/one/libcudnn_ops_infer.so.8": ELF,
        "/one/libother.so.1": ELF,
        "/two/libcudart.so.11.0": ELF,
        "/two/libcudart.so.12": "-> libcudart.so.12.2.140",
        "/two/libcudart.so.12.2.140": ELF,
    }

    found = probed(tmp_path, tree, {"LD_LIBRARY_PATH": "/one:/nowhere::/two/"})

    assert found.in_library_path == (
        LibraryFile("libcudart.so.11.0", "/one/libcudart.so.11.0", "11.8.89", "LD_LIBRARY_PATH"),
        LibraryFile("libcudnn_ops_infer.so.8", "/one/libcudnn_ops_infer.so.8", None, "LD_LIBRARY_PATH"),
        LibraryFile("libcudart.so.12", "/two/libcudart.so.12", "12.2.140", "LD_LIBRARY_PATH"),
    )


def test_a_library_of_a_known_place_keeps_its_origin_on_the_library_path(tmp_path: Path) -> None:
    tree: dict[str, str | bytes] = {**toolkit_files("/usr/local/cuda-12.2"), "/conda/lib/libcudart.so.11.0": ELF}
    environment = {"LD_LIBRARY_PATH": "/usr/local/cuda-12.2/lib64:/conda/lib", "CONDA_PREFIX": "/conda"}

    found = probed(tmp_path, tree, environment)

    assert [(each.name, each.origin) for each in found.in_library_path] == [
        ("libcudart.so.12", "system"),
        ("libcudart.so.11.0", "conda"),
    ]


def test_a_runtime_in_torch_is_torchs_with_the_hash_in_its_name(tmp_path: Path) -> None:
    found = probed(tmp_path, {f"{SITE}/torch/lib/libcudart-e409450e.so.11.0": ELF}, known=with_site())

    path = f"{SITE}/torch/lib/libcudart-e409450e.so.11.0"
    assert found.runtimes == (LibraryFile("libcudart-e409450e.so.11.0", path, None, "torch"),)


def test_stubs_on_the_library_path_are_told_where_they_hold_libcuda(tmp_path: Path) -> None:
    tree: dict[str, str | bytes] = {"/a/stubs/libcuda.so": ELF, "/b/stubs/libnvml.so": ELF, "/c/lib/libcuda.so": ELF}

    found = probed(tmp_path, tree, {"LD_LIBRARY_PATH": "/a/stubs:/b/stubs:/c/lib"})

    assert found.stubs_in_library_path == ("/a/stubs",)


# Real ones


class Impatient:
    """Real programs, given up after a short time; what was started is kept."""

    def __init__(self) -> None:
        self.started: list[tuple[str, ...]] = []

    def run(self, command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> Completed:
        self.started.append(tuple(command))
        return LivePrograms().run(command, min(seconds, 0.5), environment)


def test_an_nvcc_that_hangs_is_given_up_and_not_asked_again(tmp_path: Path) -> None:
    nvcc = str(write_program(tmp_path / "bin" / "nvcc", "#!/bin/sh\nsleep 60\n"))
    environment = {"CUDA_HOME": str(tmp_path), "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    programs = Impatient()

    found = cuda.probe(make_target(LiveFiles(), environment, programs), Facts())

    toolkit = found.toolkit()
    assert toolkit is not None
    reason = f"`{nvcc}` gave no answer in 0.5 s and was ended"
    assert toolkit.version == Unreadable(reason, nvcc)
    assert toolkit.architectures == Unreadable(reason, f"`{nvcc} --help`")
    assert len([command for command in programs.started if command[0] == nvcc]) == 1


def test_the_nvcc_of_this_machine_is_told_as_it_tells_itself() -> None:
    target = make_target(LiveFiles(), dict(os.environ), LivePrograms())
    nvcc = target.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc here")
    version = subprocess.run([nvcc, "--version"], capture_output=True, text=True, check=True).stdout
    codes = subprocess.run([nvcc, "--list-gpu-code"], capture_output=True, text=True, check=True).stdout
    dry = subprocess.run([nvcc, "--dryrun", "-E", "-x", "cu", "/dev/null"], capture_output=True, text=True, check=True)
    top = next(line.partition("=")[2] for line in dry.stderr.splitlines() if line.startswith("#$ TOP="))

    found = cuda.probe(target, Facts())

    toolkit = next(each for each in found.toolkits if "PATH" in each.origins)
    assert toolkit.root == os.path.realpath(top)
    release = value_of(toolkit.version)
    assert f"release {release}," in version
    assert isinstance(toolkit.architectures, Known)
    assert {f"sm_{name}" for name in toolkit.architectures.value} >= set(codes.split())
