"""Which C++ runtimes there are, and which one the interpreter's process would load."""

import subprocess
from pathlib import Path

import pytest

from envdoctor.facts import Absent, Compiler, Compilers, Facts, Known, Libstdcxx, Python, Unreadable, value_of
from envdoctor.files import FileView, LiveFiles
from envdoctor.probes.libstdcxx import probe
from tests.filetree import RootedFiles, make_target, write_tree
from tests.probes.native import build_library, needs_compiler


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A libstdc++ of GCC 4.8, as far as its symbol versions go."""
    folder = tmp_path_factory.mktemp("runtime")
    script = folder / "versions"
    script.write_text(
        "GLIBCXX_3.4.9 { global: a; };\nGLIBCXX_3.4.19 { global: b; } GLIBCXX_3.4.9;\nCXXABI_1.3.7 { global: c; };\n"
    )
    source = 'extern "C" { void a() {} void b() {} void c() {} }\n'
    options = ("-nostdlib", "-Wl,-soname,libstdc++.so.6", f"-Wl,--version-script={script}")
    return build_library(folder / "libstdc++.so.6", source, *options).read_bytes()


def interpreter(path: Path, *options: str) -> str:
    """An executable that needs nothing but the C library."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = path.with_suffix(".c")
    source.write_text("int main() { return 0; }\n")
    subprocess.run(["gcc", "-o", str(path), str(source), *options], check=True)
    return str(path)


def examined(
    python: str,
    files: FileView | None = None,
    compilers: Compilers | None = None,
    **environment: str,
) -> Libstdcxx:
    known = Facts(python=Python(executable=Known(python, "test")), compilers=compilers or Compilers())
    return probe(make_target(files or LiveFiles(), environment, python=python), known)


@needs_compiler
def test_the_systems_runtime_is_loaded_where_nothing_leads_elsewhere(tmp_path: Path) -> None:
    found = examined(interpreter(tmp_path / "bin/python"))

    assert isinstance(found.loaded, Known)
    assert found.loaded.value.origin == "system"
    assert (found.loaded.value.glibcxx or "").startswith("3.4.")
    assert (found.loaded.value.cxxabi or "").startswith("1.3")
    assert found.loaded.value in found.libraries
    assert (getattr(value_of(found.glibc), "glibc", None) or "").startswith("2.")


@needs_compiler
def test_ld_library_path_leads_to_an_older_one(tmp_path: Path, runtime: bytes) -> None:
    write_tree(tmp_path, {"/old/libstdc++.so.6": runtime})

    found = examined(interpreter(tmp_path / "bin/python"), LD_LIBRARY_PATH=f"{tmp_path}/old")

    assert isinstance(found.loaded, Known)
    assert (found.loaded.value.glibcxx, found.loaded.value.cxxabi) == ("3.4.19", "1.3.7")
    assert (found.loaded.value.origin, found.loaded.found_via) == ("LD_LIBRARY_PATH", "LD_LIBRARY_PATH")
    assert [each.origin for each in found.libraries] == ["LD_LIBRARY_PATH", "system"]


@needs_compiler
def test_the_run_path_of_condas_interpreter_beats_ld_library_path(tmp_path: Path, runtime: bytes) -> None:
    write_tree(tmp_path, {"/c/lib/libstdc++.so.6": runtime, "/c/conda-meta/": "", "/old/libstdc++.so.6": runtime})
    python = interpreter(tmp_path / "c/bin/python", "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../lib")

    found = examined(python, LD_LIBRARY_PATH=f"{tmp_path}/old")

    assert isinstance(found.loaded, Known)
    assert (found.loaded.value.origin, found.loaded.found_via) == ("conda", f"DT_RPATH of {python}")


@needs_compiler
def test_a_runpath_serves_the_interpreter_alone_and_not_what_it_loads(tmp_path: Path, runtime: bytes) -> None:
    write_tree(tmp_path, {"/c/lib/libstdc++.so.6": runtime})
    python = interpreter(tmp_path / "c/bin/python", "-Wl,--enable-new-dtags,-rpath,$ORIGIN/../lib")

    found = examined(python)

    assert isinstance(found.loaded, Known)
    assert found.loaded.value.origin == "system"


@needs_compiler
def test_a_runtime_that_the_interpreter_itself_needs_is_the_one(tmp_path: Path, runtime: bytes) -> None:
    write_tree(tmp_path, {"/c/lib/libstdc++.so.6": runtime})
    options = ("-Wl,--no-as-needed", f"{tmp_path}/c/lib/libstdc++.so.6", "-Wl,--enable-new-dtags,-rpath,$ORIGIN/../lib")

    found = examined(interpreter(tmp_path / "c/bin/python", *options))

    assert isinstance(found.loaded, Known)
    assert found.loaded.value.glibcxx == "3.4.19"
    assert "DT_RUNPATH" in found.loaded.found_via


@needs_compiler
def test_runtimes_of_conda_and_of_other_compilers_are_listed(tmp_path: Path, runtime: bytes) -> None:
    write_tree(tmp_path, {"/c/lib/libstdc++.so.6": runtime, "/gcc/lib64/libstdc++.so.6": runtime, "/gcc/bin/g++": ""})
    compilers = Compilers(installed=(Compiler(f"{tmp_path}/gcc/bin/g++", "g++", Absent("")),))

    found = examined(interpreter(tmp_path / "bin/python"), compilers=compilers, CONDA_PREFIX=f"{tmp_path}/c")

    assert {each.origin for each in found.libraries} == {"system", "conda", "compiler"}


@needs_compiler
@pytest.mark.parametrize("cut", [0, 10, 64, 500, 3000])
def test_a_damaged_runtime_is_unreadable_where_it_would_be_loaded(tmp_path: Path, runtime: bytes, cut: int) -> None:
    write_tree(tmp_path, {"/old/libstdc++.so.6": runtime[:cut]})

    found = examined(interpreter(tmp_path / "bin/python"), LD_LIBRARY_PATH=f"{tmp_path}/old")

    assert isinstance(found.loaded, Unreadable)
    assert f"{tmp_path}/old/libstdc++.so.6" == found.loaded.found_via
    assert [each.origin for each in found.libraries] == ["system"]


def test_a_file_system_without_a_runtime_has_none(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/usr/bin/python": "#!/bin/sh\n"})

    found = examined("/usr/bin/python", RootedFiles(tmp_path))

    assert isinstance(found.loaded, Absent)
    assert isinstance(found.glibc, Absent)
    assert found.libraries == ()


def test_an_interpreter_that_may_not_be_read_leaves_it_unknown(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/usr/bin/python": "x", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6": "x"})

    found = examined("/usr/bin/python", RootedFiles(tmp_path, denied=("/usr/bin/python",)))

    assert isinstance(found.loaded, Unreadable)
    assert "permission denied" in found.loaded.reason
