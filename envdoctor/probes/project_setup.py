"""What a project's setup.py and pyproject.toml say, read as text: nothing of the project is executed."""

from itertools import islice

import msgspec

from envdoctor.facts import Known, SetupExtension, Unreadable
from envdoctor.files import FileView
from envdoctor.probes.reading import text_of

FILE_LIMIT = 1 << 20
NODES_AT_MOST = 200_000

KINDS = frozenset(
    ("CppExtension", "CUDAExtension", "SyclExtension", "Extension", "CMakeExtension", "Pybind11Extension")
)


class SetupFile(msgspec.Struct, frozen=True):
    """Extensions, and the literal file and folder names among their arguments, as written."""

    extensions: tuple[SetupExtension, ...] = ()
    sources: tuple[str, ...] = ()
    include_directories: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


def read_setup(files: FileView, root: str) -> SetupFile:
    """The extension modules that setup.py makes, by the names it calls; each kind where it chooses by a condition."""
    path = f"{root}/setup.py"
    text = text_of(files, path, FILE_LIMIT)
    if isinstance(text, Unreadable):
        return SetupFile(unreadable=(text,))
    # Most setup.py files make no extension, and the parser costs more than looking.
    if not isinstance(text, Known) or "Extension" not in text.value:
        return SetupFile()
    import ast

    try:
        tree = ast.parse(text.value)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        return SetupFile(unreadable=(Unreadable(f"no Python 3 file{f' (line {line})' if line else ''}", path),))
    nodes = list(islice(ast.walk(tree), NODES_AT_MOST))
    # `Extension = CUDAExtension if with_cuda else CppExtension` is how most of them choose.
    aliases: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            chosen = [node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else [node.value]
            kinds = KINDS.intersection(map(_name, chosen))
            if kinds:
                aliases.setdefault(node.targets[0].id, set()).update(kinds)
    extensions: list[SetupExtension] = []
    sources: list[str] = []
    includes: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Call) and (name := _name(node.func)) in aliases.keys() | KINDS:
            extensions += [SetupExtension(path, kind, node.lineno) for kind in sorted(aliases.get(name, {name}))]
            named = {word.arg: word.value for word in node.keywords}
            sources += _texts(node.args[1] if len(node.args) > 1 else named.get("sources"))
            includes += _texts(named.get("include_dirs"))
    extensions.sort(key=lambda each: each.line)
    return SetupFile(tuple(extensions), tuple(sources), tuple(includes))


def read_build_requires(files: FileView, root: str) -> tuple[tuple[str, ...], tuple[Unreadable, ...]]:
    """`[build-system] requires` of pyproject.toml, and what kept it from being read."""
    path = f"{root}/pyproject.toml"
    text = text_of(files, path, FILE_LIMIT)
    if isinstance(text, Unreadable):
        return (), (text,)
    if not isinstance(text, Known) or "build-system" not in text.value:
        return (), ()
    import tomli

    try:
        system = tomli.loads(text.value).get("build-system")
    except (tomli.TOMLDecodeError, RecursionError) as error:
        return (), (Unreadable(f"no TOML: {str(error)[:200]}", path),)
    requires = system.get("requires") if isinstance(system, dict) else None
    return (tuple(each for each in requires if isinstance(each, str)), ()) if isinstance(requires, list) else ((), ())


def _name(node: object) -> str:
    """`CppExtension` of `CppExtension` and of `torch.utils.cpp_extension.CppExtension`."""
    return str(getattr(node, "attr", None) or getattr(node, "id", ""))


def _texts(node: object) -> list[str]:
    """The literal texts of a list; what is computed is not known."""
    elements = getattr(node, "elts", [])
    return [each.value for each in elements if isinstance(getattr(each, "value", None), str)]
