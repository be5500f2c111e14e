"""Before → after: what a change, or all of them together, did to the noise and to the targets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rulegen.core.outcome import NEVER, Measure, Outcome
from rulegen.core.rule import RuleRef
from rulegen.core.spans import Mask
from rulegen.score.gate import Standing


def together(standing: Standing, after: Mapping[RuleRef, Outcome], blocks: Mask) -> Measure:
    """All rules, those in ``after`` changed, over ``blocks`` [blocks] of the judged time."""
    changed = {**standing.before, **after}
    return _measure(standing, standing.before, changed, list(standing.before), blocks)


def alone(standing: Standing, ref: RuleRef, outcome: Outcome, blocks: Mask) -> Measure:
    """The rule at ``ref`` changed and nothing else: its own noise and catches, and what the whole set then loses."""
    return _measure(standing, standing.before, {**standing.before, ref: outcome}, [ref], blocks)


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
    old, new = _best(before, count), _best(after, count)
    vital = seen & np.array([not target.negligible for target in judge.targets], dtype=np.bool_)
    lost = vital & (old < NEVER) & (new == NEVER)
    kept = vital & (old < NEVER) & (new < NEVER)
    added = np.where(kept, new - old, 0)
    later = added > judge.settings.allowed_delay
    gained = seen & (old == NEVER) & (new < NEVER)
    own_old = _best({ref: before[ref] for ref in counting}, count)
    own_new = _best({ref: after[ref] for ref in counting}, count)
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


def _best(outcomes: Mapping[RuleRef, Outcome], targets: int) -> NDArray[np.int64]:
    """[targets] the delay of the first rule that catches each."""
    best = np.full(targets, NEVER, dtype=np.int64)
    for outcome in outcomes.values():
        best[outcome.caught] = np.minimum(best[outcome.caught], outcome.delay)
    return best


def _pages(outcomes: Mapping[RuleRef, Outcome], counting: list[RuleRef], blocks: Mask) -> int:
    return int(sum(outcomes[ref].pages[blocks].sum() for ref in counting))


def _minutes(outcomes: Mapping[RuleRef, Outcome], counting: list[RuleRef], blocks: Mask) -> float:
    return float(sum(outcomes[ref].minutes[blocks].sum() for ref in counting))
