"""The cuDNN and NCCL probe: headers and libraries of every origin, and the one that a process with torch loads."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.facts import Absent, Cudnn, Facts, HeaderFile, Known, LibraryFile, Python, Unreadable
from envdoctor.files import LiveFiles
from envdoctor.knowledge import cudnn as cudnn_versions
from envdoctor.probes import built_in_version, cuda, cudnn
from envdoctor.probes.gather import with_area
from tests.filetree import RootedFiles, make_target, write_tree

ELF = b"\x7fELF" + bytes(60)
SITE = "/venv/lib/python3.11/site-packages"
CUDNN_7 = "#define CUDNN_MAJOR 7\n#define CUDNN_MINOR 4\n#define CUDNN_PATCHLEVEL 2\n"
CUDNN_9 = "#define CUDNN_MAJOR 9\n#define CUDNN_MINOR 24\n#define CUDNN_PATCHLEVEL 0\n"
INCLUDES_ONLY = '#include "cudnn_version.h"\n'
NCCL = '#define NCCL_MAJOR 2\n#define NCCL_MINOR 14\n#define NCCL_PATCH 3\n#define NCCL_SUFFIX ""\n'

needs_compiler = pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc here")


def probed(
    root: Path, tree: Mapping[str, str | bytes], environment: Mapping[str, str] | None = None, site: str = SITE
) -> Cudnn:
    """Of a target that is only files."""
    write_tree(root, tree)
    target = make_target(RootedFiles(root), environment)
    known = Facts(python=Python(site_packages=(site,), sys_path=(site,)))
    return cudnn.probe(target, with_area(known, "cuda", cuda.probe(target, known)))


# Headers


@pytest.mark.parametrize(
    ("files", "name", "version"),
    [
        ({"cudnn.h": CUDNN_7}, "cudnn.h", "7.4.2"),
        ({"cudnn.h": INCLUDES_ONLY, "cudnn_version.h": CUDNN_9}, "cudnn_version.h", "9.24.0"),
        ({"cudnn.h": INCLUDES_ONLY}, "cudnn.h", None),
        ({"cudnn.h": CUDNN_7, "cudnn_version.h": ""}, "cudnn.h", "7.4.2"),
        ({"cudnn.h": b"\xff\x00"}, "cudnn.h", None),
    ],
)
def test_the_version_is_in_the_header_that_tells_it(
    tmp_path: Path, files: dict[str, str | bytes], name: str, version: str | None
) -> None:
    found = probed(tmp_path, {f"/usr/include/{file}": text for file, text in files.items()})

    assert found.headers == (HeaderFile(f"/usr/include/{name}", version, "system"),)


def test_headers_of_several_origins_are_told_apart(tmp_path: Path) -> None:
    tree = {
        "/opt/dnn/include/cudnn.h": CUDNN_7,
        f"{SITE}/nvidia/cudnn/include/cudnn_version.h": CUDNN_9,
        "/conda/include/cudnn_version.h": CUDNN_9,
        "/usr/local/cuda-10.0/include/cuda_runtime.h": "",
        "/usr/local/cuda-10.0/include/cudnn.h": CUDNN_7,
        "/usr/include/x86_64-linux-gnu/nccl.h": NCCL,
    }

    found = probed(tmp_path, tree, {"CUDNN_ROOT": "/opt/dnn", "CONDA_PREFIX": "/conda"})

    assert [(header.origin, header.version) for header in found.headers] == [
        ("CUDNN_ROOT", "7.4.2"),
        ("pip", "9.24.0"),
        ("conda", "9.24.0"),
        ("system", "7.4.2"),
    ]
    assert found.nccl_headers == (HeaderFile("/usr/include/x86_64-linux-gnu/nccl.h", "2.14.3", "system"),)


def test_a_header_that_may_not_be_read_is_there_without_a_version(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/usr/include/cudnn.h": CUDNN_7})
    target = make_target(RootedFiles(tmp_path, denied=("/usr/include/cudnn.h",)))

    assert cudnn.probe(target, Facts()).headers == (HeaderFile("/usr/include/cudnn.h", None, "system"),)


# Libraries


def test_libraries_of_several_origins_are_told_apart_with_their_versions(tmp_path: Path) -> None:
    tree: dict[str, str | bytes] = {
        "/mine/libcudnn.so.7": "-> libcudnn.so.7.6.5",
        "/mine/libcudnn.so.7.6.5": ELF,
        "/mine/libcudnn_ops_infer.so.8": ELF,
        "/usr/lib64/libcudnn.so.8": "-> libcudnn.so.8.9.7",
        "/usr/lib64/libcudnn.so.8.9.7": ELF,
        f"{SITE}/nvidia/cudnn/lib/libcudnn.so.9": ELF,
        f"{SITE}/nvidia_cudnn_cu12-9.1.0.70.dist-info/": "",
        f"{SITE}/nvidia/nccl/lib/libnccl.so.2": ELF,
        f"{SITE}/nvidia_nccl_cu12-2.21.5.dist-info/": "",
        "/conda/lib/libcudnn.so.8": ELF,
    }

    found = probed(tmp_path, tree, {"LD_LIBRARY_PATH": "/mine", "CONDA_PREFIX": "/conda"})

    assert {(library.origin, library.name, library.version) for library in found.libraries} == {
        ("LD_LIBRARY_PATH", "libcudnn.so.7", "7.6.5"),
        ("system", "libcudnn.so.8", "8.9.7"),
        ("pip", "libcudnn.so.9", "9.1.0.70"),
        ("conda", "libcudnn.so.8", None),
    }
    assert found.nccl_libraries == (
        LibraryFile("libnccl.so.2", f"{SITE}/nvidia/nccl/lib/libnccl.so.2", "2.21.5", "pip"),
    )


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    found = probed(tmp_path, {})

    assert (found.headers, found.libraries, found.nccl_headers, found.nccl_libraries) == ((), (), (), ())
    assert isinstance(found.loaded, Absent)
    assert isinstance(found.nccl_loaded, Absent)


# The one that is loaded


def build(path: Path, source: str, *options: str) -> Path:
    """A real library; `-O1` makes of `return N` the two instructions that compilers make of it in releases."""
    path.parent.mkdir(parents=True, exist_ok=True)
    command = [
        "gcc",
        "-O1",
        "-shared",
        "-fPIC",
        f"-Wl,-soname,{path.name}",
        "-x",
        "c",
        "-o",
        str(path),
        "-",
        "-x",
        "none",
        *options,
    ]
    subprocess.run(command, input=source.encode(), check=True, capture_output=True)
    return path


def torch_site(root: Path, run_path: str, *options: str) -> Path:
    """A site directory whose torch needs the libcudnn.so.8 that lies among pip's."""
    site = root / "site-packages"
    library = build(site / "nvidia" / "cudnn" / "lib" / "libcudnn.so.8", "int cudnnGetVersion(void) { return 8500; }")
    (site / "nvidia_cudnn_cu11-8.5.0.96.dist-info").mkdir()
    use = "int cudnnGetVersion(void); int use(void) { return cudnnGetVersion(); }"
    options = (str(library), f"-Wl,-rpath,{run_path}", "-Wl,--no-as-needed", *options)
    build(site / "torch" / "lib" / "libtorch_python.so", use, *options)
    return site


