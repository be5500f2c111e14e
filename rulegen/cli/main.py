"""The command ``rulegen``. Commands import what they need when they run, so that ``--help`` answers at once."""

from __future__ import annotations

import sys

import typer

from rulegen import __version__
from rulegen.cli.suggest import demo, suggest
from rulegen.errors import RulegenError

app = typer.Typer(
    name="rulegen",
    help="Alert history in, better Prometheus rules out, and only those that the replay proved.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rulegen {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    pass


app.command()(suggest)
app.command()(demo)


def run() -> None:
    """Runs the command line; an error that has a name ends with its message and exit code, without a traceback."""
    try:
        app()
    except RulegenError as error:
        print(f"rulegen: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("rulegen: stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)


if __name__ == "__main__":
    run()
