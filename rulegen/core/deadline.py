"""A time by which work has to end. The clock is given, so that whoever works by it stays free of one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Clock = Callable[[], float]
"""Seconds, from some moment on, that never go back."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """``at`` is a time of ``clock``; infinite: never."""

    at: float
    clock: Clock = field(repr=False)

    @property
    def passed(self) -> bool:
        return self.at < math.inf and self.clock() >= self.at

    def part(self, share: float) -> Deadline:
        """The deadline by which ``share`` (0 to 1) of the time that is left now will be gone."""
        if self.at == math.inf:
            return self
        now = self.clock()
        return Deadline(now + share * max(0.0, self.at - now), self.clock)

    def shares(self, count: int) -> Iterator[Deadline]:
        """``count`` deadlines for works that follow one another, each taken when its work begins: what one leaves
        unused goes to the others alike."""
        for left in range(count, 0, -1):
            yield self.part(1 / left)


ENDLESS = Deadline(math.inf, lambda: 0.0)
