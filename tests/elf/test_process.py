"""A library judged in a process that holds others: proved by a program that really opens them."""

import os
import resource
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from envdoctor.elf.analysis import Examiner, SymbolsReport, alone, examine
from envdoctor.elf.file import ElfError
from envdoctor.elf.loader import Opened, Process
from envdoctor.files import LiveFiles
from tests.elf.building import Workshop

HERE = "-Wl,-rpath,$ORIGIN"

# Opens each argument, "G" before it for RTLD_GLOBAL, "L" for RTLD_LOCAL; prints what is mapped, or the error.
OPENER = r"""
#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **words) {
    for (int i = 1; i < count; i++) {
        int mode = words[i][0] == 'G' ? RTLD_GLOBAL : RTLD_LOCAL;
        int when = words[i][1] == 'l' ? RTLD_LAZY : RTLD_NOW;
        if (!dlopen(words[i] + 2, when | mode)) { printf("error: %s\n", dlerror()); return 1; }
    }
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4096];
    while (fgets(line, sizeof line, maps)) fputs(line, stdout);
    return 0;
}
"""


class Pair:
    """The same question to a real process and to the model."""

    def __init__(self, workshop: Workshop, *flags: str, name: str = "opener") -> None:
        self.program = workshop.program(name, OPENER, *flags, "-ldl")

    def ask(
        self,
        library: Path,
        *before: Opened,
        preload: Sequence[Path] = (),
        library_path: Sequence[Path] = (),
        search: Sequence[Path] = (),
    ) -> tuple[str, SymbolsReport]:
        """What the process says (its maps, or the error), and the report. Both must agree on whether it loads."""
        words = [f"{'G' if one.is_global else 'L'}{'l' if one.is_lazy else 'n'}{one.path}" for one in before]
        environment = {
            **os.environ,
            "LD_PRELOAD": ":".join(map(str, preload)),
            "LD_LIBRARY_PATH": ":".join(map(str, library_path)),
        }
        done = subprocess.run(
            [str(self.program), *words, f"Ln{library}"], capture_output=True, text=True, check=False, env=environment
        )
        process = Process(
            executable=str(self.program),
            opened=before,
            preload=tuple(map(str, preload)),
            library_path=tuple(map(str, library_path)),
        )
        report = examine(LiveFiles(), str(library), process, list(map(str, search)))
        loads = not (report.undefined or report.missing or report.versions)
        assert loads is (done.returncode == 0), done.stdout
        if loads:
            mapped = {line.split()[-1] for line in done.stdout.splitlines() if line.endswith(".so")}
            assert mapped >= {os.path.realpath(entry.path) for entry in report.closure if entry.path.endswith(".so")}
        return done.stdout, report


def user(workshop: Workshop, name: str = "libuser.so", *needed: Path) -> Path:
    """A library that calls f() and does not say from where."""
    source = "int f(void); int use(void) { return f(); }"
    return workshop.library(name, source, "-Wl,--no-as-needed", *map(str, needed), HERE)


def lender(workshop: Workshop, name: str = "liblender.so") -> Path:
    return workshop.library(name, "int f(void) { return 1; }")


def test_a_program_lends_what_it_exports(workshop: Workshop) -> None:
    library = user(workshop)
    exporting = workshop.path("with_f.c")
    exporting.write_text("int f(void) { return 1; }")

    _, without = Pair(workshop).ask(library)
    _, with_f = Pair(workshop, "-rdynamic", str(exporting), name="exporter").ask(library)

    assert [lost.symbol for lost in without.undefined] == ["f"]
    assert with_f.undefined == ()


@pytest.mark.parametrize("is_global", [True, False])
def test_what_was_opened_globally_lends_its_symbols_and_what_was_opened_locally_does_not(
    workshop: Workshop, is_global: bool
) -> None:
    library, other = user(workshop), lender(workshop)

    answer, report = Pair(workshop).ask(library, Opened(str(other), is_global))

    assert ("undefined symbol: f" in answer) is not is_global
    assert [lost.symbol for lost in report.undefined] == ([] if is_global else ["f"])
    assert [lost.reason for lost in report.undefined] == ([] if is_global else ["not-linked"])


