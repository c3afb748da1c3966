"""Which references are undefined: each rule proved by `ldd -r`, and by what the model says of the same libraries."""

from pathlib import Path

import pytest

from envdoctor.elf.analysis import SymbolsReport, alone
from envdoctor.files import LiveFiles
from tests.elf.building import Workshop
from tests.real.compare_with_loader import ask_ldd, differences

HERE = "-Wl,-rpath,$ORIGIN"


def judged(library: Path) -> SymbolsReport:
    """The model's report, after the loader has agreed with it."""
    assert list(differences(str(library))) == []
    return alone(LiveFiles(), str(library))


def undefined(library: Path) -> set[tuple[str, str]]:
    return {(lost.symbol, lost.version) for lost in judged(library).undefined}


def user(
    workshop: Workshop, provider: Path, source: str = "int f(void); int use(void) { return f(); }", *flags: str
) -> Path:
    """A library that uses what `provider` has."""
    return workshop.library("libuser.so", source, "-Wl,--no-as-needed", str(provider), HERE, *flags)


def scripted(workshop: Workshop, name: str, versions: str, source: str) -> Path:
    script = workshop.path(f"{name}.map")
    script.write_text(versions)
    return workshop.library(name, source, f"-Wl,--version-script={script}")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("int f(void); int use(void) { return f(); }", {("f", "")}),
        ("extern int f; int *use(void) { return &f; }", {("f", "")}),
        ("extern __thread int f; int use(void) { return f; }", {("f", ""), ("__tls_get_addr", "")}),
        ("int f(void) __attribute__((weak)); int use(void) { return f ? f() : 0; }", set()),
        ("int f(void); static int (*unused)(void) __attribute__((unused)) = 0; int use(void) { return 0; }", set()),
        ('int use(void) { return 0; } __asm__(".globl f");', set()),
        ("int f(void) { return 1; } int use(void) { return f(); }", set()),
    ],
    ids=["function", "data", "thread-local", "weak", "declared", "in the table and unused", "own"],
)
def test_a_symbol_is_undefined_when_a_relocation_uses_it_and_nobody_defines_it(
    workshop: Workshop, source: str, expected: set[tuple[str, str]]
) -> None:
    assert undefined(workshop.library("libuser.so", source)) == expected


def test_an_unused_undefined_symbol_is_no_fault(workshop: Workshop) -> None:
    # The linker keeps a symbol that an assembler marked as wanted, though no relocation names it.
    library = workshop.library("libuser.so", "int use(void) { return 0; }", "-Wl,--undefined=wanted", "-Wl,-u,wanted")

    assert undefined(library) == set()


@pytest.mark.parametrize(
    "definition",
    [
        "int f(void) { return 1; }",
        "int f(void) __attribute__((weak)); int f(void) { return 1; }",
        'int f(void) __attribute__((visibility("protected"))); int f(void) { return 1; }',
        'static int g(void) { return 1; } void *pick(void) { return g; } int f(void) __attribute__((ifunc("pick")));',
        '__asm__(".globl f\\n.type f,%gnu_unique_object\\n.data\\nf: .long 1\\n.size f,4");',
        '__asm__(".globl f\\nf = 1");',
    ],
    ids=["global", "weak", "protected", "ifunc", "unique", "absolute"],
)
def test_a_definition_of_any_exported_kind_satisfies(workshop: Workshop, definition: str) -> None:
    provider = workshop.library("libprovider.so", definition)

    assert undefined(user(workshop, provider)) == set()


def test_a_thread_local_definition_satisfies(workshop: Workshop) -> None:
    provider = workshop.library("libprovider.so", "__thread int f;")
    source = 'extern __thread int f __attribute__((tls_model("initial-exec"))); int use(void) { return f; }'

    assert undefined(user(workshop, provider, source)) == set()


def test_a_hidden_definition_does_not_count(workshop: Workshop) -> None:
    exported = workshop.library("libprovider.so", "int f(void) { return 1; }")
    library = user(workshop, exported)
    hidden = '__attribute__((visibility("hidden"))) int f(void) { return 1; } int g(void) { return f(); }'
    workshop.library("libprovider.so", hidden)

    report = judged(library)

    assert [(lost.symbol, lost.reason, lost.candidates) for lost in report.undefined] == [
        ("f", "hidden", (str(exported),))
    ]


def test_libraries_that_only_have_the_older_hash_table_are_read(workshop: Workshop) -> None:
    provider = workshop.library("libprovider.so", "int f(void) { return 1; }", "-Wl,--hash-style=sysv")
    source = "int f(void), g(void); int use(void) { return f() + g(); }"

    assert undefined(user(workshop, provider, source, "-Wl,--hash-style=sysv")) == {("g", "")}


