"""What the checks of CUDA toolkits say of recorded facts."""

from typing import Any

import msgspec
import pytest
from envdoctor.checks import cuda

from envdoctor.facts import BuildDirectory, CMakeProject, Facts, Gpu, LibraryFile, SetupExtension, Toolkit
from tests.checks.builders import (
    CANNOT_READ,
    NOWHERE,
    PROJECT,
    caffe2_box,
    changed,
    gpu_box,
    judged,
    known,
    modern_box,
    skipped,
    states,
    with_extension,
    with_toolkit,
    with_variables,
)

BOTH_KINDS = (SetupExtension("setup.py", "CppExtension", 8), SetupExtension("setup.py", "CUDAExtension", 9))


def without_project(facts: Facts) -> Facts:
    return changed(
        facts, "project", root=NOWHERE, profile=known("installed"), setup_extensions=(), has_cuda_sources=False
    )


def conditional(facts: Facts) -> Facts:
    """A project that takes CUDAExtension on some machines only."""
    return changed(facts, "project", setup_extensions=BOTH_KINDS)


def another_toolkit(version: str, root: str) -> Toolkit:
    (first,) = gpu_box().cuda.toolkits
    return msgspec.structs.replace(
        first,
        root=root,
        version=known(version),
        nvcc=known(f"{root}/bin/nvcc"),
        include=known(f"{root}/include"),
        libraries=known(f"{root}/lib64"),
        origins=("system",),
    )


def without_toolkit(facts: Facts) -> Facts:
    return changed(facts, "cuda", toolkits=(), default=NOWHERE)


def on_gpu(cc: str, name: str = "NVIDIA H100 80GB HBM3") -> Facts:
    return changed(gpu_box(), "driver", gpus=known((Gpu(0, name, cc, None),)))


CHECKS = [value for value in vars(cuda).values() if hasattr(value, "judge")]


@pytest.mark.parametrize("check", CHECKS, ids=[check.code for check in CHECKS])
def test_a_healthy_machine_gives_no_finding(check: Any) -> None:
    assert judged(check, gpu_box()) == []
    assert judged(check, modern_box()) == []


@pytest.mark.parametrize(
    ("version", "expected"), [("13.0", []), ("13.2", ["note"]), ("12.8", ["fail"]), ("11.7", ["fail"])]
)
def test_another_major_of_the_toolkit_is_a_fault_and_another_minor_a_note(version: str, expected: list[str]) -> None:
    assert states(cuda.toolkit_and_torch_differ, with_toolkit(gpu_box(), version=known(version))) == expected


def test_a_toolkit_of_another_major_matters_as_much_as_the_build_that_takes_it() -> None:
    facts = with_toolkit(gpu_box(), version=known("11.7"))
    check = cuda.toolkit_and_torch_differ
    assert states(check, conditional(facts)) == ["warn"]
    assert states(check, with_variables(conditional(facts), FORCE_CUDA="1")) == ["fail"]
    assert states(check, without_project(facts)) == ["note"]
    assert states(check, changed(facts, "project", has_cuda_sources=False)) == ["skipped"]
    assert states(check, changed(facts, "torch", cuda=NOWHERE)) == ["skipped"]
    assert states(check, with_toolkit(facts, version=CANNOT_READ)) == ["unknown"]


def test_a_toolkit_of_torchs_major_that_lies_elsewhere_is_named() -> None:
    facts = with_toolkit(gpu_box(), version=known("11.7"))
    other = another_toolkit("13.2", "/opt/cuda 13.2")
    (finding,) = judged(cuda.toolkit_and_torch_differ, changed(facts, "cuda", toolkits=(*facts.cuda.toolkits, other)))
    assert finding.remedy is not None and finding.remedy.commands == ("export CUDA_HOME='/opt/cuda 13.2'",)


