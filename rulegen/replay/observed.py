"""Recorded alerts as a history: the series ``ALERTS`` that Prometheus would hold, and rules that read it.

Where only episodes are known, longer waits and aggregation can still be judged; a lower threshold can not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rulegen.core.alert import Episode
from rulegen.core.labels import ALERT_NAME, EMPTY, METRIC_NAME, Labels, quote
from rulegen.core.rule import Rule, RuleGroup
from rulegen.core.series import STALE, Series
from rulegen.core.spans import Times
from rulegen.errors import UnsupportedError

ALERTS, STATE = "ALERTS", "alertstate"
GROUP = "observed"  # the name of the group of rules that no file holds


def series(episodes: Iterable[Episode], interval: int) -> tuple[Series, ...]:
    """``ALERTS{alertstate="firing"}`` with a sample at each multiple of ``interval`` ms that an episode covers.

    An episode between two evaluations counts at the next one, so that none is lost. A staleness marker ends each.
    """
    spans: dict[Labels, list[tuple[int, int]]] = {}
    for episode in episodes:
        spans.setdefault(episode.labels, []).append((episode.span.start, episode.span.end))
    made = []
    for labels in sorted(spans):
        start, end = np.array(spans[labels], dtype=np.int64).T
        first = -(-start // interval) * interval
        last = np.maximum(first, end // interval * interval)
        firing = _ranges(first, (last - first) // interval + 1, interval)
        times, at = np.unique(np.concatenate([firing, last + 1]), return_index=True)
        named = labels.updated({METRIC_NAME: ALERTS, STATE: "firing"})
        made.append(Series(named, times, np.where(at < len(firing), 1.0, STALE)))
    return tuple(made)


def _ranges(first: Times, counts: NDArray[np.int64], step: int) -> Times:
    """From each of ``first`` [n] on, ``counts`` [n] times ``step`` ms apart, one after the other."""
    before = np.cumsum(counts) - counts
    return np.repeat(first - step * before, counts) + step * np.arange(int(counts.sum()))


def group(names: Sequence[str], interval: int) -> RuleGroup:
    """One rule for each alert name, which fires exactly when that alert was recorded as firing."""
    rules = tuple(Rule(name, expression(name)) for name in sorted(names))
    return RuleGroup(GROUP, rules, interval=interval)


def expression(name: str, apart: Mapping[str, str] = EMPTY) -> str:
    """Fires with the recorded alerts called ``name``, those of which have the labels ``apart``."""
    more = "".join(f",{label}={quote(value)}" for label, value in sorted(apart.items()) if label != ALERT_NAME)
    return f'max without ({STATE}) (ALERTS{{{ALERT_NAME}={quote(name)},{STATE}="firing"{more}}})'


def stand_in(rule: Rule, original: Rule, apart: Mapping[str, str] = EMPTY) -> Rule:
    """``rule``, a change of ``original``, as a rule over the recorded alerts of ``original``: those with the labels
    ``apart``, where other rules have the same name.

    Raises UnsupportedError for a change that recorded alerts can't tell the effect of.
    """
    if rule.expr != original.expr:
        raise UnsupportedError("a changed expression can't be judged from recorded alerts alone")
    if rule.hold < original.hold or rule.keep_firing_for < original.keep_firing_for:
        raise UnsupportedError("a shorter `for` can't be judged from recorded alerts alone")
    if rule.hold > original.hold and original.keep_firing_for:
        # The recorded tail may be nothing but keep_firing_for: it would pass for time that the expression held.
        raise UnsupportedError("a longer `for` of a rule with keep_firing_for can't be judged from recorded alerts")
    # A recorded alert has already waited; what is left to wait is the difference.
    return replace(
        rule,
        expr=expression(original.name, apart),
        hold=rule.hold - original.hold,
        keep_firing_for=rule.keep_firing_for - original.keep_firing_for,
        labels=rule.labels if rule.labels != original.labels else EMPTY,
    )
