"""What noise is painted on: how bad each series of a rule is at each minute, whatever the rule measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rulegen.core.incident import Incident
from rulegen.core.labels import EMPTY, Labels
from rulegen.core.rule import Rule
from rulegen.core.series import Values
from rulegen.train.axis import Ticks
from rulegen.train.families import Family
from rulegen.train.lexicon import Lexicon
from rulegen.train.noise import spells
from rulegen.train.plot import Signal, Stage
from rulegen.train.schedule import Opening
from rulegen.train.signals import daily, lay, wander
from rulegen.train.topology import Target


@dataclass(frozen=True, slots=True)
class Part:
    """One series of a rule: where it is scraped, and the label that tells it from others there."""

    target: Target
    labels: Labels = EMPTY


@dataclass(slots=True)
class Canvas:
    """``level`` [parts, n] is 1 at the rule's threshold, whichever way that points; NaN where nothing is scraped.

    ``hold`` and ``window`` are the rule's own ``for`` and range in ticks: what is to fire has to last so much longer.
    ``signals`` and ``rules`` are what a story adds besides.
    """

    stage: Stage
    words: Lexicon
    family: Family
    parts: tuple[Part, ...]
    hold: int = 0
    window: int = 0
    hushed: float | None = None  # the hour from which labels can have alerts muted, where there are such
    manner: str = ""  # of its incidents, where the story asks for one
    trickle: bool = False  # whether hardly anybody asks at night
    level: Values = field(init=False)
    signals: list[Signal] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng, axis = self.rng, self.stage.axis
        low, high = rng.uniform(0.1, 0.4), rng.uniform(0.45, 0.8)
        depth = rng.uniform(0.1, 1.0)
        shape = low + (high - low) * (0.15 + 0.65 * daily(axis, depth, rng.uniform(9, 19)))
        self.level = np.stack(
            [np.clip(shape + wander(rng, axis.n, (high - low) * 0.1, 4), 0.02, 0.9) for _ in self.parts]
        )

    @property
    def rng(self) -> np.random.Generator:
        return self.stage.rng

    @property
    def n(self) -> int:
        return self.stage.axis.n

    @property
    def slack(self) -> int:
        """By how many ticks what is to fire has to last longer than what fires at once."""
        return self.hold + self.window // 2

    def spells(self, minutes: tuple[int, int], per_day: tuple[float, float], apart: int = 8) -> tuple[Ticks, ...]:
        """Times for noise that fires for about ``minutes``, in which no incident of the service is near."""
        often = self.rng.uniform(*per_day) * self.stage.per_day
        low, high = minutes
        lasting = (low + self.slack, high + self.slack)
        return spells(self.rng, self.stage.axis, often, lasting, self.stage.free, apart + self.slack)

    def any_part(self) -> int:
        return int(self.rng.integers(len(self.parts)))

    def some(self, share: float) -> NDArray[np.int64]:
        """[k] a random ``share`` of the parts, at least one, in order."""
        count = max(1, round(share * len(self.parts)))
        return np.sort(self.rng.choice(len(self.parts), count, replace=False))

    def raise_to(self, part: int, ticks: Ticks, height: float, ripple: float = 0.05, rise: int = 1) -> None:
        """A plateau of ``height`` on ``part``, reached within ``rise`` ticks."""
        length = ticks[1] - ticks[0]
        up = np.minimum(1.0, np.arange(1, length + 1) / max(1, rise))
        base = float(self.level[part, max(0, ticks[0] - 1)])
        shape = base + (height - base) * up
        lay(self.level[part], ticks, shape * self.rng.uniform(1 - ripple, 1 + ripple, length))

    def feel(self, others: Sequence[Opening]) -> None:
        """Most rules also see the incidents of the other rules of their service, a little earlier or later."""
        if self.rng.random() < 0.35:
            return
        for opening in others:
            late, parts, height = int(self.rng.integers(0, 6)), self.some(1.0), self.rng.uniform(1.5, 4.0)
            start = opening.start + late
            for part in parts:
                self.raise_to(int(part), (start, min(self.n, start + 25 + self.slack)), height)

    def open_incidents(self) -> None:
        """Paints the incidents of the stage. Most are worse, longer or wider than noise; some hide in it."""
        rng = self.rng
        width = float(rng.choice((0.0, 0.5, 1.0, 1.0)))
        manner = self.manner or str(rng.choice(("plain", "plain", "plain", "ramp", "jumpy", "jumpy")))
        height = rng.uniform(*((1.15, 1.5), (1.5, 2.5), (2.5, 5.0))[int(rng.integers(3))])
        if manner == "buzzing":
            height = rng.uniform(1.8, 2.6)
        for opening in self.stage.openings:
            hard = opening.id == self.stage.hidden
            minutes = int(rng.integers(7, 13) if hard and rng.random() < 0.6 else rng.integers(15, 50)) + self.slack
            incident, ticks = self.stage.incident(opening, minutes)
            self.incidents.append(incident)
            parts = [self.any_part()] if hard and rng.random() < 0.3 else self.some(width)
            for part in parts:
                self.raise_to(part, ticks, height * rng.uniform(0.9, 1.1), rise=6 if manner == "ramp" else 1)
                off = {"jumpy": slice(2, None, 4), "buzzing": slice(1, None, 2)}.get(manner, slice(0))
                self.level[part, ticks[0] : ticks[1]][off] = 0.8