def test_a_toolkit_of_cuda_13_comes_from_pip_and_none_before() -> None:
    facts = with_toolkit(gpu_box(), version=known("11.7"))
    (finding,) = judged(cuda.toolkit_and_torch_differ, facts)
    assert finding.remedy is not None
    assert finding.remedy.commands[0].startswith("/venv/bin/python -m pip install 'nvidia-cuda-nvcc==13.0.*'")
    facts = changed(with_toolkit(gpu_box(), version=known("13.0")), "torch", cuda=known("12.8"))
    (finding,) = judged(cuda.toolkit_and_torch_differ, facts)
    assert finding.remedy is not None and "nvidia-cuda-nvcc" not in finding.remedy.commands[0]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ["skipped"]),
        ({"CUDA_HOME": "/nonexistent"}, ["fail"]),
        ({"CUDA_PATH": "/nonexistent"}, ["fail"]),
        ({"CUDA_HOME": "", "CUDA_PATH": "/nonexistent"}, ["fail"]),
        ({"CUDA_HOME": "/usr/local/cuda:/opt/cuda"}, []),
    ],
)
def test_cuda_home_must_name_a_toolkit(variables: dict[str, str], expected: list[str]) -> None:
    assert states(cuda.cuda_home_wrong, with_variables(gpu_box(), **variables)) == expected


def test_cuda_home_that_names_the_toolkit_by_a_link_is_right() -> None:
    facts = with_variables(gpu_box(), CUDA_HOME="/usr/local/cuda")
    assert states(cuda.cuda_home_wrong, with_toolkit(facts, origins=("CUDA_HOME", "PATH"))) == []
    assert states(cuda.cuda_home_wrong, with_toolkit(facts, origins=("CUDA_HOME",), nvcc=NOWHERE)) == ["fail"]
    assert states(cuda.cuda_home_wrong, with_toolkit(facts, origins=("CUDA_HOME",), nvcc=CANNOT_READ)) == ["unknown"]


def test_a_wrong_cuda_home_without_a_build_is_a_warning() -> None:
    assert states(cuda.cuda_home_wrong, with_variables(without_project(gpu_box()), CUDA_HOME="/gone")) == ["warn"]
    assert skipped(cuda.cuda_home_wrong, with_variables(modern_box(), CUDA_HOME="/gone"))


def test_a_missing_toolkit_matters_to_a_build_alone() -> None:
    facts = without_toolkit(gpu_box())
    assert states(cuda.toolkit_missing, facts) == ["fail"]
    assert states(cuda.toolkit_missing, conditional(facts)) == ["warn"]
    assert skipped(cuda.toolkit_missing, without_project(facts))
    assert skipped(cuda.toolkit_missing, changed(facts, "torch", cuda=NOWHERE))


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ("9.0", []),
        ("8.0 8.6;9.0+PTX", []),
        ("9.0a", []),
        ("7.0", ["fail"]),
        ("Volta;Ampere", ["fail"]),
        ("15.0", ["fail"]),
        ("nonsense", []),
    ],
)
def test_architectures_that_are_asked_for_must_be_in_the_toolkit(listed: str, expected: list[str]) -> None:
    assert states(cuda.architecture_not_in_toolkit, with_variables(gpu_box(), TORCH_CUDA_ARCH_LIST=listed)) == expected


def test_a_gpu_that_the_toolkit_cannot_emit_is_a_fault_where_nothing_else_is_named() -> None:
    facts = with_toolkit(on_gpu("12.0"), architectures=known(("75", "80", "90")))
    assert states(cuda.architecture_not_in_toolkit, facts) == ["fail"]
    assert states(cuda.architecture_not_in_toolkit, with_variables(facts, TORCH_CUDA_ARCH_LIST="9.0")) == []
    assert states(cuda.architecture_not_in_toolkit, with_toolkit(facts, architectures=CANNOT_READ)) == ["unknown"]


def test_a_gpu_newer_than_torch_is_compiled_for_as_the_newest_that_torch_knows() -> None:
    facts = with_toolkit(on_gpu("15.0"), architectures=known(("90", "120")))
    assert states(cuda.architecture_not_in_toolkit, facts) == []


def test_flags_of_the_project_ask_for_architectures_too() -> None:
    project = CMakeProject(path=f"{PROJECT}/CMakeLists.txt", flags=("-gencode=arch=compute_30,code=sm_30",))
    (finding,) = judged(cuda.architecture_not_in_toolkit, changed(gpu_box(), "project", cmake=known(project)))
    assert "sm_30" in finding.title


def test_the_real_caffe2_asks_for_sm_30_where_it_sees_no_gpu_and_no_list() -> None:
    facts = with_toolkit(caffe2_box(), architectures=known(("75", "80", "90", "100")))
    (finding,) = judged(cuda.architecture_not_in_toolkit, facts)
    assert finding.state == "fail"
    assert finding.remedy is not None and finding.remedy.commands == ("export TORCH_CUDA_ARCH_LIST='7.5;8.0;9.0'",)
    assert states(cuda.architecture_not_in_toolkit, with_variables(facts, TORCH_CUDA_ARCH_LIST="7.5")) == []


