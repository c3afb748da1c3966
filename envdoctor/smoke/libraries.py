"""Which libraries of a target can be run, and as what."""

from collections.abc import Iterable, Iterator
from posixpath import basename

import msgspec

from envdoctor.facts import Caffe2Installation, Facts, Known, Unreadable, value_of
from envdoctor.op_results import LOAD, OpResult

# The facts that tell which libraries there are.
AREAS = ("python", "packages", "torch", "caffe2", "project", "extensions")
CAFFE2_PROJECT = "caffe2_project"
CAFFE2_DETECTRON = "caffe2_detectron"
TORCH_EXTENSION = "torch_extension"
# The packages built against torch whose ops are known: module, suite.
OF_COMPANIONS = {"torchvision": "torchvision_ops", "detectron2": "detectron2_ops", "mmcv": "mmcv_ops"}
SUITES = (CAFFE2_PROJECT, CAFFE2_DETECTRON, *OF_COMPANIONS.values(), TORCH_EXTENSION)
DETECTRON_STEM = "libcaffe2_detectron_ops"


class Library(msgspec.Struct, frozen=True):
    """`suite` is a module of envdoctor_child.suites; `path` the file to load, None for a package to import."""

    suite: str
    path: str | None
    name: str
    """What results call it: its file, else its package."""

    @property
    def label(self) -> str:
        """The suite as users name it: `caffe2-project`, `torchvision`."""
        return suite_label(self.suite)


def suite_label(suite: str) -> str:
    """`torchvision` of `torchvision_ops`, `caffe2-project` of `caffe2_project`."""
    return suite.removesuffix("_ops").replace("_", "-")


def libraries(facts: Facts) -> tuple[Library, ...]:
    """Every library of the target with ops. Reads python, torch, caffe2, project and extensions."""
    return tuple(dict.fromkeys((*_of_project(facts), *_of_caffe2(facts), *_of_torch(facts))))


def is_only_carried(facts: Facts, library: Library) -> bool:
    """True for the Caffe2 that a wheel of torch brings where nobody uses it.

    Nothing is built for it, other ops are there, and the protobuf that it imports at once is not.
    """
    return (
        library.suite == CAFFE2_DETECTRON
        and value_of(facts.project.profile) != "caffe2-ops"
        and any(companion.name in OF_COMPANIONS for companion in facts.torch.companions)
        and not facts.packages.unreadable
        and facts.packages.get("protobuf") is None
    )


def library_at(facts: Facts, path: str, kind: str | None) -> Library | None:
    """A file that the user named. `kind` is what its symbols say it is made for; None where they say nothing."""
    for companion in facts.torch.companions:
        if companion.name in OF_COMPANIONS and value_of(companion.extension) == path:
            return Library(OF_COMPANIONS[companion.name], None, path)
    if basename(path).startswith(DETECTRON_STEM):
        return Library(CAFFE2_DETECTRON, path, path)
    if kind == "caffe2-ops":
        return Library(CAFFE2_PROJECT, path, path)
    return Library(TORCH_EXTENSION, path, path) if kind == "torch-extension" else None


def undetermined(facts: Facts) -> tuple[OpResult, ...]:
    """Where it cannot be told whether there is a library: the reason why nothing is run is no proof that none is."""
    torch, python = facts.torch.root, facts.python.executable
    broken = [
        OpResult(op=LOAD, library=area, state="unknown", message=f"the {area} probe broke: {reason}")
        for area, reason in facts.failed.items()
        if area in ("python", "torch", "caffe2", "project", "extensions")
    ]
    unreadable = [
        OpResult(op=LOAD, library=name, state="unknown", message=f"{name} cannot be examined: {fact.reason}")
        for name, fact in (("the interpreter", python), ("torch", torch))
        if isinstance(fact, Unreadable)
    ]
    built = set(facts.project.libraries)
    damaged = [
        OpResult(op=LOAD, library=one.found_via, state="unknown", message=f"it cannot be read: {one.reason}")
        for one in facts.extensions.unreadable
        if one.found_via in built
    ]
    return (*broken, *unreadable, *damaged)


def _of_project(facts: Facts) -> Iterator[Library]:
    for extension in facts.extensions.found:
        if extension.owner == "project":
            suite = CAFFE2_PROJECT if extension.kind == "caffe2-ops" else TORCH_EXTENSION
            yield Library(suite, extension.path, extension.path)


def _of_caffe2(facts: Facts) -> Iterator[Library]:
    importable = facts.caffe2.importable
    installation = facts.caffe2.first()
    if installation is None or not isinstance(importable, Known):
        return
    path = _detectron_ops(installation)
    yield Library(CAFFE2_DETECTRON, path, path or importable.value)


def _detectron_ops(installation: Caffe2Installation) -> str | None:
    """Without them Caffe2 still has some of Detectron's operators in itself."""
    return value_of(installation.detectron_ops)


def _of_torch(facts: Facts) -> Iterator[Library]:
    for companion in facts.torch.companions:
        if companion.name in OF_COMPANIONS:
            file = value_of(companion.extension)
            yield Library(OF_COMPANIONS[companion.name], None, file or companion.path)


def named(libraries: Iterable[Library], words: Iterable[str]) -> tuple[str, ...]:
    """Those of `words` (in lower case) that name a kind of library, such as `torchvision`."""
    labels = {library.label for library in libraries} | {suite_label(suite) for suite in SUITES}
    return tuple(word for word in words if word in labels)
