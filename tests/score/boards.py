"""Small boards to gate and choose on: targets, rules as they are, and what changes would make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from histories import candidate, ref

from rulegen.core.candidate import Change
from rulegen.core.durations import DAY, HOUR, MINUTE
from rulegen.core.labels import EMPTY, Labels
from rulegen.core.outcome import Outcome, Verdict
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.settings import Settings
from rulegen.core.spans import Mask, Span
from rulegen.score.gate import Standing
from rulegen.score.judge import BLOCKS, Judge
from rulegen.score.parts import Parts, known_only
from rulegen.score.targets import Target

SPAN = Span(0, 40 * DAY)


def rule(index: int) -> Rule:
    return Rule(f"R{index}", f"metric_{index} > 10", labels=Labels({"severity": "page"}))


def targets(count: int, negligible: Sequence[int] = (), labels: Labels = EMPTY) -> list[Target]:
    """One every two days, in a block of its own, an hour long."""
    at = [(2 * k + 1) * DAY - HOUR for k in range(count)]
    return [Target(f"i{k}", Span(t, t + HOUR), labels, negligible=k in negligible) for k, t in enumerate(at)]


def outcome(
    delays: Mapping[int, int] | None = None,
    pages: int | Sequence[int] = 40,
    minutes: float | None = None,
    longest: int = 10 * MINUTE,
    fired: int | None = None,
    keys: Sequence[str] = ("severity",),
) -> Outcome:
    """``delays``: target → ms. Noise is spread evenly over the blocks, unless given for each."""
    caught = np.array(sorted(delays or {}), dtype=np.int64)
    each = np.array(pages) if not isinstance(pages, int) else _spread(pages)
    spent = each * 5.0 if minutes is None else np.full(BLOCKS, minutes / BLOCKS)
    total = int(each.sum()) + len(caught) if fired is None else fired
    late = np.array([(delays or {})[int(k)] for k in caught], dtype=np.int64)
    paging, lengths = _spread(total), np.full(BLOCKS, longest)
    vital = frozenset({frozenset(keys) & {"severity", "service"}}) if total else frozenset()
    return Outcome(paging, lengths, 0, each, spent, caught, late, frozenset(keys), vital)


def _spread(total: int) -> np.ndarray:
    return np.diff(np.arange(BLOCKS + 1) * total // BLOCKS)


def standing(
    before: Sequence[Outcome],
    aims: Sequence[Target],
    settings: Settings | None = None,
    parts: Parts | None = None,
    credible: Mapping[RuleRef, Mask] | None = None,
    judged: Sequence[Span] = (SPAN,),
    record: bool = True,
) -> Standing:
    judge = Judge(
        aims,
        judged,
        SPAN,
        lambda labels: labels.get("severity") != "ticket",
        settings or Settings(),
        all_pages_are_noise=not record,
    )
    every = known_only(np.ones(judge.blocks, dtype=np.bool_))
    none = {ref(k): np.ones(len(aims), dtype=np.bool_) for k in range(len(before))}
    return Standing(
        judge,
        parts or every,
        {ref(k): rule(k) for k in range(len(before))},
        {ref(k): one for k, one in enumerate(before)},
        none if credible is None else credible,
    )


def verdict(index: int, at: int, found: Outcome, template: str = "hold", change: Change = "tuning") -> Verdict:
    made = candidate(rule(index), replaces=ref(index), template=template, change=change, id=f"c{index}-{at}")
    return Verdict(made, found)