def test_what_was_opened_locally_lends_its_soname(workshop: Workshop) -> None:
    other = lender(workshop, "elsewhere/liblender.so")
    library = workshop.library(
        "libuser.so", "int f(void); int use(void) { return f(); }", "-Wl,--no-as-needed", str(other)
    )
    pair = Pair(workshop)

    _, alone = pair.ask(library, search=(other.parent,))
    _, after = pair.ask(library, Opened(str(other)))

    assert [lost.name for lost in alone.missing] == ["liblender.so"]
    assert [(lost.reason, lost.candidates) for lost in alone.undefined] == [("missing-library", (str(other),))]
    entry = next(entry for entry in after.closure if entry.name == str(other))
    assert (entry.path, entry.found_via) == (str(other), "already loaded by dlopen")


def test_what_the_locally_opened_needs_is_in_the_scope_of_who_needs_it_too(workshop: Workshop) -> None:
    other = lender(workshop)
    first = workshop.library("libfirst.so", "", "-Wl,--no-as-needed", str(other), HERE)
    # The library names libfirst.so, and so gets at liblender.so through it.
    library = user(workshop, "libuser.so", first)

    _, report = Pair(workshop).ask(library, Opened(str(first)))

    entry = next(entry for entry in report.closure if entry.name == "liblender.so")
    assert entry.found_via == f"already loaded by {first}"


def test_what_was_loaded_before_keeps_its_own_scope(workshop: Workshop) -> None:
    other = lender(workshop)
    broken = user(workshop, "libbroken.so")
    # libtop.so brings f for itself; libbroken.so, opened lazily before, was never promised it.
    library = workshop.library("libtop.so", "", "-Wl,--no-as-needed", str(broken), str(other), HERE)

    answer, report = Pair(workshop).ask(library, Opened(str(broken), is_lazy=True))

    assert answer and report.undefined == ()


def test_a_function_is_no_fault_of_what_was_opened_lazily_and_a_variable_is(workshop: Workshop) -> None:
    function = user(workshop, "libfunction.so")
    variable = workshop.library("libvariable.so", "extern int v; int *use(void) { return &v; }")
    pair = Pair(workshop)

    for library, expected in ((function, []), (variable, ["v"])):
        process = Process(executable=str(pair.program), opened=(Opened(str(library), is_lazy=True),))
        report = examine(LiveFiles(), str(library), process)
        done = subprocess.run([str(pair.program), f"Ll{library}"], capture_output=True, text=True, check=False)

        assert [lost.symbol for lost in report.undefined] == expected
        assert (done.returncode == 0) is (expected == [])


def test_a_preloaded_library_lends_to_all(workshop: Workshop) -> None:
    library, other = user(workshop), lender(workshop)

    _, report = Pair(workshop).ask(library, preload=(other, Path("/nowhere/libgone.so")))

    assert report.undefined == ()


def test_the_programs_rpath_serves_what_it_opens(workshop: Workshop) -> None:
    other = lender(workshop, "deps/liblender.so")
    library = workshop.library("libuser.so", "", "-Wl,--no-as-needed", str(other))

    _, report = Pair(workshop, "-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/deps").ask(library)

    assert (
        next(e.found_via for e in report.closure if e.name == "liblender.so") == f"DT_RPATH of {workshop.root}/opener"
    )


def test_the_origin_of_a_program_is_its_real_folder(workshop: Workshop) -> None:
    other = lender(workshop, "bin/deps/liblender.so")
    library = workshop.library("libuser.so", "", "-Wl,--no-as-needed", str(other))
    pair = Pair(workshop, "-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/deps", name="bin/opener")
    link = workshop.path("elsewhere/opener")
    link.symlink_to(pair.program)
    pair.program = link

    _, report = pair.ask(library)

    assert next(entry.path for entry in report.closure if entry.name == "liblender.so") == str(other)


