"""The ops that a reference is known for. What an environment really has, running them tells."""

from collections.abc import Iterator
from importlib import import_module

from envdoctor.smoke.libraries import CAFFE2_PROJECT, SUITES, TORCH_EXTENSION, suite_label

PACKAGE = "envdoctor.smoke.envdoctor_child.suites"


def known_ops() -> Iterator[tuple[str, str]]:
    """Kind of library and op. A project's own libraries have these, and others of which nothing is known."""
    for suite in SUITES:
        yield from ((suite_label(suite), op) for op in _ops(suite))


def _ops(suite: str) -> list[str]:
    if suite == CAFFE2_PROJECT:
        from envdoctor.smoke.envdoctor_child.suites.caffe2_project import compared

        return list(compared())
    if suite == TORCH_EXTENSION:
        from envdoctor.smoke.envdoctor_child.suites.torch_known import KNOWN

        return list(KNOWN)
    return [op.name for op in import_module(f"{PACKAGE}.{suite}").ops()]
