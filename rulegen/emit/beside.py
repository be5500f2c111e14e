"""Two or more proposers on the same history, beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rulegen.core.outcome import Report
from rulegen.emit.words import delay, kept, number, one_line


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of one proposer: ``seconds`` is how long the whole run took, reading included."""

    who: str
    report: Report
    seconds: float


def show_beside(turns: Sequence[Turn], console: Console) -> None:
    """Prints one row for each of ``turns``: replays, accepted changes, pages and paging minutes a week before and
    after, targets kept, the largest added delay, seconds."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("proposed by", overflow="fold")
    for title in ("replays", "changes", "pages/week", "min/week", "kept", "delay", "seconds"):
        table.add_column(title, no_wrap=True)
    for turn in turns:
        found = turn.report.together
        weeks = found.weeks or 1.0
        pages = f"{number(found.pages[0] / weeks)} → {number(found.pages[1] / weeks)}"
        minutes = f"{number(found.minutes[0] / weeks)} → {number(found.minutes[1] / weeks)}"
        figures = f"{len(turn.report.verdicts):,}", str(len(turn.report.suggestions)), pages, minutes
        row = (one_line(turn.who), *figures, kept(found), delay(found), f"{turn.seconds:.0f}")
        table.add_row(*map(Text, row))
    console.print(table)
