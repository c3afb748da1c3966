"""`envdoctor rule`."""

from typing import Annotated

import typer

from envdoctor.cli.completion import complete_code

EPILOG = """\
[bold]Examples[/bold]

envdoctor rule PB001

envdoctor rule string-abi-differs
"""


def rule(
    code: Annotated[str, typer.Argument(metavar="CODE", help="A code or a name.", autocompletion=complete_code)],
) -> int:
    """Print the page of a check: what it finds, why it breaks, an example, what to do, the sources."""
    from envdoctor.checking.discover import load_checks
    from envdoctor.checking.select import find_check

    found = find_check(load_checks(), code)
    typer.echo(f"{found.code} {found.name} (area {found.area})\n\n{found.page}")
    return 0
