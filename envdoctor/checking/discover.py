"""Finds checks through the entry-point group `envdoctor.checks`, the door that other packages use too."""

from collections import Counter
from importlib.metadata import entry_points

from envdoctor.checking.check import Check
from envdoctor.errors import ExtensionError

GROUP = "envdoctor.checks"


def load_checks() -> tuple[Check, ...]:
    """Every installed check, by code. Raises ExtensionError for a module that does not load or a code given twice."""
    checks: list[Check] = []
    for entry in entry_points(group=GROUP):
        try:
            module = entry.load()
        except Exception as error:
            raise ExtensionError(
                f"the checks of `{entry.name}` ({entry.value}) cannot be loaded: {type(error).__name__}: {error}"
            ) from error
        checks.extend(value for value in vars(module).values() if isinstance(value, Check))
    twice = [code for code, count in Counter(check.code for check in checks).items() if count > 1]
    if twice:
        raise ExtensionError(f"two checks share the code {', '.join(sorted(twice))}")
    return tuple(sorted(checks, key=lambda check: check.code))
