"""The ops of a project's own extension of torch: those that it registers and the functions of its module.

An op whose name and arguments are those of a well-known one is compared with that one's reference: `nms` of boxes,
scores and a threshold does what torchvision's does, whatever its namespace. Of any other it is only shown that it is
there and has a kernel, since nobody has said what it should do.
"""

from __future__ import absolute_import, division

from functools import partial
from importlib import import_module

from ..case import AbsentError, Comparison, Op
from .torch_known import KNOWN, Candidate, types_of_docstring, types_of_schema
from .torch_loading import has_gpu_code, load_extension

MYPY = False
if MYPY:
    from collections.abc import Iterator, Sequence
    from typing import Any, Dict, List, Tuple

    Schemas = Dict[Tuple[str, str], Any]


class Loaded(object):
    """What an extension has brought: schemas by op, and functions by name."""

    def __init__(self):
        # type: () -> None
        self.schemas = {}  # type: Dict[str, List[Any]]
        self.functions = {}  # type: Dict[str, Any]
        self.for_gpus = False


# Where an op has a kernel for whatever device, which as a rule is one that is made of other ops.
FOR_ANY = ("CompositeImplicitAutograd", "CompositeExplicitAutograd")
# Where it has its derivative.
DERIVED = ("Autograd", "AutogradCPU", "AutogradCUDA", "CompositeImplicitAutograd")
REGISTERED = "_dispatch_has_kernel_for_dispatch_key"

# What the library of this process has brought; one process loads one library.
_loaded = Loaded()


def load(path):
    # type: (str) -> None
    """Import torch, then the library. Raises what either raises, and RuntimeError where it brings no op."""
    before = _schemas()
    module = load_extension(path)
    _loaded.for_gpus = has_gpu_code(path)
    _loaded.schemas = {}
    for (name, overload), schema in sorted(_schemas().items()):
        if (name, overload) not in before:
            _loaded.schemas.setdefault(name, []).append(schema)
    _loaded.functions = _functions(module)
    if not _loaded.schemas and not _loaded.functions:
        raise RuntimeError("the library loads, registers no op and has no function")


def describe():
    # type: () -> str
    brought = sorted(_loaded.schemas) + [name + "()" for name in sorted(_loaded.functions)]
    known = any(_runner(op.name) is not None for op in ops())
    return "brings " + ", ".join(brought) + ("; well-known names have their well-known meaning" if known else "")


def ops():
    # type: () -> List[Op]
    registered = [Op(name, partial(_registered, name)) for name in sorted(_loaded.schemas)]
    return registered + [Op(name, partial(_function, name)) for name in sorted(_loaded.functions)]


def _schemas():
    # type: () -> Schemas
    """All ops that torch knows, by name and overload."""
    return {(its.name, its.overload_name): its for its in import_module("torch")._C._jit_get_all_schemas()}


def _functions(module):
    # type: (Any) -> Dict[str, Any]
    names = [name for name in dir(module) if not name.startswith("_")]
    found = {name: getattr(module, name) for name in names}
    return {name: each for name, each in found.items() if callable(each) and not isinstance(each, type)}


def _runner(name):
    # type: (str) -> Any
    """What compares an op of this name and these arguments; None where nothing is known of it."""
    types, runner = KNOWN.get(name.split("::")[-1], ("", None))
    if name in _loaded.schemas:
        fits = any(types_of_schema(schema) == types for schema in _loaded.schemas[name])
    else:
        fits = types_of_docstring(_loaded.functions[name].__doc__ or "") == types
    return runner if fits else None


def _registered(name, device):
    # type: (str, str) -> Iterator[Comparison]
    fault = _without_kernel(name, device)
    if fault:
        yield Comparison("kernel", "", None, 0.0, fault)
        return
    namespace, plain = name.split("::")
    function = getattr(getattr(import_module("torch").ops, namespace), plain)
    if _has_kernel(name, FOR_ANY, REGISTERED):
        function = on_its_devices(function, device, _loaded.for_gpus)
    candidate = Candidate(function, _has_kernel(name, DERIVED, REGISTERED))
    for case in _cases(name, candidate, device, "registered, with a kernel"):
        yield case


def _function(name, device):
    # type: (str, str) -> Iterator[Comparison]
    # Whether a plain function can be differentiated is not to be learned without calling it.
    function = on_its_devices(_loaded.functions[name], device, _loaded.for_gpus)
    return _cases(name, Candidate(function, False), device, "a function of the module")


def on_its_devices(function, device, for_gpus):
    # type: (Any, str, bool) -> Any
    """A function that does not say which devices it is for; AbsentError where this one is none of them.

    Without code for GPUs in its library it might read memory of a GPU as its own, and is not called with any. With
    such code it may be for GPUs alone, and says so when it is called.
    """
    if device != "cpu" and not for_gpus:
        raise AbsentError("its library has no code for GPUs")

    def called(*arguments):
        # type: (*Any) -> Any
        try:
            return function(*arguments)
        except RuntimeError as error:
            text = str(error).split("\n")[0]
            if device == "cpu" and for_gpus and "cuda" in text.lower():
                raise AbsentError("it takes no tensor of the CPU: " + text)
            raise

    return called


def _cases(name, candidate, device, found):
    # type: (str, Candidate, str, str) -> Iterator[Comparison]
    runner = _runner(name)
    if runner is None:
        # Without an element type a case says that something is there, and of values nothing.
        yield Comparison(found + "; its values are not compared, for no reference is known", "", 0.0, 0.0)
        return
    for case in runner(device, candidate):
        yield case


def _without_kernel(name, device):
    # type: (str, str) -> str
    """What is wrong where an op has no kernel at all; AbsentError where it has one for other devices.

    An old torch cannot be asked, and then nothing is.
    """
    question = "_dispatch_has_computed_kernel_for_dispatch_key"
    if not hasattr(import_module("torch")._C, question):
        return ""
    having = [kind for kind in ("CPU", "CUDA") if _has_kernel(name, (kind,), question)]
    wanted = "CPU" if device == "cpu" else "CUDA"
    if not having:
        return "it is registered by name alone: neither the CPU nor CUDA has a kernel"
    if wanted not in having:
        raise AbsentError("it has no kernel for %s" % wanted)
    return ""


def _has_kernel(name, keys, question):
    # type: (str, Sequence[str], str) -> bool
    """Whether an overload of the op has a kernel for one of torch's dispatch keys, by a function of torch."""
    asked = getattr(import_module("torch")._C, question, None)
    overloads = [schema.overload_name for schema in _loaded.schemas[name]]
    full = [name + "." + overload if overload else name for overload in overloads]
    return asked is not None and any(asked(each, key) for each in full for key in keys)
