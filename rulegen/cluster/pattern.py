"""Which pattern a cluster's figures name. The first that fits is it: from what says most to what says least."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rulegen.core.cluster import Companion, Facts, Pattern, Relation
from rulegen.core.durations import HOUR, MINUTE

CASCADE = 0.5  # of the episodes that another rule leads

Company = Sequence[Companion]

RULES: tuple[tuple[Pattern, Callable[[Facts, Company], bool]], ...] = (
    (Pattern.DUPLICATE, lambda f, c: any(one.relation is Relation.DUPLICATE for one in c)),
    (Pattern.CHRONIC, lambda f, c: f.duration_median >= 6 * HOUR or f.firing_share >= 0.5),
    (Pattern.MISSING_DATA, lambda f, c: max(f.vanished_share, f.unseen_share) >= 0.5),
    (
        Pattern.SEASONAL,
        lambda f, c: f.season is not None and f.season.share >= 0.7 and f.season.recurring >= 0.5,
    ),
    (Pattern.CASCADE, lambda f, c: any(one.relation is Relation.LEADS and one.share >= CASCADE for one in c)),
    (
        Pattern.NOISY_FEW,
        # One series of many that never fired: by chance that is unlikely only for several episodes.
        lambda f, c: max(f.series, f.watched) >= 3 and f.top_share >= 0.7 and (f.series >= 3 or f.episodes >= 5),
    ),
    (Pattern.STORM, lambda f, c: f.series >= 3 and f.together_share >= 0.5),
    (Pattern.TIGHT_THRESHOLD, lambda f, c: f.margin <= 0.1),  # what hovers there flaps too, and this says why
    (Pattern.FLAPPING, lambda f, c: f.flapping_share >= 0.4),
    (Pattern.SHORT_LIVED, lambda f, c: f.duration_median < 5 * MINUTE),
    (Pattern.WITHOUT_SLO, lambda f, c: bool(f.indicator)),
)


def name_pattern(facts: Facts, companions: Company = ()) -> Pattern:
    return next((pattern for pattern, fits in RULES if fits(facts, companions)), Pattern.MIXED)
