"""What a model is told of its earlier answers, so that it can do better."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rulegen.core.trial import Trial
from rulegen.propose.answer import write_answer
from rulegen.propose.offer import Offer

TOLD = 6  # answers that the second prompt repeats: with their verdicts about as long as the facts
REASON = 60  # characters of the gate's reason


def told(trials: Sequence[Trial], offers: Sequence[Offer]) -> list[tuple[str, str]]:
    """Pairs of an answer and its verdict for :func:`rulegen.propose.prompt.revised`: what passed first, then what
    failed, each with the least noise first; at most ``TOLD``."""
    ranked = sorted(trials, key=lambda one: (not one.passed, math.inf if math.isnan(one.left) else one.left))
    return [
        (
            write_answer(one.candidate.proposal, offers),
            verdict_words(one.reasons[0] if one.reasons else "", 1 - one.pages, 1 - one.minutes),
        )
        for one in ranked[:TOLD]
    ]


def verdict_words(reason: str, pages: float, minutes: float) -> str:
    """``passed, pages -43%, minutes -50%`` or ``loses INC-7, pages …``: ``reason`` is empty for what passed.

    ``pages`` and ``minutes`` are the shares of the noise that are cut, NaN where nothing could be replayed.

    ``reason`` may hold what others wrote (an incident's id); the prompt quotes it.
    """
    said = reason[:REASON] or "passed"
    if math.isnan(pages):
        return said
    return f"{said}, pages {-pages:+.0%}, minutes {-minutes:+.0%}"
