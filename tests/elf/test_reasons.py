"""Why a symbol is undefined: one small library for each reason."""

from pathlib import Path

import pytest

from envdoctor.elf.analysis import SymbolsReport, Undefined, alone, examine
from envdoctor.elf.loader import Process
from envdoctor.elf.mangled import is_same_function, key, namespace, qualified
from envdoctor.elf.owners import is_named, libraries_for
from envdoctor.elf.related import is_other_flavour
from envdoctor.files import LiveFiles
from tests.elf.building import Workshop

HERE = "-Wl,-rpath,$ORIGIN"
OLD_STRING, NEW_STRING = "-D_GLIBCXX_USE_CXX11_ABI=0", "-D_GLIBCXX_USE_CXX11_ABI=1"

LIBRARY = """
#include <string>
namespace kit {
struct Part { Part(const std::string &name); std::string name() const; static int count(long); };
}
"""
DEFINITIONS = (
    LIBRARY
    + """
namespace kit {
Part::Part(const std::string &) {}
std::string Part::name() const { return ""; }
int Part::count(long) { return 0; }
}
"""
)
USER = LIBRARY + 'int use() { return kit::Part("a").name().size() + kit::Part::count(1); }'


def report_of(workshop: Workshop, provider: Path, flags: tuple[str, ...] = (), source: str = USER) -> SymbolsReport:
    library = workshop.cplusplus("libuser.so", source, "-Wl,--no-as-needed", str(provider), HERE, *flags)
    return alone(LiveFiles(), str(library))


def reasons(report: SymbolsReport) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {lost.demangled: (lost.reason, lost.candidates) for lost in report.undefined}


@pytest.mark.parametrize(("built", "used"), [(OLD_STRING, NEW_STRING), (NEW_STRING, OLD_STRING)])
def test_the_same_function_with_the_other_string_is_the_string_abi(workshop: Workshop, built: str, used: str) -> None:
    provider = workshop.cplusplus("libkit.so", DEFINITIONS, built)

    report = report_of(workshop, provider, (used,))

    assert {reason for reason, _ in reasons(report).values()} == {"string-abi"}
    assert {candidates for _, candidates in reasons(report).values()} == {(str(provider),)}
    assert any("kit::Part::Part(" in name for name in reasons(report))
    assert any("kit::Part::name" in name for name in reasons(report))


def test_another_signature_of_the_same_function_is_another_release(workshop: Workshop) -> None:
    provider = workshop.cplusplus("libkit.so", DEFINITIONS.replace("count(long)", "count(long, int)"))

    report = report_of(workshop, provider, ("-Wl,--allow-shlib-undefined",))

    assert reasons(report) == {"kit::Part::count(long)": ("other-release", (str(provider),))}


def test_a_symbol_that_its_library_in_the_scope_lacks_is_another_release(workshop: Workshop) -> None:
    provider = workshop.cplusplus("libc10.so", "namespace c10 { int old_name() { return 1; } }")

    report = report_of(
        workshop, provider, source="namespace c10 { int new_name(); } int use() { return c10::new_name(); }"
    )

    assert reasons(report) == {"c10::new_name()": ("other-release", (str(provider),))}


def test_a_symbol_kept_for_itself_by_a_library_in_the_scope_is_hidden(workshop: Workshop) -> None:
    declared = "namespace google { namespace protobuf { int parse(int x)%s } } "
    source = declared % "{ return x; }" + "int f() { return google::protobuf::parse(1); }"
    provider = workshop.cplusplus("libkit.so", source, "-fvisibility=hidden")

    user = declared % ";" + "int use() { return google::protobuf::parse(2); }"
    report = report_of(workshop, provider, source=user)

    assert reasons(report) == {"google::protobuf::parse(int)": ("hidden", (str(provider),))}


def test_a_private_copy_shows_in_what_a_stripped_library_exports(workshop: Workshop) -> None:
    source = """
    namespace google { namespace protobuf {
    struct Message { int x; };
    __attribute__((visibility("hidden"))) int parse(Message *m) { return m->x; }
    } }
    int shown(google::protobuf::Message *m) { return google::protobuf::parse(m); }
    """
    provider = workshop.cplusplus("libkit.so", source, "-s")
    user = """
    namespace google { namespace protobuf { struct Message; int parse(Message *); } }
    int use(google::protobuf::Message *m) { return google::protobuf::parse(m); }
    """

    report = report_of(workshop, provider, source=user)

    assert list(reasons(report).values()) == [("hidden", (str(provider),))]


