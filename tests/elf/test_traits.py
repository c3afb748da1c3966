"""How a file was built: string ABI, std::function ABI, compilers, symbol versions."""

import subprocess
from pathlib import Path

import pytest

from envdoctor.elf import demangle as demangling
from envdoctor.elf.analysis import alone
from envdoctor.elf.demangle import demangle
from envdoctor.elf.file import open_elf
from envdoctor.elf.function_abi import functors_in_place, of_invoker, split
from envdoctor.elf.provided import newest_alike, provided
from envdoctor.elf.string_abi import string_abi
from envdoctor.elf.symbols import Symbols
from envdoctor.files import LiveFiles
from tests.elf.building import Workshop

LIBSTDCXX = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"
TAKES_STRING = "#include <string>\nint f(const std::string &s) { return s.size(); }"
HOLDS_FUNCTION = """
#include <functional>
std::function<int(int, long)> make(int base) { return [base](int a, long b) { return base + a + int(b); }; }
"""


def symbols(path: Path | str) -> Symbols:
    return Symbols(open_elf(LiveFiles(), str(path)))


@pytest.mark.parametrize(
    ("source", "flags", "expected"),
    [
        (TAKES_STRING, ("-D_GLIBCXX_USE_CXX11_ABI=1",), "new"),
        (TAKES_STRING, ("-D_GLIBCXX_USE_CXX11_ABI=0",), "old"),
        ("int f(int x) { return x; }", (), "unknown"),
        ("struct ClassStructSs { int g(); }; int ClassStructSs::g() { return 1; }", (), "unknown"),
        (
            "#include <list>\nint f(const std::list<int> &l) { return l.size(); }",
            ("-D_GLIBCXX_USE_CXX11_ABI=1",),
            "new",
        ),
    ],
    ids=["new", "old", "no string", "an identifier with Ss", "another type of the new ABI"],
)
def test_the_string_abi_is_what_the_names_say(
    workshop: Workshop, source: str, flags: tuple[str, ...], expected: str
) -> None:
    assert string_abi(symbols(workshop.cplusplus("libx.so", source, *flags))) == expected


def test_a_file_with_both_strings_is_mixed(workshop: Workshop) -> None:
    old = workshop.root / "old.o"
    source = workshop.path("old.cc")
    source.write_text(TAKES_STRING.replace("f(", "g("))
    subprocess.run(["g++", "-c", "-fPIC", "-D_GLIBCXX_USE_CXX11_ABI=0", str(source), "-o", str(old)], check=True)

    library = workshop.cplusplus("libx.so", TAKES_STRING, "-D_GLIBCXX_USE_CXX11_ABI=1", str(old))

    assert string_abi(symbols(library)) == "mixed"


def test_the_machines_compiler_passes_arguments_of_functions_by_reference(workshop: Workshop) -> None:
    assert alone(LiveFiles(), str(workshop.cplusplus("libx.so", HOLDS_FUNCTION))).function_abi == "reference"


def test_a_header_of_the_older_kind_passes_them_by_value(workshop: Workshop) -> None:
    headers = sorted(Path("/usr/include/c++").glob("*/bits/std_function.h"))
    if not headers:
        pytest.skip("no libstdc++ header std_function.h")
    changed = headers[-1].read_text().replace("_ArgTypes&&... __args", "_ArgTypes... __args")
    changed = changed.replace(
        "_Invoker_type = _Res (*)(const _Any_data&, _ArgTypes&&...)",
        "_Invoker_type = _Res (*)(const _Any_data&, _ArgTypes...)",
    )
    workshop.path("include/bits/std_function.h").write_text(changed)

    library = workshop.cplusplus("libx.so", HOLDS_FUNCTION, f"-I{workshop.root / 'include'}")

    assert alone(LiveFiles(), str(library)).function_abi == "value"


@pytest.mark.parametrize(
    ("functor", "is_inside"),
    [
        ("struct F { int x; int operator()(int) const { return x; } } held;", True),
        ("struct F { char x[64]; int operator()(int) const { return x[0]; } } held;", False),
        ("int held(int);", False),
    ],
    ids=["small", "large", "pointer"],
)
def test_small_functors_that_other_files_share_are_told(workshop: Workshop, functor: str, is_inside: bool) -> None:
    source = f"#include <functional>\n{functor}\nstd::function<int(int)> make() {{ return held; }}"

    found = functors_in_place(symbols(workshop.cplusplus("libx.so", source, "-O0")))

    assert any("_Base_manager<F>::_M_destroy(" in name for name in found) is is_inside


def test_a_file_without_functions_to_tell_by_is_unknown(workshop: Workshop) -> None:
    source = "#include <functional>\nstd::function<void()> make(int base) { return [base] { (void)base; }; }"

    assert alone(LiveFiles(), str(workshop.cplusplus("libx.so", source))).function_abi == "unknown"


