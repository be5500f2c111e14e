"""``rulegen pr``: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rulegen.cli.options import FORGE_HOW, Hosting, Out, Quiet, Requesting, opt


def pr(
    context: typer.Context,
    hosting: Hosting,
    requesting: Requesting,
    out: Out = Path("out"),
    dry_run: Annotated[bool, opt("--dry-run", "Show all that would be done, and do nothing.", FORGE_HOW)] = False,
    quiet: Quiet = False,
) -> None:
    """Propose suggestions as pull requests. What stands after -- goes to "suggest", which then runs first."""
    from rulegen.cli.requesting import perform, plan_of

    if context.args:
        suggest = context.find_root().command.commands["suggest"]  # type: ignore[attr-defined] # a group
        suggest.main(args=["--out", str(out), *context.args], standalone_mode=False, prog_name="suggest")
    plan = plan_of(requesting.tests_dir, requesting.batch, requesting.max_open, requesting.author, dry_run)
    where = (hosting.repo, hosting.remote, hosting.forge, hosting.base)
    raise typer.Exit(perform(out, *where, plan, quiet=quiet))
