"""The side that runs inside the target: every interpreter that is supported can read it."""

import subprocess
from pathlib import Path

import pytest

from envdoctor.smoke import runner
from tests.smoke.conftest import interpreter

CHILD = Path(runner.HERE) / "envdoctor_child"
READ_ALL = """
import io, os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in sorted(names):
        if name.endswith(".py"):
            path = os.path.join(folder, name)
            with io.open(path, encoding="utf-8") as file:
                compile(file.read().encode("utf-8"), path, "exec")
"""


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.8", "3.10", "3.13"])
def test_every_file_of_the_target_side_compiles(version: str) -> None:
    done = subprocess.run([interpreter(version), "-B", "-c", READ_ALL, str(CHILD)], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_the_target_side_loads_no_module_of_envdoctor_itself() -> None:
    imports = [
        f"{path.name}: {line.strip()}"
        for path in CHILD.rglob("*.py")
        for line in path.read_text().splitlines()
        if line.lstrip().startswith(("import envdoctor", "from envdoctor"))
    ]

    assert imports == []
