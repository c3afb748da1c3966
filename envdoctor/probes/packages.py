"""Installed packages: what the names of dist-info and egg-info directories along sys.path tell."""

from envdoctor.facts import Facts, Package, Packages, Unreadable
from envdoctor.files import FileView
from envdoctor.target import Target

NEEDS = ("python",)

METADATA_LIMIT = 16384
SUFFIXES = (".dist-info", ".egg-info", ".egg")


def probe(target: Target, known: Facts) -> Packages:
    """List every directory of sys.path once."""
    installed: list[Package] = []
    unreadable: list[Unreadable] = []
    for directory in known.python.sys_path:
        try:
            names = target.files.names(directory)
        except OSError as error:
            unreadable.append(Unreadable(error.strerror or str(error), directory))
            continue
        if directory.endswith(".egg"):
            installed.extend(_package(target.files, directory))
        for name in names:
            # pip leaves `~orch-1.0.dist-info` behind when it is stopped half-way; that is no package.
            if name.endswith(SUFFIXES) and name[0].isalnum():
                installed.extend(_package(target.files, f"{directory}/{name}"))
    return Packages(installed=tuple(dict.fromkeys(installed)), unreadable=tuple(unreadable))


def normalised(name: str) -> str:
    """The name as PEP 503 compares it."""
    name = name.lower().replace("_", "-").replace(".", "-")
    while "--" in name:
        name = name.replace("--", "-")
    return name


def name_and_version(entry: str) -> tuple[str, str]:
    """From the name of a dist-info, egg-info or egg; the version is empty where the name does not tell it."""
    stem, _, suffix = entry.rpartition(".")
    if suffix == "dist-info":
        name, dash, version = stem.rpartition("-")
        return (name, version) if dash and version[:1].isdigit() else (stem, "")
    # An egg names the interpreter too: `protobuf-3.6.1-py2.7-linux-x86_64.egg`. Dashes in its parts are underscores.
    name, _, rest = stem.partition("-")
    version = rest.partition("-py")[0]
    return (name, version.replace("_", "-")) if version[:1].isdigit() else (stem.partition("-py")[0], "")


def metadata_fields(files: FileView, path: str, limit: int = METADATA_LIMIT) -> tuple[tuple[str, str], ...]:
    """The header of a package's METADATA or PKG-INFO, in order, names in lower case. Raises OSError."""
    for name in ("METADATA", "PKG-INFO", "EGG-INFO/PKG-INFO", ""):
        place = f"{path}/{name}" if name else path
        if files.is_file(place):
            return tuple(_header(files.read(place, limit).decode("utf-8", "replace")))
    return ()


def _header(text: str) -> list[tuple[str, str]]:
    fields = []
    for line in text.splitlines():
        if not line:
            break
        key, colon, value = line.partition(":")
        if colon and not line[0].isspace():
            fields.append((key.strip().lower(), value.strip()))
    return fields


def _package(files: FileView, path: str) -> tuple[Package, ...]:
    name, version = name_and_version(path.rpartition("/")[2])
    if not version:
        try:
            fields = dict(reversed(metadata_fields(files, path)))
        except OSError:
            fields = {}
        name, version = fields.get("name", name), fields.get("version", "")
    return (Package(normalised(name), version, path),) if name and version else ()
