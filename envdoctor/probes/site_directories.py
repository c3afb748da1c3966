"""sys.path as the interpreter's `site` module would complete it, computed from files and variables alone.

The rules are those of CPython's Lib/site.py with the changes that Debian and Fedora make to it; which of them hold is
read from the interpreter's own site.py. Code in .pth files and in sitecustomize never runs, so what such code would
add is not seen.
"""

import posixpath
from collections.abc import Mapping

import msgspec

from envdoctor.files import FileView, read_text
from envdoctor.probes.interpreter import Interpreter
from envdoctor.probes.interpreter_files import VirtualEnvironment, virtual_environment

PTH_LIMIT = 1 << 20
LINES_AT_MOST = 10_000


class SitePaths(msgspec.Struct, frozen=True):
    """`site_packages` are the directories whose .pth files count; `virtual` tells a virtual environment."""

    prefix: str
    base_prefix: str
    virtual: bool
    sys_path: tuple[str, ...]
    site_packages: tuple[str, ...]


def site_paths(files: FileView, environment: Mapping[str, str], interpreter: Interpreter) -> SitePaths:
    """The paths that a program started with this interpreter and this environment sees."""
    virtual = virtual_environment(files, interpreter.executable)
    rules = _Rules(files, environment, interpreter, virtual)
    search = _SearchPath(files, rules.hidden_pth_ignored)
    for entry in environment.get("PYTHONPATH", "").split(":"):
        # A relative entry, and the empty one, depend on the directory that a program starts from.
        if entry.startswith("/"):
            search.add(entry)
    for entry in rules.library_path():
        search.add(entry)
    for directory in (*rules.virtual_directories(), *rules.user_directories(), *rules.directories()):
        search.add_site(directory)
    return SitePaths(rules.prefix, rules.base_prefix, rules.virtual, tuple(search.entries), tuple(search.sites))


class _SearchPath:
    """sys.path while `site` builds it."""

    def __init__(self, files: FileView, hidden_pth_ignored: bool) -> None:
        self.files = files
        self.hidden_pth_ignored = hidden_pth_ignored
        self.entries: list[str] = []
        self.sites: list[str] = []
        self.known: set[str] = set()

    def add(self, entry: str) -> None:
        path = _absolute(entry)
        if path not in self.known:
            self.known.add(path)
            self.entries.append(path)

    def add_site(self, directory: str) -> None:
        """A site directory and what its .pth files name."""
        path = _absolute(directory)
        if path in self.sites or not self.files.is_dir(path):
            return
        self.sites.append(path)
        self.add(path)
        try:
            names = self.files.names(path)
        except OSError:
            return
        for name in names:
            if name.endswith(".pth") and not (self.hidden_pth_ignored and name.startswith(".")):
                self._add_named_by(path, name)

    def _add_named_by(self, directory: str, name: str) -> None:
        try:
            text = read_text(self.files, f"{directory}/{name}", PTH_LIMIT) or ""
        except OSError:
            return
        for line in text.removeprefix("\ufeff").split("\n", LINES_AT_MOST)[:LINES_AT_MOST]:
            if line.startswith(("#", "import ", "import\t")) or not line.strip():
                continue
            path = _absolute(posixpath.join(directory, line.rstrip()))
            if path not in self.known and (self.files.is_dir(path) or self.files.is_file(path)):
                self.add(path)


