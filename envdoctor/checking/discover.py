"""The installed checks."""

from collections import Counter

from envdoctor.checking.check import Check
from envdoctor.errors import ExtensionError
from envdoctor.plugins import load_plugins

GROUP = "envdoctor.checks"


def load_checks() -> tuple[Check, ...]:
    """Every installed check, by code. Raises ExtensionError for a module that does not load or a code given twice."""
    checks = load_plugins(GROUP, Check)
    twice = sorted(code for code, count in Counter(check.code for check in checks).items() if count > 1)
    if twice:
        raise ExtensionError(f"two checks share the code {', '.join(twice)}")
    return tuple(sorted(checks, key=lambda check: check.code))
