"""Which part of the history may choose, which may veto, and which may only bear witness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rulegen.core.durations import DAY
from rulegen.core.spans import Mask
from rulegen.score.judge import Judge

ENOUGH_TIME = 10 * DAY
ENOUGH_TARGETS = 3  # in every part
FOLDS = 5
LONG = 28 * DAY  # of judged time: enough to choose on the past and score on what came next, several times
STRETCHES = 4  # eighths of the judged time, the last half of it


@dataclass(frozen=True, slots=True)
class Parts:
    """Masks [blocks]. Slots are chosen on ``fit``; the gate sees ``fit`` and ``gate``; ``audit`` is scored once.

    In a history too short for three parts ``fit`` and ``gate`` are all of it and ``audit`` is nothing.
    """

    fit: Mask
    gate: Mask
    audit: Mask

    @property
    def known(self) -> Mask:
        """What the gate sees."""
        return self.fit | self.gate

    @property
    def named(self) -> tuple[tuple[str, Mask], ...]:
        """The parts that exist."""
        if not self.audit.any():
            return (("all", self.fit),)
        return ("fit", self.fit), ("gate", self.gate), ("audit", self.audit)


def split(judge: Judge) -> Parts:
    """First half, next quarter, last quarter of the judged time; or all as one where that is too little."""
    at = np.arange(judge.blocks)
    fit, audit = at < judge.blocks // 2, at >= judge.blocks * 3 // 4
    parts = Parts(fit, ~fit & ~audit, audit)
    long_enough = sum(span.length for span in judge.judged) >= ENOUGH_TIME
    supported = all((judge.shown & mask[judge.block_of]).sum() >= ENOUGH_TARGETS for _, mask in parts.named)
    return parts if long_enough and supported else known_only(np.ones(judge.blocks, dtype=np.bool_))


def known_only(blocks: Mask) -> Parts:
    """Parts for choosing and gating on ``blocks`` alone."""
    return Parts(blocks, blocks, np.zeros(len(blocks), dtype=np.bool_))


def folds(judge: Judge) -> tuple[Mask, ...]:
    """Contiguous fifths of the judged time, as masks [blocks] of what is left out."""
    fold = np.arange(judge.blocks) * FOLDS // judge.blocks
    return tuple(fold == k for k in range(FOLDS) if (fold == k).any())


def forward(judge: Judge) -> tuple[tuple[Mask, Mask], ...]:
    """Pairs of masks [blocks]: all of the past, and the stretch that came next. None where the history is short.

    A past that holds too few targets to choose on is left out.
    """
    if sum(span.length for span in judge.judged) < LONG:
        return ()
    eighth = np.arange(judge.blocks) * 2 * STRETCHES // judge.blocks
    pairs = [(eighth < k, eighth == k) for k in range(STRETCHES, 2 * STRETCHES)]
    return tuple(
        (past, after)
        for past, after in pairs
        if after.any() and (judge.shown & past[judge.block_of]).sum() >= ENOUGH_TARGETS
    )
