"""The rules of the loader: each proved by `ldd` on libraries built for it, and by what the model says of the same."""

import os
import shutil
from pathlib import Path

import lief
import pytest

from envdoctor.elf.loader import Closure, Process, closure
from envdoctor.files import LiveFiles
from tests.elf.building import Workshop
from tests.real.compare_with_loader import differences


def judged(library: Path, library_path: tuple[str, ...] = (), cwd: str = "/") -> Closure:
    """The model's closure, after the loader has agreed with it."""
    assert list(differences(str(library), library_path, cwd)) == []
    return closure(LiveFiles(), Process(library_path=library_path, working_directory=cwd), str(library))


def found(answer: Closure, name: str) -> tuple[str, str]:
    """Path and rule of the library that was asked for by a name."""
    return next((library.path, library.found_via) for library in answer.libraries if library.name == name)


def linked(workshop: Workshop, name: str, *needed: Path, flags: tuple[str, ...] = (), source: str = "") -> Path:
    """A library that needs others whether it uses them or not."""
    return workshop.library(name, source, "-Wl,--no-as-needed", *map(str, needed), *flags)


RPATH, RUNPATH = "-Wl,--disable-new-dtags", "-Wl,--enable-new-dtags"


@pytest.mark.parametrize(
    ("tags", "has_environment", "place"),
    [
        ((RPATH, "-Wl,-rpath,$ORIGIN/own"), True, "own"),
        ((RUNPATH, "-Wl,-rpath,$ORIGIN/own"), True, "env"),
        ((RUNPATH, "-Wl,-rpath,$ORIGIN/own"), False, "own"),
        ((), True, "env"),
    ],
    ids=["rpath over environment", "environment over runpath", "runpath", "environment"],
)
def test_rpath_comes_before_the_environment_and_runpath_after(
    workshop: Workshop, tags: tuple[str, ...], has_environment: bool, place: str
) -> None:
    for folder in ("own", "env"):
        workshop.library(f"{folder}/libx.so")
    top = linked(workshop, "libtop.so", workshop.root / "own/libx.so", flags=tags)
    rules = {"own": f"DT_{'RPATH' if RPATH in tags else 'RUNPATH'} of {top}", "env": "LD_LIBRARY_PATH"}

    answer = judged(top, (str(workshop.root / "env"),) if has_environment else ())

    assert found(answer, "libx.so") == (str(workshop.root / place / "libx.so"), rules[place])


@pytest.mark.parametrize(("tag", "is_found"), [(RPATH, True), (RUNPATH, False)])
def test_rpath_is_inherited_by_what_a_library_loads_and_runpath_is_not(
    workshop: Workshop, tag: str, is_found: bool
) -> None:
    deep = workshop.library("deps/libdeep.so")
    middle = linked(workshop, "deps/libmiddle.so", deep)
    top = linked(workshop, "libtop.so", middle, flags=(tag, "-Wl,-rpath,$ORIGIN/deps"))

    answer = judged(top)

    assert any(library.name == "libdeep.so" for library in answer.libraries) is is_found
    assert any(lost.name == "libdeep.so" and lost.needed_by == str(middle) for lost in answer.missing) is not is_found


def test_a_library_with_runpath_does_not_inherit_rpath(workshop: Workshop) -> None:
    deep = workshop.library("deps/libdeep.so")
    middle = linked(workshop, "deps/libmiddle.so", deep, flags=(RUNPATH, "-Wl,-rpath,/nowhere"))
    top = linked(workshop, "libtop.so", middle, flags=(RPATH, "-Wl,-rpath,$ORIGIN/deps"))

    answer = judged(top)

    assert [lost.name for lost in answer.missing] == ["libdeep.so"]
    assert answer.missing[0].tried[0] == "/nowhere/libdeep.so"


def test_rpath_beside_runpath_is_void(workshop: Workshop) -> None:
    for folder in ("by_rpath", "by_runpath"):
        workshop.library(f"{folder}/libx.so")
    plain = linked(
        workshop, "libplain.so", workshop.root / "by_rpath/libx.so", flags=(RPATH, "-Wl,-rpath,$ORIGIN/by_rpath")
    )
    binary = lief.ELF.parse(str(plain))
    binary.add(lief.ELF.DynamicEntryRunPath("$ORIGIN/by_runpath"))
    top = workshop.path("libtop.so")
    binary.write(str(top))

    answer = judged(top)

    assert found(answer, "libx.so") == (f"{workshop.root}/by_runpath/libx.so", f"DT_RUNPATH of {top}")


def test_the_origin_of_a_library_is_the_folder_it_was_loaded_from_with_links_kept(workshop: Workshop) -> None:
    workshop.library("real/libx.so")
    workshop.library("seen/libx.so")
    linked(workshop, "real/libtop.so", workshop.root / "real/libx.so", flags=(RUNPATH, "-Wl,-rpath,$ORIGIN"))
    top = workshop.path("seen/libtop.so")
    top.symlink_to("../real/libtop.so")

    assert found(judged(top), "libx.so")[0] == f"{workshop.root}/seen/libx.so"


