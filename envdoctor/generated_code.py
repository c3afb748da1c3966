"""What the generated code of a build demands: of protobuf's headers, by its own `#if` lines, and of its Python package.

Pure over facts, for the checks that find a demand unmet and the recipes that meet it.
"""

from posixpath import basename

from envdoctor.facts import Facts, GeneratedCode, ProtobufHeaders, value_of
from envdoctor.knowledge.protobuf import HeaderJudgement, HeaderRange, encode, header_accepts, names_of_cpp


def header_demands(facts: Facts) -> tuple[tuple[GeneratedCode, HeaderRange], ...]:
    """What the generated headers of the project and of the Caffe2 it builds against demand, each demand once.

    Reads `project`, `caffe2`, `protobuf`.
    """
    installation = facts.caffe2.built_against()
    include = value_of(installation.include) if installation is not None else None
    demands: dict[HeaderRange, GeneratedCode] = {}
    for code in sorted(facts.protobuf.generated, key=lambda code: basename(code.path) != "caffe2.pb.h"):
        elsewhere = code.owner == "caffe2" and include is not None and not code.path.startswith(f"{include}/")
        generated, minimum = encode(code.generated_by or ""), encode(code.minimum or "")
        if code.owner in _owners(facts) and not elsewhere and generated is not None and minimum is not None:
            demands.setdefault(HeaderRange(generated, minimum, code.exact), code)
    return tuple((code, demand) for demand, code in demands.items())


def python_code(facts: Facts) -> tuple[GeneratedCode, ...]:
    """The generated Python code that the project's own programs import. Reads `project`, `protobuf`."""
    return tuple(code for code in facts.protobuf.python_generated if code.owner in _owners(facts))


def judged(demand: HeaderRange, headers: ProtobufHeaders) -> HeaderJudgement:
    """What the compiler says of generated code under these headers."""
    version = encode(headers.version or "")
    if version is None:
        return HeaderJudgement("unknown", "")
    return header_accepts(demand, version, encode(headers.min_protoc or ""))


def python_number(facts: Facts, code: GeneratedCode) -> str | None:
    """The version of generated Python code, as Python counts: what it says, else by its style or by its C++ sister.

    Reads `protobuf`.
    """
    if code.generated_by is not None:
        return code.generated_by
    if code.style == "builder":
        return "3.20.0"
    sisters = {one.generated_by for one in facts.protobuf.generated if one.owner == code.owner and one.generated_by}
    names = names_of_cpp(sisters.pop() or "") if code.style == "descriptors" and len(sisters) == 1 else None
    return names.python if names is not None else None


def python_numbers(facts: Facts) -> tuple[str, ...]:
    """The known versions of all of `python_code`, each once. Reads `project`, `protobuf`."""
    numbers = (python_number(facts, code) for code in python_code(facts))
    return tuple(dict.fromkeys(number for number in numbers if number))


def _owners(facts: Facts) -> tuple[str, ...]:
    """Whose generated code a build of the project takes in."""
    return ("caffe2", "project") if value_of(facts.project.profile) == "caffe2-ops" else ("project",)
