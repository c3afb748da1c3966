"""Where `import NAME` would find a package, without importing it."""

from collections.abc import Iterator

import msgspec

from envdoctor.facts import Python
from envdoctor.files import FileView, read_text

FINDERS_AT_MOST = 64


class FoundPackage(msgspec.Struct, frozen=True):
    """`path` is the package's directory, `found_via` the entry of sys.path or the editable finder that leads there."""

    path: str
    found_via: str


def packages_named(files: FileView, python: Python, name: str) -> tuple[FoundPackage, ...]:
    """Every package of that name in the order of the import system: the first is imported, the others are shadowed."""
    found = [
        FoundPackage(f"{entry.rstrip('/')}/{name}", entry)
        for entry in python.sys_path
        if files.is_file(f"{entry}/{name}/__init__.py")
    ]
    # Editable installs put their finder behind sys.path.
    for path, finder in _editable(files, python.site_packages, name):
        if files.is_file(f"{path}/__init__.py") and all(package.path != path for package in found):
            found.append(FoundPackage(path, finder))
    return tuple(found)


def package_named(files: FileView, python: Python, name: str) -> FoundPackage | None:
    """The package that `import NAME` takes."""
    return next(iter(packages_named(files, python, name)), None)


def _editable(files: FileView, site_packages: tuple[str, ...], name: str) -> Iterator[tuple[str, str]]:
    """Paths that setuptools' finders map the name to. The finder is code; its table is a literal, and read as one."""
    for directory in site_packages:
        try:
            names = files.names(directory)
        except OSError:
            continue
        finders = [entry for entry in names if entry.startswith("__editable__") and entry.endswith("_finder.py")]
        for finder in finders[:FINDERS_AT_MOST]:
            path = f"{directory}/{finder}"
            for module, place in _mapping(files, path).items():
                if module == name:
                    yield place, path


def _mapping(files: FileView, path: str) -> dict[str, str]:
    import ast

    try:
        text = read_text(files, path, 1 << 20) or ""
    except OSError:
        return {}
    for line in text.splitlines():
        if line.startswith("MAPPING") and "=" in line:
            try:
                table = ast.literal_eval(line.partition("=")[2].strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                return {}
            if isinstance(table, dict):
                return {key: place for key, place in table.items() if isinstance(key, str) and isinstance(place, str)}
    return {}
