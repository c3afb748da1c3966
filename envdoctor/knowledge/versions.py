"""Dotted version numbers as tuples, for versions of nothing but numbers (drivers, toolkits, compilers, libraries)."""

PARTS_LIMIT = 8
DIGITS_LIMIT = 9


def numbers(text: str) -> tuple[int, ...]:
    """The dotted numbers that `text` begins with: `535.104.05` is (535, 104, 5), `3.5.0.post1` is (3, 5, 0).

    Empty when it begins with none. More than eight parts or nine digits in a part are no version: empty too.
    """
    parts: list[int] = []
    for part in text.strip().split(".", PARTS_LIMIT)[: PARTS_LIMIT + 1]:
        digits = _leading_digits(part)
        if len(digits) > DIGITS_LIMIT or len(parts) == PARTS_LIMIT:
            return ()
        if not digits:
            break
        parts.append(int(digits))
        if len(digits) != len(part):
            break
    return tuple(parts)


def series(text: str, parts: int = 2) -> str | None:
    """The first `parts` numbers, dotted: `12.2.140` is `12.2`. None when `text` has fewer."""
    found = numbers(text)
    if len(found) < parts:
        return None
    return ".".join(str(number) for number in found[:parts])


def compare(left: str, right: str) -> int:
    """-1, 0 or 1; missing parts count as zero, so `12` equals `12.0`."""
    first, second = _without_zeros(numbers(left)), _without_zeros(numbers(right))
    return (first > second) - (first < second)


def at_least(version: str, floor: str) -> bool:
    return compare(version, floor) >= 0


def _without_zeros(parts: tuple[int, ...]) -> tuple[int, ...]:
    end = len(parts)
    while end and parts[end - 1] == 0:
        end -= 1
    return parts[:end]


def _leading_digits(part: str) -> str:
    end = 0
    while end < len(part) and part[end] in "0123456789":
        end += 1
    return part[:end]