def test_the_environment_serves_what_a_program_opens(workshop: Workshop) -> None:
    other = lender(workshop, "env/liblender.so")
    library = workshop.library("libuser.so", "", "-Wl,--no-as-needed", str(other))

    _, report = Pair(workshop).ask(library, library_path=(other.parent,))

    assert next(e.found_via for e in report.closure if e.name == "liblender.so") == "LD_LIBRARY_PATH"


def test_one_examiner_answers_for_each_library_as_if_it_were_the_only_one(workshop: Workshop) -> None:
    other, good, bad = lender(workshop), user(workshop, "libgood.so"), user(workshop, "libbad.so")
    linked = workshop.library("liblinked.so", "", "-Wl,--no-as-needed", str(other), str(good), HERE)
    process = Process(executable=str(Pair(workshop).program))
    examiner = Examiner(LiveFiles(), process)

    together = [examiner.examine(str(library)) for library in (linked, bad, good)]

    assert together == [examine(LiveFiles(), str(library), process) for library in (linked, bad, good)]
    assert [bool(report.undefined) for report in together] == [False, True, True]


@pytest.mark.parametrize("what", ["executable", "opened", "library"])
def test_what_cannot_be_read_is_an_error_that_says_so(workshop: Workshop, what: str) -> None:
    text = workshop.path("text.so")
    text.write_text("not a library\n" * 10)
    good = lender(workshop)
    program = Pair(workshop).program
    process = Process(
        executable=str(text if what == "executable" else program),
        opened=(Opened(str(text)),) if what == "opened" else (),
    )

    named = "" if what == "library" else f"{text}: "
    with pytest.raises(ElfError, match=f"^{named}not an ELF file"):
        examine(LiveFiles(), str(text if what == "library" else good), process)


@pytest.mark.parametrize(("name", "error"), [("gone.so", FileNotFoundError), (".", IsADirectoryError)])
def test_what_is_no_file_is_an_operating_system_error(workshop: Workshop, name: str, error: type[OSError]) -> None:
    with pytest.raises(error):
        examine(LiveFiles(), str(workshop.root / name), Process())


def test_a_program_is_no_library_but_can_be_judged_alone(workshop: Workshop) -> None:
    program, other = Pair(workshop).program, Pair(workshop, name="other").program

    with pytest.raises(ElfError, match="a program"):
        examine(LiveFiles(), str(other), Process(executable=str(program)))

    assert alone(LiveFiles(), str(other)).undefined == ()


def test_an_object_file_is_no_library(workshop: Workshop) -> None:
    workshop.program("x.o", "int f(void) { return 1; }", "-c")

    with pytest.raises(ElfError, match="no dynamic table"):
        alone(LiveFiles(), str(workshop.root / "x.o"))


def test_a_library_for_another_machine_than_the_process_is_refused(workshop: Workshop) -> None:
    content = bytearray(lender(workshop).read_bytes())
    content[18:20] = b"\xb7\x00"
    foreign = workshop.path("libforeign.so")
    foreign.write_bytes(content)

    with pytest.raises(ElfError, match="made for AArch64, the process for x86-64"):
        examine(LiveFiles(), str(foreign), Process(executable=str(Pair(workshop).program)))


def test_many_libraries_do_not_use_up_the_descriptors(workshop: Workshop) -> None:
    content = user(workshop).read_bytes()
    libraries = [workshop.path(f"many/lib{number}.so") for number in range(150)]
    for library in libraries:
        library.write_bytes(content)
    examiner = Examiner(LiveFiles(), Process(executable=str(Pair(workshop).program)))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))

    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 40, hard))
    try:
        reports = [examiner.examine(str(library)) for library in libraries]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert all([lost.symbol for lost in report.undefined] == ["f"] for report in reports)
