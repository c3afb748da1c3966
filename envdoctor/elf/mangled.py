"""What a mangled C++ name says without a demangler: its identifiers, up to the first template argument or parameter.

Grammar: the Itanium C++ ABI, "Mangling". Only names written out are read; what an abbreviation stands for is not
looked up.
"""

import re
from functools import cache


def key(name: bytes) -> bytes | None:
    """The part of a name before its parameters that no string ABI changes: `_ZN6caffe219CPUOperatorRegistry`.

    None for what is no C++ name, or has no identifier of its own there.
    """
    head = _head().match(name)
    found = _identifiers(name, head.end()) if head else []
    return name[: found[-1][1]] if found else None


def qualified(name: bytes) -> str:
    """`caffe2::CPUOperatorRegistry`; the name itself where it is not mangled."""
    head = _head().match(name)
    if head is None:
        return name.decode("utf-8", "backslashreplace")
    words = [name[start:end].decode("utf-8", "backslashreplace") for start, end in _identifiers(name, head.end())]
    return "::".join((["std"] if head.group(1) else []) + words)


def namespace(name: bytes) -> bytes | None:
    """The outermost two identifiers of a nested name as they are mangled, `6google8protobuf`; None for fewer."""
    head = _head().match(name)
    found = _identifiers(name, head.end()) if head and b"N" in head.group()[2:] else []
    return name[head.end() : found[1][1]] if head and len(found) > 1 else None


def is_same_function(name: bytes, other: bytes) -> bool:
    """True when two names differ in parameters, template arguments or return type alone."""
    start = key(name)
    if name == other or start is None or key(other) != start:
        return False
    rest, other_rest = name[len(start) :], other[len(start) :]
    head = _head().match(name)
    if head is None or b"N" not in head.group()[2:]:
        return True
    # Within a nested name an operator, a constructor or a destructor may follow the identifiers.
    width = 2 if rest[:1].islower() or rest[:1] in (b"C", b"D") else 1
    return rest[:width] == other_rest[:width] or {rest[:1], other_rest[:1]} == {b"B", b"E"}


@cache
def _head() -> re.Pattern[bytes]:
    # A special name (vtable, type information, guard), then a nested name with its qualifiers, or one of std.
    return re.compile(rb"_Z(?:T[VTIS]|GV)?(?:N[rVK]*)?(St|S[absiod])?")


@cache
def _digits() -> re.Pattern[bytes]:
    return re.compile(rb"[1-9]\d{0,3}")


def _identifiers(name: bytes, at: int) -> list[tuple[int, int]]:
    """Beginning and end of each length-prefixed identifier from `at` on."""
    found: list[tuple[int, int]] = []
    while (number := _digits().match(name, at)) is not None:
        at = number.end() + int(number.group())
        if at > len(name):
            break
        found.append((number.end(), at))
    return found
