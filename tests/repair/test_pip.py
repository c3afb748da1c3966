"""What pip's failures mean: of a real pip, with an index on this machine that has its bad days."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from envdoctor.repair.pip import IndexUnreachableError, run_pip
from envdoctor.repair.running import run_command
from envdoctor.repair.steps import StepError
from tests.recipes.package_index import Day, serving
from tests.recipes.small_caffe2 import write_wheel

WHEEL = "sample_headers-1.0-py3-none-any.whl"
DEAD = "http://127.0.0.1:9/simple"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """What the index serves."""
    folder = tmp_path / "files"
    folder.mkdir()
    write_wheel(folder, WHEEL, {"header.h": "content" * 1000})
    return folder


def fetch(folder: Path, requirement: str, **variables: str) -> Path:
    """`pip download` into a new folder of `folder`, with these variables and none of the user's own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environment = {**own, "HOME": str(folder), "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", **variables}

    def run(words: Sequence[str]) -> str:
        return run_command(words, environment)

    run_pip(run, (sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder / "came"), requirement))
    return folder / "came"


def test_a_file_that_is_there_comes(files: Path, tmp_path: Path) -> None:
    with serving(files) as index:
        assert [path.name for path in fetch(tmp_path, "sample-headers==1.0", PIP_INDEX_URL=index.url).iterdir()] == [
            WHEEL
        ]


@pytest.mark.parametrize(
    ("url", "variables", "reason"),
    [
        (DEAD, {}, rf"the package index {DEAD} cannot be reached \(Connection refused\): try again"),
        (
            "https://index.invalid/simple",
            {},
            r"index https://index\.invalid/simple cannot be reached \((Name or service not known|Temporary failure)",
        ),
        (
            "https://index.invalid/simple",
            {"HTTPS_PROXY": "http://127.0.0.1:9"},
            r"index\.invalid/simple cannot be reached \(through the proxy: Connection refused\)",
        ),
        ("http://index.invalid/simple", {}, r"index index\.invalid is not asked by pip, since it has no https:"),
        ("http://me:secret@127.0.0.1:9/simple", {}, rf"the package index {DEAD} cannot be reached"),
    ],
)
def test_an_index_that_cannot_be_reached_is_named_with_the_reason(
    tmp_path: Path, url: str, variables: dict[str, str], reason: str
) -> None:
    with pytest.raises(IndexUnreachableError, match=reason):
        fetch(tmp_path, "sample-headers==1.0", PIP_INDEX_URL=url, **variables)


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        ("forbidden", r"the package index {url} refuses \(403 Client Error: Forbidden\)"),
        ("overloaded", r"the package index {url} cannot be reached \(it answers with errors of its own\)"),
        ("cut off", r"sample_headers-1\.0-py3-none-any\.whl (has sha256|was cut off)"),
        ("wrong hash", r"-any\.whl has sha256 \w+\.\.\., and the index states 0{{16}}\.\.\.: .* It is refused"),
    ],
)
def test_a_bad_day_of_an_index_is_told_and_on_the_next_good_one_the_file_comes(
    files: Path, tmp_path: Path, day: Day, reason: str
) -> None:
    with serving(files, day) as index:
        with pytest.raises(StepError, match=reason.format(url=index.url)):
            fetch(tmp_path, "sample-headers==1.0", PIP_INDEX_URL=index.url, PIP_DEFAULT_TIMEOUT="1")
        assert not list((tmp_path / "came").glob("*.whl"))
        index.day = "good"

        assert list(fetch(tmp_path, "sample-headers==1.0", PIP_INDEX_URL=index.url).glob("*.whl"))


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        ("sample-headers==2.0", r"there is no sample-headers==2\.0 in {url}, which has 1\.0$"),
        ("other-headers==2.0", r"there is no other-headers==2\.0 in {url}, nor any other release"),
    ],
)
def test_what_an_index_does_not_have_is_told_with_what_it_has(
    files: Path, tmp_path: Path, requirement: str, reason: str
) -> None:
    with serving(files) as index, pytest.raises(StepError, match=reason.format(url=index.url)) as raised:
        fetch(tmp_path, requirement, PIP_INDEX_URL=index.url)

    assert not isinstance(raised.value, IndexUnreachableError)


def test_without_an_index_the_folders_that_were_searched_are_named(files: Path, tmp_path: Path) -> None:
    with pytest.raises(StepError, match=rf"there is no sample-headers==2\.0 in {files.as_uri()}, which has 1\.0"):
        fetch(tmp_path, "sample-headers==2.0", PIP_NO_INDEX="1", PIP_FIND_LINKS=files.as_uri())


def test_of_two_indexes_the_dead_one_is_named(files: Path, tmp_path: Path) -> None:
    with serving(files) as index:
        variables = {"PIP_INDEX_URL": index.url, "PIP_EXTRA_INDEX_URL": DEAD}
        assert list(fetch(tmp_path, "sample-headers==1.0", **variables).iterdir())
        with pytest.raises(IndexUnreachableError, match=f"^the package index {DEAD} cannot be reached"):
            fetch(tmp_path, "other-headers==1.0", **variables)
