"""Facts saved to JSON and read back, to be judged elsewhere."""

import msgspec

from envdoctor import __version__
from envdoctor.checking.report import SCHEMA_VERSION, TargetInfo, ToolInfo
from envdoctor.errors import UsageError
from envdoctor.facts import AREAS, Facts
from envdoctor.files import LiveFiles

SIZE_LIMIT = 64 * 1024 * 1024


class Snapshot(msgspec.Struct, frozen=True):
    """The facts of one target at one time."""

    schema_version: int
    tool: ToolInfo
    target: TargetInfo
    facts: Facts


def snapshot(facts: Facts, target: TargetInfo) -> Snapshot:
    """These facts with the tool and the target they came from."""
    return Snapshot(SCHEMA_VERSION, ToolInfo("envdoctor", __version__), target, facts)


def load_snapshot(path: str) -> Snapshot:
    """Read a facts file. Raises UsageError, in one line, for anything that is none."""
    try:
        data = LiveFiles().read(path, SIZE_LIMIT)
    except OSError as error:
        raise UsageError(f"the facts file {path} cannot be read: {error.strerror or error}") from error
    try:
        loaded = msgspec.json.decode(data, type=Snapshot)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is no facts file of envdoctor: {error}") from error
    if loaded.schema_version != SCHEMA_VERSION:
        raise UsageError(
            f"{path} has schema version {loaded.schema_version}; this envdoctor reads version {SCHEMA_VERSION}"
        )
    strange = [area for area in loaded.facts.probed if area not in AREAS]
    if strange:
        raise UsageError(f"{path} names areas that this envdoctor does not know: {', '.join(strange)}")
    return loaded
