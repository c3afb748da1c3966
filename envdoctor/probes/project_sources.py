"""What a project's C++ and CUDA files include and call, read as text with comments and literals blanked out."""

import re
from collections.abc import Iterable, Iterator
from functools import cache

import msgspec

from envdoctor.facts import Known, SourceUse, Unreadable
from envdoctor.files import FileView
from envdoctor.probes.reading import text_of

SOURCE_ENDINGS = (".cc", ".cpp", ".cxx", ".c", ".C", ".c++", ".cu")
HEADER_ENDINGS = (".h", ".hpp", ".hh", ".hxx", ".cuh", ".inl", ".inc")
CUDA_ENDINGS = (".cu", ".cuh")

FILES_AT_MOST = 400
FILE_LIMIT = 512 * 1024
TEXT_LIMIT = 16 << 20
USES_AT_MOST = 2000
HEAD_LIMIT = 1500
"""Characters from `template <` to the body of a class."""

FRAMEWORKS = (
    *("caffe2/", "torch/", "ATen/", "c10/", "TH/", "THC/", "THCUNN/", "pybind11/", "google/protobuf/"),
    *("cuda", "cudnn", "cublas", "cusparse", "cufft", "curand", "nccl", "thrust/", "cub/", "mkl", "Python.h", "Eigen/"),
)


class SourceUses(msgspec.Struct, frozen=True):
    """What the sources say; `operators` are places of REGISTER_CPU_OPERATOR and its like."""

    includes: tuple[SourceUse, ...] = ()
    operators: tuple[SourceUse, ...] = ()
    single_argument_calls: tuple[SourceUse, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


def is_source(path: str) -> bool:
    """True for a file that a compiler is started on."""
    return path.endswith(SOURCE_ENDINGS)


def read_sources(files: FileView, paths: Iterable[str]) -> SourceUses:
    """Read C++ and CUDA files, headers too, within limits of number and size."""
    includes: list[SourceUse] = []
    operators: list[SourceUse] = []
    calls: list[SourceUse] = []
    unreadable: list[Unreadable] = []
    left = TEXT_LIMIT
    for path in [each for each in paths if each.endswith((*SOURCE_ENDINGS, *HEADER_ENDINGS))][:FILES_AT_MOST]:
        text = text_of(files, path, FILE_LIMIT)
        if isinstance(text, Unreadable):
            unreadable.append(text)
        if not isinstance(text, Known):
            continue
        left -= len(text.value)
        if left < 0:
            unreadable.append(Unreadable("large: the sources from this one on were not read", path))
            break
        includes += _includes(text.value, path)
        if "REGISTER_" in text.value:
            operators += _operators(text.value, path)
        if "GetSingleArgument" in text.value:
            calls += _single_argument_calls(text.value, path)
    return SourceUses(
        tuple(includes[:USES_AT_MOST]), tuple(operators[:USES_AT_MOST]), tuple(calls[:USES_AT_MOST]), tuple(unreadable)
    )


def _includes(text: str, path: str) -> Iterator[SourceUse]:
    for found in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"\n]{1,256})[>"]', text, re.MULTILINE):
        if found[1].startswith(FRAMEWORKS):
            yield SourceUse(found[1], path, _line(text, found.start()))


def _operators(text: str, path: str) -> Iterator[SourceUse]:
    for found in re.finditer(
        r"^[ \t]*REGISTER_(?:CPU|CUDA|MIOPEN|HIP)_OPERATOR[ \t]*\([ \t\n]*(\w+)", text, re.MULTILINE
    ):
        yield SourceUse(found[1], path, _line(text, found.start()))


def _single_argument_calls(text: str, path: str) -> Iterator[SourceUse]:
    """Calls inside a class template that look the name up in its base without saying that it is a template there.

    They are the name alone, `OperatorBase::GetSingleArgument<T>(...)` and `this->GetSingleArgument<T>(...)`.
    Calls on another object (`helper.GetSingleArgument`) and those with `template` before the name are fine.
    """
    plain = blanked(text)
    spans = _class_template_spans(plain)
    for found in re.finditer(r"\bGetSingleArgument\s{0,40}[<(]", plain):
        inside = any(start <= found.start() < end for start, end in spans)
        owner = _owner(plain[max(0, found.start() - 200) : found.start()].rstrip())
        if inside and owner is not None:
            yield SourceUse(f"{owner}GetSingleArgument", path, _line(text, found.start()))


def _owner(before: str) -> str | None:
    """How a name that stands after this text is looked up in the class and its bases; None when it is not."""
    for joint, owner in (("->", "this"), ("::", "OperatorBase")):
        if before.endswith(joint):
            return f"{owner}{joint}" if re.search(rf"\b{owner}\s*$", before[:-2]) else None
    # After a name or a type it is a declaration; after `template` nothing is missing.
    return "" if before.endswith("return") or not re.search(r"[\w.>&*]$", before) else None


def _class_template_spans(plain: str) -> list[tuple[int, int]]:
    """Where the bodies of class templates begin and end, by counting braces."""
    stop, brace = re.compile(r"[;{(]"), re.compile(r"[{}]")
    spans: list[tuple[int, int]] = []
    for found in re.finditer(r"\btemplate\s{0,40}<", plain):
        start = found.start()
        if spans and start < spans[-1][1]:
            continue
        opened = stop.search(plain, found.end(), found.end() + HEAD_LIMIT)
        if opened is None or opened[0] != "{":
            continue
        if re.search(r">\s{0,40}(?:class|struct)\b", plain[start : opened.start()]) is None:
            continue
        depth = 0
        end = len(plain)
        for each in brace.finditer(plain, opened.start()):
            depth += 1 if each[0] == "{" else -1
            if depth == 0:
                end = each.end()
                break
        spans.append((start, end))
    return spans


@cache
def _blank_pattern() -> re.Pattern[str]:
    # What is never closed goes on to the end, so that no text is read twice.
    return re.compile(
        r"//(?:[^\n\\]|\\.)*"
        r"|/\*(?:[^*]|\*(?!/))*(?:\*/)?"
        r'|R"([^()\\\s]{0,16})\(.*?(?:\)\1"|\Z)'
        r'|"(?:[^"\\\n]|\\.)*"?'
        r"|'(?:[^'\\\n]|\\.){1,12}'",
        re.DOTALL,
    )


def blanked(text: str) -> str:
    """The text with comments and literals replaced by blanks, so that places stay where they were."""
    return _blank_pattern().sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
