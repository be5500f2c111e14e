"""The command ``rulegen``. Commands import what they need when they run, so that ``--help`` answers at once."""

from __future__ import annotations

import io
import os
import sys
from typing import NoReturn

import typer

from rulegen import __version__
from rulegen.cli.config import configured_by
from rulegen.cli.demo import demo
from rulegen.cli.init import init
from rulegen.cli.listen import listen
from rulegen.cli.log import choose, say
from rulegen.cli.model import app as model
from rulegen.cli.nightly import nightly
from rulegen.cli.options import Grouped, Told, bare, flat
from rulegen.cli.pr import pr
from rulegen.cli.push import push
from rulegen.cli.query import query
from rulegen.cli.replay import replay
from rulegen.cli.review import review
from rulegen.cli.suggest import suggest
from rulegen.cli.test import test
from rulegen.errors import RulegenError

DEBUG = "RULEGEN_DEBUG"
STOPPED = 130

# Typer shows usage errors in a box of its own; their base class tells them from ours, whichever Click is below it.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="rulegen",
    cls=Told,
    help="Alert history in, better Prometheus rules out, and only those that the replay proved.",
    add_completion=False,
    rich_markup_mode=None,  # Rich takes longer to import than all else
    context_settings={"max_content_width": 120},
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rulegen {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


_SET = (suggest, nightly, pr, review, replay, query, test)  # those with settings
COMMANDS = {one.__name__: flat(one) for one in _SET}
for _name, _command in COMMANDS.items():
    _more = {"allow_extra_args": True} if _name == "pr" else {}
    app.command(cls=configured_by(COMMANDS), context_settings=_more)(_command)
for _other in (bare(init), demo, listen, push):
    app.command(cls=Grouped)(_other)
app.add_typer(model, name="model")


def run() -> NoReturn:
    """Runs the command line and exits: 0, 2 for what the user gave, 3 for a server, 1 for other errors, 130 when
    stopped. An error is one message without a traceback; ``RULEGEN_DEBUG=1`` shows the traceback of one that is a
    fault of rulegen's own."""
    choose("text")
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal's encoding lacks is shown as its escape
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(standalone_mode=False) or 0
        sys.stdout.flush()
        if code == STOPPED:  # by Ctrl-C, which Typer takes for itself
            _say("stopped", code)
    except RulegenError as error:
        code = _say(str(error), error.exit_code)
    except _UsageError as error:
        code = _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        code = _say("stopped", STOPPED)
    except BrokenPipeError:  # whoever read our output has enough, and what is left in the buffer has nowhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1  # as rich ends where it meets this first
    except MemoryError:
        code = _say("out of memory: give less at a time (--since, --start and --end, fewer rules)", 1)
    except Exception as error:
        code = _fault(error)
    sys.exit(code)


def _usage(error: Exception) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "rulegen"
    return _say(f"{error.format_message()} (see {command} --help)", 2)  # type: ignore[attr-defined] # Click's own


def _fault(error: Exception) -> int:
    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exception(error)
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return _say(f"internal error: {what.splitlines()[0]}; please report it, with what {DEBUG}=1 shows", 1)


def _say(message: str, code: int) -> int:
    say(message, "error")
    return code


if __name__ == "__main__":
    run()
