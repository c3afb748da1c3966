"""pip, as steps start it: with little patience for a dead index, and with its failures told as what they are.

pip says "No matching distribution found" of an index that it could not reach, too. Only its `-vv` tells which address
gave which answer; all releases from 18 to 26 word it alike.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from envdoctor.repair.steps import CommandError, Hands, Step, StepError

# Environment of every pip that is started, where the user has not set them: pip itself tries a dead index six times,
# and asks for a password where nobody is there to answer.
PATIENCE = {"PIP_RETRIES": "2", "PIP_NO_INPUT": "1"}
NOTHING_FOUND = "No matching distribution found"
ADVICE = "try again when it can be reached, or name another index by PIP_INDEX_URL"
VERSIONS_AT_MOST = 6
QUIET = ("--quiet", "-q")


class IndexUnreachableError(StepError):
    """A package index gave no answer: asking it for something else, or with another pip, will not help."""


@dataclass(frozen=True)
class PipInstall(Step):
    """Change the packages of an interpreter with its own pip."""

    kind = "pip"
    python: str
    requirements: tuple[str, ...]
    options: tuple[str, ...] = ()

    @property
    def packages_of(self) -> str | None:
        return self.python

    @property
    def command(self) -> tuple[str, ...]:
        return (self.python, "-m", "pip", "install", *self.options, *self.requirements)

    def perform(self, hands: Hands) -> None:
        hands.say(self.summary, None)
        run_pip(lambda words: hands.run(words, None, None), self.command)


def run_pip(run: Callable[[Sequence[str]], str], words: Sequence[str]) -> str:
    """What pip prints. `words` are `PYTHON -m pip COMMAND ...`.

    Raises IndexUnreachableError where an index gave no answer, StepError with what pip means for every other failure.
    """
    try:
        return run(words)
    except CommandError as error:
        if NOTHING_FOUND not in error.output:
            raise _told(error) from error
    loud = (*words[:4], "-vv", "--retries=0", *(word for word in words[4:] if word not in QUIET))
    try:
        return run(loud)
    except CommandError as error:
        raise _told(error) from error


def _told(error: CommandError) -> StepError:
    output = error.output
    missing = re.search(rf"{NOTHING_FOUND} for ([^\n]+)", output)
    if missing is not None:
        return _not_found(missing.group(1).split(" (from ")[0].strip(), output)
    if "DO NOT MATCH THE HASHES" in output:
        return StepError(_other_bytes(output))
    cut = re.search(r"Download failed .*\n.*URL: (\S+)", output)
    if cut is not None:
        return IndexUnreachableError(f"the download of {_shown(cut.group(1))} was cut off; try again")
    reason = _network_reason(output.replace("\\n", "\n"))
    return IndexUnreachableError(f"the download was cut off: {reason}; try again") if reason else error


def _not_found(requirement: str, output: str) -> StepError:
    project = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
    dead = _unreachable(output, project)
    if dead:
        told = "; ".join(f"the package index {index} {reason}" for index, reason in dead.items())
        return IndexUnreachableError(f"{told}: {ADVICE}")
    places = ", ".join(_asked(output, project)) or "what pip was told to search"
    listed = re.search(r"\(from versions: ([^)\n]*)\)", output)
    named = [one.strip() for one in (listed.group(1) if listed else "").split(",")]
    versions = [one for one in named if one not in ("", "none")]
    if not versions:
        return StepError(f"there is no {requirement} in {places}, nor any other release for this interpreter")
    others = ", ".join(("..." if len(versions) > VERSIONS_AT_MOST else "", *versions[-VERSIONS_AT_MOST:])).lstrip(", ")
    return StepError(f"there is no {requirement} in {places}, which has {others}")


def _unreachable(output: str, project: str) -> dict[str, str]:
    """Each index that gave no answer, and why. That it knows no such project (404) is an answer."""
    found: dict[str, str] = {}
    for address, said in re.findall(r"Could not fetch URL (\S+): (.*?)(?: - skipping|\n|$)", output):
        if _is_of(address, project) and not said.startswith("404 "):
            index = _index_of(address, project)
            found[index] = f"refuses ({said[:60].split(' for url')[0]})" if said[:1].isdigit() else _silence(said)
    for host in re.findall(r"repository located at (\S+) is not a trusted or secure host", output):
        found[host] = "is not asked by pip, since it has no https: and is no trusted host (PIP_TRUSTED_HOST)"
    return found


def _silence(said: str) -> str:
    return f"cannot be reached ({_network_reason(said) or said[-80:]})"


def _network_reason(text: str) -> str | None:
    """Why a connection failed, in the words of the system where it has some."""
    via = "through the proxy: " if "proxy" in text.lower() else ""
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"{via}its certificate is signed by no authority that is known here; PIP_CERT names more"
    system = re.search(r"\[Errno -?\d+\] ([A-Z][A-Za-z ]+)", text) if "onnection" in text or "HTTP" in text else None
    if system is not None:
        return via + system.group(1)
    for sign, reason in (
        ("timed out", "no answer in time"),
        ("too many 5", "it answers with errors of its own"),
        ("IncompleteRead", "the connection was broken"),
        ("RemoteDisconnected", "it closed the connection"),
        ("Connection broken", "the connection was broken"),
    ):
        if sign in text:
            return via + reason
    return None


def _asked(output: str, project: str) -> Iterator[str]:
    """The indexes and folders in which pip looked."""
    pages = re.findall(r"^\s*\* (\S+)$", output, re.MULTILINE)
    yield from dict.fromkeys(_index_of(page, project) for page in pages if _is_of(page, project))
    for links in re.findall(r"Looking in links: (.*)", output)[:1]:
        yield from (_shown(link.strip()) for link in links.split(","))


def _is_of(address: str, project: str) -> bool:
    return _normal(urlsplit(address).path.rstrip("/").rpartition("/")[2]) != "pip" or _normal(project) == "pip"


def _index_of(address: str, project: str) -> str:
    """An index by the address of a project's page in it."""
    above, _, last = address.rstrip("/").rpartition("/")
    return _shown(above if _normal(last) == _normal(project) else address)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _shown(address: str) -> str:
    """An address without the password and the hash in it."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


def _other_bytes(output: str) -> str:
    came = re.search(r"from (\S+?)(?:#\S*)?:\s*\n", output)
    expected = re.search(r"Expected (\w+) +(\w+)", output)
    got = re.search(r"Got +(\w+)", output)
    if came is None or expected is None or got is None:
        return "a file that came has not the hash that the index states: it is refused; try again"
    kind, wanted = expected.groups()
    return (
        f"{_shown(came.group(1))} has {kind} {got.group(1)[:16]}..., and the index states {wanted[:16]}...: cut off on "
        "the way, or another file. It is refused; try again"
    )
