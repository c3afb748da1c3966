"""The checks of what an extension needs from its process."""

from typing import Any

import pytest
from envdoctor.checks import symbols

from envdoctor.facts import (
    Extension,
    Facts,
    LibraryFile,
    MissingLibrary,
    MissingVersion,
    ProvidedVersions,
    SetupExtension,
    UndefinedSymbol,
    Unreadable,
)
from tests.checks.builders import (
    LIBRARY,
    caffe2_box,
    changed,
    judged,
    known,
    modern_box,
    skipped,
    states,
    with_library,
)

MODULE = "/src/ext/_C.so"


def extension(path: str = MODULE, owner: str = "project", **fields: Any) -> Facts:
    found = Extension(path=path, owner=owner, kind="torch-extension", **fields)
    return changed(modern_box(), "extensions", found=(found,))


def undefined(reason: str, name: str = "_ZN2at4_ops13scalar_tensor4callEv") -> tuple[UndefinedSymbol, ...]:
    return (UndefinedSymbol(name, "", "", MODULE, reason),)


@pytest.mark.parametrize("reason", ["not-linked", "hidden", "unknown", "version", "missing-library"])
def test_a_symbol_that_nothing_defines_is_a_fault_whatever_the_reason(reason: str) -> None:
    assert states(symbols.symbol_undefined, extension(undefined=undefined(reason))) == ["fail"]


@pytest.mark.parametrize(
    "facts",
    [
        extension(undefined=undefined("string-abi")),
        extension(undefined=undefined("other-release")),
        extension(undefined=undefined("missing-library"), missing=(MissingLibrary("libx.so", MODULE),)),
        extension(undefined=undefined("version"), versions=(MissingVersion("X_2", "/l/libx.so", "X_1", MODULE),)),
        with_library(caffe2_box(), undefined=undefined("hidden", "_ZNK6google8protobuf7Message11GetTypeNameEv")),
        extension(),
    ],
)
def test_a_symbol_that_another_check_explains_is_not_told_twice(facts: Facts) -> None:
    assert states(symbols.symbol_undefined, facts) == []


@pytest.mark.parametrize(
    ("path", "owner", "state"),
    [
        (MODULE, "project", "fail"),
        ("/site/torchvision/_C.so", "torchvision", "fail"),
        ("/site/torchaudio/lib/_torchaudio_ffmpeg4.so", "torchaudio", "warn"),
    ],
)
def test_only_what_is_loaded_for_sure_fails_for_sure(path: str, owner: str, state: str) -> None:
    facts = extension(path, owner, undefined=undefined("other-release"))
    assert states(symbols.symbols_of_another_release, facts) == [state]


def test_the_remedy_of_a_project_builds_it_again_in_place() -> None:
    facts = changed(
        extension(undefined=undefined("other-release")),
        "project",
        root=known("/src/my ext"),
        setup_extensions=(SetupExtension("/src/my ext/setup.py", "CppExtension", 5),),
    )
    (finding,) = judged(symbols.symbols_of_another_release, facts)
    assert finding.remedy is not None
    assert finding.remedy.commands == ("(cd '/src/my ext' && /venv/bin/python setup.py build_ext --inplace --force)",)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("libcudart.so.10.1", ["fail"]),
        ("libcuda.so.1", []),
        ("libnvidia-ml.so.1", []),
        ("libc10.so", []),
    ],
)
def test_a_missing_library_is_a_fault_unless_driver_or_torch_bring_it(name: str, expected: list[str]) -> None:
    assert states(symbols.library_missing, extension(missing=(MissingLibrary(name, MODULE),))) == expected


def test_an_optional_part_of_a_package_may_miss_its_library() -> None:
    path = "/site/torchaudio/lib/_torchaudio_ffmpeg4.so"
    facts = extension(path, "torchaudio", missing=(MissingLibrary("libavutil.so.56", path),))
    assert states(symbols.library_missing, facts) == ["note"]


def test_a_library_that_lies_elsewhere_is_offered() -> None:
    facts = extension(missing=(MissingLibrary("libcudart.so.12", MODULE),))
    runtime = LibraryFile("libcudart.so.12", "/opt/cuda/lib64/libcudart.so.12", "12.4", "system")
    (finding,) = judged(symbols.library_missing, changed(facts, "cuda", runtimes=(runtime,)))
    assert finding.remedy is not None
    assert finding.remedy.commands[0].startswith("export LD_LIBRARY_PATH=/opt/cuda/lib64")


def needing(*versions: str) -> Facts:
    library = "/old/libstdc++.so.6"
    return extension(versions=tuple(MissingVersion(one, library, "3.4.19", MODULE) for one in versions))


def test_versions_of_one_library_are_one_finding_about_the_newest() -> None:
    (finding,) = judged(symbols.symbol_version_missing, needing("GLIBCXX_3.4.9", "GLIBCXX_3.4.30", "GLIBCXX_3.4.21"))
    assert finding.state == "fail"
    assert "GLIBCXX_3.4.30" in finding.title
    assert any("GCC 12" in one.value for one in finding.evidence)


def test_a_newer_libstdcxx_on_this_machine_is_offered() -> None:
    newer = ProvidedVersions("/conda/lib/libstdc++.so.6", "conda", "3.4.33", "1.3.15")
    facts = changed(needing("GLIBCXX_3.4.30"), "libstdcxx", libraries=(newer,))
    (finding,) = judged(symbols.symbol_version_missing, facts)
    assert finding.remedy is not None
    assert finding.remedy.commands[0].startswith("export LD_LIBRARY_PATH=/conda/lib")


def test_no_other_glibc_is_offered() -> None:
    (finding,) = judged(symbols.symbol_version_missing, needing("GLIBC_2.38"))
    assert finding.remedy is not None and finding.remedy.commands == ()


def test_an_extension_that_lacks_only_libraries_of_torch_loads_after_torch() -> None:
    assert states(symbols.needs_torch_first, extension(lent=("libc10.so",))) == ["note"]
    assert states(symbols.needs_torch_first, extension(lent=("libz.so.1",))) == []
    assert states(symbols.needs_torch_first, extension()) == []
    assert states(symbols.needs_torch_first, extension(owner="torchvision")) == ["skipped"]


def test_a_library_that_cannot_be_read_is_unknown_and_never_right() -> None:
    facts = changed(modern_box(), "extensions", unreadable=(Unreadable("truncated", LIBRARY),))
    (finding,) = judged(symbols.library_unreadable, facts)
    assert finding.state == "unknown" and "truncated" in finding.title
    assert skipped(symbols.library_unreadable, modern_box())
