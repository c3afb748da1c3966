"""Tries the toolchain of the next build: which of them there is, and each in turn."""

from collections.abc import Iterator

from envdoctor.checking.check import CONFIGURE
from envdoctor.facts import Facts, value_of
from envdoctor.op_results import OpResult
from envdoctor.smoke.attribution import Attributed
from envdoctor.smoke.toolchain import caffe2, cuda, torch, torch_library
from envdoctor.smoke.toolchain.causes import Causes, with_areas
from envdoctor.smoke.toolchain.stages import OK, Notify, Stage, Verdict, result, run_stages, unusable
from envdoctor.smoke.toolchain.tools import Run, run_tool
from envdoctor.smoke.toolchain.workplace import StageLimits, Workplace, temporary_folder
from envdoctor.target import Target

NEEDS = (
    *("host", "python", "packages", "environment", "compilers", "cmake"),
    *("caffe2", "torch", "cuda", "driver", "project"),
)


def run_toolchain(
    target: Target,
    facts: Facts,
    device: str,
    notify: Notify,
    limits: StageLimits = StageLimits(),  # noqa: B008 - frozen
    run: Run = run_tool,
) -> Attributed:
    """Compile, link, load and run a few lines as the project's build will; one result a stage.

    `device` is `auto`, `cpu`, `cuda` or `cuda:N`; it concerns the CUDA code alone. `facts` that lack an area which is
    needed are completed. Nothing is written but in a temporary folder, which is gone afterwards.
    """
    if target.programs is None or target.python is None:
        reason = "it needs a live target and its interpreter"
        return Attributed((_as_a_whole(Verdict("skipped", reason)),))
    facts = with_areas(target, facts, set(NEEDS))
    broken = [f"the {area} probe broke: {facts.failed[area]}" for area in NEEDS if area in facts.failed]
    if broken:
        return Attributed(tuple(_as_a_whole(Verdict("unknown", reason)) for reason in broken))
    found: list[OpResult] = []
    causes = Causes(target, facts)
    try:
        with temporary_folder() as folder:
            workplace = Workplace(target, facts, folder, limits, notify, run)
            found.extend(_results(workplace, device, causes, notify))
    except OSError as error:
        found.append(_as_a_whole(unusable(error)))
    return Attributed(tuple(found), causes.told)


def _results(workplace: Workplace, device: str, causes: Causes, notify: Notify) -> Iterator[OpResult]:
    facts = workplace.facts
    ops = value_of(facts.project.profile) == "caffe2-ops"
    by_cmake = torch_library.built_by_cmake(facts)
    with_torch = not (ops or by_cmake) and (
        value_of(facts.torch.root) is not None or value_of(facts.project.profile) == "torch-extension"
    )
    code = cuda.wanted(facts, device)
    kinds = (*((torch.CPP,) if with_torch else ()), *((torch.CUDA,) if code.by_torch and not code.reason else ()))
    tools = torch.BuildTools(workplace, kinds)
    if ops:
        yield from run_stages(caffe2.stages_of(workplace), causes.of, notify)
    elif by_cmake:
        yield from run_stages(torch_library.stages_of(workplace), causes.of, notify)
    elif with_torch:
        yield from run_stages(torch.stages_of(workplace, tools), causes.of, notify)
    else:
        yield result(
            Stage("compile C++", CONFIGURE, lambda: OK), Verdict("skipped", "neither torch nor Caffe2 is here")
        )
    if not code.reason:
        by_torch = tools if code.by_torch else None
        yield from run_stages(cuda.stages_of(workplace, by_torch, device), causes.of, notify)
    elif device.startswith("cuda"):
        yield result(Stage("compile CUDA", CONFIGURE, lambda: OK, device), Verdict("fail", code.reason))
    else:
        yield result(Stage("compile CUDA", CONFIGURE, lambda: OK), Verdict("skipped", code.reason))


def _as_a_whole(verdict: Verdict) -> OpResult:
    return result(Stage("compile, link and load", CONFIGURE, lambda: OK), verdict)
