"""torch, described by its files. Libraries are built on the spot; the real wheels have their tests in tests/real."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.requirements import Requirement

from envdoctor.facts import Absent, Facts, Known, Package, Packages, Python, Torch, Unreadable, value_of
from envdoctor.files import FileView
from envdoctor.probes.assignments import assignments
from envdoctor.probes.requirements import applies, marker_environment, parse_requirement
from envdoctor.probes.torch import probe
from tests.filetree import RootedFiles, make_target, write_tree
from tests.probes.native import build_library, build_with_fatbin, fatbin, needs_compiler

SITE = "/env/lib/python3.11/site-packages"
TORCH = f"{SITE}/torch"
PYTHON = Python(
    executable=Known("/env/bin/python", "test"),
    version=Known("3.11.7", "test"),
    implementation=Known("cpython", "test"),
    prefix=Known("/env", "test"),
    extension_suffix=Known(".cpython-311-x86_64-linux-gnu.so", "test"),
    sys_path=("/env/lib/python3.11", SITE),
    site_packages=(SITE,),
)
CUDA_VERSION = "__version__ = '2.1.0+cu121'\ncuda: Optional[str] = '12.1'\nhip: Optional[str] = None\n"
CPU_VERSION = "__version__ = '2.1.0+cpu'\ncuda: Optional[str] = None\nhip: Optional[str] = None\n"


def look(files: FileView, packages: tuple[Package, ...] = (), python: Python = PYTHON) -> Torch:
    known = Facts(python=python, packages=Packages(installed=packages), probed=("python", "packages"))
    return probe(make_target(files), known)


def installed(name: str, version: str) -> Package:
    return Package(name, version, f"{SITE}/{name.replace('-', '_')}-{version}.dist-info")


def write_torch(root: Path, version: str = CUDA_VERSION, **more: str) -> RootedFiles:
    write_tree(root, {f"{TORCH}/__init__.py": "raise SystemExit", f"{TORCH}/version.py": version})
    write_tree(root, {path.replace("TORCH", TORCH).replace("SITE", SITE): text for path, text in more.items()})
    return RootedFiles(root)


def test_versions_are_read_from_version_py(tmp_path: Path) -> None:
    found = look(write_torch(tmp_path))

    assert found.root == Known(TORCH, SITE)
    assert (value_of(found.version), value_of(found.cuda)) == ("2.1.0+cu121", "12.1")
    assert isinstance(found.hip, Absent)


def test_a_cpu_build_has_neither_cuda_nor_cudnn(tmp_path: Path) -> None:
    found = look(write_torch(tmp_path, CPU_VERSION))

    for fact in (found.cuda, found.cudnn, found.architectures):
        assert isinstance(fact, Absent) and fact.reason == "not built with CUDA"


def test_no_torch_is_absent_and_an_unknown_interpreter_leaves_it_unreadable(tmp_path: Path) -> None:
    files = RootedFiles(tmp_path)

    assert isinstance(look(files).root, Absent)
    assert isinstance(look(files, python=Python(executable=Unreadable("hung"))).root, Unreadable)


def test_the_first_torch_counts_and_the_others_are_named(tmp_path: Path) -> None:
    files = write_torch(tmp_path)
    write_tree(tmp_path, {"/first/torch/__init__.py": "", "/first/torch/version.py": "__version__ = '9.9.9'\n"})
    python = msgspec.structs.replace(PYTHON, sys_path=("/first", *PYTHON.sys_path))

    found = look(files, (installed("torch", "2.1.0"),), python)

    assert (value_of(found.root), value_of(found.version)) == ("/first/torch", "9.9.9")
    assert found.others == (TORCH,)


def test_without_version_py_the_metadata_tells_the_version(tmp_path: Path) -> None:
    write_tree(tmp_path, {f"{TORCH}/__init__.py": ""})

    found = look(RootedFiles(tmp_path), (installed("torch", "1.13.1"),))

    assert found.version == Known("1.13.1", f"{SITE}/torch-1.13.1.dist-info")
    assert isinstance(found.cuda, Absent)


def test_unreadable_files_are_told_apart_from_absent_ones(tmp_path: Path) -> None:
    write_torch(tmp_path)

    found = look(RootedFiles(tmp_path, denied=(f"{TORCH}/version.py",)))

    assert found.version == Unreadable("permission denied", f"{TORCH}/version.py")
    assert found.cuda == found.version


METADATA = """Name: torch
Requires-Dist: typing-extensions
Requires-Dist: nvidia-cudnn-cu12 (==8.9.2.26) ; platform_system == "Linux" and platform_machine == "x86_64"
Requires-Dist: nvidia-nccl-cu12==2.18.1; platform_system == "Linux"
Requires-Dist: nvidia-windows-thing; platform_system == "Windows"
Requires-Dist: nvidia-old-thing; python_version < "3.9" or (sys_platform == "win32")
Requires-Dist: cuda-toolkit[cublas,cudart]==12.1; platform_system == "Linux"
Requires-Dist: opt-einsum; extra == "opt-einsum"
"""


def test_cudnn_is_the_one_that_the_requirements_pin(tmp_path: Path) -> None:
    package = installed("torch", "2.1.0")
    files = write_torch(tmp_path, **{f"{package.path}/METADATA": METADATA})

    found = look(files, (package,))

    assert isinstance(found.cudnn, Known)
    assert (found.cudnn.value, found.cudnn.found_via) == ("8.9.2.26", f"{package.path}/METADATA")


def test_requirements_that_apply_here_and_are_not_installed_are_missing(tmp_path: Path) -> None:
    package, toolkit = installed("torch", "2.1.0"), installed("cuda-toolkit", "12.1")
    files = write_torch(
        tmp_path,
        **{
            f"{package.path}/METADATA": METADATA,
            f"{toolkit.path}/METADATA": "Requires-Dist: nvidia-cublas-cu12; extra == 'cublas'\n"
            "Requires-Dist: nvidia-cufft-cu12; extra == 'cufft'\n",
        },
    )

    found = look(files, (package, toolkit, installed("nvidia-cudnn-cu12", "8.9.2.26")))

    assert found.missing_requirements == ("nvidia-nccl-cu12", "nvidia-cublas-cu12")


@pytest.mark.parametrize(
    ("installed_version", "differing"), [("8.9.2.26", ()), ("9.1.0.70", ("nvidia-cudnn-cu12==8.9.2.26",))]
)
def test_requirements_installed_in_another_version_than_the_pinned_one_are_told(
    tmp_path: Path, installed_version: str, differing: tuple[str, ...]
) -> None:
    package = installed("torch", "2.1.0")
    files = write_torch(tmp_path, **{f"{package.path}/METADATA": METADATA})

    found = look(files, (package, installed("nvidia-cudnn-cu12", installed_version)))

    assert found.differing_requirements == differing


def test_conda_names_the_cudnn_in_its_build_string(tmp_path: Path) -> None:
    files = write_torch(tmp_path, **{"/env/conda-meta/pytorch-1.12.1-py3.9_cuda11.3_cudnn8.3.2_0.json": "{}"})

    assert value_of(look(files).cudnn) == "8.3.2"


@needs_compiler
def test_cudnn_inside_a_library_is_read_from_its_instructions(tmp_path: Path) -> None:
    files = write_torch(tmp_path)
    source = 'extern "C" unsigned long cudnnGetVersion() { return 7402; }'
    build_library(tmp_path / TORCH[1:] / "lib/libtorch_cuda.so", source, "-O2", "-nostdlib")

    found = look(files)

    assert found.cudnn == Known("7.4.2", f"{TORCH}/lib/libtorch_cuda.so", "cudnnGetVersion()")


@needs_compiler
def test_code_that_computes_the_version_is_not_guessed_at(tmp_path: Path) -> None:
    files = write_torch(tmp_path, "__version__ = '0.0.1'\ncuda = '12.1'\n")
    source = 'extern "C" unsigned long cudnnGetVersion(int a) { return a + 7402; }'
    build_library(tmp_path / TORCH[1:] / "lib/libtorch_cuda.so", source, "-O2", "-nostdlib")

    assert isinstance(look(files).cudnn, Unreadable)


def test_the_table_is_the_last_resort_and_says_so(tmp_path: Path) -> None:
    files = write_torch(tmp_path, "__version__ = '1.5.0'\ncuda = '10.2'\n")

    found = look(files)

    assert isinstance(found.cudnn, Known) and found.cudnn.found_via.startswith("table of torch releases")
    other_cuda = look(write_torch(tmp_path / "other", "__version__ = '1.5.0'\ncuda = '9.2'\n"))
    assert isinstance(other_cuda.cudnn, Unreadable)


STRING_SOURCE = "#include <string>\nstd::string take(const std::string &text) { return text; }"


@needs_compiler
@pytest.mark.parametrize("flag", [0, 1])
def test_the_string_abi_is_what_the_symbols_of_libc10_show(tmp_path: Path, flag: int) -> None:
    files = write_torch(
        tmp_path, **{f"{TORCH}/share/cmake/Torch/TorchConfig.cmake": "set(X -D_GLIBCXX_USE_CXX11_ABI=9)"}
    )
    build_library(tmp_path / TORCH[1:] / "lib/libc10.so", STRING_SOURCE, f"-D_GLIBCXX_USE_CXX11_ABI={flag}")

    found = look(files)

    assert isinstance(found.cxx11_abi, Known)
    assert (found.cxx11_abi.value, found.cxx11_abi.found_via) == (flag == 1, f"{TORCH}/lib/libc10.so")


@pytest.mark.parametrize(
    ("library", "cmake", "expected"),
    [
        (b"\x7fELF damaged", 'set(TORCH_CXX_FLAGS "-D_GLIBCXX_USE_CXX11_ABI=0")\n', False),
        (None, '  set(TORCH_CXX_FLAGS "-D_GLIBCXX_USE_CXX11_ABI=1")\n', True),
        (None, 'set(TORCH_CXX_FLAGS "-D_GLIBCXX_USE_CXX11_ABI=@ABI@")\n', None),
        (None, None, None),
    ],
)
def test_the_cmake_package_tells_the_string_abi_where_symbols_do_not(
    tmp_path: Path, library: bytes | None, cmake: str | None, expected: bool | None
) -> None:
    files = write_torch(tmp_path)
    if library is not None:
        write_tree(tmp_path, {f"{TORCH}/lib/libc10.so": library})
    if cmake is not None:
        write_tree(tmp_path, {f"{TORCH}/share/cmake/Torch/TorchConfig.cmake": cmake})

    assert value_of(look(files).cxx11_abi) is expected


@needs_compiler
def test_architectures_are_those_of_most_kernels(tmp_path: Path) -> None:
    files = write_torch(tmp_path)
    kernels = fatbin(*[("75", "90a", "90+PTX")] * 5, ("61",), ("75", "90a", "90+PTX", "35"))
    build_with_fatbin(tmp_path / TORCH[1:] / "lib/libtorch_cuda.so", kernels)

    found = look(files)

    assert isinstance(found.architectures, Known)
    assert found.architectures.value == ("75", "90a", "90+PTX")
    assert "sm_61 x1" in found.architectures.raw


@pytest.mark.parametrize(("content", "kind"), [(b"\x7fELF truncated", Unreadable), (b"", Unreadable), (None, Absent)])
def test_damaged_kernel_libraries_leave_the_architectures_unknown(
    tmp_path: Path, content: bytes | None, kind: type
) -> None:
    files = write_torch(tmp_path)
    if content is not None:
        write_tree(tmp_path, {f"{TORCH}/lib/libtorch_cuda.so": content})

    assert isinstance(look(files).architectures, kind)


def test_headers_and_libraries_are_listed(tmp_path: Path) -> None:
    files = write_torch(tmp_path)
    write_tree(
        tmp_path,
        {
            f"{TORCH}/lib/include/ATen/ATen.h": "",
            f"{TORCH}/lib/libc10.so": "",
            f"{TORCH}/lib/libcudart-f7fdd8d7.so.9.0": "",
            f"{TORCH}/lib/THNN.h": "",
        },
    )

    found = look(files)

    assert value_of(found.include) == f"{TORCH}/lib/include"
    assert found.libraries == (f"{TORCH}/lib/libc10.so", f"{TORCH}/lib/libcudart-f7fdd8d7.so.9.0")


def test_companions_tell_version_cuda_and_their_compiled_part(tmp_path: Path) -> None:
    vision, detectron = installed("torchvision", "0.14.1"), installed("detectron2", "0.6")
    files = write_torch(
        tmp_path,
        **{
            f"{SITE}/torchvision/__init__.py": "",
            f"{SITE}/torchvision/version.py": "__version__ = '0.14.1+cu117'\n",
            f"{SITE}/torchvision/_C.so": "",
            f"{vision.path}/METADATA": "Requires-Dist: numpy\nRequires-Dist: torch (==1.13.1)\n",
            f"{SITE}/detectron2/__init__.py": "__version__ = '0.6+cpu'\n",
        },
    )

    found = look(files, (vision, detectron))

    one, two = found.companions
    assert (one.name, one.version, one.requires_torch) == ("torchvision", "0.14.1+cu117", "==1.13.1")
    assert (value_of(one.cuda), value_of(one.extension)) == ("11.7", f"{SITE}/torchvision/_C.so")
    assert (two.name, two.version) == ("detectron2", "0.6+cpu")
    assert isinstance(two.extension, Absent) and isinstance(two.cuda, Absent)


@needs_compiler
@pytest.mark.parametrize(("soname", "release"), [("libcudart.so.10.1", "10.1"), ("libcudart-e4.so.11.0", "11")])
def test_the_runtime_that_a_companion_needs_tells_its_cuda(tmp_path: Path, soname: str, release: str) -> None:
    files = write_torch(
        tmp_path, **{f"{SITE}/mmcv/__init__.py": "", f"{SITE}/mmcv/version.py": "__version__ = '1.7'\n"}
    )
    runtime = build_library(tmp_path / soname, "", "-nostdlib", f"-Wl,-soname,{soname}")
    build_library(
        tmp_path / SITE[1:] / "mmcv/_ext.so",
        "",
        "-nostdlib",
        "-Wl,--no-as-needed",
        f"-L{tmp_path}",
        f"-l:{runtime.name}",
    )

    (companion,) = look(files).companions

    assert value_of(companion.cuda) == release


@pytest.mark.parametrize(
    "line",
    [
        'nvidia-cudnn-cu11 (==8.5.0.96) ; platform_system == "Linux"',
        "torch==1.13.1",
        "pillow (!=8.3.*,>=5.3.0)",
        "cuda-toolkit[cublas, cudart]==13.0.2; platform_system == 'Linux'",
        "numpy",
    ],
)
def test_requirements_are_read_as_packaging_reads_them(line: str) -> None:
    ours, theirs = parse_requirement(line), Requirement(line)

    assert (ours.name, set(ours.extras)) == (theirs.name, theirs.extras)
    assert set(ours.specifier.split(",")) == set(str(theirs.specifier).split(","))


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("", True),
        ('platform_system == "Linux"', True),
        ("platform_system == 'Linux' and platform_machine == 'x86_64'", True),
        ('platform_system != "Linux"', False),
        ('platform_machine == "aarch64" and platform_system == "Linux"', False),
        ('python_version >= "3.9"', True),
        ('python_version < "3.9"', False),
        ('python_version == "3.11"', True),
        ('(platform_system == "Windows") or python_full_version >= "3.11.1"', True),
        ('extra == "cublas"', False),
        ("this is no marker", True),
        ('platform_system == "Linux" and', True),
    ],
)
def test_markers_are_judged_for_the_target(marker: str, expected: bool) -> None:
    assert applies(marker, marker_environment(PYTHON)) is expected


@given(st.text(max_size=80))
def test_any_requirement_line_is_taken_without_complaint(line: str) -> None:
    requirement = parse_requirement(line)
    applies(requirement.marker, marker_environment(PYTHON))


@given(st.text(max_size=200))
def test_any_text_may_stand_where_version_py_is_expected(text: str) -> None:
    assert all(name.isidentifier() for name in assignments(text))


def test_assignments_are_literals_at_the_margin_and_the_last_counts() -> None:
    lines = ["a = 'x'", "b: Optional[str] = None", "c = f()", "if a:", "    d = 'y'", 'a = "z"  # why', "f.g = 'x'"]
    text = "\n".join([*lines, "h = True", "i = 'it' 's'", "h2 = 'x'", "h2 = compute()"])

    assert assignments(text) == {"a": "z", "b": None, "h": True}


PARTS = st.sampled_from(
    [
        "sys_platform == 'linux'",
        'sys_platform == "win32"',
        "platform_machine != 'x86_64'",
        "extra == 'all'",
        "python_version < '3.12'",
        "python_version == '3.11'",
        "python_full_version >= '3.11.10'",
        "python_version in '3.11 3.12'",
    ]
)


def joined(word: str, parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(parts, min_size=1, max_size=3).map(f" {word} ".join)


@given(joined("or", joined("and", PARTS)), joined("and", PARTS), st.sampled_from(["{0}", "({0})", "({0}) and {1}"]))
def test_markers_are_judged_as_by_the_reference(group: str, rest: str, form: str) -> None:
    marker, environment = form.format(group, rest), {**marker_environment(PYTHON), "extra": "all"}

    assert applies(marker, environment) is Marker(marker).evaluate(dict(environment))
