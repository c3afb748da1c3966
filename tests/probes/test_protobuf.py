"""Every protobuf by its place, and which of them a build would meet."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from envdoctor.facts import (
    Absent,
    BuildDirectory,
    Caffe2,
    Caffe2Installation,
    Compilers,
    Fact,
    Facts,
    GeneratedCode,
    Known,
    LibraryFile,
    Package,
    Packages,
    Project,
    Protobuf,
    ProtobufHeaders,
    Python,
    Unreadable,
    Variable,
    value_of,
)
from envdoctor.probes.project_toolchain import read_toolchain
from envdoctor.probes.protobuf import probe
from envdoctor.probes.protobuf_files import cpp_version
from envdoctor.programs import Completed, Programs
from tests.filetree import AnsweringPrograms, RootedFiles, make_target, write_tree

SEARCH: Fact[tuple[str, ...]] = Known(("/usr/local/include", "/usr/include"), "`g++ -v`")


def old_headers(version: int, minimum: int) -> str:
    return f"#define GOOGLE_PROTOBUF_VERSION {version}\n#define GOOGLE_PROTOBUF_MIN_PROTOC_VERSION {minimum}\n"


def headers_in(folder: str, version: int = 3021012, minimum: int = 3021000) -> dict[str, str]:
    return {f"{folder}/google/protobuf/stubs/common.h": old_headers(version, minimum)}


def caffe2_at(root: str, include: str) -> Caffe2:
    installation = Caffe2Installation(root=root, version=Absent(""), config=Absent(""), include=Known(include, include))
    return Caffe2(installations=(installation,))


def examined(
    folder: Path,
    files: Mapping[str, str],
    environment: Mapping[str, str] | None = None,
    programs: Programs | None = None,
    denied: tuple[str, ...] = (),
    search: Fact[tuple[str, ...]] = SEARCH,
    packages: tuple[Package, ...] = (),
    caffe2: Caffe2 = Caffe2(),  # noqa: B008 - a frozen value
    project: Project = Project(),  # noqa: B008 - a frozen value
    python: Python = Python(),  # noqa: B008 - a frozen value
) -> Protobuf:
    write_tree(folder, files)
    toolchain = read_toolchain(RootedFiles(folder), environment or {}, project.build)
    known = Facts(
        compilers=Compilers(include_directories=search),
        packages=Packages(installed=packages),
        caffe2=caffe2,
        project=msgspec.structs.replace(project, toolchain=toolchain),
        python=python,
    )
    target = make_target(RootedFiles(folder, denied), environment, programs, project=value_of(project.root))
    return probe(target, known)


# Headers


@pytest.mark.parametrize(
    ("files", "version", "minimum"),
    [
        (headers_in("/usr/include", 3005000, 3005000), "3.5.0", "3.5.0"),
        (headers_in("/usr/include"), "3.21.12", "3.21.0"),
        (
            {
                "/usr/include/google/protobuf/stubs/common.h": "#define GOOGLE_PROTOBUF_VERSION 4025003\n",
                "/usr/include/google/protobuf/port_def.inc": "#define PROTOBUF_MIN_PROTOC_VERSION 4025000\n"
                "#define PROTOBUF_VERSION 4025003\n",
            },
            "4.25.3",
            "4.25.0",
        ),
        (
            {
                "/usr/include/google/protobuf/stubs/common.h": "// nothing\n",
                "/usr/include/google/protobuf/runtime_version.h": "#define PROTOBUF_VERSION 6030002\n",
            },
            "6.30.2",
            None,
        ),
        ({"/usr/include/google/protobuf/stubs/common.h": "garbage \0"}, None, None),
    ],
)
def test_headers_tell_their_version_wherever_a_release_keeps_it(
    tmp_path: Path, files: dict[str, str], version: str | None, minimum: str | None
) -> None:
    found = examined(tmp_path, files)

    assert found.headers == (ProtobufHeaders("/usr/include", version, minimum, "system"),)
    assert value_of(found.default_headers) == found.headers[0]


def test_cpath_comes_before_the_compilers_own_directories(tmp_path: Path) -> None:
    files = {**headers_in("/usr/include"), **headers_in("/mine", 3005000, 3005000)}

    found = examined(tmp_path, files, {"CPATH": "/mine"})

    assert isinstance(found.default_headers, Known)
    assert (found.default_headers.value.version, found.default_headers.value.origin) == ("3.5.0", "CPATH")
    assert [each.origin for each in found.headers] == ["CPATH", "system"]


@pytest.mark.parametrize(
    ("environment", "origin"),
    [
        ({"CXXFLAGS": "-O2 -I/mine"}, "CXXFLAGS"),
        ({"CXXFLAGS": "-isystem '/mine'"}, "CXXFLAGS"),
        ({"CMAKE_TOOLCHAIN_FILE": "/p/.envdoctor/toolchain.cmake"}, "CMAKE_TOOLCHAIN_FILE"),
    ],
)
def test_flags_come_before_cpath(tmp_path: Path, environment: dict[str, str], origin: str) -> None:
    files = {
        **headers_in("/mine", 3005000, 3005000),
        **headers_in("/other"),
        "/p/.envdoctor/toolchain.cmake": 'set(M /mine)\nset(CMAKE_CXX_FLAGS_INIT "-D_GLIBCXX_USE_CXX11_ABI=0 -I${M}")',
    }

    found = examined(tmp_path, files, {"CPATH": "/other", **environment})

    assert isinstance(found.default_headers, Known)
    assert (found.default_headers.value.version, found.default_headers.value.origin) == ("3.5.0", origin)


@pytest.mark.parametrize(("profile", "version"), [("caffe2-ops", "3.6.1"), ("installed", "3.21.12")])
def test_headers_beside_caffe2s_own_come_first_in_a_build_against_it(
    tmp_path: Path, profile: str, version: str
) -> None:
    files = {**headers_in("/t/include", 3006001, 3006001), **headers_in("/usr/include")}

    found = examined(
        tmp_path, files, caffe2=caffe2_at("/t", "/t/include"), project=Project(profile=Known(profile, "test"))
    )

    assert isinstance(found.default_headers, Known)
    assert found.default_headers.value.version == version


def test_headers_of_other_places_are_listed_and_no_default(tmp_path: Path) -> None:
    files = {
        **headers_in("/c/include"),
        **headers_in("/site/torch/include", 3013000, 3013000),
        **headers_in("/p/.envdoctor/prefix/include", 3005000, 3005000),
        **headers_in("/cached", 3006001, 3006001),
    }
    build = BuildDirectory("/p/build", (Variable("Protobuf_INCLUDE_DIR", "/cached"),))

    found = examined(
        tmp_path,
        files,
        {"CONDA_PREFIX": "/c"},
        packages=(Package("torch", "2.1", "/site/torch-2.1.dist-info"),),
        project=Project(root=Known("/p", "test"), build=Known(build, "test")),
    )

    assert {each.origin: each.version for each in found.headers} == {
        "project": "3.5.0",
        "conda": "3.21.12",
        "CMakeCache.txt": "3.6.1",
        "torch": "3.13.0",
    }
    assert isinstance(found.default_headers, Absent)
    assert "/usr/include" in found.default_headers.looked


def test_headers_that_may_not_be_read_are_unreadable_and_not_absent(tmp_path: Path) -> None:
    found = examined(tmp_path, headers_in("/usr/include"), denied=("/usr/include/google/protobuf/stubs/common.h",))

    assert isinstance(found.default_headers, Unreadable)
    assert found.unreadable == (found.default_headers,)


def test_where_the_compiler_is_not_known_the_default_is_not(tmp_path: Path) -> None:
    found = examined(tmp_path, {}, search=Unreadable("it hangs", "`g++ -v`"))

    assert isinstance(found.default_headers, Unreadable)


# protoc


def test_protocs_are_told_apart_and_the_one_on_path_is_first(tmp_path: Path) -> None:
    files = {
        "/usr/bin/protoc": "",
        "/bin": "-> usr/bin",
        "/venv/bin/protoc": "",
        "/site/torch/bin/protoc": "",
        "/site/torch/bin/protoc-3.13.0.0": "",
    }
    programs = AnsweringPrograms(lambda command: Completed(command, 0, "libprotoc 3.21.12\n", ""))

    found = examined(
        tmp_path,
        files,
        {"PATH": "/bin:/usr/bin"},
        programs,
        packages=(Package("torch", "1.13", "/site/torch-1.13.dist-info"),),
        python=Python(prefix=Known("/venv", "test")),
    )

    assert isinstance(found.protoc, Known)
    assert (found.protoc.value.path, value_of(found.protoc.value.version)) == ("/bin/protoc", "3.21.12")
    assert [(each.path, value_of(each.version)) for each in found.protocs] == [
        ("/bin/protoc", "3.21.12"),
        ("/venv/bin/protoc", "3.21.12"),
        ("/site/torch/bin/protoc-3.13.0.0", "3.13.0"),
    ]
    assert len(programs.started) == 2


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        (Completed((), None, "", "", "`protoc` gave no answer in 5 s and was ended"), "no answer"),
        (Completed((), 127, "", "protoc: error while loading shared libraries: libprotoc.so.32\n"), "libprotoc.so.32"),
        (Completed((), 0, "hello\n", ""), "no version"),
    ],
)
def test_a_protoc_that_gives_no_version_is_there_with_an_unreadable_one(
    tmp_path: Path, left: Completed, reason: str
) -> None:
    found = examined(tmp_path, {"/usr/bin/protoc": ""}, {"PATH": "/usr/bin"}, AnsweringPrograms(lambda _: left))

    assert isinstance(found.protoc, Known)
    assert isinstance(found.protoc.value.version, Unreadable)
    assert reason in found.protoc.value.version.reason


def test_without_programs_protoc_is_there_and_its_version_unreadable(tmp_path: Path) -> None:
    found = examined(tmp_path, {"/usr/bin/protoc": ""}, {"PATH": "/usr/bin"})

    assert isinstance(found.protoc, Known)
    assert isinstance(found.protoc.value.version, Unreadable)


# Libraries


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"libprotobuf.so.32.0.12": "", "libprotobuf.so.32": "-> libprotobuf.so.32.0.12"},
            LibraryFile("libprotobuf.so.32", "/usr/lib/libprotobuf.so.32", "3.21", "system"),
        ),
        (
            {"libprotobuf.so.32.0.12": "", "pkgconfig/protobuf.pc": "Name: P\nVersion: 3.21.12\n"},
            LibraryFile("libprotobuf.so.32", "/usr/lib/libprotobuf.so.32.0.12", "3.21.12", "system"),
        ),
        (
            {"libprotobuf.so.17.0.0": "", "pkgconfig/protobuf.pc": "Version: 3.21.12\n"},
            LibraryFile("libprotobuf.so.17", "/usr/lib/libprotobuf.so.17.0.0", "3.6", "system"),
        ),
        (
            {"libprotobuf.so.3.21.12.0": ""},
            LibraryFile("libprotobuf.so.3.21.12.0", "/usr/lib/libprotobuf.so.3.21.12.0", "3.21.12", "system"),
        ),
        (
            {"libprotobuf.so.25.3.0": ""},
            LibraryFile("libprotobuf.so.25.3.0", "/usr/lib/libprotobuf.so.25.3.0", "4.25.3", "system"),
        ),
        ({"libprotobuf.a": ""}, LibraryFile("libprotobuf.a", "/usr/lib/libprotobuf.a", None, "system")),
        (
            {"libprotobuf.a": "", "pkgconfig/protobuf.pc": "Version: 3.5.0\n"},
            LibraryFile("libprotobuf.a", "/usr/lib/libprotobuf.a", "3.5.0", "system"),
        ),
        (
            {"libprotobuf.so.99.0.1": ""},
            LibraryFile("libprotobuf.so.99", "/usr/lib/libprotobuf.so.99.0.1", None, "system"),
        ),
    ],
)
def test_a_library_has_the_version_that_a_file_tells_and_no_other(
    tmp_path: Path, files: dict[str, str], expected: LibraryFile
) -> None:
    found = examined(tmp_path, {f"/usr/lib/{name}": text for name, text in files.items()})

    assert found.libraries == (expected,)


def test_the_lite_runtime_and_protocs_own_library_are_no_libprotobuf(tmp_path: Path) -> None:
    files = {"/usr/lib/libprotobuf-lite.so.32": "", "/usr/lib/libprotoc.so.32": ""}

    assert examined(tmp_path, files).libraries == ()


def test_libraries_of_several_places_keep_their_origin(tmp_path: Path) -> None:
    files = dict.fromkeys(
        (
            "/l/libprotobuf.so.32",
            "/c/lib/libprotobuf.so.32",
            "/usr/lib/x86_64-linux-gnu/libprotobuf.so.32",
            "/p/.envdoctor/prefix/lib/libprotobuf.a",
        ),
        "",
    )

    found = examined(
        tmp_path,
        files,
        {"LD_LIBRARY_PATH": "/l", "CONDA_PREFIX": "/c"},
        project=Project(root=Known("/p", "test")),
    )

    assert [each.origin for each in found.libraries] == ["LD_LIBRARY_PATH", "project", "conda", "system"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3.21.12", "3.21.12"), ("25.3.0", "4.25.3"), ("25.3", "4.25.3"), ("99.1.0", "99.1.0"), ("3.6.1.3", "3.6.1")],
)
def test_protocs_own_numbers_are_turned_into_those_of_the_library(text: str, expected: str) -> None:
    assert cpp_version(text) == expected


# Generated code

RANGE = "#if GOOGLE_PROTOBUF_VERSION < 3005000\n#error\n#endif\n#if 3005000 < GOOGLE_PROTOBUF_MIN_PROTOC_VERSION\n"


def test_generated_headers_of_caffe2_and_of_the_project_tell_what_they_accept(tmp_path: Path) -> None:
    files = {
        "/t/include/caffe2/proto/caffe2.pb.h": RANGE,
        "/p/a.pb.h": "#if PROTOBUF_VERSION != 5026001\n",
        "/p/b.pb.h": "// by hand\n",
    }

    found = examined(
        tmp_path,
        files,
        caffe2=caffe2_at("/t", "/t/include"),
        project=Project(root=Known("/p", "test"), generated=("/p/a.pb.h", "/p/b.pb.h", "/p/gone.pb.h")),
    )

    assert found.generated == (
        GeneratedCode("/t/include/caffe2/proto/caffe2.pb.h", "3.5.0", "3.5.0", False, "caffe2"),
        GeneratedCode("/p/a.pb.h", "5.26.1", "5.26.1", True, "project"),
        GeneratedCode("/p/b.pb.h", None, None, False, "project"),
    )


@pytest.mark.parametrize(
    ("text", "by", "minimum", "style"),
    [
        ("DESCRIPTOR = _descriptor.FileDescriptor(\n  name='a',", None, None, "descriptors"),
        ("DESCRIPTOR = _descriptor_pool.Default().AddSerializedFile(b'')", None, None, "pool"),
        ("from google.protobuf.internal import builder as _builder\n", None, "3.20.0", "builder"),
        ("# Protobuf Python Version: 5.26.1\n", "5.26.1", "3.20.0", "versioned"),
        (
            "# Protobuf Python Version: 5.27.0\n_runtime_version.ValidateProtobufRuntimeVersion(\n",
            "5.27.0",
            "5.27.0",
            "versioned",
        ),
    ],
)
def test_generated_python_tells_the_runtime_that_it_needs(
    tmp_path: Path, text: str, by: str | None, minimum: str | None, style: str
) -> None:
    files = {"/site/caffe2/proto/caffe2_pb2.py": text}

    found = examined(tmp_path, files, caffe2=caffe2_at("/site/torch", "/none"))

    assert found.python_generated == (
        GeneratedCode("/site/caffe2/proto/caffe2_pb2.py", by, minimum, False, "caffe2", style),
    )


def test_a_file_that_only_has_the_name_of_generated_code_is_none(tmp_path: Path) -> None:
    project = Project(generated=("/p/x_pb2.py",))

    assert examined(tmp_path, {"/p/x_pb2.py": "x = 1\n"}, project=project).python_generated == ()


def test_generated_code_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    found = examined(tmp_path, {"/p/a.pb.h": RANGE}, denied=("/p",), project=Project(generated=("/p/a.pb.h",)))

    assert found.generated == ()
    assert found.unreadable == (Unreadable("permission denied", "/p/a.pb.h"),)


# The Python package


def test_the_python_package_is_the_first_on_the_path(tmp_path: Path) -> None:
    package = Package("protobuf", "3.20.3", "/site/protobuf-3.20.3.dist-info")

    assert examined(tmp_path, {}, packages=(package,)).python == Known("3.20.3", "/site/protobuf-3.20.3.dist-info")
    assert isinstance(examined(tmp_path, {}).python, Absent)