def test_a_file_on_the_disk_that_nobody_loads_is_not_linked(workshop: Workshop) -> None:
    elsewhere = workshop.cplusplus("elsewhere/libkit.so", DEFINITIONS)
    library = workshop.cplusplus("libuser.so", USER)

    report = examine(LiveFiles(), str(library), Process(), [str(elsewhere.parent)])

    assert set(reasons(report).values()) == {("not-linked", (str(elsewhere),))}


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_a_library_that_is_needed_and_missing_takes_its_symbols_along(workshop: Workshop, is_on_disk: bool) -> None:
    provider = workshop.cplusplus("gone/libc10.so", "namespace c10 { int f() { return 1; } }", "-Wl,-soname,libc10.so")
    library = workshop.cplusplus(
        "libuser.so", "namespace c10 { int f(); } int use() { return c10::f(); }", "-Wl,--no-as-needed", str(provider)
    )

    report = examine(LiveFiles(), str(library), Process(), [str(provider.parent)] if is_on_disk else [])

    candidates = (str(provider),) if is_on_disk else ("libc10.so",)
    assert reasons(report) == {"c10::f()": ("missing-library", candidates)}
    assert [lost.name for lost in report.missing] == ["libc10.so"]


def test_a_symbol_of_which_nothing_is_known_is_unknown(workshop: Workshop) -> None:
    library = workshop.library("libuser.so", "int mystery(void); int use(void) { return mystery(); }")

    lost = alone(LiveFiles(), str(library)).undefined

    assert lost == (Undefined("mystery", "mystery", "", str(library), "unknown", ()),)


@pytest.mark.parametrize(
    ("name", "stems"),
    [
        ("c10::Error", ("libc10",)),
        ("c10::cuda::device_count", ("libc10_cuda",)),
        ("at::_ops::add", ("libtorch_cpu",)),
        ("google::protobuf::Message", ("libprotobuf",)),
        ("cublasLtCreate", ("libcublasLt",)),
        ("cublasCreate_v2", ("libcublas",)),
        ("cudaMalloc", ("libcudart",)),
        ("__cudaRegisterFatBinary", ("libcudart",)),
        ("cuLaunchKernel", ("libcuda",)),
        ("__nvJitLinkAddData_12_1", ("libnvJitLink",)),
        ("PyList_New", ("libpython",)),
        ("_PyObject_GC_New", ("libpython",)),
        ("cursor", ()),
        ("custom::thing", ()),
        ("Pyramid", ()),
    ],
)
def test_the_library_that_should_define_a_symbol_is_known_by_its_name(name: str, stems: tuple[str, ...]) -> None:
    assert libraries_for(name)[:1] == stems


@pytest.mark.parametrize(
    ("file", "stem", "expected"),
    [
        ("/a/libc10.so", "libc10", True),
        ("libc10_cuda.so", "libc10", False),
        ("libcudart-e409450e.so.11.0", "libcudart", True),
        ("libcudart.782fcab0.so.11.0", "libcudart", True),
        ("libpython3.11.so.1.0", "libpython", True),
        ("libcublasLt.so.12", "libcublas", False),
        ("libtorch.so.1", "libtorch", True),
    ],
)
def test_a_file_is_told_by_its_stem(file: str, stem: str, expected: bool) -> None:
    assert is_named(file, stem) is expected


@pytest.mark.parametrize(
    ("name", "expected_key", "expected_name"),
    [
        (
            b"_ZN6caffe219CPUOperatorRegistryB5cxx11Ev",
            b"_ZN6caffe219CPUOperatorRegistry",
            "caffe2::CPUOperatorRegistry",
        ),
        (b"_ZNK2at10TensorBase8data_ptrIdEEPT_v", b"_ZNK2at10TensorBase8data_ptr", "at::TensorBase::data_ptr"),
        (b"_ZTVN3c105ErrorE", b"_ZTVN3c105Error", "c10::Error"),
        (b"_Z3fooi", b"_Z3foo", "foo"),
        (b"_ZNSt6vectorIiE4sizeEv", b"_ZNSt6vector", "std::vector"),
        (b"_ZN3c10", b"_ZN3c10", "c10"),
        (b"_ZN99short", None, ""),
        (b"_Z", None, ""),
        (b"puts", None, "puts"),
    ],
)
def test_identifiers_are_read_from_a_mangled_name(name: bytes, expected_key: bytes | None, expected_name: str) -> None:
    assert key(name) == expected_key
    assert qualified(name) == expected_name


def test_the_namespace_of_a_name_is_its_outermost_two_identifiers() -> None:
    assert namespace(b"_ZNK6google8protobuf5Arena3getEv") == b"6google8protobuf"
    assert namespace(b"_Z3foov") is None


@pytest.mark.parametrize(
    ("name", "other", "expected"),
    [
        (b"_ZN1a1fEi", b"_ZN1a1fEl", True),
        (b"_ZN1a1fEi", b"_ZN1a1fEi", False),
        (b"_ZN1a1fEi", b"_ZN1a1gEi", False),
        (b"_ZN1aC1Ei", b"_ZN1aD1Ev", False),
        (b"_ZN1aplERKS_", b"_ZN1amiERKS_", False),
        (b"_Z1fi", b"_Z1fl", True),
    ],
)
def test_functions_are_the_same_when_only_parameters_differ(name: bytes, other: bytes, expected: bool) -> None:
    assert is_same_function(name, other) is expected


def test_the_two_flavours_of_one_function_are_told_from_two_functions() -> None:
    old, new = b"_ZN1a1fERKSs", b"_ZN1a1fERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"

    assert is_other_flavour(old, new)
    assert not is_other_flavour(old, new.replace(b"1f", b"1g"))
