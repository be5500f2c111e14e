"""What a report draws: who is paged by what and when, before and after the accepted changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.core.rule import RuleRef
from rulegen.core.spans import Span

WEEK_HOURS = 168


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """The pages of one rule, as it is or as changed. ``spans`` [n, 2] are first and last ms of each paging firing,
    rising by start; ``week`` [168] counts those that start outside every target by hour of the week (UTC, from
    Monday 00:00)."""

    spans: NDArray[np.int64]
    week: NDArray[np.int64]

    @property
    def noise(self) -> int:
        return int(self.week.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """One rule that pages. ``receivers`` are those that its pages go to today; ``suggestion`` is the id of the
    accepted change, empty where it stays as it is. ``minutes`` are noisy paging minutes before and after, ``caught``
    the targets that the rule catches."""

    ref: RuleRef
    name: str
    receivers: tuple[str, ...]
    before: Trace
    after: Trace
    minutes: tuple[float, float]
    caught: tuple[int, int]
    suggestion: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """The history from above. ``targets`` are (id, when) of the incidents or bursts that count; ``lanes`` are the
    rules that page, most noise first; ``plain``: no routing was given, so the receivers mean nothing."""

    span: Span
    judged: tuple[Span, ...]
    targets: tuple[tuple[str, Span], ...]
    lanes: tuple[Lane, ...]
    plain: bool = True

    def week(self, *, after: bool) -> NDArray[np.int64]:
        """[168] noise of all rules by hour of the week."""
        total = np.zeros(WEEK_HOURS, dtype=np.int64)
        for lane in self.lanes:
            total += (lane.after if after else lane.before).week
        return total
