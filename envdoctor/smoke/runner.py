"""Runs one library's ops in child processes of the target's interpreter, a fresh one after each death."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from posixpath import basename

import msgspec

from envdoctor.op_results import OpResult
from envdoctor.smoke.hearing import Hearing, Record
from envdoctor.smoke.libraries import Library
from envdoctor.smoke.limits import Limits
from envdoctor.smoke.protocol import Device
from envdoctor.smoke.supervise import Child, memory_limit

# Far more ops than any library has: one that dies each time must not be started for ever.
PROCESSES_AT_MOST = 500
CODE = "import sys; sys.path.insert(0, sys.argv[3]); import envdoctor_child.main as side; del sys.path[0]; side.main()"
HERE = os.path.dirname(os.path.abspath(__file__))

# Lists of folders that the loader and Python read; relative ones mean the folder that envdoctor was started in.
PATH_LISTS = ("PYTHONPATH", "LD_LIBRARY_PATH")

Notify = Callable[[str], None]


class Request(msgspec.Struct, frozen=True):
    """`device` is `cpu`, `cuda`, `cuda:N` or `auto`; `ops` are names in lower case, None for all.

    `code` is the folder that holds the target's side.
    """

    python: str
    environment: Mapping[str, str]
    device: str = "auto"
    ops: frozenset[str] | None = None
    limits: Limits = Limits()
    code: str = HERE


class LibraryRun(msgspec.Struct, frozen=True):
    """`offered`: the names of all its ops. `gpus`: what the framework sees; None where nobody asked or it died."""

    library: Library
    results: tuple[OpResult, ...]
    offered: tuple[str, ...] = ()
    gpus: tuple[Device, ...] | None = None
    no_gpu: str = ""


def run_library(library: Library, request: Request, notify: Notify) -> LibraryRun:
    """Every op asked for, on every device asked for, however often the library takes its process with it."""
    limits = request.limits
    if not limits.memory:
        limits = msgspec.structs.replace(limits, memory=memory_limit())
    record = Record(library, limits, notify, optional_gpu=request.device == "auto")
    for _ in range(PROCESSES_AT_MOST):
        before = record.progress
        complete = _run_process(library, request, record)
        if complete or record.progress == before:
            break
    results = (*record.results, *record.left_out(request.device, request.ops))
    return LibraryRun(library, results, record.offered, record.gpus, record.no_gpu)


def _run_process(library: Library, request: Request, record: Record) -> bool:
    """Start a process for what is left, and hear it out. Whether nothing is left for another one."""
    record.notify(f"loading {basename(library.name)}")
    hearing = Hearing(record)
    job = _job(library, request, record)

    def command(channel: int) -> Sequence[str]:
        return (request.python, "-B", "-c", CODE, job, str(channel), request.code)

    with Child(command, _anchored(request.environment), record.limits.memory) as child:
        for line in child.lines(lambda: hearing.deadline):
            hearing.hear(line)
        hearing.close(child.ending())
    return hearing.complete


def _job(library: Library, request: Request, record: Record) -> str:
    """ASCII alone: CPython 2.7 knows no encoding of its command line."""
    job = {
        "suite": library.suite,
        "path": library.path,
        "device": request.device,
        "ops": None if request.ops is None else sorted(request.ops),
        "done": sorted(record.done),
        "parent": os.getpid(),
    }
    return json.dumps(job)


def _anchored(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables as they mean the same from the folder that the process runs in."""
    lists = {name: environment[name].split(":") for name in PATH_LISTS if environment.get(name)}
    absolute = {
        name: ":".join(entry and os.path.abspath(entry) for entry in entries) for name, entries in lists.items()
    }
    return {**environment, **absolute}
