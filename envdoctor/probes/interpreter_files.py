"""What files alone tell about a Python interpreter: for targets that can start nothing, and interpreters that fail."""

import posixpath
from collections import Counter

import msgspec

from envdoctor.facts import Unreadable
from envdoctor.files import FileView, read_text
from envdoctor.probes.interpreter import Interpreter

LINKS_AT_MOST = 40
LIBRARY_DIRECTORIES = ("lib", "lib64")


def read_interpreter(files: FileView, executable: str) -> Interpreter | Unreadable:
    """The interpreter as its directories describe it. Unreadable when there is no standard library beside it."""
    environment = virtual_environment(files, executable)
    home = environment.settings.get("home", "") if environment else ""
    own = _followed(files, executable)
    base = [f"{home.rstrip('/')}/{executable.rpartition('/')[2]}"] if home.startswith("/") else []
    for place in dict.fromkeys((*base, *(_followed(files, path) for path in base), own)):
        prefix = place.rpartition("/")[0].rpartition("/")[0]
        found = _library(files, prefix, own.rpartition("/")[2])
        if found is not None:
            break
    else:
        return Unreadable("no standard library lies beside the interpreter", executable)
    directory, name = found
    release = name.removeprefix("python").rstrip("t")
    library = f"{prefix}/{directory}/{name}"
    listing = _names(files, f"{library}/lib-dynload")
    version = (
        _version_of_environment(environment, release) or _version_of_headers(files, prefix, name, release) or release
    )
    return Interpreter(
        executable=executable,
        version=version,
        implementation="cpython",
        prefix=prefix,
        exec_prefix=prefix,
        base_prefix=prefix,
        library_directory=directory,
        flags=_flags(files, prefix, name),
        suffix=_suffix(listing),
        library_path=_library_path(prefix, directory, name, release),
        found_via=library,
    )


class VirtualEnvironment(msgspec.Struct, frozen=True):
    """A pyvenv.cfg: the prefix that it makes, and its settings with lower-case names."""

    prefix: str
    path: str
    settings: dict[str, str]


def virtual_environment(files: FileView, executable: str) -> VirtualEnvironment | None:
    """The pyvenv.cfg that the interpreter obeys: beside the executable, or one directory above."""
    directory = executable.rpartition("/")[0]
    prefix = directory.rpartition("/")[0]
    for path in (f"{directory}/pyvenv.cfg", f"{prefix}/pyvenv.cfg"):
        if files.is_file(path):
            return VirtualEnvironment(prefix, path, _settings(_text(files, path)))
    return None


def _followed(files: FileView, path: str) -> str:
    """The file that a chain of links ends at. Like the interpreter, keeps linked directories as they are named."""
    for _ in range(LINKS_AT_MOST):
        text = files.link(path)
        if text is None:
            break
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), text))
    return path


def _settings(text: str) -> dict[str, str]:
    settings = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            settings[key.strip().lower()] = value.strip()
    return settings


def _library(files: FileView, prefix: str, program: str) -> tuple[str, str] | None:
    """`lib` and `python3.11`, preferring the release that the program's name tells."""
    for directory in LIBRARY_DIRECTORIES:
        names = [
            name
            for name in _names(files, f"{prefix}/{directory}")
            if _release(name) is not None and files.is_file(f"{prefix}/{directory}/{name}/os.py")
        ]
        if program in names:
            return directory, program
        if names:
            return directory, max(names, key=lambda name: _release(name) or (0, 0))
    return None


def _release(name: str) -> tuple[int, int] | None:
    major, dot, minor = name.removeprefix("python").partition(".")
    minor = minor.rstrip("t")
    ours = name.startswith("python") and dot and major.isdigit() and minor.isdigit()
    return (int(major), int(minor)) if ours else None


def _library_path(prefix: str, directory: str, name: str, release: str) -> tuple[str, ...]:
    library = f"{prefix}/{directory}/{name}"
    zipped = f"{prefix}/{directory}/python{release.replace('.', '')}.zip"
    old = [f"{library}/plat-linux2", f"{library}/lib-tk", f"{library}/lib-old"] if release.startswith("2.") else []
    return (zipped, library, *old, f"{library}/lib-dynload")


def _version_of_environment(environment: VirtualEnvironment | None, release: str) -> str | None:
    if environment is None:
        return None
    told = environment.settings.get("version") or environment.settings.get("version_info") or ""
    numbers = told.split(".")[:3]
    agrees = ".".join(numbers[:2]) == release and all(number.isdigit() for number in numbers[:2])
    return ".".join(numbers) if agrees else None


def _version_of_headers(files: FileView, prefix: str, name: str, release: str) -> str | None:
    for flags in ("", "m"):
        for line in _text(files, f"{prefix}/include/{name}{flags}/patchlevel.h").splitlines():
            if line.startswith(("#define PY_VERSION ", "#define PY_VERSION\t")):
                version = line.partition('"')[2].partition('"')[0].rstrip("+")
                return version if version.startswith(f"{release}.") else None
    return None


def _flags(files: FileView, prefix: str, name: str) -> str:
    if name.endswith("t"):
        return "t"
    return "m" if files.is_dir(f"{prefix}/include/{name}m") else ""


def _suffix(names: tuple[str, ...]) -> str | None:
    suffixes = Counter(name[name.index(".") :] for name in names if name.endswith(".so"))
    return suffixes.most_common(1)[0][0] if suffixes else None


def _names(files: FileView, directory: str) -> tuple[str, ...]:
    try:
        return files.names(directory)
    except OSError:
        return ()


def _text(files: FileView, path: str) -> str:
    try:
        return read_text(files, path, 65536) or ""
    except OSError:
        return ""
