"""What came of a candidate, as far as whoever proposed it may know."""

from __future__ import annotations

from dataclasses import dataclass

from rulegen.core.candidate import Candidate


@dataclass(frozen=True, slots=True)
class Trial:
    """``pages`` and ``minutes`` are the shares of the rule's noise that ``candidate`` leaves on the fit part; NaN
    where it could not be replayed. ``reasons`` are the gate's, none when it passed.

    Nothing of the audit part is in it: what is proposed next is allowed to depend on it.
    """

    candidate: Candidate
    pages: float
    minutes: float
    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.reasons

    @property
    def left(self) -> float:
        return (self.pages + self.minutes) / 2
