"""The door for other packages: what comes through it, and what is told when it does not."""

import sys
from pathlib import Path

import pytest

from envdoctor.checking.check import Check
from envdoctor.errors import ExtensionError
from envdoctor.plugins import load_plugins

MODULE = """
from envdoctor.checking.check import check

def nothing(facts):
    return iter(())

first = check("QQ001", "first", needs=(), strikes=1)(nothing)
other = "no check"
"""


def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str) -> None:
    metadata = tmp_path / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[group.of.{name}]\nmine = {name}_module\n")
    (tmp_path / f"{name}_module.py").write_text(module)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, f"{name}_module", raising=False)


def test_checks_of_another_package_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "sound", MODULE)

    assert [check.code for check in load_plugins("group.of.sound", Check)] == ["QQ001"]


@pytest.mark.parametrize("module", ["import nonexistent_module", "raise SystemError('no')", "def ("])
def test_a_package_that_does_not_load_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    install(tmp_path, monkeypatch, "broken", module)

    with pytest.raises(ExtensionError, match=r"`mine` of group\.of\.broken \(broken_module\) cannot be loaded"):
        load_plugins("group.of.broken", Check)


def test_an_empty_group_is_empty() -> None:
    assert load_plugins("group.of.nobody", Check) == ()
