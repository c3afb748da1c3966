"""What running the compiled ops showed; judged only where they were run (`check --smoke`)."""

from collections.abc import Callable, Iterator, Sequence

from envdoctor.checking.check import (
    LOAD,
    RUN,
    Evidence,
    Finding,
    Judgement,
    NotApplicable,
    Remedy,
    check,
)
from envdoctor.facts import Facts
from envdoctor.op_results import EXIT, FIRST_KERNEL, GPU, OpResult
from envdoctor.op_results import LOAD as LOADING

SHOWN = 6


def _not_run(facts: Facts) -> NotApplicable | None:
    """Why nothing is judged; None where at least one op was run or refused to be."""
    ops = facts.smoke.ops
    if not ops:
        return NotApplicable("this environment has no op to run")
    if all(op.state == "skipped" for op in ops):
        return NotApplicable(f"every op was skipped: {ops[0].message}")
    return None


def _of_each_library(
    facts: Facts, belongs: Callable[[OpResult], bool]
) -> Iterator[tuple[str, tuple[OpResult, ...], int]]:
    """Libraries with results that belong here, those results, and how many ops of the library were run."""
    for library in dict.fromkeys(op.library for op in facts.smoke.ops):
        own = [op for op in facts.smoke.ops if op.library == library]
        chosen = tuple(op for op in own if belongs(op))
        if chosen:
            yield library, chosen, sum(op.state != "skipped" and op.op not in (LOADING, EXIT) for op in own)


def _name(library: str, ops: Sequence[OpResult]) -> str:
    return library.rpartition("/")[2] or ops[0].suite or "the library"


def _evidence(ops: Sequence[OpResult]) -> tuple[Evidence, ...]:
    return tuple(Evidence(f"{op.op} on {op.device}", op.message or op.state, op.library) for op in ops[:SHOWN])


def _codes(ops: Sequence[OpResult]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(code for op in ops for code in op.codes))


def _again(ops: Sequence[OpResult], text: str) -> Remedy:
    suite = ops[0].suite
    return Remedy(text, (f"envdoctor smoke {suite}" if suite else "envdoctor smoke",))


def _not_running(name: str, ops: Sequence[OpResult], run: int) -> str:
    failing = sum(op.op != EXIT for op in ops)
    if not failing:
        return f"the ops of {name} run, and their process crashes at its end"
    return f"{failing} of {run} ops of {name} do not run"


def _is_wrong(op: OpResult) -> bool:
    return op.state == "fail" and bool(op.wrong) and op.signal is None


def _is_of_device(op: OpResult) -> bool:
    return op.op in (FIRST_KERNEL, GPU)


@check("SMK001", "op-values-wrong", needs=("smoke",), strikes=RUN + 70)
def values_wrong(facts: Facts) -> Iterator[Judgement]:
    """An op runs and computes something else than its definition says

    What it finds:
        Values or gradients further from a reference than rounding explains, results of another shape, a NaN.
    Why it breaks:
        The program goes on with wrong boxes or features; nothing else tells of it.
    Example:
        nms keeps boxes beyond its threshold; RoIAlign is off by half an element
    What to do:
        Build the library again from unchanged sources of the release that the framework wants. Where it stays, report
        the cases to its authors; the message holds them.
    Sources:
        References written from the definitions; each names its paper in envdoctor/smoke/envdoctor_child/references.
    """
    skip = _not_run(facts)
    if skip is not None:
        yield skip
        return
    for library, ops, run in _of_each_library(facts, _is_wrong):
        yield Finding(
            state="fail",
            title=f"{len(ops)} of {run} ops of {_name(library, ops)} compute wrong values",
            why="They run without an error, and their results differ from the definition by more than rounding.",
            evidence=_evidence(ops),
            remedy=_again(ops, "Build the library again from unchanged sources, then run its ops again."),
            subject=library,
        )


