"""``rulegen pr``: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rulegen.cli.options import opt

WHERE, HOW = "Where it goes", "How it asks"


def pr(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", help="What suggest wrote.", metavar="DIR")] = Path("out"),
    repo: Annotated[Path, opt("--repo", "A clone of the rules' repository.", WHERE, "DIR")] = Path(),
    remote: Annotated[str, opt("--remote", "Its remote.", WHERE, "NAME")] = "origin",
    base: Annotated[str, opt("--base", "Branch to merge into; the forge's default.", WHERE, "BRANCH")] = "",
    forge: Annotated[str, opt("--forge", "What hosts it.", WHERE, "auto|github|gitlab|git")] = "auto",
    tests_dir: Annotated[
        str, opt("--tests-dir", "For unit tests, in the repository; empty: none.", HOW, "DIR")
    ] = "tests/rulegen",
    batch: Annotated[bool, opt("--batch", "All suggestions in one request.", HOW)] = False,
    max_open: Annotated[int, opt("--max-open", "At most so many open at once.", HOW, "N")] = 3,
    author: Annotated[str, opt("--author", "Of the commits.", HOW, "NAME <MAIL>")] = "rulegen <rulegen@localhost>",
    dry_run: Annotated[bool, opt("--dry-run", "Show all that would be done, and do nothing.", HOW)] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on standard error.")] = False,
) -> None:
    """Propose suggestions as pull requests. What stands after -- goes to "suggest", which then runs first."""
    from rulegen.cli.requesting import perform, plan_of

    if context.args:
        _suggest(out, context.args)
    raise typer.Exit(
        perform(out, repo, remote, forge, base, plan_of(tests_dir, batch, max_open, author, dry_run), quiet=quiet)
    )


def _suggest(out: Path, arguments: list[str]) -> None:
    from rulegen.cli.suggest import suggest

    command = typer.main.get_command(_alone(suggest))
    command(args=["--out", str(out), *arguments], standalone_mode=False, prog_name="rulegen suggest")


def _alone(function: object) -> typer.Typer:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(function)  # type: ignore[type-var] # any command
    return app
