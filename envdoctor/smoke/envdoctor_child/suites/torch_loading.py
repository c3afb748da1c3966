"""Loads compiled extensions of torch by their file, without the Python packages around them."""

from __future__ import absolute_import, division

import mmap
import os
import sys
from glob import glob
from importlib import import_module

MYPY = False
if MYPY:
    from typing import Any, List, Optional


def load_extension(path):
    # type: (str) -> Optional[Any]
    """Import torch, then load the library: the module that it is, or None for one without a module in it.

    Raises what either raises: ImportError or OSError where the loader refuses the library.
    """
    torch = import_module("torch")
    stem = os.path.basename(path).split(".")[0]
    if has_module(path, stem):
        return _imported(dotted_name(path, stem), path)
    torch.ops.load_library(path)
    return None


def has_module(path, stem):
    # type: (str, str) -> bool
    """Whether the file names the function that CPython calls to import a module `stem`."""
    wanted = ("init" if sys.version_info[0] < 3 else "PyInit_") + stem
    return names(path, wanted)


def has_gpu_code(path):
    # type: (str) -> bool
    """Whether the file names the section that nvcc puts code for GPUs into."""
    return names(path, ".nv_fatbin")


def names(path, wanted):
    # type: (str, str) -> bool
    """Whether a whole string of the file's tables is this one."""
    with open(path, "rb") as library:
        try:
            content = mmap.mmap(library.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:  # An empty file.
            return False
        try:
            return content.find(b"\0" + wanted.encode("utf-8") + b"\0") >= 0
        finally:
            content.close()


def dotted_name(path, stem):
    # type: (str, str) -> str
    """The name that the module has inside the packages that its folder belongs to."""
    parts, folder = [stem], os.path.dirname(os.path.abspath(path))
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        parts.insert(0, os.path.basename(folder))
        folder = os.path.dirname(folder)
    return ".".join(parts)


def _imported(name, path):
    # type: (str, str) -> Any
    if sys.version_info[0] < 3:
        return import_module("imp").load_dynamic(name, path)
    util = import_module("importlib.util")
    loader = import_module("importlib.machinery").ExtensionFileLoader(name, path)
    module = util.module_from_spec(util.spec_from_file_location(name, path, loader=loader))
    loader.exec_module(module)
    return module


def installed(package, stem):
    # type: (str, str) -> str
    """The file of a package's extension, found without importing the package, which may need much else.

    Raises ImportError where there is none.
    """
    folders = []  # type: List[str]
    if sys.version_info[0] < 3:
        folders = [os.path.join(entry, package) for entry in sys.path]
    else:
        spec = import_module("importlib.util").find_spec(package)
        folders = list(spec.submodule_search_locations or []) if spec is not None else []
    for folder in folders:
        for path in sorted(glob(os.path.join(folder, stem + "*.so"))):
            return path
    raise ImportError("no %s.%s is installed for this interpreter" % (package, stem))
