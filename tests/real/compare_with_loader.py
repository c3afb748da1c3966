"""Compares the model of the loader with the loader.

`python tests/real/compare_with_loader.py DIR...` judges every shared library below the directories as `alone()` and
as `ldd -r` does: undefined symbols, missing libraries, versions not found, resolved paths. `--process EXE` starts
that interpreter, lets it import torch (and torchvision where it is there), and compares the libraries it really
mapped with those of the model. Prints each difference and the counts; the status is 1 when there is any.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from envdoctor.elf.analysis import Examiner, examine
from envdoctor.elf.file import ElfError, open_elf
from envdoctor.elf.loader import Files, Opened, Process, start
from envdoctor.files import LiveFiles

VDSO = "linux-vdso.so.1"
UNVERSIONED = "no version information available"


@dataclass
class Verdict:
    """What one judge says of one library. `refused` is the reason when the file is none that can be judged."""

    refused: str = ""
    paths: set[tuple[str, str]] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    undefined: set[tuple[str, str, str]] = field(default_factory=set)
    versions: set[tuple[str, str, str]] = field(default_factory=set)


def ask_ldd(path: str, library_path: tuple[str, ...] = (), cwd: str = "/") -> Verdict:
    """The words of `ldd -r`, whose errors come on both streams."""
    environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": ":".join(library_path)}
    done = subprocess.run(["ldd", "-r", path], capture_output=True, text=True, check=False, env=environment, cwd=cwd)
    verdict = Verdict()
    for line in (done.stdout + done.stderr).splitlines():
        _read(line.strip(), verdict)
    return verdict


def _read(line: str, verdict: Verdict) -> None:
    if found := re.fullmatch(r"undefined symbol: (\S+), version (\S+)\s+\((.*)\)", line):
        verdict.undefined.add((found[1], found[2], found[3]))
    elif found := re.fullmatch(r"undefined symbol: (\S+)\s+\((.*)\)", line):
        verdict.undefined.add((found[1], "", found[2]))
    elif found := re.fullmatch(
        r"symbol (\S+), version (\S+) not defined in file .* with link time reference\s+\((.*)\)", line
    ):
        verdict.undefined.add((found[1], found[2], found[3]))
    elif found := re.fullmatch(r"(?:.*?: )?(/.*): version [`'](.*)' not found \(required by (.*)\)", line):
        verdict.versions.add((found[2], found[1], found[3]))
    elif found := re.fullmatch(r"(\S.*) => not found", line):
        verdict.missing.add(found[1])
    elif found := re.fullmatch(r"(\S.*) => (/.*) \(0x[0-9a-f]+\)", line):
        verdict.paths.add((found[1], found[2]))
    elif found := re.fullmatch(r"(/.*) \(0x[0-9a-f]+\)", line):
        verdict.paths.add((found[1], found[1]))
    elif line == "not a dynamic executable" or "error while loading" in line:
        verdict.refused = line
    elif line and line != "statically linked" and not line.startswith(VDSO) and UNVERSIONED not in line:
        verdict.undefined.add((line, "", "a line of ldd that is not understood"))


def ask_model(path: str, library_path: tuple[str, ...] = (), cwd: str = "/") -> Verdict:
    process = Process(library_path=library_path, working_directory=cwd)
    try:
        report = examine(LiveFiles(), path, process)
    except (ElfError, OSError) as error:
        return Verdict(refused=str(error))
    return Verdict(
        paths={(entry.name, entry.path) for entry in report.closure if entry.path != path},
        missing={entry.name for entry in report.missing},
        undefined={(entry.symbol, entry.version, entry.needed_by) for entry in report.undefined},
        versions={(entry.version, entry.library, entry.needed_by) for entry in report.versions},
    )


def differences(path: str, library_path: tuple[str, ...] = (), cwd: str = "/") -> Iterator[str]:
    """One line for each thing that one judge says and the other does not."""
    loader, model = ask_ldd(path, library_path, cwd), ask_model(path, library_path, cwd)
    if bool(loader.refused) != bool(model.refused):
        yield f"ldd: {loader.refused or 'judged'}; model: {model.refused or 'judged'}"
    if loader.refused or model.refused:
        return
    model.undefined = set(_as_ldd_prints(loader, model))
    for subject in ("paths", "missing", "undefined", "versions"):
        said, modelled = getattr(loader, subject), getattr(model, subject)
        for one in sorted(said - modelled):
            yield f"{subject}: ldd alone says {one}"
        for one in sorted(modelled - said):
            yield f"{subject}: the model alone says {one}"


def _as_ldd_prints(loader: Verdict, model: Verdict) -> Iterator[tuple[str, str, str]]:
    """The model's undefined symbols, without the versions that ldd has lost.

    In trace mode glibc sizes its version table by the libraries that it found (_dl_check_map_versions), so a symbol
    of a missing library may be printed without its version.
    """
    for symbol, version, needed_by in model.undefined:
        lost = loader.missing and (symbol, version, needed_by) not in loader.undefined
        yield (symbol, "" if lost else version, needed_by)


def shared_libraries(folder: Path) -> Iterator[Path]:
    """Regular files below `folder` with an ELF header and a name of a shared library; links are no files of their
    own.
    """
    for path in sorted(folder.rglob("*.so*")):
        if path.is_file() and not path.is_symlink() and re.search(r"\.so(\.[\d.]+)?$", path.name):
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


def compare_alone(folders: list[Path]) -> bool:
    paths = [path for folder in folders for path in shared_libraries(folder)]
    differ = 0
    for path in paths:
        lines = list(differences(str(path)))
        differ += bool(lines)
        for line in lines[:20]:
            print(f"{path}\n  {line}")
        if len(lines) > 20:
            print(f"  and {len(lines) - 20} more")
    print(f"alone: {len(paths)} libraries, {len(paths) - differ} agree, {differ} differ")
    return differ == 0


PROBE = """
import sys, importlib
for name in ("torch", "torchvision"):
    try:
        importlib.import_module(name)
    except ImportError:
        if name == "torch":
            raise
