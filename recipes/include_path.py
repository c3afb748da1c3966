"""The directory that really holds Caffe2's headers."""

from envdoctor.facts import Facts, Known
from envdoctor.repair.recipe import Answer, Options, Refusal, recipe

from .header_search import searched


@recipe("include-path", cures=("C2004",), needs=("project", "caffe2"))
def include_path(facts: Facts, options: Options) -> Answer:
    """Have the compiler search the directory that really holds Caffe2's headers

    What it does:
        Puts the directory of caffe2/core/context.h first in CPATH, which every GCC and Clang reads. With --in-place
        CMakeLists.txt names it instead.
    What it changes:
        The overlay's environment; with --in-place a marked block at the top of CMakeLists.txt.
    When it is not enough:
        A Caffe2 without headers, or one that leaves some out: threadpool-headers brings those.
    Sources:
        gcc(1), CPATH; measured with PyPI torch 1.0.1, whose targets name torch/include while the headers lie in
        torch/lib/include
    """
    installation = facts.caffe2.built_against()
    if installation is None:
        return Refusal("Caffe2 is not installed")
    if not isinstance(installation.include, Known):
        return Refusal(f"nothing holds the headers of this Caffe2: {installation.include.reason}")
    return searched("include-path", installation.include.value, facts, options)
