"""Options that several commands share."""

from typing import Annotated, TypeAlias

import typer

Project: TypeAlias = Annotated[
    str | None,
    typer.Option("--project", metavar="DIR", help="The project whose build is judged."),
]
PythonExe: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--python",
        metavar="EXE",
        help="The interpreter to judge: a program, a name on PATH, or the folder of an environment. "
        "Otherwise the active environment, else python3 on PATH.",
    ),
]
FactsFile: TypeAlias = Annotated[
    str | None,
    typer.Option("--facts", metavar="FILE", help="Judge facts saved by `envdoctor facts -o json=FILE`."),
]
Profile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Kind of build: caffe2-ops, torch-extension or installed. Otherwise detected.",
    ),
]
Outputs: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FORMAT[=PATH]",
        help="Output format, to standard output or to a file; may be given several times.",
    ),
]
Color: TypeAlias = Annotated[
    str, typer.Option("--color", metavar="WHEN", help="auto, always or never. NO_COLOR is respected.")
]
Overlay: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--overlay/--no-overlay",
        help="Judge the project as `envdoctor run` builds it, with what `fix` brought, or bare.",
    ),
]
Smoke: TypeAlias = Annotated[
    bool,
    typer.Option("--smoke", help="Also load the compiled ops into the interpreter and run them."),
]
