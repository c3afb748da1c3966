"""Where the compiled operators lie. Runs on CPython 2.7 as well."""

import os
import sys


def detectron_ops_lib():
    """The Detectron operators that come with Caffe2, searched below every place a module could come from."""
    for prefix in ["/usr/local", sys.prefix, sys.exec_prefix] + sys.path:
        library = os.path.join(prefix, "lib", "libcaffe2_detectron_ops_gpu.so")
        if os.path.exists(library):
            return library
    raise AssertionError("Detectron ops lib not found; make sure that your Caffe2 version includes Detectron module")


def custom_ops_lib():
    """The operators of this project, where `make ops` puts them."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    library = os.path.join(root, "build", "libcaffe2_densepose_ops.so")
    if not os.path.exists(library):
        raise AssertionError("%s not found; run `make ops` first" % library)
    return library
