"""`envdoctor rule`."""

from typing import Annotated

import typer

from envdoctor.cli.completion import complete_code

EPILOG = """\
\b
Examples:
  envdoctor rule PB001
  envdoctor rule string-abi-differs
"""


def rule(
    code: Annotated[
        str,
        typer.Argument(metavar="CODE", help="A code, or the name of a check or recipe.", autocompletion=complete_code),
    ],
) -> int:
    """Print the page of a check (what it finds, why it breaks, an example, what to do, sources) or of a recipe."""
    from envdoctor.checking.discover import load_checks
    from envdoctor.checking.select import find_check
    from envdoctor.repair.discover import load_recipes

    recipe = next((one for one in load_recipes() if one.name == code.lower()), None)
    if recipe is not None:
        typer.echo(f"{recipe.name} (recipe, cures {', '.join(recipe.cures)})\n\n{recipe.page}")
        return 0
    found = find_check(load_checks(), code)
    typer.echo(f"{found.code} {found.name} (area {found.area})\n\n{found.page}")
    return 0
