"""Requires-Dist lines of a package, with their markers judged for the target and not for the Python that runs us."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from envdoctor.facts import Package, Packages, Python, value_of
from envdoctor.files import FileView
from envdoctor.knowledge.versions import compare, numbers
from envdoctor.probes.packages import metadata_fields, normalised

METADATA_LIMIT = 1 << 18
_ORDERS: dict[str, Callable[[int], bool]] = {
    "==": lambda order: order == 0,
    "!=": lambda order: order != 0,
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


class Requirement(msgspec.Struct, frozen=True):
    """One Requires-Dist line. `name` is normalised, `specifier` without blanks and parentheses, `raw` the line."""

    name: str
    extras: tuple[str, ...]
    specifier: str
    marker: str
    raw: str


def requirements_of(files: FileView, package: Package) -> tuple[Requirement, ...]:
    """What its metadata names, in order, markers not yet judged. Raises OSError."""
    lines = (value for key, value in metadata_fields(files, package.path, METADATA_LIMIT) if key == "requires-dist")
    return tuple(parse_requirement(line) for line in lines)


def parse_requirement(line: str) -> Requirement:
    """`name[extra] (==1.0) ; marker`, in the spellings of old and new metadata."""
    wanted, _, marker = line.partition(";")
    end = next((at for at, letter in enumerate(wanted) if letter not in NAME_CHARACTERS), len(wanted))
    name, rest = wanted[:end], wanted[end:].strip()
    extras = ""
    if rest.startswith("["):
        extras, _, rest = rest[1:].partition("]")
    specifier = rest.replace("(", "").replace(")", "").replace(" ", "")
    names = tuple(extra.strip() for extra in extras.split(",") if extra.strip())
    return Requirement(normalised(name), names, specifier, marker.strip(), line)


def marker_environment(python: Python) -> dict[str, str]:
    """The PEP 508 variables of the target, as far as its facts tell them."""
    version = value_of(python.version) or ""
    suffix = value_of(python.extension_suffix) or ""
    implementation = value_of(python.implementation) or "cpython"
    machine = next((name for name in ("x86_64", "aarch64", "ppc64le") if name in suffix), "x86_64")
    return {
        "implementation_name": implementation,
        "implementation_version": version,
        "os_name": "posix",
        "platform_machine": machine,
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": version,
        "platform_python_implementation": "PyPy" if implementation == "pypy" else "CPython",
        "python_version": ".".join(version.split(".")[:2]),
        "sys_platform": "linux",
        "extra": "",
    }


def applies(marker: str, environment: Mapping[str, str]) -> bool:
    """Whether a marker holds. One that cannot be understood holds, so that nothing required is overlooked."""
    if not marker:
        return True
    simple = _simple(marker, environment)
    if simple is not None:
        return simple
    # Loading `packaging` takes longer than everything else here, so it is asked only about the rarer markers.
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

    try:
        return Marker(marker).evaluate(dict(environment))
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, ValueError):
        return True


def required(
    files: FileView, package: Package, packages: Packages, python: Python, prefixes: tuple[str, ...]
) -> tuple[Requirement, ...]:
    """Requirements whose names begin with one of `prefixes` and that apply here. Raises OSError."""
    return tuple(_applying(files, package, packages, marker_environment(python), prefixes, ("",)))


def missing(wanted: Iterable[Requirement], packages: Packages) -> tuple[str, ...]:
    """Names of those that are not installed."""
    return tuple(dict.fromkeys(one.name for one in wanted if packages.get(one.name) is None))


def differing(wanted: Iterable[Requirement], packages: Packages) -> tuple[str, ...]:
    """Those that ask for one exact version and are installed in another: `name==wanted`."""
    return tuple(
        dict.fromkeys(f"{one.name}{one.specifier}" for one in wanted if _is_other(packages.get(one.name), one))
    )


def _is_other(installed: Package | None, requirement: Requirement) -> bool:
    exact = requirement.specifier.removeprefix("==")
    if installed is None or exact == requirement.specifier or "," in exact or not numbers(exact):
        return False
    if exact.endswith(".*"):
        wanted = numbers(exact)
        return numbers(installed.version)[: len(wanted)] != wanted
    return compare(installed.version, exact) != 0


def _applying(
    files: FileView,
    package: Package,
    packages: Packages,
    environment: Mapping[str, str],
    prefixes: tuple[str, ...],
    extras: tuple[str, ...],
) -> Iterator[Requirement]:
    for requirement in requirements_of(files, package):
        if not requirement.name.startswith(prefixes):
            continue
        if not any(applies(requirement.marker, {**environment, "extra": extra}) for extra in extras):
            continue
        yield requirement
        # `cuda-toolkit[cublas]` holds nothing but further requirements, one set an extra.
        installed = packages.get(requirement.name)
        if installed is not None and extras == ("",) and requirement.extras:
            yield from _applying(files, installed, packages, environment, prefixes, requirement.extras)


def _simple(marker: str, environment: Mapping[str, str]) -> bool | None:
    """The value of a marker without parentheses, or with one pair before `and`; None for every other form."""
    group, rest = "", marker
    if marker.startswith("("):
        group, _, rest = marker[1:].partition(")")
        rest = rest.strip()
        if " or " in rest or not (rest.startswith("and ") or not rest):
            return None
        rest = rest.removeprefix("and ")
    if "(" in group or "(" in rest:
        return None
    values = [_disjunction(text, environment) for text in (rest, group) if text]
    return False if False in values else None if None in values else True


def _disjunction(text: str, environment: Mapping[str, str]) -> bool | None:
    values = [_conjunction(part, environment) for part in text.split(" or ")]
    return True if True in values else None if None in values else False


def _conjunction(text: str, environment: Mapping[str, str]) -> bool | None:
    """The value of `name == "text" and ...`."""
    values = [_comparison(part.split(), environment) for part in text.split(" and ")]
    return None if None in values else False not in values


def _comparison(words: list[str], environment: Mapping[str, str]) -> bool | None:
    if len(words) != 3 or words[0] not in environment:
        return None
    have, sign, quoted = environment[words[0]], words[1], words[2]
    if len(quoted) < 2 or quoted[0] != quoted[-1] or quoted[0] not in "'\"":
        return None
    wanted = quoted[1:-1]
    if "version" in words[0]:
        plain = have.replace(".", "").isdecimal() and wanted.replace(".", "").isdecimal()
        order = compare(have, wanted) if plain else 0
        return _ORDERS[sign](order) if plain and sign in _ORDERS else None
    return (have == wanted) == (sign == "==") if sign in ("==", "!=") else None
