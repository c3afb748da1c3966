"""Extensions judged in the process that would load them, with small stand-ins for torch and Caffe2.

Where the judgement is about loading, a real interpreter loads the same files in the same order as the witness.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from envdoctor.elf.file import open_elf
from envdoctor.elf.loader import Opened
from envdoctor.facts import (
    Absent,
    Caffe2,
    Extension,
    Extensions,
    Facts,
    Known,
    Project,
    Python,
    Torch,
    TorchCompanion,
    Unreadable,
)
from envdoctor.files import LiveFiles
from envdoctor.probes.extensions import probe, python_tag
from envdoctor.probes.load_order import kind_of, process_for
from envdoctor.target import Target
from tests.filetree import make_target, write_tree
from tests.probes.native import build_library, build_with_fatbin, fatbin, needs_compiler

pytestmark = needs_compiler

SUFFIX = ".cpython-311-x86_64-linux-gnu.so"
CORE = "namespace c10 { void check() {} } namespace at { void ones() {} }"
USES_CORE = "namespace c10 { void check(); } namespace at { void ones(); } void run() { c10::check(); at::ones(); }"
USES_GONE = "namespace c10 { void gone(); } void run() { c10::gone(); }"
MODULE = 'namespace c10 { void check(); } extern "C" void PyInit__C() { c10::check(); }'


class Site:
    """A site directory with a torch of two libraries and its `_C`, of the kind since 1.5 or the kind before."""

    def __init__(self, root: Path, modern: bool = True) -> None:
        self.root = root
        self.torch = root / "torch"
        self.library = self.torch / "lib"
        build_library(self.library / "libc10.so", CORE, "-Wl,-soname,libc10.so")
        self.module = build_library(
            self.torch / f"_C{SUFFIX}", MODULE, f"-L{self.library}", "-lc10", "-Wl,-rpath,$ORIGIN/lib"
        )
        if modern:
            build_library(self.library / "libtorch_global_deps.so", "", "-nostdlib")

    def extension(self, name: str, source: str, *options: str) -> Path:
        """An extension of torch as cpp_extension links it: it names libc10.so and no directory."""
        return build_library(self.root / name, source, "-Wl,--no-as-needed", f"-L{self.library}", "-lc10", *options)

    def target(self, **variables: str) -> Target:
        return make_target(LiveFiles(), variables, python=sys.executable)

    def facts(self, project: tuple[Path, ...] = (), companions: tuple[TorchCompanion, ...] = ()) -> Facts:
        return Facts(
            python=Python(
                executable=Known(sys.executable, "test"),
                extension_suffix=Known(SUFFIX, "test"),
                sys_path=(str(self.root),),
                site_packages=(str(self.root),),
            ),
            torch=Torch(
                root=Known(str(self.torch), "test"),
                version=Known("2.13.0", "test"),
                libraries=(f"{self.library}/libc10.so",),
                companions=companions,
            ),
            project=Project(profile=Known("torch-extension", "test"), libraries=tuple(map(str, project))),
        )

    def look(self, *project: Path, **variables: str) -> Extensions:
        return probe(self.target(**variables), self.facts(project))

    def load(self, library: Path, before: tuple[str, ...]) -> str:
        """What a real interpreter says to loading the library after these statements; empty when it loads."""
        lines = ["import ctypes, os", *before, f"ctypes.CDLL({str(library)!r}, os.RTLD_NOW)"]
        done = subprocess.run(
            [sys.executable, "-S", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60
        )
        return done.stderr


def only(found: Extensions) -> Extension:
    """The one extension beside torch's own module, which is judged where its libraries may have changed."""
    assert found.unreadable == ()
    (extension,) = [extension for extension in found.found if extension.owner != "torch"]
    return extension


