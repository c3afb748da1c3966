"""Runs the ops of one library in the target's own interpreter and tells what came of each.

Started as `python -B -c ... JOB DESCRIPTOR`. JOB is JSON:
    suite    the module of `suites` that knows the library
    path     the library's file, or null for the installed package
    device   `cpu`, `cuda`, `cuda:N` or `auto`
    ops      names to run, in lower case; null for all
    done     pairs of device and op that an earlier process has run or died of
    parent   the process to end with
"""

from __future__ import absolute_import, division

import importlib
import json
import os
import resource
import sys
import time
import traceback

from .case import AbsentError
from .channel import Channel
from .devices import framework_of, gpus, run_first_kernel

MYPY = False
if MYPY:
    from typing import Any, Dict, List, Optional, Sequence

    from .case import Comparison, Op

    Job = Dict[str, Any]

MESSAGE_LIMIT = 2000
# EX_IOERR of sysexits.h.
CHANNEL_LOST = 74
# Errors that a framework never raises for what an op does: they are mistakes in the code that tests it.
OUR_MISTAKES = (NameError, SyntaxError)
# Every comparison ends in one of these, so that an error whose last line of Python lies in them is ours as well.
OUR_PLACES = ("references", "comparison.py", "case.py")


def main():
    # type: () -> None
    """Read the job off the command line, run it, and leave as any program does: a crash on the way out counts."""
    job = json.loads(sys.argv[1])
    channel = Channel(int(sys.argv[2]))
    del sys.argv[1:]
    _be_safe_to_kill(job["parent"])
    channel.send("started", python=".".join(map(str, sys.version_info[:3])))
    try:
        _run(job, channel)
    except OSError:
        # The channel is gone: whatever is written now reaches nobody.
        traceback.print_exc()
        sys.exit(CHANNEL_LOST)
    except Exception as error:
        channel.send("broke", message=_shown(error), trace=traceback.format_exc()[-MESSAGE_LIMIT:])


