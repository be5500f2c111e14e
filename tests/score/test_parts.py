"""Walk-forward: chosen on the past, scored on what came next; only where the history is long."""

from __future__ import annotations

import numpy as np
from boards import outcome, standing, targets

from rulegen.core.durations import DAY
from rulegen.core.spans import Span
from rulegen.score.parts import forward


def test_a_long_history_is_walked() -> None:
    judge = standing([outcome()], targets(20)).judge  # forty days
    pairs = forward(judge)
    assert len(pairs) == 4
    for past, after in pairs:
        assert not (past & after).any()
        assert past[: int(np.flatnonzero(after)[0])].all() and past.sum() == np.flatnonzero(after)[0]
    assert (sum(after.astype(int) for _, after in pairs) == (np.arange(judge.blocks) >= judge.blocks // 2)).all()


def test_a_short_one_is_not() -> None:
    assert forward(standing([outcome()], targets(12), judged=[Span(0, 27 * DAY)]).judge) == ()


def test_a_past_without_incidents_is_left_out() -> None:
    late = [one for k, one in enumerate(targets(20)) if k >= 11]  # the first on day 22, the third on day 26
    pairs = forward(standing([outcome()], late).judge)
    assert len(pairs) == 2 and all(past.sum() >= 30 for past, _ in pairs)
