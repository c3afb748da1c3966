"""Asks a Python interpreter, in one short run, what only it knows: its version, its prefixes, its standard library."""

from collections.abc import Mapping

import msgspec

from envdoctor.facts import Unreadable
from envdoctor.programs import Completed, Programs

SECONDS = 5.0
ENTRIES_AT_MOST = 1024
MARK = "envdoctor-interpreter "

# For CPython 2.7 to 3.14 and PyPy. Built-in modules only: nothing of the target's own code runs but its start-up.
SCRIPT = r"""
import sys
try:
    from _imp import extension_suffixes
    suffixes = extension_suffixes()
except ImportError:
    import imp
    suffixes = [s[0] for s in imp.get_suffixes() if s[2] == 3]
def quote(text):
    if isinstance(text, bytes):
        text = text.decode('utf-8', 'replace')
    out = ''
    for c in text:
        n = ord(c)
        if 0xd800 <= n < 0xe000:
            out += '?'
        elif n > 0xffff:
            out += '\\u%04x\\u%04x' % (0xd7c0 + (n >> 10), 0xdc00 + (n & 0x3ff))
        elif n < 32 or n > 126 or c in '"\\':
            out += '\\u%04x' % n
        else:
            out += str(c)
    return '"' + out + '"'
def listed(texts):
    return '[' + ','.join([quote(t) for t in texts]) + ']'
v = sys.version_info
name = 'cpython'
if hasattr(sys, 'implementation'):
    name = sys.implementation.name
elif hasattr(sys, 'pypy_version_info'):
    name = 'pypy'
level = {'alpha': 'a', 'beta': 'b', 'candidate': 'rc'}.get(v[3])
base = getattr(sys, 'base_prefix', getattr(sys, 'real_prefix', sys.prefix))
told = [
    ('version', '%d.%d.%d' % v[:3] + (level and level + str(v[4]) or '')), ('implementation', name),
    ('executable', sys.executable or ''), ('prefix', sys.prefix), ('exec_prefix', sys.exec_prefix),
    ('base_prefix', base), ('library_directory', getattr(sys, 'platlibdir', 'lib')),
    ('flags', getattr(sys, 'abiflags', '')), ('suffix', suffixes and suffixes[0] or ''),
]
line = ','.join([quote(k) + ':' + quote(t) for k, t in told])
line += ',"path":' + listed([p for p in sys.path if p])
sys.stdout.write('\n' + 'envdoctor-interpreter ' + '{' + line + '}\n')
"""


class Answer(msgspec.Struct, frozen=True):
    """What the script printed. `prefix` is not yet the virtual environment's: `site` sets that, and it did not run."""

    version: str
    implementation: str
    executable: str
    prefix: str
    exec_prefix: str
    base_prefix: str
    library_directory: str
    flags: str
    suffix: str
    path: tuple[str, ...]


class Interpreter(msgspec.Struct, frozen=True):
    """An interpreter without its site directories. `library_path` is sys.path as it is before `site` runs."""

    executable: str
    version: str
    implementation: str
    prefix: str
    exec_prefix: str
    base_prefix: str
    library_directory: str
    flags: str
    suffix: str | None
    library_path: tuple[str, ...]
    found_via: str

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor."""
        major, _, rest = self.version.partition(".")
        minor = rest.partition(".")[0]
        return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)

    @property
    def directory_name(self) -> str:
        """Of its directories below `lib` and `include`, such as `python3.7`."""
        name = "pypy" if self.implementation == "pypy" and self.release >= (3, 8) else "python"
        free_threaded = "t" if "t" in self.flags else ""
        return f"{name}{self.release[0]}.{self.release[1]}{free_threaded}"


def ask(programs: Programs, executable: str, environment: Mapping[str, str]) -> Interpreter | Unreadable:
    """Start the interpreter once, without site directories, and read its answer."""
    shown = f"`{executable} -E -s -S -c ...`"
    # PYTHONHOME moves the standard library, so it must count; every other PYTHON* variable could only disturb.
    calm = {name: value for name, value in environment.items() if not name.startswith("PYTHON") or name == "PYTHONHOME"}
    options = ("-s", "-S") if calm.get("PYTHONHOME") else ("-E", "-s", "-S")
    completed = programs.run((executable, *options, "-c", SCRIPT), SECONDS, calm)
    if completed.problem:
        return Unreadable(completed.problem, shown)
    answer = _answer(completed.stdout)
    if completed.status != 0:
        return Unreadable(f"the interpreter stopped with status {completed.status}{_last_words(completed)}", shown)
    if answer is None:
        return Unreadable("the interpreter did not answer as a Python interpreter would", shown)
    found = Interpreter(
        executable=answer.executable or executable,
        version=answer.version,
        implementation=answer.implementation,
        prefix=answer.prefix,
        exec_prefix=answer.exec_prefix,
        base_prefix=answer.base_prefix,
        library_directory=answer.library_directory,
        flags=answer.flags,
        suffix=answer.suffix or None,
        library_path=tuple(path for path in answer.path[:ENTRIES_AT_MOST] if path.startswith("/")),
        found_via=shown,
    )
    return found if found.release[0] else Unreadable(f"the interpreter names no release: {found.version[:40]!r}", shown)


def _answer(text: str) -> Answer | None:
    for line in reversed(text.splitlines()):
        if line.startswith(MARK):
            try:
                return msgspec.json.decode(line[len(MARK) :], type=Answer)
            except (msgspec.MsgspecError, UnicodeError):
                return None
    return None


def _last_words(completed: Completed) -> str:
    lines = [line.strip() for line in completed.stderr.splitlines() if line.strip()]
    return f": {lines[-1][:200]}" if lines else ""
