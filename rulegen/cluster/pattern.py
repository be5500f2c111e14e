"""Which pattern a cluster's figures name. The first that fits is it: from what says most to what says least."""

from __future__ import annotations

from collections.abc import Callable

from rulegen.core.cluster import Facts, Pattern
from rulegen.core.durations import HOUR, MINUTE

RULES: tuple[tuple[Pattern, Callable[[Facts], bool]], ...] = (
    (Pattern.CHRONIC, lambda f: f.duration_median >= 6 * HOUR or f.firing_share >= 0.5),
    (Pattern.NOISY_FEW, lambda f: f.series >= 3 and f.top_share >= 0.7),
    (Pattern.STORM, lambda f: f.series >= 3 and f.together_share >= 0.5),
    (Pattern.FLAPPING, lambda f: f.flapping_share >= 0.4),
    (Pattern.TIGHT_THRESHOLD, lambda f: f.margin <= 0.1),
    (Pattern.SHORT_LIVED, lambda f: f.duration_median < 5 * MINUTE),
)


def name_pattern(facts: Facts) -> Pattern:
    return next((pattern for pattern, fits in RULES if fits(facts)), Pattern.MIXED)