def test_without_a_gpu_the_architectures_must_be_named() -> None:
    facts = changed(gpu_box(), "driver", gpus=NOWHERE)
    check = cuda.architecture_list_unset
    (finding,) = judged(check, facts)
    assert finding.state == "fail"
    assert finding.remedy is not None
    assert finding.remedy.commands == ("export TORCH_CUDA_ARCH_LIST='7.5;8.0;8.6;9.0;10.0;12.0'",)
    assert states(check, with_variables(facts, TORCH_CUDA_ARCH_LIST="native")) == ["fail"]
    assert states(check, with_variables(facts, TORCH_CUDA_ARCH_LIST="9.0")) == []
    assert states(check, with_variables(gpu_box(), CUDA_VISIBLE_DEVICES="")) == ["fail"]
    assert states(check, changed(gpu_box(), "driver", gpus=CANNOT_READ)) == ["unknown"]
    assert states(check, without_project(facts)) == ["skipped"]


@pytest.mark.parametrize(
    ("cc", "architectures", "expected"),
    [
        ("9.0", ("80", "90"), []),
        ("8.9", ("80", "86"), []),
        ("8.0", ("86",), ["fail"]),
        ("12.0", ("80", "90"), ["fail"]),
        ("12.0", ("90", "90+PTX"), []),
        ("9.0", ("90a",), []),
        ("10.0", ("90a",), ["fail"]),
        ("5.2", ("75", "80"), ["fail"]),
    ],
)
def test_torch_must_have_code_for_every_visible_gpu(
    cc: str, architectures: tuple[str, ...], expected: list[str]
) -> None:
    facts = changed(on_gpu(cc), "torch", architectures=known(architectures))
    assert states(cuda.gpu_not_covered_by_torch, facts) == expected
    extended = with_extension(on_gpu(cc), architectures=architectures)
    assert states(cuda.gpu_not_covered_by_extension, extended) == expected


def test_an_extension_for_another_python_is_never_loaded_and_needs_no_code() -> None:
    facts = with_extension(on_gpu("12.0"), architectures=("90",), python_tag="cpython-37m")
    facts = changed(facts, "python", extension_suffix=known(".cpython-311-x86_64-linux-gnu.so"))
    assert states(cuda.gpu_not_covered_by_extension, facts) == []
    assert states(cuda.gpu_not_covered_by_extension, with_extension(facts, python_tag="cpython-311")) == ["fail"]


def test_a_gpu_that_is_hidden_needs_no_code() -> None:
    gpus = (Gpu(0, "NVIDIA H100 80GB HBM3", "9.0", None), Gpu(1, "Tesla K80", "3.7", None))
    facts = changed(gpu_box(), "driver", gpus=known(gpus))
    assert states(cuda.gpu_not_covered_by_torch, facts) == ["fail"]
    assert states(cuda.gpu_not_covered_by_torch, with_variables(facts, CUDA_VISIBLE_DEVICES="0")) == []


def test_a_gpu_whose_capability_the_driver_does_not_tell_is_known_by_its_name() -> None:
    facts = changed(gpu_box(), "driver", gpus=known((Gpu(0, "Tesla K80", None, None),)))
    assert states(cuda.gpu_not_covered_by_torch, facts) == ["fail"]
    facts = changed(gpu_box(), "driver", gpus=known((Gpu(0, "NVIDIA Something", None, None),)))
    assert states(cuda.gpu_not_covered_by_torch, facts) == []


def test_device_code_of_torch_that_cannot_be_read_is_unknown() -> None:
    assert states(cuda.gpu_not_covered_by_torch, changed(gpu_box(), "torch", architectures=CANNOT_READ)) == ["unknown"]
    assert skipped(cuda.gpu_not_covered_by_torch, changed(gpu_box(), "driver", gpus=CANNOT_READ))


def test_a_wrapper_misleads_what_looks_beside_it() -> None:
    check = cuda.nvcc_wrapper_misleads_build
    (finding,) = judged(check, caffe2_box())
    assert finding.state == "fail"
    assert finding.remedy is not None and finding.remedy.commands == ("export CUDA_PATH=/usr/local/cuda-13.0",)
    assert states(check, with_variables(caffe2_box(), CUDA_PATH="/usr/local/cuda-13.0")) == []
    assert states(check, with_variables(caffe2_box(), CUDA_HOME="/usr/local/cuda-13.0")) == ["fail"]
    assert states(check, with_toolkit(caffe2_box(), wrapper=None)) == []


