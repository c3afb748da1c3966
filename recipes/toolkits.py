"""CUDA toolkits among the facts: which of them a build can use, and which one fits."""

from envdoctor.facts import Facts, Known, Toolkit, value_of
from envdoctor.knowledge.versions import numbers


def whole_toolkits(facts: Facts) -> tuple[Toolkit, ...]:
    """The toolkits with nvcc, headers and runtime library. Reads `cuda`."""
    return tuple(
        toolkit
        for toolkit in facts.cuda.toolkits
        if all(isinstance(part, Known) for part in (toolkit.nvcc, toolkit.include, toolkit.libraries))
    )


def of_major(toolkits: tuple[Toolkit, ...], cuda: str | None) -> tuple[Toolkit, ...]:
    """Those of the major of a CUDA release; releases of one major work together."""
    major = numbers(cuda or "")[:1]
    return tuple(one for one in toolkits if major and numbers(value_of(one.version) or "")[:1] == major)


def best_toolkit(facts: Facts) -> Toolkit | None:
    """A whole toolkit of torch's CUDA major, else the first whole one. Reads `cuda`, `torch`."""
    whole = whole_toolkits(facts)
    fitting = of_major(whole, value_of(facts.torch.cuda)) or whole
    return fitting[0] if fitting else None


def looked_for_by_cmake(facts: Facts) -> bool:
    """Whether the project's CMake files look for CUDA by way of Caffe2 or torch. Reads `project`."""
    project = value_of(facts.project.cmake)
    return project is not None and not {"Caffe2", "Torch"}.isdisjoint(project.packages)
