"""Literal assignments at the left margin of a Python file, such as a version.py, read without running it."""

from types import EllipsisType

from envdoctor.files import FileView, read_text

LIMIT = 65536

Literal = str | bool | None


def assignments(text: str) -> dict[str, Literal]:
    """Names that are given a string, True, False or None; the last assignment counts. Other values are left out."""
    found: dict[str, Literal] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        name = name.partition(":")[0].strip()
        if not equals or line[:1].isspace() or not name.isidentifier():
            continue
        literal = _literal(value.partition("#")[0].strip())
        if isinstance(literal, EllipsisType):
            found.pop(name, None)
        else:
            found[name] = literal
    return found


def read_assignments(files: FileView, path: str) -> dict[str, Literal] | None:
    """Those of a file, None when there is no such file. Raises other OSErrors."""
    text = read_text(files, path, LIMIT)
    return None if text is None else assignments(text)


def _literal(text: str) -> Literal | EllipsisType:
    if text in ("None", "True", "False"):
        return {"None": None, "True": True, "False": False}[text]
    quoted = len(text) >= 2 and text[0] in "'\"" and text[0] == text[-1] and text[0] not in text[1:-1]
    return text[1:-1] if quoted and "\\" not in text else ...
