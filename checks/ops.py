"""Whether the Python side finds compiled operators, and where they live on today."""

from collections.abc import Iterator
from posixpath import basename, dirname
from shlex import quote

from envdoctor.checking.check import (
    RUN,
    Evidence,
    Finding,
    Judgement,
    NotApplicable,
    Remedy,
    check,
    seen,
    undetermined,
)
from envdoctor.facts import Absent, Facts, Known, Unreadable, value_of

from . import building, remedies


@check("OPS001", "detectron-ops-not-found", needs=("project", "caffe2"), strikes=RUN + 20)
def detectron_ops_not_found(facts: Facts) -> Iterator[Judgement]:
    """The Detectron operators are installed, and the Python side does not find them

    What it finds:
        A Caffe2 with `libcaffe2_detectron_ops*.so`, and no entry of sys.path that has it below `lib/`. A fault where
        the project's Python files look for it, a warning where none tells.
    Why it breaks:
        Detectron and DensePose look for `lib/libcaffe2_detectron_ops*.so` below each entry of sys.path. In the wheels
        of torch it lies in `torch/lib`, and `torch` itself is no entry.
    Example:
        AssertionError: Detectron ops lib not found; make sure that your Caffe2 version includes Detectron module
    What to do:
        Make a directory that holds nothing but a link `lib` to `torch/lib`, and put it on PYTHONPATH. Never put `torch`
        itself there: its modules would hide those of the standard library.
    Sources:
        get_detectron_ops_lib in detectron/utils/env.py of Detectron; measured with PyPI torch 1.0.1.
    """
    if not building.builds_ops(facts):
        yield building.NO_OPS_PROJECT
        return
    installation, lookup = facts.caffe2.first(), facts.caffe2.detectron_lookup
    if installation is None:
        yield NotApplicable("Caffe2 is not installed")
        return
    if isinstance(lookup, Unreadable):
        yield undetermined("it is not known whether the Detectron operators are found", lookup, "sys.path")
        return
    if isinstance(lookup, Known):
        return
    uses = facts.project.detectron_uses
    places = tuple(Evidence("looked for by the project", use.name, f"{use.path}:{use.line}") for use in uses[:2])
    library = installation.detectron_ops
    if isinstance(library, Known):
        folder = remedies.overlay(facts, "detectron")
        source, target = quote(dirname(library.value)), quote(f"{folder}/lib")
        yield Finding(
            state="fail" if uses else "warn",
            title="Python does not find the Detectron operators, though Caffe2 has them",
            why="They are looked for as lib/libcaffe2_detectron_ops*.so below the entries of sys.path."
            if uses
            else "Projects of the Detectron kind look for them below sys.path when run; no file of this one tells.",
            evidence=(*places, seen("Detectron operators", library), seen("found below sys.path", lookup)),
            remedy=Remedy(
                "Put a directory on PYTHONPATH that holds nothing but a link to Caffe2's lib.",
                (
                    f"mkdir -p {quote(folder)} && ln -sfn {source} {target}",
                    remedies.put_first("PYTHONPATH", folder),
                ),
                recipe="detectron-ops-path",
            ),
            subject=installation.root,
        )
    elif isinstance(library, Absent):
        yield Finding(
            state="warn" if uses else "note",
            title="this Caffe2 has no Detectron operators",
            why="Projects of the Detectron kind load libcaffe2_detectron_ops*.so; others do not need it.",
            evidence=(*places, seen("Detectron operators", library)),
            remedy=Remedy("Take a Caffe2 that includes the Detectron module: the wheels of torch 1.0 to 1.12 do."),
            subject=installation.root,
        )
    else:
        yield undetermined("it is not known whether Caffe2 has the Detectron operators", library, "its libraries")


@check("OPS002", "densepose-lives-in-detectron2", needs=("project",), strikes=RUN + 50)
def densepose_lives_in_detectron2(facts: Facts) -> Iterator[Judgement]:
    """The project builds the DensePose of Caffe2, which lives on in detectron2

    What it finds:
        A project of Caffe2 operators that names DensePose.
    Why it breaks:
        It does not. But Caffe2 gets no more releases, and every new compiler, CUDA or Python makes it harder to build.
    Example:
        projects/DensePose in detectron2 has the same models, in PyTorch, without operators of its own in Caffe2.
    What to do:
        For new work take DensePose of detectron2; keep this one to reproduce old results.
    Sources:
        https://github.com/facebookresearch/detectron2/tree/main/projects/DensePose
    """
    if not building.builds_ops(facts):
        yield building.NO_OPS_PROJECT
        return
    project = value_of(facts.project.cmake)
    names = [target.name for target in (project.targets if project is not None else ())]
    names += [basename(path) for path in facts.project.libraries]
    named = next((name for name in names if "densepose" in name.lower()), None)
    if named is None:
        return
    yield Finding(
        state="note",
        title="DensePose lives on in detectron2, in PyTorch and without Caffe2",
        why="Caffe2 gets no more releases; for new work the successor spares this build.",
        evidence=(Evidence("target", named, project.path if project is not None else ""),),
        remedy=Remedy(
            "For new work take detectron2's DensePose.",
            ("git clone https://github.com/facebookresearch/detectron2",),
        ),
        links=("https://github.com/facebookresearch/detectron2/tree/main/projects/DensePose",),
    )
