"""envdoctor interrupted or killed takes the process of the library with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.smoke.test_runner import gone

SCRIPT = """
import os, sys
from envdoctor.smoke.libraries import Library
from envdoctor.smoke.runner import Request, run_library
request = Request(sys.executable, os.environ, device="cpu", ops=frozenset(["remember_and_hang"]), code=sys.argv[1])
try:
    run_library(Library("faulty", None, "libops.so"), request, lambda doing: None)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9), (signal.SIGTERM, -15)])
def test_the_process_of_the_library_ends_with_envdoctor(
    code: str, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    remembered = tmp_path / "pid"
    environment = {**os.environ, "REMEMBERED": str(remembered)}
    ran = subprocess.Popen([sys.executable, "-c", SCRIPT, code], env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not remembered.exists() or not remembered.read_text().endswith("\n"):
        assert time.monotonic() < deadline, "the op never began"
        time.sleep(0.02)

    ran.send_signal(number)

    assert ran.wait(10) == status
    assert gone(int(remembered.read_text()))