@pytest.mark.parametrize(
    "spelling", ["$ORIGIN/${LIB}", "${ORIGIN}/$LIB", "$ORIGINAL:$ORIGIN/$LIB", "$LIBRARY:$ORIGIN/$LIB"]
)
def test_lib_stands_for_the_distributions_own_name(workshop: Workshop, spelling: str) -> None:
    places = [workshop.library(f"{name}/libx.so") for name in ("lib", "lib64", "lib/x86_64-linux-gnu")]
    top = linked(workshop, "libtop.so", places[0], flags=(RUNPATH, f"-Wl,-rpath,{spelling}"))

    assert found(judged(top), "libx.so")[0] in map(str, places)


def test_platform_stands_for_the_machine(workshop: Workshop) -> None:
    x = workshop.library(f"{os.uname().machine}/libx.so")
    top = linked(workshop, "libtop.so", x, flags=(RUNPATH, "-Wl,-rpath,$ORIGIN/$PLATFORM"))

    assert found(judged(top), "libx.so")[0] == str(x)


@pytest.mark.parametrize("run_path", [":/nowhere", "/nowhere:", "/nowhere::/elsewhere"])
def test_an_empty_entry_of_a_run_path_is_the_working_directory(workshop: Workshop, run_path: str) -> None:
    x = workshop.library("cwd/libx.so")
    top = linked(workshop, "libtop.so", x, flags=(RUNPATH, f"-Wl,-rpath,{run_path}"))

    # ldd says ./libx.so and the model the whole path; both mean the same file.
    answer = closure(LiveFiles(), Process(working_directory=str(x.parent)), str(top))

    assert found(answer, "libx.so")[0] == str(x)
    assert [line for line in differences(str(top), (), str(x.parent)) if "missing" in line] == []


def test_an_empty_entry_of_the_environment_is_the_working_directory(workshop: Workshop) -> None:
    x = workshop.library("cwd/libx.so")
    top = linked(workshop, "libtop.so", x)

    answer = closure(LiveFiles(), Process(library_path=("/nowhere", ""), working_directory=str(x.parent)), str(top))

    assert found(answer, "libx.so") == (str(x), "LD_LIBRARY_PATH")
    assert [line for line in differences(str(top), ("/nowhere", ""), str(x.parent)) if "missing" in line] == []


def test_an_empty_environment_variable_is_no_entry(workshop: Workshop) -> None:
    x = workshop.library("cwd/libx.so")
    top = linked(workshop, "libtop.so", x)

    assert [lost.name for lost in judged(top, ("",), str(x.parent)).missing] == ["libx.so"]


def test_a_name_with_a_slash_is_a_path_and_is_not_searched(workshop: Workshop) -> None:
    x = workshop.library("somewhere/libx.so", soname=False)
    top = linked(workshop, "libtop.so", x)

    assert found(judged(top), str(x)) == (str(x), "its path")


def test_a_soname_that_is_loaded_already_is_not_searched_again(workshop: Workshop) -> None:
    first = workshop.library("one/libfile.so", "", "-Wl,-soname,libx.so", soname=False)
    shutil.copy(first, workshop.path("two/libx.so"))
    user = linked(workshop, "libuser.so", workshop.root / "two/libx.so", flags=(RUNPATH, "-Wl,-rpath,$ORIGIN/two"))
    top = workshop.library("libtop.so", "", "-Wl,--no-as-needed", str(first), str(user), RUNPATH, "-Wl,-rpath,$ORIGIN")
    binary = lief.ELF.parse(str(top))
    next(e for e in binary.dynamic_entries if e.tag == lief.ELF.DynamicEntry.TAG.NEEDED).name = str(first)
    binary.write(str(top))

    answer = judged(top)

    assert [library.path for library in answer.libraries if "libx" in library.name or library.path == str(first)] == [
        str(first)
    ]


def test_two_links_to_one_file_are_one_library(workshop: Workshop) -> None:
    x = workshop.library("libx.so.1.0", "", soname=False)
    for name in ("libx.so.1", "libx.so.2"):
        workshop.path(name).symlink_to(x.name)
    one = linked(workshop, "libone.so", flags=("-L.", f"-Wl,-rpath,{workshop.root}"))
    binary = lief.ELF.parse(str(one))
    binary.add_library("libx.so.2")
    binary.add_library("libx.so.1")
    binary.write(str(one))

    answer = judged(one)

    assert sum("libx" in library.path for library in answer.libraries) == 1


@pytest.mark.parametrize("change", [(18, b"\xb7\x00"), (4, b"\x01")], ids=["other machine", "other class"])
def test_a_file_for_another_machine_is_passed_over(workshop: Workshop, change: tuple[int, bytes]) -> None:
    x = workshop.library("good/libx.so")
    foreign = bytearray(x.read_bytes())
    foreign[change[0] : change[0] + len(change[1])] = change[1]
    workshop.path("foreign/libx.so").write_bytes(foreign)
    top = linked(workshop, "libtop.so", x, flags=(RUNPATH, "-Wl,-rpath,$ORIGIN/foreign:$ORIGIN/good"))

    assert found(judged(top), "libx.so")[0] == str(x)


