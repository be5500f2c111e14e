"""Progress on standard error: a bar on a terminal, a line for each stage elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rulegen.cli.log import say, structured
from rulegen.desk import Progress


@contextmanager
def watching(quiet: bool) -> Iterator[Progress]:
    """What the stages tell how far they are."""
    if quiet:
        yield lambda what, done, total: None
    elif sys.stderr.isatty() and not structured():
        with _bar() as progress:
            yield progress
    else:
        yield _lines()


def _lines() -> Progress:
    last = ""

    def tell(what: str, done: int, total: int) -> None:
        nonlocal last
        if what != last:
            last = what
            say(f"{what} …")

    return tell


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task, stage = bar.add_task("starting", total=None), ""

        def tell(what: str, done: int, total: int) -> None:
            nonlocal stage
            if what != stage:
                stage = what
                bar.reset(task, description=what)  # the time that is left is this stage's
            bar.update(task, completed=done, total=total)

        yield tell
