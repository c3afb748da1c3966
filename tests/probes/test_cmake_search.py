"""find_package(Caffe2) as computed, against what CMake itself finds."""

import shutil
import subprocess
from pathlib import Path

import pytest

from envdoctor.facts import Absent, BuildDirectory, CMakeProject, Facts, Known, Project, Variable
from envdoctor.files import LiveFiles
from envdoctor.probes.cmake_search import find_package
from envdoctor.probes.project_toolchain import read_toolchain
from tests.filetree import make_target, write_tree

CMAKE = shutil.which("cmake")
needs_cmake = pytest.mark.skipif(CMAKE is None, reason="no cmake here")

LISTS = """cmake_minimum_required(VERSION {minimum})
project(asks LANGUAGES NONE)
find_package(Caffe2 CONFIG)
file(WRITE "${{CMAKE_BINARY_DIR}}/found" "${{Caffe2_CONFIG}}")
"""
PLACES = [
    "share/cmake/Caffe2/Caffe2Config.cmake",
    "lib/cmake/Caffe2/Caffe2Config.cmake",
    "lib/cmake/caffe2-1.0/caffe2-config.cmake",
    "lib/Caffe2/Caffe2Config.cmake",
    "lib/caffe2/cmake/Caffe2Config.cmake",
    "share/Caffe2/cmake/Caffe2Config.cmake",
    "cmake/Caffe2Config.cmake",
    "Caffe2/Caffe2Config.cmake",
    "Caffe2Config.cmake",
    "lib/python3.7/site-packages/torch/share/cmake/Caffe2/Caffe2Config.cmake",
]


def ask_cmake(folder: Path, environment: dict[str, str], minimum: str = "3.10") -> str:
    """The configuration that CMake took, empty for none."""
    assert CMAKE is not None
    source, build = folder / "source", folder / "build"
    write_tree(source, {"/CMakeLists.txt": LISTS.format(minimum=minimum)})
    build.mkdir(exist_ok=True)
    subprocess.run(
        [CMAKE, "-S", str(source), "-B", str(build)], env=environment, check=True, capture_output=True, timeout=60
    )
    return (build / "found").read_text()


def variables(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(folder / "home"), **more}


def compute(environment: dict[str, str], minimum: str = "3.10", cache: tuple[Variable, ...] = ()) -> str:
    build = Known(BuildDirectory("/p/build", cache), "test") if cache else Absent("no build")
    project = Project(
        cmake=Known(CMakeProject(path="/p", minimum=Known(minimum, "test")), "test"),
        build=build,
        toolchain=read_toolchain(LiveFiles(), environment, build),
    )
    found = find_package(make_target(LiveFiles(), environment), Facts(project=project, probed=("project",)))
    return found.value if isinstance(found, Known) else ""


@needs_cmake
@pytest.mark.parametrize("place", PLACES)
def test_the_layouts_below_a_prefix_are_those_that_cmake_searches(tmp_path: Path, place: str) -> None:
    write_tree(tmp_path, {f"/prefix/{place}": ""})
    environment = variables(tmp_path, CMAKE_PREFIX_PATH=f"/nowhere:{tmp_path}/prefix")

    assert compute(environment) == ask_cmake(tmp_path, environment)


@needs_cmake
@pytest.mark.parametrize(
    ("names", "minimum"),
    [
        ({}, "3.10"),
        ({"Caffe2_DIR": "one/share/cmake/Caffe2"}, "3.10"),
        ({"Caffe2_DIR": "one"}, "3.10"),
        ({"Caffe2_DIR": "empty", "CMAKE_PREFIX_PATH": "two"}, "3.10"),
        ({"Caffe2_DIR": "one", "CMAKE_PREFIX_PATH": "two"}, "3.10"),
        ({"PATH": "two/bin"}, "3.10"),
        ({"PATH": "two"}, "3.10"),
        ({"CMAKE_PREFIX_PATH": "one", "PATH": "two/bin"}, "3.10"),
        ({"Caffe2_ROOT": "one", "CMAKE_PREFIX_PATH": "two"}, "3.10"),
        ({"Caffe2_ROOT": "one", "CMAKE_PREFIX_PATH": "two"}, "3.12"),
        ({"Caffe2_ROOT": "one", "Caffe2_DIR": "two"}, "3.12"),
    ],
)
def test_variables_are_regarded_in_the_order_of_cmake(tmp_path: Path, names: dict[str, str], minimum: str) -> None:
    config = "share/cmake/Caffe2/Caffe2Config.cmake"
    write_tree(tmp_path, {f"/one/{config}": "", f"/two/{config}": "", "/two/bin/": "", "/empty/": ""})
    set_here = {name: f"{tmp_path}/{value}" for name, value in names.items()}
    if "PATH" in set_here:
        set_here["PATH"] += ":/usr/bin:/bin"
    environment = variables(tmp_path, **set_here)

    assert compute(environment, minimum) == ask_cmake(tmp_path, environment, minimum)


