"""CMake, Ninja and make: where they are and which release."""

import re

from envdoctor.facts import Absent, CMake, Fact, Facts, Known, Tool, Unreadable
from envdoctor.probes.asking import ask_all, refusal
from envdoctor.probes.reading import names_in
from envdoctor.programs import Completed
from envdoctor.target import Target

NEEDS: tuple[str, ...] = ()

SECONDS = 5.0
OTHERS_AT_MOST = 8


def probe(target: Target, known: Facts) -> CMake:  # noqa: ARG001 - every probe is called alike
    """A version that a file tells is not asked for; the rest are asked side by side."""
    cmakes = _on_path(target, "cmake")[: OTHERS_AT_MOST + 1]
    ninjas = _on_path(target, "ninja") or _on_path(target, "ninja-build")
    makes = _on_path(target, "make") or _on_path(target, "gmake")
    paths = [*cmakes, *ninjas[:1], *makes[:1]]
    tools = _tools(target, list(dict.fromkeys(paths)))
    return CMake(
        cmake=_first(target, cmakes, tools, "cmake"),
        others=tuple(tools[path] for path in cmakes[1:]),
        ninja=_first(target, ninjas, tools, "ninja"),
        make=_first(target, makes, tools, "make"),
    )


def _on_path(target: Target, program: str) -> list[str]:
    """Every distinct file of that name on PATH, in order."""
    found: dict[str, str] = {}
    for directory in target.search_path():
        path = f"{directory.rstrip('/')}/{program}"
        if directory.startswith("/") and target.files.is_file(path):
            found.setdefault(target.files.real(path), path)
    return list(found.values())


def _first(target: Target, paths: list[str], tools: dict[str, Tool], program: str) -> Fact[Tool]:
    if paths:
        return Known(tools[paths[0]], f"`{program}` on PATH")
    # An environment that is named but not activated has its tools beside its interpreter, where no build looks.
    beside = f"{(target.python or '').rpartition('/')[0]}/{program}"
    if target.python and target.files.is_file(beside):
        return Absent(f"not on PATH; the interpreter's environment has one at {beside}", ("PATH", beside))
    return Absent("not on PATH", ("PATH",))


def _tools(target: Target, paths: list[str]) -> dict[str, Tool]:
    versions: dict[str, Fact[str]] = {}
    for path in paths:
        told = _told_by_a_file(target, path)
        if told is not None:
            versions[path] = told
    unknown = [path for path in paths if path not in versions]
    if target.programs is None:
        versions |= {
            path: Unreadable("only the program itself tells; it needs a live target", path) for path in unknown
        }
    else:
        commands = [(path, "--version") for path in unknown]
        answers = ask_all(target.programs, commands, SECONDS, dict(target.environment))
        versions |= {path: _answered(answer) for path, answer in zip(unknown, answers, strict=True)}
    return {path: Tool(path, versions[path]) for path in paths}


def _told_by_a_file(target: Target, path: str) -> Fact[str] | None:
    """The version in the name of a directory that comes with the tool: pip's dist-info, or `share/cmake-3.25`.

    The latter has no patch level, and speaks only where there is one such directory.
    """
    real = target.files.real(path)
    prefixes = dict.fromkeys(each.rpartition("/")[0].rpartition("/")[0] for each in (path, real))
    program = path.rpartition("/")[2]
    for prefix in prefixes:
        told = _told_by_pip(target, prefix, program)
        if told is not None:
            return told
    if program != "cmake":
        return None
    prefix = real.rpartition("/")[0].rpartition("/")[0]
    shares = [name for name in names_in(target.files, f"{prefix}/share") if re.fullmatch(r"cmake-\d+\.\d+", name)]
    if len(shares) == 1 and target.files.is_dir(f"{prefix}/share/{shares[0]}/Modules"):
        return Known(shares[0].removeprefix("cmake-"), f"{prefix}/share/{shares[0]}")
    return None


def _told_by_pip(target: Target, prefix: str, program: str) -> Fact[str] | None:
    """A tool that pip put there is a script or a file of the wheel of the same name."""
    for python in [name for name in names_in(target.files, f"{prefix}/lib", 1024) if name.startswith("python")]:
        site = f"{prefix}/lib/{python}/site-packages"
        for name in names_in(target.files, site, 65536):
            found = re.fullmatch(rf"{program}-(\d+(?:\.\d+)*)[\w.+]*\.dist-info", name)
            if found:
                return Known(found[1], f"{site}/{name}")
    return None


def _answered(answer: Completed) -> Fact[str]:
    via = f"`{' '.join(answer.command)}`"
    first = answer.stdout.strip().splitlines()[:1]
    found = re.search(r"(?:^|cmake version |GNU Make )(\d+(?:\.\d+)+)", first[0]) if answer.ok and first else None
    return Known(found[1], via, first[0][:200]) if found else Unreadable(refusal(answer), via)
