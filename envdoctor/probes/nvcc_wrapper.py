"""From a `nvcc` as it was met to the real one and its toolkit, through links and scripts.

Scripts are read. Only one whose text does not tell what it starts is asked, with `--dryrun`, where programs can be run.
"""

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping

import msgspec

from envdoctor.files import FileView
from envdoctor.programs import Completed
from envdoctor.target import Target

SECONDS = 5.0
HOPS_AT_MOST = 8
SCRIPT_LIMIT = 65_536
LINES_AT_MOST = 500
LINE_AT_MOST = 4096
WORD_AT_MOST = 1024

_SELF = r'"?\$(?:0|\{0\}|BASH_SOURCE|\{BASH_SOURCE(?:\[0\])?\})"?'
_ASSIGNMENT = r"(?:export\s+|readonly\s+|local\s+)?([A-Za-z_]\w*)=(.*)$"
_VARIABLE = r"\$\{(\w+)(?::?-([^}]*))?\}|\$(\w+)"


class Nvcc(msgspec.Struct, frozen=True):
    """`path` is the real program, or the last script where that cannot be told; `wrapper` the first script.

    `problem` says why that script, asked, gave no answer: it need not be asked anything else.
    """

    path: str
    root: str
    wrapper: str | None
    problem: str = ""


def run_nvcc(target: Target, nvcc: str, *options: str) -> Completed | None:
    """None where no program can be run."""
    if target.programs is None:
        return None
    # These two variables add options to every call, and a bad one ends it.
    hidden = ("NVCC_PREPEND_FLAGS", "NVCC_APPEND_FLAGS")
    environment = {name: value for name, value in target.environment.items() if name not in hidden}
    return target.programs.run((nvcc, *options), SECONDS, environment)


def real_nvcc(target: Target, path: str) -> Nvcc:
    """Where a `nvcc` leads. Never raises."""
    files, environment = target.files, target.environment
    current = path
    wrapper: str | None = None
    seen: set[str] = set()
    for _ in range(HOPS_AT_MOST):
        real = files.real(current)
        text = _script(files, real)
        if text is None:
            return Nvcc(real, _root_of(files, real), wrapper)
        seen.add(real)
        wrapper = wrapper or current
        candidates = _started_by(text, current, real, environment)
        following = next((name for name in candidates if files.is_file(name) and files.real(name) not in seen), None)
        if following is None:
            break
        current = following
    real = files.real(current)
    return _asked(target, real, wrapper)


def _asked(target: Target, script: str, wrapper: str | None) -> Nvcc:
    """By the directories that nvcc prints when it is to do nothing."""
    done = run_nvcc(target, script, "--dryrun", "-E", "-x", "cu", "/dev/null")
    here = re.search(r"^#\$ _HERE_=(/.+)$", done.stdout + done.stderr, re.MULTILINE) if done and done.ok else None
    path = f"{here[1].strip()}/nvcc" if here else ""
    if not target.files.is_file(path):
        return Nvcc(script, _parent(_parent(script)), wrapper, done.problem if done else "")
    real = target.files.real(path)
    return Nvcc(real, _root_of(target.files, real), wrapper)


def _script(files: FileView, path: str) -> str | None:
    """The text of a script; None for a program or for what cannot be read."""
    try:
        head = files.read(path, SCRIPT_LIMIT)
    except OSError:
        return None
    return head.decode("utf-8", "replace") if head.startswith(b"#!") else None


def _started_by(text: str, script: str, real: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Absolute paths of a nvcc that the words of a shell script name, with variables that it sets itself put in."""
    variables = dict(environment)
    for line in _known_substitutions(text, script, real).splitlines()[:LINES_AT_MOST]:
        words = _words(line)
        if not words:
            continue
        assigned = re.match(
            _ASSIGNMENT, " ".join(words[:2]) if words[0] in ("export", "readonly", "local") else words[0]
        )
        if assigned:
            variables[assigned[1]] = _expanded(assigned[2], variables)
        for word in words:
            path = _expanded(word, variables)
            if path.startswith("/") and path.rpartition("/")[2].startswith("nvcc") and len(path) < WORD_AT_MOST:
                yield posixpath.normpath(path)


def _known_substitutions(text: str, script: str, real: str) -> str:
    """The ways in which a script names its own directory, replaced by that directory."""
    text = re.sub(rf"\$\(\s*(?:readlink\s+-f|realpath)\s+(?:--\s+)?{_SELF}\s*\)", lambda _: real, text)
    text = re.sub(rf"\$\(\s*dirname\s+(?:--\s+)?{_SELF}\s*\)", lambda _: _parent(script), text)
    text = re.sub(r'\$\(\s*dirname\s+(?:--\s+)?"?(/[^\s")]+)"?\s*\)', lambda found: _parent(found[1]), text)
    text = re.sub(r'\$\(\s*cd\s+"?([^\s"&;)]+)"?\s*(?:&&|;)\s*pwd(?:\s+-P)?\s*\)', lambda found: found[1], text)
    return text.replace("${0%/*}", _parent(script))


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line[:LINE_AT_MOST], comments=True)
    except ValueError:
        return []


def _expanded(word: str, variables: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        return variables.get(found[1] or found[3], "") or found[2] or ""

    return re.sub(_VARIABLE, value, word)[:WORD_AT_MOST]


def _root_of(files: FileView, nvcc: str) -> str:
    """TOP of the nvcc.profile beside it, where nvcc itself looks; else the directory above `bin`."""
    here = _parent(nvcc)
    try:
        profile = files.read(f"{here}/nvcc.profile", SCRIPT_LIMIT).decode("utf-8", "replace")
    except OSError:
        return _parent(here)
    top = re.search(r"^\s*TOP\s*=\s*(\S+)\s*$", profile, re.MULTILINE)
    if top:
        root = posixpath.normpath(top[1].replace("$(_HERE_)", here))
        if root.startswith("/") and files.is_dir(root):
            return files.real(root)
    return _parent(here)


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"
