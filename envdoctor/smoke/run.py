"""Runs the ops that were asked for, of every library that has them, and says why those that failed did."""

from collections.abc import Callable, Sequence

import msgspec

from envdoctor.errors import UsageError
from envdoctor.facts import Facts
from envdoctor.op_results import GPU, LOAD, OpResult
from envdoctor.smoke.attribution import Attributed, attribute
from envdoctor.smoke.hearing import is_asked_for
from envdoctor.smoke.libraries import Library, is_only_carried, libraries, library_at, named, suite_label, undetermined
from envdoctor.smoke.limits import Limits
from envdoctor.smoke.protocol import Device
from envdoctor.smoke.runner import LibraryRun, Request, run_library
from envdoctor.target import Target

Notify = Callable[[str], None]
TOOLCHAIN = "toolchain"
DEVICES = "auto, cpu, cuda or cuda:N"


class Wanted(msgspec.Struct, frozen=True):
    """`words`: names of ops, of kinds of library, or `toolchain`, in lower case; none for every library's ops."""

    words: tuple[str, ...] = ()
    library: str | None = None
    device: str = "auto"
    limits: Limits = Limits()


class SmokeRun(msgspec.Struct, frozen=True):
    """`gpus`: what the frameworks saw; None where nobody looked."""

    attributed: Attributed
    gpus: tuple[Device, ...] | None = None


def run_smoke(target: Target, facts: Facts, wanted: Wanted, notify: Notify) -> SmokeRun:
    """Raises UsageError where there is nothing to run, for an op that no library has, and for a GPU that is not there.

    `facts` hold the areas of libraries.AREAS.
    """
    _check_device(wanted.device)
    if target.programs is None or target.python is None:
        raise UsageError("ops are run in an interpreter of this machine, and this target has none")
    chosen = () if wanted.words == (TOOLCHAIN,) else _libraries(target, facts, wanted)
    broken = undetermined(facts) if wanted.library is None and wanted.words != (TOOLCHAIN,) else ()
    if not chosen and not broken and TOOLCHAIN not in wanted.words:
        raise UsageError(_nothing(facts, wanted))
    results: list[OpResult] = list(broken)
    runs = _run_all(target, chosen, wanted, notify)
    results += [result for run in runs for result in run.results]
    attributed = attribute(target, facts, results, notify)
    if TOOLCHAIN in wanted.words:
        from envdoctor.smoke.toolchain import run_toolchain

        attributed = attributed.and_then(run_toolchain(target, facts, wanted.device, notify))
    gpus = next((run.gpus for run in runs if run.gpus is not None), None)
    return SmokeRun(attributed, gpus)


def _check_device(device: str) -> None:
    kind, colon, index = device.partition(":")
    valid = kind in ("auto", "cpu", "cuda") and (not colon or (kind == "cuda" and index.isdecimal()))
    if not valid:
        raise UsageError(f"--device takes {DEVICES}, not `{device}`")


def _libraries(target: Target, facts: Facts, wanted: Wanted) -> tuple[Library, ...]:
    if wanted.library is None:
        everything = libraries(facts)
        kinds = named(everything, wanted.words)
        found = tuple(one for one in everything if one.label in kinds or not is_only_carried(facts, one))
        ops_wanted = _op_words(found, wanted.words)
        return found if ops_wanted or not wanted.words else tuple(one for one in found if one.label in kinds)
    library = library_at(facts, wanted.library, _kind(target, wanted.library))
    if library is None:
        raise UsageError(f"{wanted.library} is made neither for Caffe2 nor for torch: it has no op to run")
    return (library,)


def _kind(target: Target, path: str) -> str | None:
    from envdoctor.elf.file import ElfError, open_elf
    from envdoctor.probes.load_order import kind_of

    try:
        return kind_of(open_elf(target.files, path))
    except ElfError as error:
        raise UsageError(f"{path}: {error}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error


def _op_words(found: Sequence[Library], words: Sequence[str]) -> frozenset[str]:
    kinds = named(found, words)
    return frozenset(word for word in words if word not in kinds and word != TOOLCHAIN)


def _run_all(target: Target, chosen: Sequence[Library], wanted: Wanted, notify: Notify) -> list[LibraryRun]:
    words = _op_words(chosen, wanted.words)
    kinds = named(chosen, wanted.words)
    runs: list[LibraryRun] = []
    for library in chosen:
        everything = not wanted.words or wanted.words == (TOOLCHAIN,) or library.label in kinds
        request = Request(
            python=target.python or "",
            environment=target.environment,
            device=wanted.device,
            ops=None if everything else words,
            limits=wanted.limits,
        )
        runs.append(run_library(library, request, notify))
    _check_words(runs, words)
    if wanted.device not in ("auto", "cpu"):
        runs = _with_the_demanded_gpu(runs, wanted.device)
    return [run for run in runs if not words or _has_any(run, words) or run.library.label in kinds]


def _has_any(run: LibraryRun, words: frozenset[str]) -> bool:
    """Whether a library has an op that was asked for, or failed before it could tell."""
    refused = any(result.op == LOAD and result.state != "ok" for result in run.results)
    return refused or any(is_asked_for(op, words) for op in run.offered)


def _check_words(runs: Sequence[LibraryRun], words: frozenset[str]) -> None:
    offered = [op for run in runs for op in run.offered]
    strange = sorted(word for word in words if not any(is_asked_for(op, frozenset([word])) for op in offered))
    told = all(any(result.op == LOAD and result.state == "ok" for result in run.results) for run in runs)
    if strange and told and runs:
        kinds = sorted({run.library.label for run in runs})
        choice = ", ".join([*dict.fromkeys(offered), *kinds, TOOLCHAIN])
        raise UsageError(f"no library here has an op `{strange[0]}`; there are {choice}")


def _with_the_demanded_gpu(runs: Sequence[LibraryRun], device: str) -> list[LibraryRun]:
    """Where a GPU was demanded and no framework sees it, that is an error; where one does not, its library fails."""
    reasons = {run.library: _no_such_gpu(run, device) for run in runs}
    asked = [reason for reason in reasons.values() if reason is not None]
    if asked and all(asked):
        raise UsageError(f"--device {device}: {asked[0]}")
    return [_failing(run, device, reasons[run.library] or "") for run in runs]


def _no_such_gpu(run: LibraryRun, device: str) -> str | None:
    """Why the framework does not have it: empty where it does, None where it died before it could tell."""
    if run.gpus is None:
        return None
    if not run.gpus:
        return run.no_gpu
    index = device.partition(":")[2]
    there = not index or int(index) < len(run.gpus)
    return "" if there else f"there is no such GPU, the framework sees {len(run.gpus)}"


def _failing(run: LibraryRun, device: str, reason: str) -> LibraryRun:
    if not reason:
        return run
    name, suite = run.library.name, run.library.label
    result = OpResult(op=GPU, library=name, suite=suite, state="fail", device=device, message=reason)
    return msgspec.structs.replace(run, results=(*run.results, result))


def _nothing(facts: Facts, wanted: Wanted) -> str:
    if wanted.words and libraries(facts):
        there = ", ".join(sorted({library.label for library in libraries(facts)}))
        return f"there is nothing to run for `{' '.join(wanted.words)}`; this environment has {there}"
    known = ", ".join(suite_label(suite) for suite in ("torchvision_ops", "detectron2_ops", "mmcv_ops"))
    return (
        f"there is no op to run: the environment has no Caffe2 and none of {known}, and no built library of a "
        "project was named (--project DIR or --library FILE)"
    )
