"""Where the dynamic loader looks: $ORIGIN and its like, default directories, subdirectories by processor.

As in glibc's elf/dl-load.c. Not modelled: the subdirectories before glibc-hwcaps (tls, haswell, x86_64), which glibc
2.37 gave up. $PLATFORM is the kernel's name of the machine.
"""

from collections.abc import Iterable, Sequence

import msgspec

from envdoctor.elf.ldcache import LdCache, conf_directories, read_cache
from envdoctor.files import FileView

INTERPRETERS = {62: "/lib64/ld-linux-x86-64.so.2", 183: "/lib/ld-linux-aarch64.so.1"}
_PLATFORMS = {62: "x86_64", 183: "aarch64"}
_MULTIARCH = {62: "x86_64-linux-gnu", 183: "aarch64-linux-gnu"}
_PATH_MAX = 4096

# What /proc/cpuinfo must show for a level of the x86-64 psABI, as glibc's sysdeps/x86/isa-level.h has it.
_LEVELS = (
    ("x86-64-v2", "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"),
    ("x86-64-v3", "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"),
    ("x86-64-v4", "avx512f avx512bw avx512cd avx512dq avx512vl"),
)


class Tokens(msgspec.Struct, frozen=True):
    """What stands for $LIB and $PLATFORM."""

    lib: str
    platform: str


class SystemSearch(msgspec.Struct, frozen=True):
    """What the loader of a file system has built in or on disk.

    `conf` holds directories where the cache cannot be read.
    """

    directories: tuple[str, ...]
    tokens: Tokens
    cache: LdCache
    conf: tuple[str, ...]
    hwcaps: tuple[str, ...]


def system_search(files: FileView, machine: int, interpreter: str | None) -> SystemSearch:
    """Reads the loader's own file for the directories it was built with; they differ by distribution. Never raises."""
    directories = _built_in(files, interpreter or INTERPRETERS[machine]) or _by_layout(files, machine)
    cache = read_cache(files, machine)
    conf = conf_directories(files) if cache.problem else ()
    first = directories[0].strip("/")
    tokens = Tokens(first[4:] if first.startswith("usr/") else first, _PLATFORMS[machine])
    return SystemSearch(directories, tokens, cache, conf, _hwcaps(files, machine))


def _built_in(files: FileView, interpreter: str) -> tuple[str, ...]:
    import re

    try:
        data = files.read(interpreter)
    except OSError:
        return ()
    # The list lies in the loader as strings one after another, each ending in a slash.
    found = re.search(rb"\0((?:/[!-~]{0,200}lib[!-~]{0,100}/\0){1,8})", data)
    if not found or not data.startswith(b"\x7fELF"):
        return ()
    names = found.group(1).decode("ascii").rstrip("\0").split("\0")
    return tuple(dict.fromkeys(name.rstrip("/") or "/" for name in names))


def _by_layout(files: FileView, machine: int) -> tuple[str, ...]:
    multiarch = _MULTIARCH[machine]
    if files.is_dir(f"/usr/lib/{multiarch}"):
        return (f"/lib/{multiarch}", f"/usr/lib/{multiarch}", "/lib", "/usr/lib")
    return ("/lib64", "/usr/lib64") if files.is_dir("/usr/lib64") else ("/lib", "/usr/lib")


def _hwcaps(files: FileView, machine: int) -> tuple[str, ...]:
    """Names of glibc-hwcaps subdirectories for the processor, best first; none where it is not known."""
    if machine != 62:
        return ()
    try:
        text = files.read("/proc/cpuinfo", 16384).decode("ascii", "replace")
    except OSError:
        return ()
    flags: set[str] = set()
    for line in text.splitlines():
        if line.startswith("flags"):
            flags = set(line.partition(":")[2].split())
            break
    supported: list[str] = []
    for name, needed in _LEVELS:
        if not flags.issuperset(needed.split()):
            break
        supported.insert(0, name)
    return tuple(supported)


def with_hwcaps(files: FileView, directory: str, hwcaps: Sequence[str]) -> list[str]:
    """A directory, after those of its subdirectories that the loader tries first."""
    if not hwcaps or not files.is_dir(f"{directory}/glibc-hwcaps"):
        return [directory]
    return [f"{directory}/glibc-hwcaps/{name}" for name in hwcaps] + [directory]


def expand(text: str, origin: str | None, tokens: Tokens) -> str | None:
    """Replaces $ORIGIN, $LIB and $PLATFORM, with or without braces. None where $ORIGIN is wanted and not known."""
    pieces = text.split("$")
    result = [pieces[0]]
    for piece in pieces[1:]:
        for token, value in (("ORIGIN", origin), ("LIB", tokens.lib), ("PLATFORM", tokens.platform)):
            rest = _after(piece, token)
            if rest is not None:
                if value is None:
                    return None
                result.append(value + rest)
                break
        else:
            result.append("$" + piece)
    return "".join(result)


def _after(piece: str, token: str) -> str | None:
    """What follows the token at the start of `piece`; None when something else stands there."""
    if piece.startswith("{" + token + "}"):
        return piece[len(token) + 2 :]
    rest = piece[len(token) :]
    if not piece.startswith(token) or (rest[:1].isascii() and (rest[:1].isalnum() or rest[:1] == "_")):
        return None
    return rest


def directories(entries: Iterable[str], origin: str | None, tokens: Tokens, working_directory: str) -> tuple[str, ...]:
    """The directories of a search path in order, each once; an empty entry is the working directory."""
    found: dict[str, None] = {}
    for entry in entries:
        expanded = expand(entry, origin, tokens)
        if expanded is None or len(expanded) > _PATH_MAX:
            continue
        if not expanded.startswith("/"):
            expanded = f"{working_directory.rstrip('/')}/{expanded}"
        found.setdefault(expanded.rstrip("/") or "/")
    return tuple(found)
