"""The command line: one small module a command. Parse, call, print."""


def main() -> None:
    """Entry point of the `envdoctor` script."""
    import sys

    from envdoctor.cli.app import run

    sys.exit(run(sys.argv[1:]))
