"""`envdoctor list`."""

from typing import Annotated

import typer

EPILOG = """\
\b
Examples:
  envdoctor list checks
  envdoctor list schema report
"""
THINGS = ("checks", "recipes", "ops", "profiles", "formats", "schema")


def _complete_thing(incomplete: str) -> list[str]:
    return [thing for thing in THINGS if thing.startswith(incomplete)]


def list_(
    thing: Annotated[
        str,
        typer.Argument(
            metavar="THING", help="checks, recipes, ops, profiles, formats or schema.", autocompletion=_complete_thing
        ),
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="With schema: report, facts, symbols or error.")
    ] = None,
) -> int:
    """List the checks, recipes, ops with references, profiles or output formats, or print a JSON schema."""
    from envdoctor.errors import UsageError

    if name is not None and thing != "schema":
        raise UsageError(f"`envdoctor list {thing}` takes no further word")
    if thing == "checks":
        from envdoctor.checking.discover import load_checks

        for check in load_checks():
            typer.echo(f"{check.code:8} {check.area:10} {check.name}")
    elif thing == "recipes":
        _list_recipes()
    elif thing == "ops":
        from envdoctor.smoke.catalogue import known_ops

        for label, op in known_ops():
            typer.echo(f"{op:26} {label}")
    elif thing == "profiles":
        from envdoctor.cli.targets import PROFILES

        typer.echo("\n".join(PROFILES))
    elif thing == "formats":
        from envdoctor.render import REPORT_FORMATS

        typer.echo("\n".join(REPORT_FORMATS))
    elif thing == "schema":
        from envdoctor.render.schema import schema

        typer.echo(schema(name))
    else:
        raise UsageError(f"there is no list of `{thing}`; it is one of {', '.join(THINGS)}")
    return 0


def _list_recipes() -> None:
    from envdoctor.repair.discover import load_recipes

    for recipe in load_recipes():
        typer.echo(f"{recipe.name:22} cures {', '.join(recipe.cures)}")
