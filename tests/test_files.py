"""The view of a live file system: regular files only, and never a wait."""

import os
from pathlib import Path

import pytest

from envdoctor.files import LiveFiles, read_text

FILES = LiveFiles()


def test_a_file_is_read_up_to_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")

    assert FILES.read(str(file)) == b"0123456789"
    assert FILES.read(str(file), limit=4) == b"0123"
    assert FILES.map(str(file))[2:4] == b"23"


def test_a_pipe_and_a_device_are_no_files_and_nobody_waits_for_them(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    for path in (str(pipe), "/dev/zero"):
        assert not FILES.is_file(path)
        with pytest.raises(OSError, match="no regular file"):
            FILES.read(path)


def test_files_of_the_kernel_that_claim_no_size_are_read() -> None:
    assert FILES.read("/proc/self/stat")


@pytest.mark.parametrize("path", ["/nonexistent/file", "/etc/passwd/x", "bad\0name"])
def test_what_is_not_there_is_absent_and_no_error(path: str) -> None:
    assert not FILES.is_file(path)
    assert not FILES.is_dir(path)
    assert FILES.names(path) == ()
    assert read_text(FILES, path) is None


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        FILES.read(str(tmp_path))


def test_an_empty_file_has_nothing_to_map(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    with pytest.raises(OSError, match="empty"):
        FILES.map(str(tmp_path / "empty"))


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    assert not FILES.is_file(str(tmp_path / "a"))
    assert FILES.link(str(tmp_path / "a")) == "b"
    with pytest.raises(OSError):
        FILES.read(str(tmp_path / "a"))
