"""A place on sys.path where the Detectron operators are found."""

from posixpath import dirname

from envdoctor.facts import Facts, Known
from envdoctor.repair.overlay import Contribution, Setting
from envdoctor.repair.recipe import Answer, Options, Plan, Refusal, recipe
from envdoctor.repair.steps import Contribute, MakeLink


@recipe("detectron-ops-path", cures=("OPS001",), needs=("project", "caffe2"))
def detectron_ops_path(facts: Facts, options: Options) -> Answer:
    """Let Python find the Detectron operators that came with Caffe2

    What it does:
        Makes a directory that holds nothing but a link `lib` to Caffe2's library directory, and puts it first on
        PYTHONPATH. Never `torch` itself: its modules would hide those of the standard library.
    What it changes:
        The overlay: .envdoctor/detectron and its environment, which the programs that use the operators need as well.
    When it is not enough:
        A Caffe2 that was built without the Detectron module.
    Sources:
        get_detectron_ops_lib in detectron/utils/env.py of Detectron; measured with PyPI torch 1.0.1
    """
    if options.in_place:
        return Refusal("detectron-ops-path sets what holds on this machine alone: it has no in-place form")
    installation = facts.caffe2.first()
    if installation is None:
        return Refusal("Caffe2 is not installed")
    library = installation.detectron_ops
    if not isinstance(library, Known):
        return Refusal(f"this Caffe2 brings no Detectron operators: {library.reason}")
    folder = f"{options.overlay}/detectron"
    if ":" in folder:
        return Refusal(f"{folder} holds a colon, which no list of directories can hold")
    link = MakeLink(f"Link {folder}/lib to {dirname(library.value)}", f"{folder}/lib", dirname(library.value))
    setting = Setting("PYTHONPATH", "prepend", folder)
    contribution = Contribution("detectron-ops-path", settings=(setting,))
    return Plan(
        "safe", (link, Contribute(f"In the overlay: {folder} first in PYTHONPATH", options.overlay, contribution))
    )