def in_process(site: Path, environment: Mapping[str, str] | None = None) -> Cudnn:
    known = Facts(
        python=Python(executable=Known(sys.executable, "test"), site_packages=(str(site),), sys_path=(str(site),))
    )
    return cudnn.probe(make_target(LiveFiles(), environment), known)


@needs_compiler
def test_the_loaded_one_is_found_by_torchs_run_path_before_the_library_path(tmp_path: Path) -> None:
    site = torch_site(tmp_path, "$ORIGIN/../../nvidia/cudnn/lib", "-Wl,--disable-new-dtags")
    build(tmp_path / "mine" / "libcudnn.so.8", "int cudnnGetVersion(void) { return 8907; }")

    found = in_process(site, {"LD_LIBRARY_PATH": str(tmp_path / "mine")})

    assert isinstance(found.loaded, Known)
    place = f"{site}/nvidia/cudnn/lib/libcudnn.so.8"
    assert found.loaded.value == LibraryFile("libcudnn.so.8", place, "8.5.0.96", "pip")
    assert found.loaded.found_via.startswith("DT_RPATH")


@needs_compiler
def test_the_loaded_one_is_found_on_the_library_path_before_a_runpath(tmp_path: Path) -> None:
    site = torch_site(tmp_path, "$ORIGIN/../../nvidia/cudnn/lib", "-Wl,--enable-new-dtags")
    mine = build(tmp_path / "mine" / "libcudnn.so.8", "int cudnnGetVersion(void) { return 8907; }")

    found = in_process(site, {"LD_LIBRARY_PATH": str(tmp_path / "mine")})

    assert isinstance(found.loaded, Known)
    assert (found.loaded.value.path, found.loaded.value.origin) == (str(mine), "LD_LIBRARY_PATH")
    assert found.loaded.found_via == "LD_LIBRARY_PATH"


