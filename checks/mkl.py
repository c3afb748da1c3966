"""Whether a Caffe2 that was built with MKL finds MKL's headers."""

from collections.abc import Iterator
from posixpath import basename, dirname
from shlex import quote

from envdoctor.checking.check import (
    COMPILE,
    Evidence,
    Finding,
    Judgement,
    NotApplicable,
    Remedy,
    check,
    seen,
    undetermined,
)
from envdoctor.facts import Fact, Facts, Known, Unreadable, value_of

from . import building, remedies

# The headers that Caffe2 of torch 1.0.1 was compiled with in these tests; they are the same in later releases.
PACKAGE = "mkl-include==2019.0"


@check(
    "MKL001",
    "mkl-headers-missing",
    needs=("project", "caffe2", "mkl", "headers", "environment", "python"),
    strikes=COMPILE + 30,
)
def headers_missing(facts: Facts) -> Iterator[Judgement]:
    """Caffe2 was built with MKL, and the compiler finds no MKL headers

    What it finds:
        A Caffe2 whose macros.h defines CAFFE2_USE_MKL, and no `mkl_cblas.h` on the include path.
    Why it breaks:
        caffe2/utils/cblas.h includes it, and nearly every operator includes that through caffe2/utils/math.h.
    Example:
        caffe2/utils/cblas.h:8:10: fatal error: mkl_cblas.h: No such file or directory
    What to do:
        Put MKL's headers on the include path. The package `mkl-include` on PyPI has them; the library is not needed.
    Sources:
        Measured with PyPI torch 1.0.1 and mkl-include 2019.0.
    """
    skip = building.not_judged_before_build(facts)
    installation = building.built_against(facts)
    if skip is not None or installation is None:
        yield skip or NotApplicable("Caffe2 is not installed")
        return
    uses = installation.uses_mkl
    if isinstance(uses, Unreadable):
        yield undetermined("it is not known whether Caffe2 needs MKL headers", uses, "CAFFE2_USE_MKL")
        return
    if value_of(uses) is not True:
        yield NotApplicable("this Caffe2 was built without MKL")
        return
    found = _mkl_header(facts)
    if isinstance(found, Unreadable):
        yield undetermined("it is not known whether the compiler finds mkl_cblas.h", found, "the include path")
    elif not isinstance(found, Known):
        yield Finding(
            state=building.certain(facts),
            title="Caffe2 was built with MKL, and the compiler finds no mkl_cblas.h",
            why="caffe2/utils/cblas.h includes it, and nearly every operator includes that.",
            evidence=(
                seen("Caffe2 was built with MKL", uses, "yes"),
                seen("mkl_cblas.h that the compiler finds", found),
                *(
                    Evidence("another mkl_cblas.h", one.version or "version unknown", one.path)
                    for one in facts.mkl.headers
                ),
                *building.toolchain(facts),
            ),
            remedy=_remedy(facts),
            subject=installation.root,
        )


def _mkl_header(facts: Facts) -> Fact[str]:
    """The header, by what the compiler itself said of the project's sources where it was asked."""
    told = facts.headers.missing
    if isinstance(told, Known):
        names = [name for name in told.value if basename(name).startswith("mkl")]
        if not names:
            return Known("found, or not included", told.found_via)
        if isinstance(facts.mkl.default_header, Known):
            return Unreadable(f"the compiler misses {names[0]}, though it lies on its path", told.found_via)
    return facts.mkl.default_header


def _remedy(facts: Facts) -> Remedy:
    if facts.mkl.headers:
        folder = dirname(facts.mkl.headers[0].path)
        command = remedies.put_first("CPATH", folder)
        return Remedy("Put the MKL headers on the include path.", (command,), recipe="mkl")
    prefix = quote(remedies.overlay(facts, "prefix"))
    command = f"{remedies.python(facts)} -m pip install --no-deps --prefix {prefix} {PACKAGE}"
    return Remedy(
        "Install MKL's headers and put them on the include path.",
        (command, remedies.put_first("CPATH", remedies.prefix_include(facts))),
        recipe="mkl",
    )
