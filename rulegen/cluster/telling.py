"""Which labels tell the firings that caught something from the noise."""

from __future__ import annotations

from collections import Counter

from rulegen.core.labels import ALERT_NAME
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule
from rulegen.core.spans import Mask

MOST_PAIRS = 6


def telling(rule: Rule, firings: Firings, noisy: Mask, catching: Mask) -> tuple[tuple[str, str], ...]:
    """Label pairs of the firings [firings] that catch something, and that some of the noise lacks.

    Those that most catches have come first, among them those that least of the noise has. A pair that one series
    alone has names a target, not a kind of target, and is left out: the next incident will be elsewhere.
    """
    own = {ALERT_NAME, *rule.labels}
    caught, noise = (Counter(firings.series[mask].tolist()) for mask in (catching, noisy))
    inside, outside = (_pairs(firings, rows, own) for rows in (caught, noise))
    shared = Counter(pair for labels in firings.labels for pair in labels.items())
    apart = [pair for pair in inside if outside[pair] < noise.total() and shared[pair] > 1]
    return tuple(sorted(apart, key=lambda pair: (-inside[pair], outside[pair], pair))[:MOST_PAIRS])


def _pairs(firings: Firings, rows: Counter[int], own: set[str]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for row, count in rows.items():
        for name, value in firings.labels[row].items():
            if name not in own:
                found[name, value] += count
    return found
