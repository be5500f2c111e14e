"""``rulegen demo``: the first minute with rulegen, on a history that ships with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option("--out", help="Directory to write to.", metavar="DIR")] = Path("out"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on standard error.")] = False,
) -> None:
    """Run "suggest" on the history that ships with rulegen: three noisy weeks of a small shop."""
    from rulegen.cli.side_by_side import demonstrate

    demonstrate(out, quiet=quiet)