@check("SMK002", "op-does-not-run", needs=("smoke",), strikes=RUN + 60)
def does_not_run(facts: Facts) -> Iterator[Judgement]:
    """An op raises, crashes, hangs or takes all memory

    What it finds:
        Ops that ended their process by a signal, that did not return in their time, that took more memory than a few
        small boxes can need, that raised an error for valid input; a process that crashes at its end.
    Why it breaks:
        The library is not made for this framework, or is faulty itself. Symbols do not always show it.
    Example:
        the process was ended by SIGSEGV in create_operators
    What to do:
        Where another finding is the probable reason, cure that. Otherwise build the library again for this framework.
    Sources:
        Each op ran in a process of the target's interpreter, with a limit on time and memory.
    """
    skip = _not_run(facts)
    if skip is not None:
        yield skip
        return

    def belongs(op: OpResult) -> bool:
        return op.state == "fail" and not _is_wrong(op) and not _is_of_device(op) and op.op != LOADING

    for library, ops, run in _of_each_library(facts, belongs):
        yield Finding(
            state="fail",
            title=_not_running(_name(library, ops), ops, run),
            why="They were given small valid inputs, in a process of their own.",
            evidence=_evidence(ops),
            remedy=_again(ops, "Build the library for the installed framework, then run its ops again."),
            subject=library,
            consequence_of=_codes(ops),
        )


@check("SMK003", "ops-do-not-load", needs=("smoke",), strikes=LOAD + 60)
def do_not_load(facts: Facts) -> Iterator[Judgement]:
    """A library of ops cannot be loaded, or registers nothing

    What it finds:
        A library that the framework's own way of loading refuses, that crashes the process on the way, or that loads
        without registering an operator.
    Why it breaks:
        Undefined symbols, missing libraries, a framework that does not import.
    Example:
        RuntimeError: operator torchvision::nms does not exist
    What to do:
        Cure the finding that explains it; `envdoctor symbols LIBRARY` shows all that the loader would miss.
    Sources:
        The message of the loader or of the framework, from a process of the target's interpreter.
    """
    skip = _not_run(facts)
    if skip is not None:
        yield skip
        return
    for library, ops, _ in _of_each_library(facts, lambda op: op.state == "fail" and op.op == LOADING):
        yield Finding(
            state="fail",
            title=f"{_name(library, ops)} cannot be loaded",
            why="None of its ops can be used.",
            evidence=_evidence(ops),
            remedy=_again(ops, "Cure what the message names, then run the ops again."),
            subject=library,
            consequence_of=_codes(ops),
        )


@check("SMK004", "gpu-runs-nothing", needs=("smoke",), strikes=RUN + 50)
def gpu_runs_nothing(facts: Facts) -> Iterator[Judgement]:
    """The framework sees a GPU, and not even the smallest kernel runs on it

    What it finds:
        A first kernel, the addition of a few numbers by the framework itself, that fails or kills its process.
    Why it breaks:
        The driver is too old for the CUDA of the framework, the framework has no machine code for this GPU, or the GPU
        is in a bad state. No op is to blame.
    Example:
        CUDA error: no kernel image is available for execution on the device
    What to do:
        Cure the finding that explains it; otherwise look at the GPU with the driver's own tools.
    Sources:
        A kernel of the framework, run before any op. Never seen on real hardware by the authors.
    """
    skip = _not_run(facts)
    if skip is not None:
        yield skip
        return
    for library, ops, _ in _of_each_library(facts, lambda op: op.state == "fail" and _is_of_device(op)):
        yield Finding(
            state="fail",
            title=f"{', '.join(dict.fromkeys(op.device for op in ops))} does not run the framework's own kernels",
            why="What the ops do on this device cannot be told before that is cured.",
            evidence=_evidence(ops),
            remedy=Remedy("Look at the GPU with the driver's own tool.", ("nvidia-smi",)),
            subject=library,
            consequence_of=_codes(ops),
        )


@check("SMK005", "op-not-determined", needs=("smoke",), strikes=RUN + 80)
def not_determined(facts: Facts) -> Iterator[Judgement]:
    """It could not be told whether an op is right

    What it finds:
        A framework that was not imported in its time, an interpreter that does not start, a library that closes the
        descriptor its results go through, ops that never came to their turn, and mistakes of envdoctor's own.
    Why it breaks:
        It need not be broken: nothing is known.
    Example:
        the interpreter could not be started: Permission denied
    What to do:
        Run the ops alone, with more time where time was the reason: `envdoctor smoke --timeout 300`.
    Sources:
        The end of the process that should have run the op.
    """
    skip = _not_run(facts)
    if skip is not None:
        yield skip
        return
    for library, ops, _ in _of_each_library(facts, lambda op: op.state in ("unknown", "crashed")):
        yield Finding(
            state="unknown",
            title=f"it is not known whether {len(ops)} ops of {_name(library, ops)} are right",
            why="Their process ended, or was ended, before it could tell.",
            evidence=_evidence(ops),
            remedy=_again(ops, "Run the ops alone."),
            subject=library,
        )
