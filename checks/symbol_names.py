"""What the name of an undefined symbol tells about where it belongs."""

from collections.abc import Iterable

from envdoctor.facts import UndefinedSymbol

# A mangled name begins with `_ZN`, or with a few letters more for tables, guards and constant methods.
PREFIX_LIMIT = 6
NAMESPACE = "6google8protobuf"


def in_protobuf(symbol: UndefinedSymbol) -> bool:
    """Whether it is a member of the namespace google::protobuf, not merely a function that takes one of its types."""
    head = symbol.symbol[: PREFIX_LIMIT + len(NAMESPACE)]
    return head.startswith("_Z") and NAMESPACE in head


def described(symbols: Iterable[UndefinedSymbol], count: int = 4) -> tuple[str, ...]:
    """The first of them for people: demangled where that could be done."""
    return tuple(symbol.demangled or symbol.symbol for symbol in list(symbols)[:count])
