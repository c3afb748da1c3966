"""torchvision that belongs to the installed torch."""

import re

from envdoctor.facts import Facts, TorchCompanion, value_of
from envdoctor.knowledge.torch import matching_torchvision
from envdoctor.knowledge.versions import numbers
from envdoctor.repair.recipe import Answer, Manual, Options, Refusal, recipe

from .interpreter_packages import install_into_interpreter

NEEDS = ("torch", "extensions", "python", "packages")
TORCH_INDEX = "https://download.pytorch.org/whl"


@recipe("torch-pair", cures=("TOR001",), needs=NEEDS)
def torch_pair(facts: Facts, options: Options) -> Answer:
    """Install the torchvision that was published with the installed torch

    What it does:
        Replaces torchvision with the release that belongs to this torch, with the interpreter's own pip and without
        touching anything else (`--no-deps`). For a torch that was installed with a local version, such as 2.1.0+cu118,
        it is the torchvision of that very build, and torch's own index is asked as well. pip verifies the hash that an
        index states.
    What it changes:
        The interpreter's packages: torchvision alone. Undo installs the version that was there.
    When it is not enough:
        torchaudio, detectron2 and mmcv: which release belongs to which torch is known for torchvision only. A torch
        that no table has.
    Sources:
        PyPI releases of torch and torchvision; measured with torch 2.13.0 and torchvision 0.29.1
    """
    if options.in_place:
        return Refusal("torch-pair changes packages, no source: it has no in-place form")
    torch, companion = value_of(facts.torch.version), facts.torch.companion("torchvision")
    if torch is None:
        return Refusal("torch is not installed")
    fitting = matching_torchvision(torch)
    if companion is None or fitting is None or _is(companion, fitting.torchvision, facts):
        return _by_hand(facts, torch)
    local = _local(facts)
    index = (f"--extra-index-url={TORCH_INDEX}/{local}",) if local else ()
    wanted = f"torchvision=={fitting.torchvision}{f'+{local}' if local else ''}"
    return install_into_interpreter(
        facts,
        f"Install the torchvision of torch {fitting.torch}",
        ("--no-deps", *index, *_anew(companion, fitting.torchvision), wanted),
    )


def _is(companion: TorchCompanion, wanted: str, facts: Facts) -> bool:
    """Whether it is that release already, and made for torch's CUDA."""
    own, torch = value_of(companion.cuda), value_of(facts.torch.cuda)
    of_one_cuda = own is None or torch is None or numbers(own)[:1] == numbers(torch)[:1]
    return companion.version.partition("+")[0] == wanted and of_one_cuda


def _anew(companion: TorchCompanion, wanted: str) -> tuple[str, ...]:
    """pip takes another build of the same release for what was asked."""
    return ("--force-reinstall",) if companion.version.partition("+")[0] == wanted else ()


def _local(facts: Facts) -> str:
    """`cpu` of a torch that was installed as 2.13.0+cpu; the wheels of PyPI have such a name inside them only."""
    package = facts.packages.get("torch")
    local = package.version.partition("+")[2] if package is not None else ""
    return local if re.fullmatch(r"cpu|cu\d{2,3}", local) else ""


def _by_hand(facts: Facts, torch: str) -> Manual | Refusal:
    others = [one for one in facts.torch.companions if one.requires_torch]
    if not others:
        return Refusal(f"which torchvision belongs to torch {torch} is not known")
    named = "; ".join(f"{one.name} {one.version} asks for torch{one.requires_torch}" for one in others)
    return Manual(f"Here is torch {torch}. {named}. Install the releases of them that were made for this torch.")
