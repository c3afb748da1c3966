"""Requires-Dist lines of a package, with their markers judged for the target and not for the Python that runs us."""

from collections.abc import Iterator, Mapping

import msgspec

from envdoctor.facts import Package, Packages, Python, value_of
from envdoctor.files import FileView
from envdoctor.knowledge.versions import compare
from envdoctor.probes.packages import metadata_fields, normalised

METADATA_LIMIT = 1 << 18
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
    simple = _conjunction(marker, environment)
    if simple is not None:
        return simple
    # Loading `packaging` takes longer than everything else here, so it is asked only about the rarer markers.
    from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

    try:
        return Marker(marker).evaluate(dict(environment))
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, ValueError):
        return True


def missing(
    files: FileView, package: Package, packages: Packages, python: Python, prefixes: tuple[str, ...]
) -> tuple[str, ...]:
    """Requirements whose names begin with one of `prefixes`, that apply here and are not installed. Raises OSError."""
    found = _applying(files, package, packages, marker_environment(python), prefixes, 2)
    return tuple(dict.fromkeys(one.name for one in found if packages.get(one.name) is None))


def differing(
    files: FileView, package: Package, packages: Packages, python: Python, prefixes: tuple[str, ...]
) -> tuple[str, ...]:
    """Those that it names with one exact version and that are installed in another: `name==wanted`. Raises OSError."""
    found = _applying(files, package, packages, marker_environment(python), prefixes, 2)
    return tuple(dict.fromkeys(f"{one.name}{one.specifier}" for one in found if _is_other(packages, one)))


def _is_other(packages: Packages, requirement: Requirement) -> bool:
    installed = packages.get(requirement.name)
    exact = requirement.specifier.removeprefix("==")
    if installed is None or exact == requirement.specifier or not exact.replace(".", "").isdecimal():
        return False
    return compare(installed.version.partition("+")[0], exact) != 0


def _applying(
    files: FileView,
    package: Package,
    packages: Packages,
    environment: Mapping[str, str],
    prefixes: tuple[str, ...],
    depth: int,
) -> Iterator[Requirement]:
    for requirement in requirements_of(files, package):
        if not requirement.name.startswith(prefixes) or not applies(requirement.marker, environment):
            continue
        yield requirement
        # `cuda-toolkit[cublas]` holds nothing but further requirements, one set an extra.
        installed = packages.get(requirement.name)
        if installed is not None and depth > 1:
            for extra in requirement.extras:
                wider = {**environment, "extra": extra}
                yield from _applying(files, installed, packages, wider, prefixes, depth - 1)


def _conjunction(marker: str, environment: Mapping[str, str]) -> bool | None:
    """The value of `name == "text" and ...`; None for every other form."""
    if "(" in marker or " or " in marker:
        return None
    holds = True
    for part in marker.split(" and "):
        words = part.split()
        if len(words) != 3 or words[0] not in environment or words[1] not in ("==", "!="):
            return None
        text = words[2]
        if len(text) < 2 or text[0] != text[-1] or text[0] not in "'\"" or "version" in words[0]:
            return None
        holds = holds and (environment[words[0]] == text[1:-1]) == (words[1] == "==")
    return holds