def test_an_extension_finds_the_libraries_that_torch_has_loaded(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    library = site.extension(f"pkg/_C{SUFFIX}", USES_CORE)

    found = only(site.look())

    assert (found.path, found.owner, found.kind) == (str(library), "pkg", "torch-extension")
    assert (found.missing, found.undefined, found.undefined_count) == ((), (), 0)
    assert site.load(library, (f"ctypes.CDLL({str(site.module)!r})",)) == ""


@pytest.mark.parametrize(
    ("version", "differing", "variables", "undefined"),
    [
        ("2.13.0", (), {}, 0),
        ("2.13.0a0+git123", (), {}, 1),
        ("2.13.0", ("nvidia-cublas-cu12==12.1",), {}, 1),
        ("2.13.0", (), {"LD_LIBRARY_PATH": "/elsewhere"}, 1),
    ],
)
def test_a_published_torch_is_trusted_unless_something_may_have_changed_its_libraries(
    tmp_path: Path, version: str, differing: tuple[str, ...], variables: dict[str, str], undefined: int
) -> None:
    site = Site(tmp_path / "site")
    site.extension(f"pkg/_C{SUFFIX}", USES_CORE)
    build_library(site.library / "libc10.so", CORE + USES_GONE, "-Wl,-soname,libc10.so")
    known = site.facts()
    torch = Torch(
        root=known.torch.root,
        version=Known(version, "test"),
        libraries=(str(site.library / "libc10.so"),),
        differing_requirements=differing,
    )

    found = probe(site.target(**variables), Facts(python=known.python, torch=torch, project=known.project))

    assert only(found).undefined_count == undefined
    own = [one.undefined_count for one in found.found if one.owner == "torch"]
    assert own == [undefined] * undefined


def test_without_torch_the_same_extension_misses_its_libraries(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    library = site.extension("out.so", USES_CORE)
    site.module.unlink()

    found = only(site.look(library))

    assert [missing.name for missing in found.missing] == ["libc10.so"]
    assert "libc10.so: cannot open shared object file" in site.load(library, ())


def test_an_extension_of_another_release_has_undefined_symbols(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    library = site.extension(
        "out.so", USES_GONE + USES_CORE.replace("run", "run2"), "-Wl,--unresolved-symbols=ignore-all"
    )

    found = only(site.look(library))

    assert [symbol.symbol for symbol in found.undefined] == ["_ZN3c104goneEv"]
    assert found.undefined[0].demangled == "c10::gone()"
    assert "undefined symbol: _ZN3c104goneEv" in site.load(library, (f"ctypes.CDLL({str(site.module)!r})",))


@pytest.mark.parametrize("modern", [False, True])
def test_before_torch_1_5_extensions_that_name_no_library_find_torch_in_the_global_scope(
    tmp_path: Path, modern: bool
) -> None:
    site = Site(tmp_path / "site", modern)
    library = build_library(tmp_path / "out.so", USES_CORE)
    mode = "os.RTLD_LOCAL" if modern else "os.RTLD_GLOBAL"

    found = only(site.look(library))

    assert found.undefined_count == (2 if modern else 0)
    said = site.load(library, (f"ctypes.CDLL({str(site.module)!r}, {mode})",))
    assert ("undefined symbol" in said) is modern


def test_torch_may_be_told_to_lend_its_symbols_to_all(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    library = build_library(tmp_path / "out.so", USES_CORE)

    process = process_for(site.target(TORCH_USE_RTLD_GLOBAL="1"), site.facts(), str(library))

    assert process.opened == (Opened(str(site.module), is_global=True, is_lazy=True),)


def test_what_torch_misses_is_taken_from_the_nvidia_packages(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    blas = build_library(
        site.root / "nvidia/cublas/lib/libcublas.so.11", "", "-nostdlib", "-Wl,-soname,libcublas.so.11"
    )
    dependencies = build_library(
        site.library / "libtorch_global_deps.so", "", "-nostdlib", "-Wl,--no-as-needed", str(blas)
    )

    process = process_for(site.target(), site.facts(), str(site.extension("out.so", USES_CORE)))

    assert process.opened == (
        Opened(str(blas), is_global=False),
        Opened(str(dependencies), is_global=True),
        Opened(str(site.module), is_global=False),
    )


def write_caffe2(site: Site, gpu_loads: bool) -> Facts:
    """The Python side of Caffe2 with a module for GPUs and one without."""
    python = site.root / "caffe2/python"
    write_tree(site.root, {"/caffe2/__init__.py": ""})
    lost = build_library(site.root / "lost/liblost.so", "", "-nostdlib", "-Wl,-soname,liblost.so")
    extra = () if gpu_loads else ("-Wl,--no-as-needed", str(lost))
    build_library(python / f"caffe2_pybind11_state_gpu{SUFFIX}", "", "-nostdlib", *extra)
    build_library(python / f"caffe2_pybind11_state{SUFFIX}", "", "-nostdlib")
    facts = site.facts()
    return Facts(
        python=facts.python, torch=facts.torch, caffe2=Caffe2(importable=Known(str(site.root / "caffe2"), "t"))
    )


@pytest.mark.parametrize(("gpu_loads", "name"), [(True, "state_gpu"), (False, "state")])
def test_operators_meet_the_module_of_caffe2_that_loads(tmp_path: Path, gpu_loads: bool, name: str) -> None:
    site = Site(tmp_path / "site")
    ops = build_library(tmp_path / "ops.so", "namespace caffe2 { void CPUOperatorRegistry() {} }")

    process = process_for(site.target(), write_caffe2(site, gpu_loads), str(ops))

    assert process.opened == (Opened(f"{site.root}/caffe2/python/caffe2_pybind11_{name}{SUFFIX}", is_global=True),)


@pytest.mark.parametrize(
    ("source", "needs", "kind"),
    [
        (
            "namespace caffe2 { void CPUOperatorRegistry(); } void f() { caffe2::CPUOperatorRegistry(); }",
            "",
            "caffe2-ops",
        ),
        ("void f() {}", "libcaffe2.so", "caffe2-ops"),
        ("void f() {}", "libcaffe2_gpu.so", "caffe2-ops"),
        ("void f() {}", "libcaffe2_nvrtc.so", "torch-extension"),
        ('extern "C" void PyInit__C() {}', "libcaffe2.so", "torch-extension"),
        ('extern "C" void init_C() {}', "libcaffe2.so", "torch-extension"),
        ("namespace caffe2 { void TypeMeta(); } void f() { caffe2::TypeMeta(); }", "libc10.so", "torch-extension"),
        ("namespace at { void ones(); } void f() { at::ones(); }", "", "torch-extension"),
        ("void f() {}", "libtorch_cpu.so", "torch-extension"),
        ("void f() {}", "", None),
    ],
)
def test_the_kind_of_a_library_is_told_by_its_symbols_and_needs(
    tmp_path: Path, source: str, needs: str, kind: str | None
) -> None:
    needed = build_library(tmp_path / "needed.so", "", "-nostdlib", f"-Wl,-soname,{needs or 'none'}")
    options = ("-Wl,--no-as-needed", str(needed)) if needs else ()
    library = build_library(tmp_path / "library.so", source, *options)

    assert kind_of(open_elf(LiveFiles(), str(library))) == kind


def test_libraries_that_have_nothing_to_do_with_torch_are_left_alone(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    build_library(site.root / f"other/_speedups{SUFFIX}", "void f() {}")
    site.extension("numpy/core.so", USES_GONE, "-Wl,--unresolved-symbols=ignore-all")
    write_tree(site.root, {"/broken/_C.so": b"\x7fELF", "/text/_C.so": "no library"})

    found = site.look()

    assert found == Extensions()


def test_a_library_of_the_project_is_listed_once_and_before_those_of_the_environment(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    mine = site.extension(f"mine/_C{SUFFIX}", USES_CORE)
    companion = TorchCompanion(name="mine", version="1", path="/x", extension=Known(str(mine), "test"))

    found = probe(site.target(), site.facts((mine,), (companion,)))

    assert [(one.owner, one.path) for one in found.found] == [("project", str(mine))]


def test_device_code_cuda_libraries_and_the_python_tag_are_told(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    runtime = build_library(tmp_path / "cuda/libcudart.so.12", "", "-nostdlib", "-Wl,-soname,libcudart.so.12")
    code = build_with_fatbin(tmp_path / "code.o", fatbin(("80", "90a", "90+PTX")))
    blob = code.with_suffix(".fatbin")
    source = USES_CORE + f'\nasm(".section .nv_fatbin,\\"a\\"\\n.incbin \\"{blob}\\"\\n.text");'
    site.extension("pkg/_C.cpython-37m-x86_64-linux-gnu.so", source, str(runtime))

    found = only(site.look(LD_LIBRARY_PATH=str(runtime.parent)))

    assert found.architectures == ("80", "90a", "90+PTX")
    assert [(one.name, one.path, one.found_via) for one in found.cuda_libraries] == [
        ("libcudart.so.12", str(runtime), "LD_LIBRARY_PATH")
    ]
    assert found.python_tag == "cpython-37m"


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("_C.cpython-311-x86_64-linux-gnu.so", "cpython-311"),
        ("_C.cpython-37m-x86_64-linux-gnu.so", "cpython-37m"),
        ("_C.pypy39-pp73-x86_64-linux-gnu.so", "pypy39-pp73"),
        ("_C.so", None),
        ("_C.abi3.so", None),
        ("libops.so.1", None),
    ],
)
def test_the_file_name_tells_the_interpreter(name: str, tag: str | None) -> None:
    assert python_tag(f"/some.where/x-y/{name}") == tag


def test_symbols_with_different_causes_each_keep_an_example(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    names = "namespace c10 { void a(); void b(); } namespace other { void c(); }"
    calls = "void f() { c10::a(); c10::b(); other::c(); }"
    library = site.extension("out.so", names + calls, "-Wl,--unresolved-symbols=ignore-all")

    found = only(site.look(library))

    assert found.undefined_count == 3
    assert {symbol.demangled.partition("::")[0] for symbol in found.undefined} == {"c10", "other"}
    assert len(found.undefined) == 2


@pytest.mark.parametrize("content", [b"", b"\x7fELF truncated", b"no library at all"])
def test_a_damaged_library_of_the_project_is_unreadable(tmp_path: Path, content: bytes) -> None:
    site = Site(tmp_path / "site")
    damaged = tmp_path / "damaged.so"
    damaged.write_bytes(content)

    found = site.look(damaged, tmp_path / "vanished.so")

    assert [one.found_via for one in found.unreadable] == [str(damaged), str(tmp_path / "vanished.so")]
    assert found.found == ()


@pytest.mark.parametrize("executable", [Absent("none"), Unreadable("hung")])
def test_without_an_interpreter_nothing_is_judged(tmp_path: Path, executable: "Absent | Unreadable") -> None:
    site = Site(tmp_path / "site")
    library = site.extension("out.so", USES_CORE)
    facts = site.facts((library,))
    facts = Facts(python=Python(executable=executable), torch=facts.torch, project=facts.project)

    found = probe(make_target(LiveFiles()), facts)

    assert found.found == ()
    assert len(found.unreadable) == 1 and "interpreter is no readable program" in found.unreadable[0].reason


def test_a_damaged_torch_leaves_the_extension_unreadable(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    library = site.extension("out.so", USES_CORE)
    site.module.write_bytes(b"\x7fELF damaged")

    found = site.look(library)

    assert found.found == () and "cannot be examined" in found.unreadable[0].reason