@pytest.mark.parametrize("content", [b"no library at all\n" * 20, b"", b"\x7fELF\x02\x01\x01"])
def test_a_damaged_file_ends_the_search(workshop: Workshop, content: bytes) -> None:
    x = workshop.library("good/libx.so")
    damaged = workshop.path("damaged/libx.so")
    damaged.write_bytes(content)
    top = linked(workshop, "libtop.so", x, flags=(RUNPATH, "-Wl,-rpath,$ORIGIN/damaged:$ORIGIN/good"))

    answer = closure(LiveFiles(), Process(), str(top))

    assert [lost.name for lost in answer.missing] == ["libx.so"]
    assert answer.missing[0].tried[-1].startswith(str(damaged))
    # The loader gives up here too.
    assert any("ldd: " in line and "libx.so" in line for line in differences(str(top)))


def test_a_file_that_may_not_be_read_is_passed_over(workshop: Workshop) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    x = workshop.library("good/libx.so")
    workshop.library("locked/libx.so").chmod(0)
    top = linked(workshop, "libtop.so", x, flags=(RUNPATH, "-Wl,-rpath,$ORIGIN/locked:$ORIGIN/good"))

    assert found(judged(top), "libx.so")[0] == str(x)


def test_nodeflib_leaves_the_system_out(workshop: Workshop) -> None:
    top = workshop.library("libtop.so", "", "-Wl,--no-as-needed", "-lc", "-Wl,-z,nodefaultlib")

    assert [lost.name for lost in judged(top).missing] == ["libc.so.6"]


def test_missing_names_tell_every_path_in_the_order_of_the_search(workshop: Workshop) -> None:
    x = workshop.library("gone/libx.so")
    top = linked(workshop, "libtop.so", x, flags=(RUNPATH, "-Wl,-rpath,/run/first:/run/second"))
    x.unlink()

    answer = judged(top, ("/env/only",))

    assert answer.missing[0].tried[:3] == ("/env/only/libx.so", "/run/first/libx.so", "/run/second/libx.so")
    assert len(answer.missing[0].tried) > 3


def test_a_name_missing_for_one_may_be_found_for_another(workshop: Workshop) -> None:
    x = workshop.library("deps/libx.so")
    blind = linked(workshop, "libblind.so", x)
    seeing = linked(workshop, "libseeing.so", x, flags=(RUNPATH, "-Wl,-rpath,$ORIGIN/deps"))
    top = linked(workshop, "libtop.so", blind, seeing, flags=(RUNPATH, "-Wl,-rpath,$ORIGIN"))

    answer = judged(top)

    assert [(lost.name, lost.needed_by) for lost in answer.missing] == [("libx.so", str(blind))]
    assert found(answer, "libx.so")[0] == str(x)


def test_libraries_that_need_each_other_end(workshop: Workshop) -> None:
    workshop.library("liba.so")
    b = linked(workshop, "libb.so", workshop.root / "liba.so", flags=(RUNPATH, "-Wl,-rpath,$ORIGIN"))
    a = linked(workshop, "liba.so", b, flags=(RUNPATH, "-Wl,-rpath,$ORIGIN"))

    assert [Path(library.path).name for library in judged(a).libraries] == ["liba.so", "libb.so"]


def test_a_subdirectory_for_the_processor_comes_first(workshop: Workshop) -> None:
    if "sse4_2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("the processor is not x86-64-v2")
    plain = workshop.library("deps/libx.so")
    workshop.library("deps/glibc-hwcaps/x86-64-v2/libx.so")
    top = linked(workshop, "libtop.so", plain, flags=(RUNPATH, "-Wl,-rpath,$ORIGIN/deps"))

    assert "glibc-hwcaps/x86-64-v2" in found(judged(top), "libx.so")[0]


def test_tables_that_an_editor_moved_are_read_through_program_headers(workshop: Workshop) -> None:
    x = workshop.library("deps/libx.so", "int x(void) { return 1; }")
    plain = workshop.library("libplain.so", "int x(void); int top(void) { return x(); }")
    binary = lief.ELF.parse(str(plain))
    binary.add_library(x.name)
    binary.add(lief.ELF.DynamicEntryRunPath("$ORIGIN/deps"))
    top = workshop.path("libtop.so")
    binary.write(str(top))

    assert found(judged(top), "libx.so")[0] == str(x)


def test_section_headers_are_not_needed(workshop: Workshop) -> None:
    x = workshop.library("deps/libx.so")
    top = linked(workshop, "libtop.so", x, flags=(RUNPATH, "-Wl,-rpath,$ORIGIN/deps"))
    stripped = bytearray(top.read_bytes())
    stripped[40:48] = bytes(8)
    stripped[58:64] = bytes(6)
    top.write_bytes(stripped)

    assert found(judged(top), "libx.so")[0] == str(x)


def test_the_dynamic_linker_is_a_provider(workshop: Workshop) -> None:
    top = workshop.library(
        "libtop.so", "extern int _r_debug; int *top(void) { return &_r_debug; }", "-Wl,--no-as-needed", "-lc"
    )

    answer = judged(top)

    assert any(library.found_via == "the dynamic linker" for library in answer.libraries)