def test_a_wrapper_misleads_torchs_build_tools_but_for_cuda_home() -> None:
    facts = with_toolkit(gpu_box(), wrapper="/usr/local/bin/nvcc")
    (finding,) = judged(cuda.nvcc_wrapper_misleads_build, facts)
    assert finding.remedy is not None and finding.remedy.commands == ("export CUDA_HOME=/usr/local/cuda-13.0",)
    assert states(cuda.nvcc_wrapper_misleads_build, with_variables(facts, CUDA_HOME="/usr/local/cuda-13.0")) == []


def test_debians_own_wrapper_lies_above_the_headers_and_misleads_nobody() -> None:
    facts = with_toolkit(gpu_box(), wrapper="/usr/bin/nvcc", include=known("/usr/include"))
    assert states(cuda.nvcc_wrapper_misleads_build, facts) == []


@pytest.mark.parametrize(
    ("version", "names", "expected"),
    [
        ("12.1.105", ("libcudart.so.12", "libnvJitLink.so.12"), ["warn"]),
        ("12.8.90", ("libcudart.so.12", "libnvJitLink.so.12"), []),
        ("12.9.79", ("libcudart.so.12", "libnvJitLink.so.12"), []),
        ("11.8.89", ("libcudart.so.11.0", "libcublas.so.11"), []),
        (None, ("libcudart.so.12",), []),
    ],
)
def test_older_libraries_of_the_same_major_before_torchs_own_are_a_warning(
    version: str | None, names: tuple[str, ...], expected: list[str]
) -> None:
    offered = tuple(LibraryFile(name, f"/opt/lib/{name}", version, "LD_LIBRARY_PATH") for name in names)
    facts = changed(with_variables(gpu_box(), LD_LIBRARY_PATH="/opt/lib"), "cuda", in_library_path=offered)
    assert states(cuda.cuda_libraries_mixed, changed(facts, "torch", cuda=known("12.8"))) == expected


def test_libraries_on_the_path_do_not_concern_a_torch_that_carries_its_own_inside() -> None:
    offered = (LibraryFile("libcudart.so.12", "/opt/lib/libcudart.so.12", "12.1.105", "LD_LIBRARY_PATH"),)
    facts = changed(gpu_box(), "cuda", in_library_path=offered, runtimes=())
    assert skipped(cuda.cuda_libraries_mixed, changed(facts, "torch", cuda=known("12.8")))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"include": NOWHERE}, ["fail"]),
        ({"libraries": NOWHERE}, ["fail"]),
        ({"libraries": CANNOT_READ}, []),
        ({"nvcc": NOWHERE, "include": NOWHERE}, ["skipped"]),
    ],
)
def test_a_toolkit_without_headers_or_runtime_is_incomplete(fields: dict[str, Any], expected: list[str]) -> None:
    assert states(cuda.toolkit_incomplete, with_toolkit(gpu_box(), **fields)) == expected


def test_several_toolkits_are_worth_a_note_where_their_releases_differ() -> None:
    facts = gpu_box()
    other = another_toolkit("11.8", "/usr/local/cuda-11.8")
    twin = another_toolkit("13.0", "/opt/cuda")
    assert states(cuda.several_toolkits, changed(facts, "cuda", toolkits=(*facts.cuda.toolkits, other))) == ["note"]
    assert states(cuda.several_toolkits, changed(facts, "cuda", toolkits=(*facts.cuda.toolkits, twin))) == []
    runtime_alone = msgspec.structs.replace(other, nvcc=NOWHERE)
    assert states(cuda.several_toolkits, changed(facts, "cuda", toolkits=(*facts.cuda.toolkits, runtime_alone))) == []


def test_a_built_library_of_operators_has_found_its_way() -> None:
    build = known(BuildDirectory(f"{PROJECT}/build"))
    facts = changed(caffe2_box(), "project", build=build, libraries=(f"{PROJECT}/build/libcaffe2_ops.so",))
    assert skipped(cuda.architecture_not_in_toolkit, with_toolkit(facts, architectures=known(("75",))))
    assert skipped(cuda.nvcc_wrapper_misleads_build, facts)
