"""The program: its commands, its errors, its exit status."""

import errno
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from envdoctor import __version__
from envdoctor.cli import check, explain, facts, fix, history, listing, rule, run_build, smoke, symbols, undo
from envdoctor.cli.output import json_is_wanted
from envdoctor.errors import UsageError

USAGE, INTERRUPTED, BROKEN_PIPE = 2, 130, 141

EXIT_STATUS = """\
Exit status: 0 nothing at or above --fail-on, 1 findings, 2 wrong usage or a crash of ours, 3 could not be determined.
"""

app = typer.Typer(
    name="envdoctor",
    help="Tells why a build of compiled detection ops (Caffe2/DensePose, detectron2, torchvision, mmcv, any CUDA "
    "extension of torch) fails, before it does. Only `smoke` loads what it examines, and only `fix` changes anything.",
    epilog=EXIT_STATUS,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.command("check", short_help="Report the whole chain of faults at once.", epilog=check.EPILOG)(check.check)
app.command("facts", short_help="Print what is there, and what told it.", epilog=facts.EPILOG)(facts.facts)
app.command("fix", short_help="Cure what check finds, and verify it.", epilog=fix.EPILOG)(fix.fix)
app.command("undo", short_help="Take back what fix did.", epilog=undo.EPILOG)(undo.undo)
app.command("history", short_help="Show the runs of fix in a project.", epilog=history.EPILOG)(history.history)
app.command(
    "run",
    short_help="Run a command with the overlay's environment.",
    epilog=run_build.EPILOG,
    context_settings=run_build.CONTEXT,
)(run_build.run_build)
app.command("explain", short_help="Find the root cause in a log.", epilog=explain.EPILOG)(explain.explain)
app.command("smoke", short_help="Run the compiled ops and compare their values.", epilog=smoke.EPILOG)(smoke.smoke)
app.command("symbols", short_help="Read a library as the loader would.", epilog=symbols.EPILOG)(symbols.symbols)
app.command("rule", short_help="Print the page of a check or recipe.", epilog=rule.EPILOG)(rule.rule)
app.command("list", short_help="List checks, recipes, formats, schemas.", epilog=listing.EPILOG)(listing.list_)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"envdoctor {__version__}")
        raise typer.Exit


@app.callback()
def envdoctor(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Before any command."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status. Errors are one line, or one JSON object in JSON mode."""
    as_json = json_is_wanted(arguments)
    try:
        status = app(args=list(arguments), prog_name="envdoctor", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except UsageError as error:
        return _fail(error.kind, str(error), as_json)
    except typer.TyperException as error:
        if as_json:
            return _fail("usage", error.format_message(), as_json)
        show = getattr(error, "show", None)
        if show is not None:
            show()
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        sys.stderr.write("envdoctor: interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone; a second failure while Python flushes at exit would print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return _fail("usage", f"the output cannot be written: {error.strerror}", as_json)
        if os.environ.get("ENVDOCTOR_DEBUG"):
            raise
        message = f"{type(error).__name__}: {error} (a fault of envdoctor; ENVDOCTOR_DEBUG=1 shows where)"
        return _fail("crash", message, as_json)


def _fail(kind: str, message: str, as_json: bool) -> int:
    if as_json:
        import msgspec

        from envdoctor.checking.report import SCHEMA_VERSION

        error = {"schema_version": SCHEMA_VERSION, "error": {"kind": kind, "message": message}}
        sys.stdout.write(msgspec.json.encode(error).decode() + "\n")
    else:
        sys.stderr.write(f"envdoctor: {message}\n")
    return USAGE
