"""Splits a pattern at its outermost `|`: a filter over words finds more of them in the parts than in the whole."""

import re
from functools import cache


def alternatives(pattern: str) -> tuple[str, ...]:
    """The alternatives of an RE2 pattern, each with the flags that stand at its beginning; itself where it has one."""
    flags = _flags().match(pattern)
    start = flags.end() if flags is not None else 0
    parts: list[str] = []
    depth, begin, at = 0, start, start
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            if pattern[at + 1 : at + 2] == "Q":
                return (pattern,)
            at += 1
        elif character == "[":
            at = _end_of_class(pattern, at)
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character == "|" and depth == 0:
            parts.append(pattern[begin:at])
            begin = at + 1
        at += 1
    parts.append(pattern[begin:])
    # A flag set in the middle holds for what follows it, other alternatives included.
    if len(parts) == 1 or not all(parts) or any(_flags().search(part) for part in parts):
        return (pattern,)
    return tuple(pattern[:start] + part for part in parts)


def _end_of_class(pattern: str, at: int) -> int:
    """The position of the `]` that ends a class; a `]` right after its beginning belongs to it."""
    at += 2 if pattern[at + 1 : at + 2] == "^" else 1
    if pattern[at : at + 1] == "]":
        at += 1
    while at < len(pattern) and pattern[at] != "]":
        if pattern[at] == "\\":
            at += 1
        elif pattern.startswith("[:", at):
            at = max(pattern.find(":]", at) + 1, at)
        at += 1
    return at


@cache
def _flags() -> "re.Pattern[str]":
    return re.compile(r"\(\?[imsU-]+\)")
