"""Which checks run: areas and codes asked for, less those ignored."""

from collections.abc import Sequence

from envdoctor.checking.check import Check
from envdoctor.errors import UsageError


def select_checks(
    checks: Sequence[Check],
    areas: Sequence[str] = (),
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
) -> tuple[Check, ...]:
    """The checks of any area or code asked for (all where none is), less those ignored.

    Raises UsageError for a word that is neither, and where nothing is left.
    """
    wanted = {*_known(checks, areas), *_known(checks, select)}
    unwanted = _known(checks, ignore)
    chosen = tuple(
        check
        for check in checks
        if (not wanted or {check.code, check.area} & wanted) and not {check.code, check.area} & unwanted
    )
    if not chosen:
        raise UsageError("no check is left to run: everything that was selected is also ignored")
    return chosen


def find_check(checks: Sequence[Check], code: str) -> Check:
    """The check of that code or name. Raises UsageError."""
    for check in checks:
        if code.upper() == check.code or code.lower() == check.name:
            return check
    raise UsageError(_no_such("check", code, [check.code for check in checks]))


def _known(checks: Sequence[Check], words: Sequence[str]) -> set[str]:
    codes = {check.code for check in checks}
    areas = {check.area for check in checks}
    known: set[str] = set()
    for word in words:
        if word.upper() in codes:
            known.add(word.upper())
        elif word.lower() in areas:
            known.add(word.lower())
        else:
            raise UsageError(_no_such("check area or code", word, sorted(areas) + sorted(codes)))
    return known


def _no_such(what: str, word: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word.lower(), [name.lower() for name in known], n=1)
    hint = next((f"; did you mean `{name}`" for name in known if close and name.lower() == close[0]), "")
    return f"there is no {what} `{word}`{hint} (`envdoctor list checks` shows them all)"