@needs_compiler
def test_a_needed_library_that_is_not_found_is_absent_with_the_places(tmp_path: Path) -> None:
    site = torch_site(tmp_path, "/nowhere")

    found = in_process(site)

    assert isinstance(found.loaded, Absent)
    assert found.loaded.reason.startswith("libcudnn.so.8, which")
    assert "/nowhere/libcudnn.so.8" in found.loaded.looked


@needs_compiler
@pytest.mark.parametrize(("number", "version"), [(7402, "7.4.2"), (92400, "9.24.0"), (3, None)])
def test_a_static_one_counts_as_torchs_with_the_version_in_its_code(
    tmp_path: Path, number: int, version: str | None
) -> None:
    site = tmp_path / "site-packages"
    source = f"int cudnnGetVersion(void) {{ return {number}; }}"
    path = build(site / "torch" / "lib" / "libtorch_python.so", source)

    found = in_process(site)

    assert isinstance(found.loaded, Known)
    expected = version if built_in_version.defined(LiveFiles(), str(path), "cudnnGetVersion") else None
    assert found.loaded.value == LibraryFile("libtorch_python.so", str(path), expected, "torch")
    assert found.loaded.found_via.startswith("static")


@needs_compiler
def test_a_static_nccl_tells_its_version_in_its_code(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    source = "int ncclGetVersion(int *v) { if (!v) return 4; *v = 21403; return 0; }"
    path = build(site / "torch" / "lib" / "libtorch_python.so", source)
    code = built_in_version.defined(LiveFiles(), str(path), "ncclGetVersion")
    if not code:
        pytest.skip("the code of this machine is not x86-64")

    found = in_process(site)

    assert isinstance(found.nccl_loaded, Known)
    assert found.nccl_loaded.value.version == "2.14.3"


@needs_compiler
def test_a_torch_for_the_cpu_loads_none(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    build(site / "torch" / "lib" / "libtorch_python.so", "int nothing;")

    found = in_process(site)

    assert isinstance(found.loaded, Absent)
    assert found.loaded.looked == (f"{site}/torch/lib",)


@needs_compiler
def test_an_interpreter_that_is_no_program_is_left_out(tmp_path: Path) -> None:
    site = torch_site(tmp_path, "$ORIGIN/../../nvidia/cudnn/lib")
    shim = tmp_path / "python"
    shim.write_text("#!/bin/sh\n")
    known = Facts(python=Python(executable=Known(str(shim), "test"), site_packages=(str(site),), sys_path=(str(site),)))

    found = cudnn.probe(make_target(LiveFiles()), known)

    assert isinstance(found.loaded, Known)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", ELF, b"text"])
def test_a_damaged_torch_is_unreadable_with_the_reason(tmp_path: Path, content: bytes) -> None:
    found = probed(tmp_path, {f"{SITE}/torch/lib/libtorch_python.so": content})

    assert isinstance(found.loaded, Unreadable)
    assert found.loaded.reason.startswith(f"{SITE}/torch/lib/libtorch_python.so: ")


# Versions in code


@given(st.binary(max_size=40))
def test_no_code_breaks_the_reading_of_a_version(code: bytes) -> None:
    for read in (built_in_version.cudnn_version, built_in_version.nccl_version):
        version = read(code)
        assert version is None or version.count(".") == 2


@pytest.mark.parametrize("version", ["7.4.2", "8.5.0", "9.24.0"])
def test_a_version_in_code_is_read_back_behind_endbr64_too(version: str) -> None:
    number = cudnn_versions.encode(version)
    assert number is not None
    code = b"\xb8" + number.to_bytes(4, "little") + b"\xc3"

    assert built_in_version.cudnn_version(code) == version
    assert built_in_version.cudnn_version(b"\xf3\x0f\x1e\xfa" + code) == version


@pytest.mark.parametrize(
    ("number", "version"), [(2307, "2.3.7"), (2708, "2.7.8"), (20902, "2.9.2"), (22105, "2.21.5"), (0, None), (1, None)]
)
def test_the_number_of_nccl_is_read_by_both_of_its_schemes(number: int, version: str | None) -> None:
    assert built_in_version.decode_nccl(number) == version
