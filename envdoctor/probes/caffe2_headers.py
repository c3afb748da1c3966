"""Headers that a Caffe2 installation includes itself and does not have.

A walk over the text of the headers that every operator needs. Includes inside conditional blocks are followed nowhere:
whether they count depends on macros, and a header that no compiler asks for is not missing.
"""

from envdoctor.files import FileView, read_text

STARTS = ("caffe2/core/context.h", "caffe2/core/operator.h", "caffe2/core/context_gpu.h")
HEADERS_AT_MOST = 512
LIMIT = 1 << 20


def left_out(files: FileView, include: str) -> tuple[str, ...]:
    """Names such as `caffe2/utils/threadpool/ThreadPool.h`, in the order in which a compiler would stop at them."""
    waiting = [start for start in reversed(STARTS) if files.is_file(f"{include}/{start}")]
    seen: set[str] = set()
    missing = []
    while waiting and len(seen) < HEADERS_AT_MOST:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            text = read_text(files, f"{include}/{name}", LIMIT)
        except OSError:
            continue
        if text is None:
            missing.append(name)
            continue
        waiting.extend(included for included in reversed(includes(text)) if included.startswith("caffe2/"))
    return tuple(missing)


def includes(text: str) -> tuple[str, ...]:
    """Headers that a file includes whatever the macros are. An include guard around the whole file is no condition."""
    found = []
    depth = 0
    guarded = False
    in_comment = False
    previous = ""
    for line in text.splitlines():
        if "#" not in line and "/*" not in line and not in_comment:
            continue
        line, in_comment = _without_comment(line.strip(), in_comment)
        if not line.startswith("#"):
            continue
        directive = line[1:].strip()
        if directive.startswith("if"):
            depth += 1
        elif directive.startswith("endif"):
            depth = max(0, depth - 1)
            guarded = guarded and depth > 0
        elif directive.startswith("define ") and depth == 1 and previous == f"ifndef {directive.split()[1]}":
            guarded = True
        elif directive.startswith("include") and depth == (1 if guarded else 0):
            name = _named(directive[len("include") :].strip())
            if name:
                found.append(name)
        previous = directive
    return tuple(found)


def _named(text: str) -> str:
    closing = {'"': '"', "<": ">"}.get(text[:1])
    return text[1:].partition(closing)[0] if closing and closing in text[1:] else ""


def _without_comment(line: str, inside: bool) -> tuple[str, bool]:
    """The line without /* */ comments, and whether one is still open behind it."""
    if inside:
        _, closed, line = line.partition("*/")
        if not closed:
            return "", True
    while "/*" in line:
        before, _, rest = line.partition("/*")
        _, closed, after = rest.partition("*/")
        if not closed:
            return before.strip(), True
        line = before + " " + after
    return line.strip(), False
