"""Progress on standard error: a bar on a terminal, elsewhere a line for each stage and one a minute that says how far
it is; nothing when quiet."""

from __future__ import annotations

import sys
import time
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


EVERY = 60  # seconds between two lines of one stage


def _lines() -> Progress:
    last, when = "", 0.0

    def tell(what: str, done: int, total: int) -> None:
        nonlocal last, when
        now = time.monotonic()
        if what != last:
            last, when = what, now
            say(f"{what} …")
        elif now - when >= EVERY:
            when = now
            say(f"{what} … {done} of {total}")

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
