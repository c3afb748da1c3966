"""/etc/ld.so.cache, the index of libraries that ldconfig makes, and /etc/ld.so.conf, from which it makes it.

Layout: glibc's sysdeps/generic/dl-cache.h ("glibc-ld.so.cache1.1", alone or after the older "ld.so-1.7.0" table).
"""

import struct
from collections.abc import Iterator, Sequence

import msgspec

from envdoctor.files import FileView, read_text

PATH = "/etc/ld.so.cache"
_LIMIT = 32 * 1024 * 1024
_OLD, _NEW = b"ld.so-1.7.0", b"glibc-ld.so.cache1.1"
_OLD_ENTRY, _ENTRY, _HEADER_SIZE = 12, struct.Struct("<iIIIQ"), 48
_EXTENSION_MAGIC, _HWCAPS_TAG, _HWCAP_EXTENSION = 0xEAA42174, 1, 1 << 62
# Flags of a libc6 library for a machine, by e_machine: glibc's FLAG_ELF_LIBC6 with FLAG_X8664_LIB64 or
# FLAG_AARCH64_LIB64.
_FLAGS = {62: 0x0303, 183: 0x0A03}
_CONF_DEPTH, _CONF_FILES = 8, 256


class Cached(msgspec.Struct, frozen=True):
    """One cached file; `hwcap` names the glibc-hwcaps subdirectory it is for, "" for every processor."""

    path: str
    hwcap: str = ""


class LdCache(msgspec.Struct, frozen=True):
    """`problem` says why a cache that is there could not be read; the loader then does without it."""

    entries: dict[str, list[Cached]] = msgspec.field(default_factory=dict)
    problem: str = ""

    def lookup(self, name: str, hwcaps: Sequence[str]) -> str | None:
        """The path for a soname: the best of the `hwcaps` (best first) that has one, else the plain one."""
        found = self.entries.get(name, [])
        for wanted in (*hwcaps, ""):
            for cached in found:
                if cached.hwcap == wanted:
                    return cached.path
        return None


def read_cache(files: FileView, machine: int) -> LdCache:
    """The cache of a file system, for one machine (e_machine). Empty where there is none; never raises."""
    try:
        data = files.read(PATH, _LIMIT)
    except (FileNotFoundError, NotADirectoryError):
        return LdCache()
    except OSError as error:
        return LdCache(problem=error.strerror or str(error))
    try:
        return LdCache(_entries(data, machine))
    except (struct.error, ValueError, IndexError):
        return LdCache(problem="not in a format of glibc")


def _entries(data: bytes, machine: int) -> dict[str, list[Cached]]:
    start = 0
    if data.startswith(_OLD):
        (count,) = struct.unpack_from("<I", data, len(_OLD) + 1)
        # The new table follows the old one at the next multiple of 8.
        start = (16 + count * _OLD_ENTRY + 7) // 8 * 8
    if data[start : start + len(_NEW)] != _NEW:
        raise ValueError
    view = memoryview(data)[start:]
    (count,) = struct.unpack_from("<I", view, 20)
    (extensions,) = struct.unpack_from("<I", view, 32)
    hwcaps = _hwcaps(view, extensions)
    wanted = _FLAGS[machine]
    found: dict[str, list[Cached]] = {}
    table = view[_HEADER_SIZE : _HEADER_SIZE + count * _ENTRY.size]
    for flags, key, value, _, hwcap in _ENTRY.iter_unpack(table):
        if flags != wanted or (hwcap and not hwcap & _HWCAP_EXTENSION):
            continue
        level = hwcaps[hwcap & 0xFFFFFFFF] if hwcap else ""
        found.setdefault(_string(data, start + key), []).append(Cached(_string(data, start + value), level))
    return found


def _hwcaps(view: memoryview, extensions: int) -> tuple[str, ...]:
    if not extensions:
        return ()
    magic, count = struct.unpack_from("<II", view, extensions)
    if magic != _EXTENSION_MAGIC or count > 64:
        return ()
    for number in range(count):
        tag, _, offset, size = struct.unpack_from("<IIII", view, extensions + 8 + 16 * number)
        if tag == _HWCAPS_TAG and size <= 4096:
            starts = struct.unpack_from(f"<{size // 4}I", view, offset)
            return tuple(_string(bytes(view[start : start + 256]), 0) for start in starts)
    return ()


def _string(data: bytes, start: int) -> str:
    end = data.index(b"\0", start, start + 4096)
    return data[start:end].decode("utf-8", "backslashreplace")


def conf_directories(files: FileView, path: str = "/etc/ld.so.conf") -> tuple[str, ...]:
    """The directories that ld.so.conf and the files it includes name, in order. What cannot be read is left out."""
    return tuple(dict.fromkeys(_conf_entries(files, path, (), [_CONF_FILES])))


def _conf_entries(files: FileView, path: str, above: tuple[str, ...], left: list[int]) -> Iterator[str]:
    """Directories of one file, those it includes in their place. `left` counts down over all files."""
    if path in above or len(above) >= _CONF_DEPTH or left[0] <= 0:
        return
    left[0] -= 1
    for line in _lines(files, path):
        words = line.split()
        if words[0] == "include":
            for name in (name for pattern in words[1:] for name in _matches(files, pattern, path)):
                yield from _conf_entries(files, name, (*above, path), left)
        elif line.startswith("/"):
            yield line.split("=")[0].rstrip("/") or "/"


def _lines(files: FileView, path: str) -> list[str]:
    try:
        text = read_text(files, path, 1 << 20) or ""
    except OSError:
        return []
    stripped = (line.split("#", 1)[0].strip() for line in text.splitlines())
    return [line for line in stripped if line]


def _matches(files: FileView, pattern: str, included_from: str) -> list[str]:
    from fnmatch import fnmatchcase

    directory, _, name = pattern.rpartition("/")
    if not pattern.startswith("/"):
        directory = f"{included_from.rpartition('/')[0]}/{directory}".rstrip("/")
    try:
        return [f"{directory}/{entry}" for entry in files.names(directory or "/") if fnmatchcase(entry, name)]
    except OSError:
        return []