@pytest.mark.parametrize(
    ("arguments", "taken", "expected"),
    [
        ("int", "int", "value"),
        ("int", "int&&", "reference"),
        ("std::string const&", "std::string const&", "unknown"),
        ("std::string const&, int", "std::string const&, int", "value"),
        ("std::map<int, long>, int", "std::map<int, long>&&, int&&", "reference"),
        ("int, long", "int, long&&", "unknown"),
        ("int", "int, int", "unknown"),
        ("", "", "unknown"),
    ],
)
def test_only_arguments_by_value_tell_the_function_abi(arguments: str, taken: str, expected: str) -> None:
    parameters = f"std::_Any_data const&, {taken}" if taken else "std::_Any_data const&"
    holder = "f(std::function<void (int)>)::{lambda(int)#1}"
    name = f"std::_Function_handler<void ({arguments}), {holder}>::_M_invoke({parameters})"

    assert of_invoker(name) == expected


@pytest.mark.parametrize(
    "name", ["", "_M_invoke", "std::_Function_handler<>::_M_invoke(std::_Any_data const&", ")" * 50]
)
def test_a_damaged_invoker_says_nothing(name: str) -> None:
    assert of_invoker(name) == "unknown"


def test_commas_inside_brackets_do_not_split() -> None:
    assert list(split("a<b, c>, d(e, f), {g, h}[i, j]")) == ["a<b, c>", "d(e, f)", "{g, h}[i, j]"]


def test_compilers_are_each_told_once(workshop: Workshop) -> None:
    workshop.cplusplus("libx.so", 'int f() { return 1; } __asm__(".ident \\"Another compiler 1.0\\"");')

    told = alone(LiveFiles(), str(workshop.root / "libx.so")).compilers

    assert len(told) == len(set(told)) == 2
    assert "Another compiler 1.0" in told


def test_provided_versions_are_those_of_readelf_in_order() -> None:
    if not Path(LIBSTDCXX).exists():
        pytest.skip(f"no {LIBSTDCXX}")
    text = subprocess.run(["readelf", "-VW", LIBSTDCXX], capture_output=True, text=True, check=True).stdout
    definitions = text.split("Version definition section")[1].split("Version needs section")[0]

    found = provided(symbols(LIBSTDCXX))

    assert set(found["GLIBCXX"]) == {word for word in definitions.split() if word.startswith("GLIBCXX_3")}
    assert found["GLIBCXX"].index("GLIBCXX_3.4.9") < found["GLIBCXX"].index("GLIBCXX_3.4.10")
    assert "GLIBC" not in found


@pytest.mark.parametrize(
    ("names", "version", "expected"),
    [
        (("GLIBCXX_3.4.9", "GLIBCXX_3.4.19", "CXXABI_1.3"), "GLIBCXX_3.4.30", "GLIBCXX_3.4.19"),
        (("libfoo.so.1",), "GLIBCXX_3.4.30", ""),
        (("V_a", "V_b"), "V_c", ""),
    ],
)
def test_the_newest_of_a_family_counts_numbers_and_not_letters(
    names: tuple[str, ...], version: str, expected: str
) -> None:
    assert newest_alike(names, version) == expected


def test_names_are_demangled_as_cxxfilt_does_it() -> None:
    names = sorted({name for name in bytes(symbols(LIBSTDCXX).string_table).split(b"\0") if name.startswith(b"_ZNK")})[
        :2000
    ]
    told = (
        subprocess.run(["c++filt"], input=b"\n".join(names), capture_output=True, check=True)
        .stdout.decode()
        .splitlines()
    )

    # c++filt writes the abbreviations of std::string and the streams out.
    differing = [
        (ours, theirs)
        for ours, theirs in zip(map(demangle, names), told, strict=True)
        if ours != theirs and "std::basic_" not in theirs
    ]

    assert len(names) > 500
    assert differing == []


@pytest.mark.parametrize("name", [b"puts", b"", b"_Z", b"_ZZZZ", b"_Z" + b"9" * 50, b"_Z3foo\xff"])
def test_what_is_no_mangled_name_stays_as_it_is(name: bytes) -> None:
    assert demangle(name) == name.decode("utf-8", "backslashreplace")


def test_without_a_demangler_names_stay_mangled_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demangling, "_function", lambda: None)

    assert demangle(b"_Z3foov") == "_Z3foov"
    assert not demangling.is_available()


def grown(levels: int) -> bytes:
    """A function of pairs, each of two of the one before: 2 ** levels characters from a few for each level."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    pairs = "".join(f"S_IS{digits[level]}_S{digits[level]}_E" for level in range(levels))
    return f"_Z1fSt4pairIiiE{pairs}".encode()


def test_a_short_name_that_grows_without_bound_is_not_demangled() -> None:
    assert demangle(grown(3)).startswith("f(std::pair<int, int>, std::pair<std::pair<int, int>, ")
    assert demangle(grown(30)) == grown(30).decode()


def test_no_real_name_is_taken_for_one_that_grows_without_bound() -> None:
    names = [name for name in bytes(symbols(LIBSTDCXX).string_table).split(b"\0") if name.startswith(b"_Z")]

    assert all(demangle(name) != name.decode() for name in names)


def test_a_deeply_nested_name_does_not_end_the_program() -> None:
    assert demangle(b"_Z1f" + b"P" * 8000 + b"i")
    assert demangle(b"_Z1f" + b"P" * 100_000 + b"i").startswith("_Z1fPPP")
