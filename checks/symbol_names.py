"""What the name of an undefined symbol tells about where it belongs."""

from collections.abc import Iterable
from itertools import islice

from envdoctor.facts import UndefinedSymbol

# A mangled name begins with `_ZN`, or with a few letters more for tables, guards and constant methods.
PREFIX_LIMIT = 6
NAMESPACE = "6google8protobuf"
MEANING_LIMIT = 160


def in_protobuf(symbol: UndefinedSymbol) -> bool:
    """Whether it is a member of the namespace google::protobuf, not merely a function that takes one of its types."""
    head = symbol.symbol[: PREFIX_LIMIT + len(NAMESPACE)]
    return head.startswith("_Z") and NAMESPACE in head


def described(symbols: Iterable[UndefinedSymbol], count: int = 4) -> tuple[str, ...]:
    """The first of them: as the loader prints them, with what they mean where that is known."""
    return tuple(
        f"{one.symbol} ({one.demangled[:MEANING_LIMIT]})" if one.demangled not in ("", one.symbol) else one.symbol
        for one in islice(symbols, count)
    )
