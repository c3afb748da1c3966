"""Which protobuf a build is given, by what its generated code demands."""

from envdoctor.facts import Facts, ProtobufHeaders, value_of
from envdoctor.generated_code import header_demands, judged
from envdoctor.knowledge.protobuf import HeaderRange
from envdoctor.knowledge.protobuf_sources import Header, header, headers_accepting

from .pip_download import interpreter
from .protobuf_build import Sources


def demands_of(facts: Facts) -> tuple[HeaderRange, ...]:
    """What the generated headers of the build demand. Reads `project`, `caffe2`, `protobuf`."""
    return tuple(demand for _, demand in header_demands(facts))


def accepted(headers: ProtobufHeaders, demands: tuple[HeaderRange, ...]) -> bool:
    """Whether these headers take all of the generated code."""
    return all(judged(demand, headers).verdict == "ok" for demand in demands)


def sources_for(facts: Facts, demands: tuple[HeaderRange, ...]) -> Sources | None:
    """Sources on the package index whose headers take all of the generated code, best those that generated it.

    Reads `protobuf`, `python`.
    """
    fitting = [row for row in headers_accepting(demands[0]) if row.sdist] if demands else []
    for demand in demands[1:]:
        others = headers_accepting(demand)
        fitting = [row for row in fitting if row in others]
    made = [code.generated_by for code, demand in header_demands(facts) if demand in demands]
    fitting.sort(key=lambda row: row.protobuf not in made)
    return _sources(facts, fitting[0]) if fitting else None


def sources_of_headers(facts: Facts) -> Sources | None:
    """Sources of the protobuf whose headers the build takes, or will be given. Reads `project`, `caffe2`, `protobuf`.

    None where no release of grpcio-tools is known to carry it.
    """
    demands, found = demands_of(facts), value_of(facts.protobuf.default_headers)
    if found is None or not accepted(found, demands):
        return sources_for(facts, demands)
    row = header(found.version or "")
    return _sources(facts, row) if row is not None and row.sdist else None


def _sources(facts: Facts, row: Header) -> Sources:
    return Sources(row.protobuf, row.sdist, interpreter(facts))
