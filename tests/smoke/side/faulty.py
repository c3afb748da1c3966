"""A suite for tests: ops that do what broken libraries do. Runs on CPython 2.7 as well."""

from __future__ import absolute_import, division

import ctypes
import os
import signal
import subprocess
import sys
import time

from ..case import AbsentError, Comparison, Op


def load(path):
    behaviours = {
        "refused": refuse,
        "crashing": lambda: os.kill(os.getpid(), signal.SIGSEGV),
        "absent": be_absent,
        "hanging": hang,
        "leaving": lambda: os._exit(3),
        "noisy": make_noise,
        "exploding": lambda: NOWHERE,  # noqa: F821 - a mistake on purpose
    }
    behaviours.get(path, lambda: None)()


def refuse():
    raise ImportError("libops.so: undefined symbol: _Z3foov")


def be_absent():
    raise AbsentError("no such library is installed")


def right(_device):
    yield Comparison("three boxes", "float32", 1e-6, 1e-4)
    yield Comparison("no box", "float64", 0.0, 1e-12)


def wrong(_device):
    yield Comparison("one box", "float32", 0.0, 1e-4)
    yield Comparison("two boxes", "float32", 0.25, 1e-4)
    yield Comparison("three boxes", "float32", 0.5, 1e-4)


def not_a_number(_device):
    yield Comparison("one box", "float32", float("nan"), 1e-4)


def another_shape(_device):
    yield Comparison("one box", "float32", None, 1e-4, "the shape is (2,), expected (3,)")


def exists(_device):
    yield Comparison("registered; its values are not compared", "", 0.0, 0.0)


def without_cases(_device):
    return iter(())


def absent(_device):
    raise AbsentError("no kernel for this device")
    yield


def raising(_device):
    yield Comparison("one box", "float32", 0.0, 1e-4)
    raise RuntimeError("expected scalar type Float")


def leaving_python(_device):
    sys.exit(0)
    yield


def mistaken(_device):
    yield NOWHERE  # noqa: F821 - a mistake on purpose


def once(act):
    """An op with one right case that does something before it."""

    def compare(_device):
        act()
        yield Comparison("one box", "float32", 0.0, 1e-4)

    return compare


def read_nothing():
    ctypes.string_at(0)


def checked():
    """As the checks of C++ code end a process."""
    os.write(2, b"[F box_op.h:28] Check failed: count_ >= 0\n")
    os.abort()


def hang():
    while True:
        time.sleep(1)


def hang_deaf():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    hang()


def hold_memory():
    held = []
    while True:
        held.append(bytearray(b"x") * (1 << 23))


def make_noise():
    for _ in range(500):
        os.write(1, b"progress [====>   ] {\n" * 50)
        os.write(2, b'{"event":"end"}\n' * 50)


def close_descriptors():
    os.closerange(3, 256)


def reuse_descriptors():
    os.closerange(3, 256)
    for _ in range(16):
        os.open("/dev/null", os.O_WRONLY)


def write_garbage():
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, b"not a line of the protocol\n")
        except OSError:
            continue


def flood():
    while True:
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, b"x" * 4096)
            except OSError:
                continue


def fork_and_go_on():
    os.fork()


def leave_a_child():
    started = subprocess.Popen(["sleep", "987"])
    remember(started.pid)


def remember(pid):
    with open(os.environ["REMEMBERED"], "a") as file:
        file.write("%d\n" % pid)


def remember_and_hang():
    remember(os.getpid())
    hang()


OPS = [
    Op("right", right),
    Op("wrong", wrong),
    Op("not_a_number", not_a_number),
    Op("another_shape", another_shape),
    Op("exists", exists),
    Op("without_cases", without_cases),
    Op("absent", absent),
    Op("raising", raising),
    Op("leaving_python", leaving_python),
    Op("mistaken", mistaken),
    Op("segfault", once(read_nothing)),
    Op("abort", once(os.abort)),
    Op("checked", once(checked)),
    Op("illegal", once(lambda: os.kill(os.getpid(), signal.SIGILL))),
    Op("killed", once(lambda: os.kill(os.getpid(), signal.SIGKILL))),
    Op("exit", once(lambda: os._exit(0))),
    Op("hang", once(hang_deaf)),
    Op("memory", once(hold_memory)),
    Op("noise", once(make_noise)),
    Op("close", once(close_descriptors)),
    Op("reuse", once(reuse_descriptors)),
    Op("garbage", once(write_garbage)),
    Op("fork", once(fork_and_go_on)),
    Op("last", right),
]
# Those that are run by their name alone.
APART = [
    Op("flood", once(flood)),
    Op("leave_a_child", once(leave_a_child)),
    Op("remember_and_hang", once(remember_and_hang)),
]


def ops():
    return APART if os.environ.get("REMEMBERED") else OPS


def describe():
    return "registers %d ops" % len(ops())
