"""The model on real environments: what only symbols show of a DensePose build, and libraries against the loader."""

from collections import Counter
from pathlib import Path

import pytest

from envdoctor.elf.analysis import Examiner, SymbolsReport, alone
from envdoctor.elf.loader import Opened, Process
from envdoctor.files import LiveFiles
from tests.real import build_variants, environments
from tests.real.compare_with_loader import compare_alone, compare_process
from tests.real.environments import Environment, UnavailableError

pytestmark = pytest.mark.real


def environment(name: str) -> Environment:
    try:
        return environments.environment(name)
    except UnavailableError as reason:
        pytest.skip(str(reason))


def of_operators(variant: str) -> SymbolsReport:
    """The operators' library of a variant, in a process that has Caffe2's Python module."""
    caffe2 = environment("caffe2")
    state = next(path for path in caffe2.site_packages.glob("caffe2/python/caffe2_pybind11_state.*.so"))
    process = Process(executable=str(caffe2.python), opened=(Opened(str(state), is_global=True),))
    try:
        library = build_variants.library(variant)
    except UnavailableError as reason:
        pytest.skip(str(reason))
    return Examiner(LiveFiles(), process).examine(str(library))


@pytest.mark.parametrize(
    ("variant", "reasons", "string_abi", "function_abi"),
    [
        ("no-protobuf-new-abi", {"hidden": 8, "string-abi": 12}, "new", "reference"),
        ("no-protobuf", {"hidden": 8}, "old", "reference"),
        ("old-abi-by-reference", {}, "old", "reference"),
        ("correct", {}, "old", "value"),
    ],
)
def test_the_rows_of_a_build_that_only_symbols_show(
    variant: str, reasons: dict[str, int], string_abi: str, function_abi: str
) -> None:
    report = of_operators(variant)

    assert Counter(lost.reason for lost in report.undefined) == reasons
    assert (report.string_abi, report.function_abi, report.missing) == (string_abi, function_abi, ())


def test_undefined_symbols_are_attributed_to_the_library_that_should_define_them() -> None:
    lost = {symbol.symbol: symbol for symbol in of_operators("no-protobuf-new-abi").undefined}

    registry = lost["_ZN6caffe219CPUOperatorRegistryB5cxx11Ev"]
    arena = lost["_ZN6google8protobuf8internal9ArenaImpl28AllocateAlignedAndAddCleanupEmPFvPvE"]

    assert [Path(path).name for path in registry.candidates] == ["libcaffe2.so"]
    assert "libcaffe2.so" in [Path(path).name for path in arena.candidates]


def test_caffe2_of_2019_passes_arguments_by_value_and_strings_of_the_old_kind() -> None:
    library = environment("caffe2").site_packages / "torch/lib/libcaffe2.so"

    report = alone(LiveFiles(), str(library))

    assert (report.string_abi, report.function_abi) == ("old", "value")
    assert any("4.9.2" in compiler for compiler in report.compilers)


def test_stray_gpu_code_is_no_support() -> None:
    library = environment("caffe2").site_packages / "torch/lib/libcaffe2_gpu.so"

    assert "sm_61" not in alone(LiveFiles(), str(library)).cuda_archs
    assert "sm_70" in alone(LiveFiles(), str(library)).cuda_archs


@pytest.mark.parametrize("name", ["caffe2", "torch-cpu", "torch-cuda"])
def test_every_library_is_judged_as_by_the_loader(name: str) -> None:
    assert compare_alone([environment(name).root])


@pytest.mark.parametrize("name", ["caffe2", "torch-cpu", "torch-cuda"])
def test_the_process_that_imported_torch_has_the_libraries_of_the_model(name: str) -> None:
    assert compare_process(str(environment(name).python))