class _Rules:
    """Which directories `site` takes, in its order."""

    def __init__(
        self,
        files: FileView,
        environment: Mapping[str, str],
        interpreter: Interpreter,
        virtual: VirtualEnvironment | None,
    ) -> None:
        self.files = files
        self.environment = environment
        self.interpreter = interpreter
        self.two = interpreter.release[0] == 2
        self.settings = virtual.settings if virtual else {}
        self.old_base = self._base_of_old_virtualenv() if virtual is None else None
        self.virtual = virtual is not None or self.old_base is not None
        self.prefix = virtual.prefix if virtual else interpreter.prefix
        self.base_prefix = self.old_base or self._base_prefix()
        base_library = next((path for path in interpreter.library_path if files.is_file(f"{path}/site.py")), "")
        if self.two and self.virtual:
            base_library = f"{self.base_prefix}/lib/{interpreter.directory_name}"
        text = _text(files, f"{base_library}/site.py")
        self.debian = "dist-packages" in text
        self.debian_user = "dist_libdir" in text
        self.fedora_local = "RPM_BUILD_ROOT" in text
        self.lib64 = interpreter.library_directory == "lib64" or '"lib64"' in text
        self.hidden_pth_ignored = 'startswith(".")' in text or "startswith('.')" in text

    def library_path(self) -> tuple[str, ...]:
        own = self.interpreter.library_path
        if self.old_base is not None:
            library = f"{self.old_base}/lib/{self.interpreter.directory_name}"
            extra = [library, f"{library}/plat-linux2", f"{library}/lib-tk"] if self.two else [library]
            return (*own, *(path for path in extra if self.files.is_dir(path)))
        if self.two and self.virtual:
            # virtualenv 20 for Python 2 replaces site.py by one that maps the standard library to the base.
            return tuple(
                self.base_prefix + path[len(self.prefix) :] if path.startswith(f"{self.prefix}/") else path
                for path in own
            )
        return own

    def virtual_directories(self) -> tuple[str, ...]:
        """Those of a virtual environment, which come before the user's."""
        return tuple(self._directories_of(self.prefix)) if self.virtual else ()

    def user_directories(self) -> tuple[str, ...]:
        base = self.environment.get("PYTHONUSERBASE") or ""
        home = self.environment.get("HOME") or ""
        if not base and home.startswith("/"):
            base = f"{home.rstrip('/')}/.local"
        if not self._user_site_enabled() or not base.startswith("/"):
            return ()
        name = self.interpreter.directory_name
        extra = [f"{base}/{lib}/{name}/dist-packages" for lib in ("local/lib", "lib")] if self.debian_user else []
        return (f"{base}/lib/{name}/site-packages", *extra)

    def directories(self) -> tuple[str, ...]:
        prefixes = [self.prefix]
        if not self.virtual:
            prefixes.append(self.interpreter.exec_prefix)
            if self.fedora_local and self._user_site_enabled():
                prefixes.insert(0, "/usr/local")
        elif self._sees_system():
            prefixes.append(self.base_prefix)
        return tuple(
            directory for prefix in dict.fromkeys(prefixes) if prefix for directory in self._directories_of(prefix)
        )

    def _directories_of(self, prefix: str) -> list[str]:
        name = self.interpreter.directory_name
        if self.debian:
            own = [f"{prefix}/lib/{name}/site-packages"] if self.virtual else []
            shared = [] if self.two else [f"{prefix}/lib/python3/dist-packages"]
            return [
                *own,
                f"{prefix}/local/lib/{name}/dist-packages",
                *shared,
                f"{prefix}/lib/{name}/dist-packages",
                f"{prefix}/lib/dist-python",
            ]
        directories = [f"{prefix}/lib64/{name}/site-packages"] if self.lib64 else []
        directories.append(f"{prefix}/lib/{name}/site-packages")
        if self.two:
            directories.append(f"{prefix}/lib/site-python")
        if self.interpreter.implementation == "pypy":
            directories.append(f"{prefix}/site-packages")
        return directories

    def _base_prefix(self) -> str:
        return self.settings.get("base-prefix") or self.interpreter.base_prefix

    def _base_of_old_virtualenv(self) -> str | None:
        """virtualenv before release 20 wrote the real prefix beside its own site.py."""
        for path in self.interpreter.library_path:
            base = _text(self.files, f"{path}/orig-prefix.txt").strip()
            if base.startswith("/"):
                return base
        return None

    def _sees_system(self) -> bool:
        if self.old_base is not None:
            return not any(
                self.files.is_file(f"{path}/no-global-site-packages.txt") for path in self.interpreter.library_path
            )
        # `site` takes a missing setting for true.
        return self.settings.get("include-system-site-packages", "true").lower() == "true"

    def _user_site_enabled(self) -> bool:
        if self.environment.get("PYTHONNOUSERSITE"):
            return False
        if self.virtual:
            return self._sees_system() and not (self.two and self.old_base is None)
        return True


def _absolute(path: str) -> str:
    return posixpath.normpath(path)


def _text(files: FileView, path: str) -> str:
    try:
        return read_text(files, path, PTH_LIMIT) or ""
    except OSError:
        return ""
