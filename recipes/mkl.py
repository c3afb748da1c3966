"""MKL's headers."""

from posixpath import dirname

from envdoctor.facts import Facts
from envdoctor.repair.recipe import Answer, Options, recipe

from .header_search import searched
from .pip_download import interpreter
from .wheel_headers import HeadersOfWheel

# The headers that Caffe2 of torch 1.0.1 was compiled with; they are the same in later releases.
REQUIREMENT = "mkl-include==2019.0"
INSIDE = "mkl_include-2019.0.data/data/include"
# The wheels are made for Linux on x86-64; any pip may fetch one, whatever it runs on.
OPTIONS = ("--only-binary=:all:", "--platform=manylinux1_x86_64", "--python-version=3.7")


@recipe("mkl", cures=("MKL001",), needs=("project", "caffe2", "mkl", "python"))
def mkl(facts: Facts, options: Options) -> Answer:
    """Bring MKL's headers to the include path

    What it does:
        Takes an MKL installation that is on the disk, else the headers of the package mkl-include on PyPI: pip fetches
        them (0.9 MB) and verifies the hash that the index states; a copy is kept in the user's cache. Their directory
        comes first in CPATH. The library is not needed: Caffe2 contains it.
    What it changes:
        The overlay: .envdoctor/prefix/include/mkl and its environment. With --in-place CMakeLists.txt names the
        directory in a marked block.
    When it is not enough:
        No package index and no MKL on the disk: install libmkl-dev or oneAPI, and name it by MKLROOT.
    Sources:
        Measured with PyPI torch 1.0.1 and mkl-include 2019.0 and 2026.2.0
    """
    if facts.mkl.headers:
        return searched("mkl", dirname(facts.mkl.headers[0].path), facts, options)
    folder = f"{options.overlay}/prefix/include/mkl"
    step = HeadersOfWheel(
        f"Download {REQUIREMENT} and put its headers into {folder}",
        python=interpreter(facts),
        requirement=REQUIREMENT,
        options=OPTIONS,
        inside=INSIDE,
        folder=folder,
    )
    return searched("mkl", folder, facts, options, before=(step,))
