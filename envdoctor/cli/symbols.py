"""`envdoctor symbols`."""

from typing import TYPE_CHECKING, Annotated

import typer

from envdoctor.cli.options import Color, Outputs, PythonExe

if TYPE_CHECKING:
    from envdoctor.elf.loader import Process

EPILOG = """\
\b
Examples:
  envdoctor symbols build/libops.so --python ~/envs/densepose
  envdoctor symbols --alone /usr/lib/libssl.so.3 -o json

Exit status: 0 the library would load, 1 something is missing or undefined, 2 no readable library.
"""


def symbols(
    library: Annotated[str, typer.Argument(metavar="LIBRARY", help="A shared library or extension module.")],
    python: PythonExe = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="Judge it as `ldd -r` would, outside any interpreter.")
    ] = False,
    output: Outputs = None,
    color: Color = "auto",
) -> int:
    """Read a library as the dynamic loader would, in the process of the environment it lies in.

    Shows each library of its closure with the rule that found it, undefined symbols with their reason, missing
    symbol versions, string and std::function ABI, compilers and CUDA architectures. Nothing is loaded or run.
    """
    import os

    from envdoctor.cli.output import deliver, parse_outputs
    from envdoctor.elf.analysis import alone as examine_alone
    from envdoctor.elf.analysis import examine
    from envdoctor.elf.file import ElfError
    from envdoctor.errors import UsageError
    from envdoctor.files import LiveFiles
    from envdoctor.privacy import without_home
    from envdoctor.render import SYMBOLS_FORMATS, render_symbols

    outputs = parse_outputs(output, SYMBOLS_FORMATS)
    if alone and python is not None:
        raise UsageError("--alone and --python exclude each other")
    path = os.path.abspath(os.path.expanduser(library))
    if os.path.isdir(path):
        raise UsageError(f"{library} is a folder, not a library")
    try:
        if alone:
            entries = tuple(os.environ.get("LD_LIBRARY_PATH", "").split(":"))
            report = examine_alone(LiveFiles(), path, entries if any(entries) else ())
        else:
            process, search = _process(path, python)
            report = examine(LiveFiles(), path, process, search)
    except ElfError as error:
        raise UsageError(f"{library}: {error}") from error
    except OSError as error:
        raise UsageError(f"{library} cannot be read: {error.strerror or error}") from error
    hidden = without_home(report, os.path.expanduser("~"))
    deliver(outputs, lambda name, style: render_symbols(hidden, name, style), color)
    return 1 if report.missing or report.undefined or report.versions else 0


def _process(library: str, python: str | None) -> "tuple[Process, tuple[str, ...]]":
    from envdoctor.cli.progress import Progress
    from envdoctor.cli.targets import interpreter_beside, live_target
    from envdoctor.probes.gather import gather
    from envdoctor.probes.load_order import libraries_to_search, process_for

    target = live_target(python or interpreter_beside(library), None, None)
    with Progress() as progress:
        known = gather(target, ("python", "torch", "caffe2"), progress.notify)
    return process_for(target, known, library), libraries_to_search(known)
