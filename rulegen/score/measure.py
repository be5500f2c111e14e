"""Before → after: what a change, or all of them together, did to the noise and to the targets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rulegen.core.outcome import NEVER, Measure, Outcome, Quality
from rulegen.core.rule import RuleRef
from rulegen.core.spans import Mask
from rulegen.score.gate import Standing


def together(standing: Standing, after: Mapping[RuleRef, Outcome], blocks: Mask) -> Measure:
    """All rules, those in ``after`` changed, over ``blocks`` [blocks] of the judged time."""
    changed = {**standing.before, **after}
    found = _measure(standing, standing.before, changed, list(standing.before), blocks)
    return replace(found, quality=_qualities(standing, changed, blocks))


def _qualities(
    standing: Standing, changed: Mapping[RuleRef, Outcome], blocks: Mask
) -> tuple[Quality, Quality] | None:
    before, after = (quality(standing, some, blocks) for some in (standing.before, changed))
    return None if before is None or after is None else (before, after)


def alone(standing: Standing, ref: RuleRef, outcome: Outcome, blocks: Mask) -> Measure:
    """The rule at ``ref`` changed and nothing else: its own noise and catches, and what the whole set then loses."""
    return _measure(standing, standing.before, {**standing.before, ref: outcome}, [ref], blocks)


def quality(standing: Standing, outcomes: Mapping[RuleRef, Outcome], blocks: Mask) -> Quality | None:
    """How good the pages of all rules are over ``blocks`` [blocks]; None where nobody counted what they speak of."""
    judge, count = standing.judge, len(standing.judge.targets)
    counted = [one for one in outcomes.values() if one.spoke is not None]
    if len(counted) < len(outcomes):
        return None
    seen = judge.shown & blocks[judge.block_of] if count else np.zeros(0, dtype=np.bool_)
    fired = sum(int(one.fired[blocks].sum()) for one in counted)
    spoke = sum(int(one.spoke[blocks].sum()) for one in counted if one.spoke is not None)
    delay, reset = best_delays(outcomes, count), np.zeros(count, dtype=np.int64)
    for one in counted:
        if one.reset is not None:
            np.maximum.at(reset, one.caught, one.reset)  # quiet only once the last of them is
    caught = seen & (delay < NEVER)
    return Quality(
        precision=spoke / fired if fired else math.nan,
        recall=int(caught.sum()) / int(seen.sum()) if seen.any() else math.nan,
        detection=int(np.median(delay[caught])) if caught.any() else None,
        reset=int(np.median(reset[caught])) if caught.any() else None,
    )


def _measure(
    standing: Standing,
    before: Mapping[RuleRef, Outcome],
    after: Mapping[RuleRef, Outcome],
    counting: list[RuleRef],
    blocks: Mask,
) -> Measure:
    judge = standing.judge
    count = len(judge.targets)
    seen = judge.shown & blocks[judge.block_of] if count else np.zeros(0, dtype=np.bool_)
    old, new = best_delays(before, count), best_delays(after, count)
    vital = seen & np.array([not target.negligible for target in judge.targets], dtype=np.bool_)
    lost = vital & (old < NEVER) & (new == NEVER)
    kept = vital & (old < NEVER) & (new < NEVER)
    added = np.where(kept, new - old, 0)
    later = added > judge.settings.allowed_delay
    gained = seen & (old == NEVER) & (new < NEVER)
    own_old = best_delays({ref: before[ref] for ref in counting}, count)
    own_new = best_delays({ref: after[ref] for ref in counting}, count)
    return Measure(
        weeks=judge.weeks(blocks),
        pages=(_pages(before, counting, blocks), _pages(after, counting, blocks)),
        minutes=(_minutes(before, counting, blocks), _minutes(after, counting, blocks)),
        caught=(int((vital & (own_old < NEVER)).sum()), int((vital & (own_new < NEVER)).sum())),
        lost=tuple(judge.targets[i].id for i in np.flatnonzero(lost)),
        later=tuple(judge.targets[i].id for i in np.flatnonzero(later)),
        gained=tuple(judge.targets[i].id for i in np.flatnonzero(gained)),
        added_delay=int(added.max()) if kept.any() else 0,
    )


def best_delays(outcomes: Mapping[RuleRef, Outcome], targets: int) -> NDArray[np.int64]:
    """[targets] the delay of the first rule that catches each."""
    best = np.full(targets, NEVER, dtype=np.int64)
    for outcome in outcomes.values():
        best[outcome.caught] = np.minimum(best[outcome.caught], outcome.delay)
    return best


def _pages(outcomes: Mapping[RuleRef, Outcome], counting: list[RuleRef], blocks: Mask) -> int:
    return int(sum(outcomes[ref].pages[blocks].sum() for ref in counting))


def _minutes(outcomes: Mapping[RuleRef, Outcome], counting: list[RuleRef], blocks: Mask) -> float:
    return float(sum(outcomes[ref].minutes[blocks].sum() for ref in counting))