import torch
files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
files += [str(path) for path in getattr(torch.ops, "loaded_libraries", ())]
print("".join("::%s\\n" % name for name in files if ".so" in name))
print("flags %d" % (1 if torch.__version__.startswith("1.0.") else 0))
print(open("/proc/self/maps").read())
"""


def compare_process(executable: str) -> bool:
    """The libraries that an interpreter opened, opened one after another in the model, against the interpreter's
    maps.
    """
    run = subprocess.run([executable, "-c", PROBE], capture_output=True, text=True, check=True, cwd="/")
    lines = run.stdout.splitlines()
    mapped = {
        os.path.realpath(found[1]) for line in lines if (found := re.fullmatch(r"\S+ r.xp \S+ \S+ \S+\s+(/.*)", line))
    }
    files = list(dict.fromkeys(line[2:] for line in lines if line.startswith("::")))
    # torch 1.0 opens itself with RTLD_LAZY and RTLD_GLOBAL; later ones open libtorch_global_deps.so globally instead.
    is_old = "flags 1" in lines
    opened = [Opened(name, is_old and "/torch/_C." in name, is_old and "/torch/_C." in name) for name in files]
    for name in files:
        library = Path(name).parent / "lib" / "libtorch_global_deps.so"
        if "/torch/_C." in name and library.is_file():
            opened.insert(0, Opened(str(library), is_global=True))
    process = Process(executable=executable, opened=tuple(opened))
    loaded = start(Files(LiveFiles()), process, executable).loaded
    modelled = {os.path.realpath(link_map.path) for link_map in loaded}
    # What some module opens by itself while it runs stands in no table: taken from the maps, and its closure is judged.
    needed = {name for link_map in loaded for name in link_map.elf.needed}
    strays = [path for path in sorted(mapped - modelled) if open_elf(LiveFiles(), path).soname not in needed]
    if strays:
        print(f"{executable}\n  opened by a module while it ran: {', '.join(strays)}")
        process = msgspec.structs.replace(process, opened=(*process.opened, *map(Opened, strays)))
        loaded = start(Files(LiveFiles()), process, executable).loaded
        modelled = {os.path.realpath(link_map.path) for link_map in loaded}
    differing = [f"mapped, not in the model: {path}" for path in sorted(mapped - modelled)]
    differing += [f"in the model, not mapped: {path}" for path in sorted(modelled - mapped)]
    differing += [f"the model complains of what runs: {line}" for line in sorted(_complaints(process, files))]
    for line in differing:
        print(f"{executable}\n  {line}")
    print(f"process: {len(files)} opened, {len(mapped)} files mapped, {len(differing)} differences")
    return not differing


def _complaints(process: Process, files: list[str]) -> set[str]:
    examiner = Examiner(LiveFiles(), process)
    complaints: set[str] = set()
    for name in files:
        report = examiner.examine(name)
        complaints |= {f"missing {entry.name} of {entry.needed_by}" for entry in report.missing}
        complaints |= {f"undefined {entry.symbol} in {entry.needed_by}" for entry in report.undefined}
        complaints |= {f"version {entry.version} of {entry.library}" for entry in report.versions}
    return complaints


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--process", action="append", default=[], metavar="EXE", help="an interpreter that has torch")
    arguments = parser.parse_args()
    results = [compare_process(executable) for executable in arguments.process]
    if arguments.folders:
        results.append(compare_alone(arguments.folders))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