@needs_cmake
def test_a_registered_build_tree_is_found(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/home/.cmake/packages/Caffe2/1": f"{tmp_path}/tree\n", "/tree/Caffe2Config.cmake": ""})
    environment = variables(tmp_path)

    assert compute(environment) == ask_cmake(tmp_path, environment) == f"{tmp_path}/tree/Caffe2Config.cmake"


@needs_cmake
@pytest.mark.parametrize(
    "line",
    [
        'set(Caffe2_DIR "{root}/share/cmake/Caffe2")',
        'set(Caffe2_DIR "{root}/share/cmake/Caffe2" CACHE PATH "")',
        'set(BASE "{root}")\nset(Caffe2_DIR ${{BASE}}/share/cmake/Caffe2)',
        "set(Caffe2_DIR ${{CMAKE_CURRENT_LIST_DIR}}/one/share/cmake/Caffe2)",
        'set(CMAKE_PREFIX_PATH "/nowhere;{root}")',
    ],
)
def test_a_toolchain_file_named_by_the_environment_counts(tmp_path: Path, line: str) -> None:
    write_tree(
        tmp_path,
        {
            "/one/share/cmake/Caffe2/Caffe2Config.cmake": "",
            "/toolchain.cmake": line.format(root=f"{tmp_path}/one"),
        },
    )
    environment = variables(tmp_path, CMAKE_TOOLCHAIN_FILE=f"{tmp_path}/toolchain.cmake")

    assert compute(environment) == ask_cmake(tmp_path, environment)


@needs_cmake
def test_a_build_directory_keeps_its_toolchain_file(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_tree(
            tmp_path, {f"/{name}.cmake": f"set(Caffe2_DIR {tmp_path}/{name})", f"/{name}/Caffe2Config.cmake": ""}
        )
    ask_cmake(tmp_path, variables(tmp_path, CMAKE_TOOLCHAIN_FILE=f"{tmp_path}/one.cmake"))
    kept = Variable("CMAKE_TOOLCHAIN_FILE", f"{tmp_path}/one.cmake")

    for environment in (variables(tmp_path), variables(tmp_path, CMAKE_TOOLCHAIN_FILE=f"{tmp_path}/two.cmake")):
        found = ask_cmake(tmp_path, environment)
        assert compute(environment, cache=(kept,)) == found == f"{tmp_path}/one/Caffe2Config.cmake"


def test_the_cache_of_an_earlier_configure_comes_before_the_environment(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/one/Caffe2Config.cmake": "", "/two/Caffe2Config.cmake": ""})
    environment = variables(tmp_path, Caffe2_DIR=f"{tmp_path}/two")

    assert compute(environment, cache=(Variable("Caffe2_DIR", f"{tmp_path}/one"),)).startswith(f"{tmp_path}/one/")
    assert compute(environment, cache=(Variable("Caffe2_DIR", "Caffe2_DIR-NOTFOUND"),)).startswith(f"{tmp_path}/two/")


def test_what_was_searched_is_named_where_nothing_is_found(tmp_path: Path) -> None:
    environment = {"Caffe2_DIR": "/wrong", "PATH": f"{tmp_path}/bin", "CMAKE_TOOLCHAIN_FILE": "/nowhere/file"}

    found = find_package(make_target(LiveFiles(), environment), Facts())

    assert isinstance(found, Absent)
    assert found.looked[:2] == ("/wrong (variable Caffe2_DIR)", f"{tmp_path} (PATH)")
