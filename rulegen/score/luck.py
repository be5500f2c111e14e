"""Is a catch better than chance? A rule's own firings, shifted in time, say how often it would have hit by luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.core.durations import DAY, HOUR, WEEK
from rulegen.core.outcome import Firings
from rulegen.core.rule import RuleRef
from rulegen.core.spans import Mask, Span
from rulegen.score.judge import Judge

MOST_SHIFTS = 200
FALSE_DISCOVERY = 0.05


@dataclass(frozen=True, slots=True)
class Null:
    """The shifts that stand for chance: ``name`` says which, ``recordings`` are turned round each on its own."""

    name: str
    recordings: tuple[Span, ...]
    step: int  # ms; 0: whatever gives ``MOST_SHIFTS`` shifts


def null_model(span: Span, recordings: Sequence[Span]) -> Null:
    """Whole weeks from two months of history on, whole days from two weeks on, else circular in each recording.

    Shifting by days keeps the hour of the day and so does not mistake a daily rhythm for foresight; the circular
    shift of a short history can't keep it and is the weaker null.
    """
    if span.length >= 60 * DAY - HOUR:
        return Null("whole weeks", (span,), WEEK)
    if span.length >= 14 * DAY - HOUR:
        return Null("whole days", (span,), DAY)
    return Null(
        "circular within each recording (weaker: the history is shorter than two weeks)", tuple(recordings), 0
    )


def chance(judge: Judge, firings: Firings, ref: RuleRef, null: Null) -> NDArray[np.float64]:
    """[targets] how likely the rule, its firings shifted at random in time, would have caught each target.

    Estimated as (hits + 1) / (shifts + 1), so that never is not taken for impossible; 0 only where the alert's labels
    rule the target out.
    """
    likely = np.zeros(len(judge.targets))
    able = judge.paging(firings) & (firings.start >= firings.warm)
    before = judge.windows(firings)
    speaks = [set(judge.carried(labels, ref).tolist()) for labels in firings.labels]
    for index in range(len(judge.targets)):
        rows = [row for row in range(len(firings.labels)) if index in speaks[row]]
        home = [r for r in null.recordings if r.contains(int(judge.starts[index]))]
        if not rows or not home:
            continue
        period = home[0].length + firings.grid.step
        shifts = _shifts(period, null.step)  # [shifts] ms
        mine = (
            able & np.isin(firings.series, rows) & (firings.start >= home[0].start) & (firings.start <= home[0].end)
        )
        # A firing shifted by d catches when start + d lies in [target start − before, target end].
        earliest = judge.starts[index] - before[mine] - firings.start[mine]  # [firings]
        reach = judge.ends[index] - judge.starts[index] + before[mine]  # [firings]
        hit = ((shifts[:, None] - earliest) % period <= reach).any(axis=1)  # [shifts]
        likely[index] = (hit.sum() + 1) / (len(shifts) + 1)
    return likely


def credible(
    judge: Judge,
    fired: Mapping[RuleRef, Firings],
    caught: Mapping[RuleRef, Mask],
    null: Null,
    among: Mask | None = None,
) -> dict[RuleRef, Mask]:
    """For each rule the targets [targets] that it catches beyond luck: all of its catches, or none.

    Only targets in ``among`` [targets] are looked at, where it is given.
    A rule's number of catches is compared with the sum of independent chances (a Poisson-binomial tail); the rules'
    p-values are corrected for their number after Benjamini and Hochberg (1995) at a false discovery rate of 5%.
    """
    refs = sorted(fired)
    counted = judge.counted if among is None else judge.counted & among
    tails = []
    for ref in refs:
        likely = (
            chance(judge, fired[ref], ref, null)[counted]
            if (caught[ref] & counted).any()
            else np.zeros(int(counted.sum()))
        )
        tails.append(_tail(likely, int((caught[ref] & counted).sum())))
    beyond = _discoveries(np.array(tails))
    return {ref: caught[ref] & counted & bool(beats) for ref, beats in zip(refs, beyond, strict=True)}


def _shifts(period: int, step: int) -> NDArray[np.int64]:
    if step:
        return np.arange(step, period - step + 1, step, dtype=np.int64)
    return np.linspace(0, period, MOST_SHIFTS + 2)[1:-1].astype(np.int64)


def _tail(chances: NDArray[np.float64], at_least: int) -> float:
    """P(X ≥ ``at_least``) for a sum X of independent events with these chances."""
    if at_least == 0:
        return 1.0
    spread = np.zeros(len(chances) + 1)  # [count] probability of each number of events
    spread[0] = 1.0
    for p in chances:
        spread[1:] = spread[1:] * (1 - p) + spread[:-1] * p
        spread[0] *= 1 - p
    return float(spread[at_least:].sum())


def _discoveries(tails: NDArray[np.float64]) -> Mask:
    order = np.argsort(tails)
    limits = FALSE_DISCOVERY * np.arange(1, len(tails) + 1) / max(1, len(tails))
    below = np.flatnonzero(tails[order] <= limits)
    found = np.zeros(len(tails), dtype=np.bool_)
    if len(below):
        found[order[: below[-1] + 1]] = True
    return found
