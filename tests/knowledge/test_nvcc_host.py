import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envdoctor.knowledge.nvcc_host import Compiler, HostLimits, accepts, host_limits, host_limits_from_header

INSTALLED = sorted(Path("/usr/local").glob("cuda-*/include/crt/host_config.h"))


@pytest.mark.parametrize(
    ("cuda", "gcc_max", "clang_max"),
    [
        ("13.0", "15", "20"),
        ("11.8.89", "11", "14"),
        ("9.0", "6", "3.9"),
        ("10.0.130", "7", "6"),
        ("11.4.48", "10", "11"),
        ("11.4.100", "11", "12"),
        ("11.4.152", "11", "12"),
    ],
)
def test_a_cuda_release_has_its_limits(cuda: str, gcc_max: str, clang_max: str) -> None:
    limits = host_limits(cuda)

    assert limits is not None
    assert (limits.gcc_max, limits.clang_max) == (gcc_max, clang_max)
    assert limits.source


@pytest.mark.parametrize("cuda", ["11.4", "12.7", "99.0", "13", "", "rubbish"])
def test_a_release_that_no_row_names_has_no_limits(cuda: str) -> None:
    assert host_limits(cuda) is None


def header(gcc: str, clang: str) -> str:
    return f"""
#if defined(__CUDACC__)
#if !__NV_NO_HOST_COMPILER_CHECK
#if defined(__GRCO_CLANG_COMPILER__)
#if (__GRCO_CLANG_COMPILER__ == 1) && ((__clang_major__ < 16) || (__clang_major__ > 97))
#error -- unsupported Grace clang version! The version must be 16.x to 97.x.
#endif
#endif
#if defined(__GNUC__)
#if {gcc}
#error -- unsupported GNU version! gcc versions later than some are not supported!
#endif
#if defined(__HORIZON__)
#if (__clang_major__ >= 98) || (__clang_major__ < 3)
#error -- unsupported HOS clang version!
#endif
#endif
#if defined(__clang__)
#if {clang}
#error -- unsupported clang version! clang version must be less than some
#endif
#endif
#endif
#endif
#endif
"""


GCC_CONDITIONS = ["__GNUC__ > 15", "__GNUC__ > 4 || (__GNUC__ == 4 && __GNUC_MINOR__ > 9)", "__GNUC__ >= 7"]
CLANG_CONDITIONS = [
    "(__clang_major__ >= 21) || (__clang_major__ < 3) || ((__clang_major__ == 3) &&  (__clang_minor__ < 3))",
    "(__clang_major__ > 3) || ((__clang_major__ == 3) && (__clang_minor__ > 9))",
    "(__clang_major__ >= 21) || \\\n    (__clang_major__ < 7)",
]


def preprocessor_accepts(text: str, compiler: Compiler, version: str) -> bool:
    """What a compiler of that version would say, asked of the C preprocessor itself."""
    major, minor = version.split(".")
    gnuc = (major, minor) if compiler == "gcc" else ("4", "2")
    clang = ["-D__clang__=1", f"-D__clang_major__={major}", f"-D__clang_minor__={minor}"] if compiler == "clang" else []
    defines = [
        "-D__CUDACC__=1",
        "-U__GNUC__",
        "-U__GNUC_MINOR__",
        f"-D__GNUC__={gnuc[0]}",
        f"-D__GNUC_MINOR__={gnuc[1]}",
    ]
    command = ["g++", "-E", "-x", "c++", "-nostdinc", *defines, *clang, "-"]
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False, timeout=60)
    return "unsupported" not in done.stderr


@pytest.mark.parametrize("condition", GCC_CONDITIONS)
@pytest.mark.parametrize("version", ["4.8", "4.9", "5.0", "6.9", "7.0", "15.9", "16.0"])
def test_gcc_is_accepted_as_the_preprocessor_does(condition: str, version: str) -> None:
    text = header(condition, CLANG_CONDITIONS[0])
    limits = host_limits_from_header(text)

    assert limits is not None
    assert accepts(limits, "gcc", version) is preprocessor_accepts(text, "gcc", version)


@pytest.mark.parametrize("condition", CLANG_CONDITIONS)
@pytest.mark.parametrize("version", ["3.2", "3.3", "3.9", "4.0", "6.0", "7.0", "20.1", "21.0", "97.0"])
def test_clang_is_accepted_as_the_preprocessor_does(condition: str, version: str) -> None:
    text = header("__GNUC__ > 15", condition)
    limits = host_limits_from_header(text)

    assert limits is not None
    assert accepts(limits, "clang", version) is preprocessor_accepts(text, "clang", version)


@pytest.mark.skipif(not INSTALLED, reason="no CUDA toolkit under /usr/local")
@pytest.mark.parametrize("path", INSTALLED, ids=lambda path: path.parts[3])
def test_the_header_of_an_installed_toolkit_agrees_with_the_table(path: Path) -> None:
    limits = host_limits_from_header(path.read_text("utf-8", "replace"), str(path))
    expected = host_limits(path.parts[3].removeprefix("cuda-"))

    assert limits is not None
    assert expected is not None
    assert (limits.gcc_max, limits.clang_max, limits.clang_min) == (
        expected.gcc_max,
        expected.clang_max,
        expected.clang_min,
    )
    assert limits.source == str(path)


@pytest.mark.parametrize("text", ["", "#define X 1\n", "#error -- unsupported GNU version!\n", "#if __GNUC__ > 9\n"])
def test_a_header_without_a_check_gives_no_limits(text: str) -> None:
    assert host_limits_from_header(text) is None


@given(st.text())
def test_no_text_makes_reading_a_header_raise(text: str) -> None:
    host_limits_from_header(text)
    host_limits_from_header(f"#if __GNUC__ > {text}\n#error unsupported GNU version\n")


@pytest.mark.parametrize(
    ("compiler", "version", "expected"),
    [
        ("gcc", "15.2.0", True),
        ("gcc", "16", False),
        ("gcc", "15", True),
        ("clang", "20.1", True),
        ("clang", "21", False),
        ("clang", "3.2", False),
        ("gcc", "", None),
        ("clang", "x", None),
    ],
)
def test_a_version_is_inside_the_limits_or_not(compiler: Compiler, version: str, expected: bool | None) -> None:
    assert accepts(HostLimits("15", "20", "3.3", "test"), compiler, version) is expected


@pytest.mark.parametrize(
    ("version", "expected"), [("4", None), ("4.9.2", True), ("4.10", False), ("5", False), ("3", True)]
)
def test_a_major_alone_is_not_judged_against_a_limit_within_it(version: str, expected: bool | None) -> None:
    assert accepts(HostLimits("4.9", "", "", "test"), "gcc", version) is expected


def test_without_a_limit_nothing_is_claimed() -> None:
    assert accepts(HostLimits("", "20", "", "test"), "gcc", "12.2") is None
    assert accepts(HostLimits("15", "", "", "test"), "clang", "14.0") is None
