"""What a project's Python files look for at run time, read as text."""

import re
from collections.abc import Iterable

from envdoctor.facts import Known, SourceUse
from envdoctor.files import FileView
from envdoctor.probes.reading import text_of

FILES_AT_MOST = 400
FILE_LIMIT = 512 * 1024


def detectron_uses(files: FileView, paths: Iterable[str]) -> tuple[SourceUse, ...]:
    """Where Detectron's operators are looked for, or Detectron itself is imported: the first place in each file."""
    found: list[SourceUse] = []
    for path in [path for path in paths if path.endswith(".py")][:FILES_AT_MOST]:
        text = text_of(files, path, FILE_LIMIT)
        if not isinstance(text, Known) or "detectron" not in text.value:
            continue
        use = re.search(
            r"libcaffe2_detectron_ops|get_detectron_ops_lib|^[ \t]*(?:from|import)[ \t]+detectron(?:\.[\w.]*)?(?=\s|$)",
            text.value,
            re.MULTILINE,
        )
        if use is not None:
            found.append(SourceUse(use[0].strip(), path, text.value.count("\n", 0, use.start()) + 1))
    return tuple(found)
