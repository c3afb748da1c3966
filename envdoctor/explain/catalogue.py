"""Where signatures come from: beside the installed checks, from the user's folder and from the project's."""

import os
from collections import Counter
from collections.abc import Iterator

import msgspec

from envdoctor.checking.discover import GROUP
from envdoctor.explain.signature import Signature, SignatureError, parse_signatures
from envdoctor.files import LiveFiles

FOLDER = "envdoctor.d"
# What people wrote about their own machines outranks what is known in general.
OWN_FIRST = 1000


def load_signatures(project: str | None) -> tuple[Signature, ...]:
    """Every signature at hand: the project's, the user's, the installed ones. An earlier one replaces a later one of
    the same name. Raises SignatureError for a file that is wrong.
    """
    own = [parse_file(path) for path in (*_files_of(project_folder(project)), *_files_of(user_folder()))]
    found: dict[str, Signature] = {}
    for signatures in own:
        for signature in signatures:
            preferred = msgspec.structs.replace(signature, priority=signature.priority + OWN_FIRST)
            found.setdefault(signature.name, preferred)
    installed = installed_signatures()
    return (*found.values(), *(signature for signature in installed if signature.name not in found))


def installed_signatures() -> tuple[Signature, ...]:
    """Those beside the installed checks. Raises SignatureError, also for a name given twice."""
    signatures = [signature for path in installed_files() for signature in parse_file(path)]
    twice = sorted(name for name, count in Counter(one.name for one in signatures).items() if count > 1)
    if twice:
        raise SignatureError(f"two signatures share the name {', '.join(twice)}")
    return tuple(signatures)


def user_folder() -> str:
    """Where a user keeps signatures of their own."""
    from platformdirs import user_config_dir

    return f"{user_config_dir('envdoctor')}/{FOLDER}"


def project_folder(project: str | None) -> str:
    """Where a project keeps them; the current folder is the project where none is named."""
    return f"{(project or os.getcwd()).rstrip('/')}/{FOLDER}"


def parse_file(path: str) -> tuple[Signature, ...]:
    """The signatures of one file. Raises SignatureError."""
    try:
        text = LiveFiles().read(path).decode("utf-8")
    except OSError as error:
        raise SignatureError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SignatureError(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from error
    return parse_signatures(text, path)


def installed_files() -> tuple[str, ...]:
    """`<module>.toml` beside each module of the entry-point group, and for a package of checks (`<package>/__init__`
    in the same folder as the modules of the group) the files that stand alone.
    """
    return tuple(dict.fromkeys(_beside_modules()))


def _beside_modules() -> Iterator[str]:
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    alone: dict[str, None] = {}
    for entry in entry_points(group=GROUP):
        try:
            spec = find_spec(entry.module)
        except (ImportError, ValueError):
            continue
        origin = spec.origin if spec is not None else None
        if origin is None:
            continue
        path = f"{origin.removesuffix('.py')}.toml"
        if os.path.isfile(path):
            yield path
        if entry.module.startswith("envdoctor."):
            alone[os.path.dirname(origin)] = None
    for folder in alone:
        yield from _files_of(folder)


def _files_of(folder: str) -> list[str]:
    return [f"{folder}/{name}" for name in LiveFiles().names(folder) if name.endswith(".toml")]