def _be_safe_to_kill(parent):
    # type: (int) -> None
    """No core file for a crash that is reported anyway; the Python line of it; and no life after envdoctor's."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    try:
        import faulthandler
    except ImportError:
        # CPython 2.7 has none.
        pass
    else:
        faulthandler.enable(all_threads=False)
    try:
        import ctypes

        parent_death_signal = 1
        ctypes.CDLL(None).prctl(parent_death_signal, 9)
    except (ImportError, OSError, AttributeError):
        return
    if os.getppid() == 1 != parent:
        sys.exit(0)


def _run(job, channel):
    # type: (Job, Channel) -> None
    suite = importlib.import_module("." + job["suite"], __package__ + ".suites")
    path = job["path"]
    if path is not None and sys.version_info[0] < 3:
        path = path.encode("utf-8")
    began = time.time()
    try:
        suite.load(path)
        ops = list(suite.ops())
    except AbsentError as absent:
        channel.send("absent", message=_text(absent))
        return
    except OUR_MISTAKES:
        raise
    except (Exception, SystemExit) as error:
        channel.send("refused", message=_shown(error), took_ms=_since(began))
        traceback.print_exc()
        return
    names = [op.name for op in ops]
    said = suite.describe() if hasattr(suite, "describe") else ""
    channel.send("loaded", ops=names, message=said, took_ms=_since(began))
    chosen = [op for op in ops if _is_asked_for(op.name, job["ops"])]
    if chosen:
        _run_on_devices(job, chosen, channel)
    channel.send("end")


def _is_asked_for(name, words):
    # type: (str, Optional[Sequence[str]]) -> bool
    """By its whole name, or by the one without its namespace."""
    return words is None or name.lower() in words or name.lower().split("::")[-1] in words


def _run_on_devices(job, ops, channel):
    # type: (Job, List[Op], Channel) -> None
    done = set(map(tuple, job["done"]))
    wanted = job["device"]
    if wanted in ("auto", "cpu"):
        for op in ops:
            if ("cpu", op.name) not in done:
                _run_op(op, "cpu", channel)
    if wanted == "cpu":
        return
    framework = framework_of(job["suite"])
    channel.send("devices-asked")
    try:
        found, reason = gpus(framework)
    except Exception as error:
        found, reason = [], _shown(error)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if not found and visible is not None:
        reason += " (CUDA_VISIBLE_DEVICES is `%s`)" % visible
    channel.send("devices", found=found, reason=reason)
    for index in range(len(found)):
        device = "cuda:%d" % index
        left = [op for op in ops if (device, op.name) not in done]
        if wanted in ("auto", "cuda", device) and left and (device, "") not in done:
            _run_on_gpu(framework, device, left, channel)


def _run_on_gpu(framework, device, ops, channel):
    # type: (str, str, List[Op], Channel) -> None
    if not _kernel_runs(framework, device, channel):
        return
    for op in ops:
        if not _run_op(op, device, channel) and not _kernel_runs(framework, device, channel, quietly=True):
            # An illegal access spoils the device for this process: the rest needs a fresh one.
            channel.send("spoiled", device=device)
            sys.exit(0)


def _kernel_runs(framework, device, channel, quietly=False):
    # type: (str, str, Channel, bool) -> bool
    began = time.time()
    message = ""
    if not quietly:
        channel.send("kernel", device=device)
    try:
        run_first_kernel(framework, device)
    except Exception as error:
        message = _shown(error)
    if not quietly:
        channel.send("kernel-done", device=device, message=message, took_ms=_since(began))
    return not message


def _run_op(op, device, channel):
    # type: (Op, str, Channel) -> bool
    """Whether nothing was raised."""
    channel.send("op", op=op.name, device=device)
    began = time.time()
    outcome, message = "done", ""
    try:
        for case in op.compare(device):
            channel.send("case", **_plain(case))
    except AbsentError as absent:
        outcome, message = "absent", _text(absent)
    except OSError:
        if not _channel_works(channel):
            raise
        outcome, message = "raised", _shown(sys.exc_info()[1])
    except (Exception, SystemExit) as error:
        outcome = "broke" if _is_ours(error) else "raised"
        message = _shown(error)
        traceback.print_exc()
    channel.send("op-done", outcome=outcome, message=message, took_ms=_since(began))
    return outcome not in ("raised", "broke")


def _channel_works(channel):
    # type: (Channel) -> bool
    try:
        channel.send("alive")
    except OSError:
        return False
    return True


def _is_ours(error):
    # type: (BaseException) -> bool
    frames = traceback.extract_tb(sys.exc_info()[2])
    own = os.path.dirname(os.path.abspath(__file__))
    place = os.path.relpath(os.path.abspath(frames[-1][0]), own).split(os.sep)[0] if frames else ""
    return isinstance(error, OUR_MISTAKES) or (place in OUR_PLACES and not isinstance(error, MemoryError))


def _plain(case):
    # type: (Comparison) -> Dict[str, Any]
    message = case.message
    if not message and case.max_error is None:
        message = "the values could not be compared"
    # JSON knows no such numbers; the message says what is wrong.
    if not message and not _finite(case.max_error):
        message = "the largest error is %r" % case.max_error
    return {
        "label": _clip(case.label),
        "dtype": case.dtype,
        "max_error": case.max_error if _finite(case.max_error) else None,
        "tolerance": case.tolerance if _finite(case.tolerance) else None,
        "message": _clip(message),
        "right": case.right,
    }


def _finite(number):
    # type: (Optional[float]) -> bool
    return number is not None and abs(number) <= sys.float_info.max


def _since(began):
    # type: (float) -> int
    return int(round((time.time() - began) * 1000))


def _shown(error):
    # type: (Any) -> str
    return _clip("%s: %s" % (type(error).__name__, _text(error))) if _text(error) else type(error).__name__


def _text(error):
    # type: (Any) -> str
    try:
        text = str(error)
    except Exception:
        # CPython 2.7 cannot turn every message into bytes.
        text = repr(error)
    return _clip(text.decode("utf-8", "replace") if isinstance(text, bytes) else text)


def _clip(text):
    # type: (str) -> str
    return text if len(text) <= MESSAGE_LIMIT else text[:MESSAGE_LIMIT] + "..."
