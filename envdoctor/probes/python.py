"""The interpreter: what it is, where its packages lie, and whether extensions can be built for it."""

from envdoctor.facts import Absent, Facts, Known, Python, Unreadable
from envdoctor.files import FileView, read_text
from envdoctor.probes.interpreter import Interpreter, ask
from envdoctor.probes.interpreter_files import read_interpreter
from envdoctor.probes.site_directories import SitePaths, site_paths
from envdoctor.target import Target

NEEDS: tuple[str, ...] = ()


def probe(target: Target, _known: Facts) -> Python:
    """Ask the interpreter where that is possible; read its directories where it is not."""
    chosen = target.python
    if chosen is None:
        return Python(executable=Absent("no interpreter was named and none was found"), chosen_by=target.chosen_by)
    there = _there(target.files, chosen)
    if isinstance(there, Absent):
        return Python(executable=there, chosen_by=target.chosen_by)
    if isinstance(there, Unreadable):
        return _unknown(chosen, target.chosen_by, there)
    asked = _asked(target, chosen)
    found = asked if isinstance(asked, Interpreter) else read_interpreter(target.files, chosen)
    if isinstance(found, Unreadable):
        reason = asked if isinstance(asked, Unreadable) and target.programs is not None else found
        return _unknown(chosen, target.chosen_by, reason)
    problem = asked if isinstance(asked, Unreadable) else None
    return _described(target, chosen, found, problem)


def _there(files: FileView, path: str) -> Absent | Unreadable | None:
    """Why there is nothing to ask, or None."""
    if files.is_file(path):
        return None
    text = files.link(path)
    if text is not None:
        return Unreadable(f"a link to {text}, which is not there", path)
    if files.is_dir(path):
        return Unreadable("a directory, not an interpreter", path)
    return Absent("there is no such file", (path,))


def _asked(target: Target, path: str) -> Interpreter | Unreadable:
    if target.programs is None:
        return Unreadable("needs a live target", path)
    return ask(target.programs, path, target.environment)


def _unknown(path: str, chosen_by: str, reason: Unreadable) -> Python:
    unknown = Unreadable(reason.reason, reason.found_via or path)
    return Python(
        executable=unknown,
        chosen_by=chosen_by,
        version=unknown,
        implementation=unknown,
        prefix=unknown,
        base_prefix=unknown,
        kind=unknown,
        extension_suffix=unknown,
        headers=unknown,
        externally_managed=unknown,
    )


def _described(target: Target, path: str, found: Interpreter, problem: Unreadable | None) -> Python:
    files = target.files
    paths = site_paths(files, target.environment, found)
    via = found.found_via
    # A target that can start nothing has an interpreter all the same: only one that failed is in doubt.
    failed = problem is not None and target.programs is not None
    return Python(
        executable=problem if failed and problem else Known(found.executable, via, path),
        chosen_by=target.chosen_by,
        version=Known(found.version, via),
        implementation=Known(found.implementation, via),
        prefix=Known(paths.prefix, via),
        base_prefix=Known(paths.base_prefix, via),
        kind=_kind(target, found, paths),
        site_packages=paths.site_packages,
        sys_path=paths.sys_path,
        extension_suffix=Known(found.suffix, via) if found.suffix else Absent("the interpreter names none"),
        headers=_headers(files, found, paths),
        externally_managed=_externally_managed(files, found, paths),
    )


def _kind(target: Target, found: Interpreter, paths: SitePaths) -> Known[str]:
    files = target.files
    if paths.virtual:
        return Known(
            "venv", f"{paths.prefix}/pyvenv.cfg" if files.is_file(f"{paths.prefix}/pyvenv.cfg") else paths.prefix
        )
    if files.is_dir(f"{paths.prefix}/conda-meta"):
        return Known("conda", f"{paths.prefix}/conda-meta")
    root = target.environment.get("PYENV_ROOT", "").rstrip("/")
    versions = f"{root}/versions/" if root else "/.pyenv/versions/"
    if versions in f"{paths.prefix}/":
        return Known("pyenv", paths.prefix)
    return Known("system", found.found_via, paths.prefix)


def _headers(files: FileView, found: Interpreter, paths: SitePaths) -> Known[str] | Absent:
    # Virtual environments have none of their own; they compile with those of their base.
    name = found.directory_name
    names = dict.fromkeys((f"{name}{found.flags.replace('t', '')}", f"{name}m", name))
    looked = []
    for prefix in dict.fromkeys((paths.base_prefix, found.prefix, found.exec_prefix)):
        for candidate in names:
            directory = f"{prefix}/include/{candidate}"
            if files.is_file(f"{directory}/Python.h"):
                return Known(directory, f"{directory}/Python.h")
            looked.append(directory)
    return Absent("Python.h is not installed for this interpreter", tuple(looked))


def _externally_managed(files: FileView, found: Interpreter, paths: SitePaths) -> Known[str] | Absent | Unreadable:
    if paths.virtual:
        return Absent("pip may install into a virtual environment")
    for directory in found.library_path:
        path = f"{directory}/EXTERNALLY-MANAGED"
        if not files.is_file(path):
            continue
        try:
            text = read_text(files, path, 16384) or ""
        except OSError as error:
            return Unreadable(error.strerror or str(error), path)
        return Known(path, path, text[:1000])
    return Absent("no EXTERNALLY-MANAGED marker beside the standard library")
