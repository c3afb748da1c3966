"""MKL's headers and libraries, and the header that the compiler finds."""

from pathlib import Path

from envdoctor.facts import Absent, Compilers, Facts, HeaderFile, Known, Project, Python, Unreadable
from envdoctor.probes.mkl import probe
from envdoctor.probes.project_toolchain import read_toolchain
from tests.filetree import RootedFiles, make_target, write_tree

VERSION = "#define __INTEL_MKL__ 2019\n#define __INTEL_MKL_MINOR__ 0\n#define __INTEL_MKL_UPDATE__ 5\n"
COMPILER = Compilers(include_directories=Known(("/usr/local/include", "/usr/include"), "`g++ -v`"))


def test_pips_mkl_include_is_found_in_the_environment_where_the_compiler_does_not_look(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/venv/include/mkl_cblas.h": "", "/venv/include/mkl_version.h": VERSION})
    known = Facts(compilers=COMPILER, python=Python(prefix=Known("/venv", "test"), kind=Known("venv", "test")))

    found = probe(make_target(RootedFiles(tmp_path)), known)

    assert found.headers == (HeaderFile("/venv/include/mkl_cblas.h", "2019.0.5", "pip"),)
    assert isinstance(found.default_header, Absent)


def test_cpath_leads_the_compiler_to_it(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/m/include/mkl_cblas.h": "", "/usr/include/mkl_cblas.h": ""})

    found = probe(make_target(RootedFiles(tmp_path), {"CPATH": ":/m/include/"}), Facts(compilers=COMPILER))

    assert found.default_header == Known("/m/include/mkl_cblas.h", "CPATH")
    assert [each.origin for each in found.headers] == ["CPATH", "system"]


def test_the_flags_of_a_toolchain_file_lead_the_compiler_to_it(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/m/mkl_cblas.h": "", "/t.cmake": 'set(CMAKE_CXX_FLAGS_INIT "-O2 -isystem /m")\n'})

    target = make_target(RootedFiles(tmp_path), {"CMAKE_TOOLCHAIN_FILE": "/t.cmake"})
    project = Project(toolchain=read_toolchain(target.files, target.environment, Absent("no build")))

    found = probe(target, Facts(compilers=COMPILER, project=project))

    assert found.default_header == Known("/m/mkl_cblas.h", "CMAKE_TOOLCHAIN_FILE")


def test_intels_own_place_and_mklroot_and_conda_are_looked_at(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {
            "/opt/intel/mkl/include/mkl_cblas.h": "",
            "/r/include/mkl_cblas.h": "",
            "/c/include/mkl_cblas.h": "",
            "/c/lib/libmkl_rt.so.2": "",
            "/c/lib/libmkl_rt.so": "-> libmkl_rt.so.2",
        },
    )

    found = probe(make_target(RootedFiles(tmp_path), {"MKLROOT": "/r", "CONDA_PREFIX": "/c"}), Facts())

    assert [(each.path, each.origin) for each in found.headers] == [
        ("/r/include/mkl_cblas.h", "MKLROOT"),
        ("/c/include/mkl_cblas.h", "conda"),
        ("/opt/intel/mkl/include/mkl_cblas.h", "system"),
    ]
    assert [(each.path, each.version) for each in found.libraries] == [("/c/lib/libmkl_rt.so", None)]


def test_an_unreadable_version_is_unknown_and_the_header_is_there(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/usr/include/mkl_cblas.h": "", "/usr/include/mkl_version.h": VERSION})
    files = RootedFiles(tmp_path, denied=("/usr/include/mkl_version.h",))

    found = probe(make_target(files), Facts(compilers=COMPILER))

    assert found.headers == (HeaderFile("/usr/include/mkl_cblas.h", None, "system"),)


def test_where_the_compiler_is_not_known_neither_is_what_it_finds(tmp_path: Path) -> None:
    known = Facts(compilers=Compilers(include_directories=Unreadable("it hangs", "`g++ -v`")))

    found = probe(make_target(RootedFiles(tmp_path)), known)

    assert isinstance(found.default_header, Unreadable)
    assert "it hangs" in found.default_header.reason
