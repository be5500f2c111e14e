"""Which pages another rule does not send: by the definition, and blind to time that nobody judged."""

from __future__ import annotations

import numpy as np
from histories import PAGING, firings

from rulegen.core.durations import MINUTE
from rulegen.core.settings import Settings
from rulegen.core.spans import Grid, Span
from rulegen.score.deputy import uncovered
from rulegen.score.judge import Judge

SPAN = Span(0, 1000 * MINUTE)
JUDGED = Span(100 * MINUTE, 600 * MINUTE)
SETTINGS = Settings(allowed_delay=2 * MINUTE)


def missing(mine: list[tuple[int, int]], other: list[tuple[int, int]], judged: Span = JUDGED) -> int:
    """Of pages (start, end in minutes) of one rule, those that another has no page for."""
    judge = Judge((), (judged,), SPAN, lambda _: True, SETTINGS, all_pages_are_noise=False)
    grid = Grid(0, SPAN.end, MINUTE)
    first, second = (
        firings(grid, [(PAGING, start * MINUTE, end * MINUTE) for start, end in rows]) for rows in (mine, other)
    )
    return uncovered(judge, first, [second], np.ones(judge.blocks, dtype=np.bool_))


def test_a_page_that_holds_or_follows_soon_stands_in() -> None:
    assert missing([(200, 210)], [(150, 205)]) == 0
    assert missing([(200, 210)], [(202, 205)]) == 0
    assert missing([(200, 210)], [(203, 205)]) == 1
    assert missing([(200, 210)], [(150, 199)]) == 1


def test_time_that_nobody_judged_says_nothing() -> None:
    assert missing([(50, 60), (200, 210), (700, 710)], [(200, 210)]) == 0
    assert missing([(50, 60), (200, 210), (700, 710)], [(200, 210)], SPAN) == 2


def test_the_end_of_judged_time_says_nothing() -> None:
    """A page a minute before the end: whether another follows within two minutes is not known."""
    assert missing([(599, 610)], []) == missing([(599, 610)], [(601, 610)]) == 0
    assert missing([(598, 610)], []) == 1
