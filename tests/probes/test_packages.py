"""Packages by the names of their directories, against importlib.metadata."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from envdoctor.facts import Facts, Packages, Python
from envdoctor.files import LiveFiles
from envdoctor.probes.importing import package_named, packages_named
from envdoctor.probes.packages import metadata_fields, name_and_version, normalised, probe
from tests.filetree import RootedFiles, make_target, write_tree


def list_packages(root: Path, *sys_path: str, denied: tuple[str, ...] = ()) -> Packages:
    facts = Facts(python=Python(sys_path=sys_path), probed=("python",))
    return probe(make_target(RootedFiles(root, denied)), facts)


def test_the_packages_are_those_that_importlib_metadata_lists() -> None:
    facts = Facts(python=Python(sys_path=tuple(path for path in sys.path if path)), probed=("python",))

    found = probe(make_target(LiveFiles()), facts)

    theirs = {canonicalize_name(one.metadata["Name"]): one.version for one in importlib.metadata.distributions()}
    assert {package.name: package.version for package in reversed(found.installed)} == theirs


@pytest.mark.parametrize(
    ("entry", "name", "version"),
    [
        ("torch-2.13.0+cpu.dist-info", "torch", "2.13.0+cpu"),
        ("nvidia_cudnn_cu11-8.5.0.96.dist-info", "nvidia_cudnn_cu11", "8.5.0.96"),
        ("odd-name-1.0.dist-info", "odd-name", "1.0"),
        ("protobuf-3.6.1-py2.7-linux-x86_64.egg", "protobuf", "3.6.1"),
        ("future-0.17.1-py2.7.egg-info", "future", "0.17.1"),
        ("PyYAML-6.0.egg-info", "PyYAML", "6.0"),
        ("foo-1.0_1.egg", "foo", "1.0-1"),
        ("project.egg-info", "project", ""),
        ("torch.dist-info", "torch", ""),
    ],
)
def test_a_directory_name_tells_name_and_version(entry: str, name: str, version: str) -> None:
    assert name_and_version(entry) == (name, version)


def test_the_first_on_sys_path_wins_and_the_others_are_listed_behind_it(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/a/Foo_Bar-2.dist-info/METADATA": "", "/b/foo.bar-1-py3.7.egg-info/PKG-INFO": ""})

    found = list_packages(tmp_path, "/a", "/b")

    first = found.get("foo-bar")
    assert first is not None and (first.version, first.path) == ("2", "/a/Foo_Bar-2.dist-info")
    assert [package.version for package in found.installed] == ["2", "1"]


def test_metadata_is_read_only_where_the_name_does_not_tell_the_version(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {
            "/src/thing.egg-info/PKG-INFO": "Metadata-Version: 2.1\nName: Thing\nVersion: 0.3\n\nVersion: 9\n",
            "/src/empty.egg-info/": "",
            "/src/~hing-1.0.dist-info/METADATA": "Name: thing\nVersion: 1.0\n",
            "/egg/foo-1.0-py3.7.egg/EGG-INFO/PKG-INFO": "Name: wrong\nVersion: 2\n",
        },
    )

    found = list_packages(tmp_path, "/src", "/egg/foo-1.0-py3.7.egg", "/nowhere", "/python37.zip")

    assert [(package.name, package.version) for package in found.installed] == [("thing", "0.3"), ("foo", "1.0")]


def test_an_unreadable_directory_is_named_and_hides_no_other(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/closed/a-1.dist-info/METADATA": "", "/open/b-1.dist-info/METADATA": ""})

    found = list_packages(tmp_path, "/closed", "/open", denied=("/closed",))

    assert [package.name for package in found.installed] == ["b"]
    assert [(one.reason, one.found_via) for one in found.unreadable] == [("Permission denied", "/closed")]


@given(st.text(max_size=60))
def test_any_directory_name_is_taken_without_complaint(entry: str) -> None:
    for suffix in (".dist-info", ".egg-info", ".egg"):
        name_and_version(entry + suffix)


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}", fullmatch=True))
def test_names_are_normalised_as_packaging_does(name: str) -> None:
    assert normalised(name) == canonicalize_name(name)


def test_packages_are_listed_without_reading_a_file_of_them(tmp_path: Path) -> None:
    names = [f"/s/package{number}-1.{number}.dist-info" for number in range(1000)]
    write_tree(tmp_path, {f"{name}/": "" for name in names})

    found = list_packages(tmp_path, "/s", denied=tuple(names))

    assert len(found.installed) == 1000


def test_metadata_fields_keep_their_order_and_stop_at_the_body(tmp_path: Path) -> None:
    write_tree(tmp_path, {"/a/METADATA": "Name: a\nRequires-Dist: b\nRequires-Dist: c\n folded\n\nRequires-Dist: d\n"})

    fields = metadata_fields(RootedFiles(tmp_path), "/a")

    assert fields == (("name", "a"), ("requires-dist", "b"), ("requires-dist", "c"))


def test_a_package_is_found_where_import_would_take_it(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {
            "/namespace/torch/": "",
            "/one/torch/__init__.py": "",
            "/two/torch/__init__.py": "",
            "/site/__editable___torch_1_0_finder.py": "X = 1\nMAPPING: dict[str, str] = {'torch': '/src/torch'}\n",
            "/src/torch/__init__.py": "",
            "/site/__editable___bad_1_0_finder.py": "MAPPING = {'torch': \n",
        },
    )
    python = Python(sys_path=("/namespace", "/one", "/two", "/site"), site_packages=("/site",))

    found = packages_named(RootedFiles(tmp_path), python, "torch")

    assert [package.path for package in found] == ["/one/torch", "/two/torch", "/src/torch"]
    assert package_named(RootedFiles(tmp_path), python, "nothing") is None


def test_an_editable_install_of_this_very_project_is_found() -> None:
    ask = "import envdoctor, sys; print(envdoctor.__path__[0])"
    theirs = subprocess.run([sys.executable, "-c", ask], check=True, capture_output=True, text=True, cwd="/").stdout
    sites = tuple(path for path in sys.path if path.endswith("site-packages"))
    python = Python(sys_path=sites, site_packages=sites)

    found = package_named(LiveFiles(), python, "envdoctor")

    assert found is not None and found.path == theirs.strip()