def test_relative_relocations_may_be_packed(workshop: Workshop) -> None:
    provider = workshop.library("libprovider.so", "int f(void) { return 1; }")
    source = (
        "int f(void), g(void); int a, b; int *table[] = {&a, &b, &a}; int use(void) { return f() + g() + *table[0]; }"
    )

    assert undefined(user(workshop, provider, source, "-Wl,-z,pack-relative-relocs")) == {("g", "")}


def test_what_a_copy_relocation_wants_must_exist(workshop: Workshop) -> None:
    provider = workshop.library("libprovider.so", "int data = 5;")
    program = workshop.program(
        "program", "extern int data; int main(void) { return data; }", "-no-pie", "-fno-pic", str(provider), HERE
    )
    assert undefined(program) == set()

    workshop.library("libprovider.so", "int other = 5;")

    assert ("data", "") in undefined(program)


# Versions. `old` is what the user was linked against, `new` is what it meets.


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("V1 { f; };", "V1 { f; };", set()),
        ("V1 { f; };", "V2 { f; };", {("f", "V1")}),
        ("", "V1 { f; };", set()),
        ("V1 { f; };", "V1 { g; }; V2 { f; };", {("f", "V1")}),
    ],
    ids=["same", "other", "without version", "version without the symbol"],
)
def test_versions_match_as_the_loader_matches_them(
    workshop: Workshop, old: str, new: str, expected: set[tuple[str, str]]
) -> None:
    source = "int f(void) { return 1; } int g(void) { return 2; }"
    provider = scripted(workshop, "libprovider.so", old, source) if old else workshop.library("libprovider.so", source)
    library = user(workshop, provider)
    scripted(workshop, "libprovider.so", new, source)

    assert undefined(library) == expected


def test_a_library_that_defines_no_versions_but_needs_some_satisfies_any(workshop: Workshop) -> None:
    source = 'int f(void) { return 1; } int puts(const char *); int g(void) { return puts(""); }'
    library = user(workshop, scripted(workshop, "libprovider.so", "V1 { f; };", source))
    workshop.library("libprovider.so", source, "-lc")

    assert undefined(library) == set()


def test_a_library_without_versions_ends_the_loader_when_a_version_is_needed_from_it(workshop: Workshop) -> None:
    source = "int f(void) { return 1; }"
    library = user(workshop, scripted(workshop, "libprovider.so", "V1 { f; };", source))
    workshop.library("libprovider.so", source)

    report = alone(LiveFiles(), str(library))

    assert [(lost.symbol, lost.reason) for lost in report.undefined] == [("f", "version")]
    assert "Inconsistency detected by ld.so" in str(ask_ldd(str(library)).undefined)


def test_a_reference_without_version_takes_the_oldest_and_not_a_hidden_one(workshop: Workshop) -> None:
    library = user(workshop, workshop.library("libprovider.so", "int f(void) { return 1; }"))
    one, two = "int f1(void) { return 1; } ", "int f2(void) { return 2; } "
    names = '__asm__(".symver f1,f@V1\\n.symver f2,f@@V2");'
    scripted(workshop, "libprovider.so", "V1 { local: f1; f2; }; V2 { } V1;", one + two + names)
    assert undefined(library) == set()

    # V3 and V4 alone, both hidden: nothing to take without a version.
    names = '__asm__(".symver f1,f@V3\\n.symver f2,f@V4");'
    scripted(workshop, "libprovider.so", "V1 { }; V2 { }; V3 { local: f1; f2; }; V4 { };", one + two + names)

    assert undefined(library) == {("f", "")}


def test_a_needed_version_that_the_library_lacks_is_told_with_what_it_has(workshop: Workshop) -> None:
    source = "int f(void) { return 1; }"
    library = user(workshop, scripted(workshop, "libprovider.so", "V_1.10 { f; };", source))
    provider = scripted(workshop, "libprovider.so", "V_1.2 { f; }; V_1.9 { };", source)

    report = judged(library)

    assert [(need.version, need.library, need.have, need.needed_by) for need in report.versions] == [
        ("V_1.10", str(provider), "V_1.9", str(library))
    ]
    assert [(lost.symbol, lost.reason) for lost in report.undefined] == [("f", "version")]


def test_a_symbol_of_a_versioned_libc_is_found(workshop: Workshop) -> None:
    library = workshop.library("libuser.so", 'int puts(const char *); int use(void) { return puts(""); }', "-lc")

    assert undefined(library) == set()
