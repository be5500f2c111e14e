"""``rulegen test``: unit tests of rules, read and run as promtool does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def test(
    files: Annotated[list[Path], typer.Argument(help="Unit-test files, in promtool's form.", metavar="FILE...")],
    range_semantics: Annotated[
        str,
        typer.Option(
            "--range-semantics", help="Left end of windows: Prometheus 3 open, 2 closed.", metavar="open|closed"
        ),
    ] = "open",
) -> None:
    """Run promtool's unit tests of rules. Exit code 1 when a check fails, 2 when a file cannot be read."""
    from rulegen.cli.testing import perform

    raise typer.Exit(perform(files, range_semantics))
