"""Which firing caught what: the judge's verdicts, firing by firing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rulegen.core.backtest import Alike, Comparison, RuleReplay, Word
from rulegen.core.labels import Labels, held
from rulegen.core.outcome import NEVER, Firings
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.spans import Mask, Span, inside, union
from rulegen.score.judge import Judge

Pairs = NDArray[np.int64]  # [n, 2] firing and target, by position


def judged(judge: Judge, rules: Sequence[tuple[RuleRef, Rule, Firings]]) -> tuple[RuleReplay, ...]:
    """Each rule's firings beside the targets, and who was first and who alone."""
    pairs = [catches(judge, firings, _key(rules, k)) for k, (_, _, firings) in enumerate(rules)]
    starts = np.full((len(rules), len(judge.targets)), NEVER, dtype=np.int64)  # the first firing of each that catches
    for row, (one, (_, _, firings)) in enumerate(zip(pairs, rules, strict=True)):
        np.minimum.at(starts[row], one[:, 1], firings.start[one[:, 0]])
    catching = (starts < NEVER).sum(axis=0)  # [targets] how many rules catch each
    soonest = starts.min(axis=0, initial=NEVER)
    found = []
    for row, (ref, rule, firings) in enumerate(rules):
        mine = starts[row] < NEVER
        ends = np.full(len(judge.targets), -1, dtype=np.int64)
        np.maximum.at(ends, pairs[row][:, 1], firings.end[pairs[row][:, 0]])
        found.append(
            RuleReplay(
                ref,
                rule,
                firings,
                words(judge, firings, pairs[row]),
                tuple((int(a), int(b)) for a, b in pairs[row]),
                _ids(judge, mine),
                _ids(judge, mine & (starts[row] == soonest)),
                _ids(judge, mine & (catching == 1)),
                tuple(np.maximum(0, starts[row] - judge.starts)[mine].tolist()),
                tuple(np.maximum(0, ends - judge.ends)[mine].tolist()),
            )
        )
    return tuple(found)


def _key(rules: Sequence[tuple[RuleRef, Rule, Firings]], at: int) -> RuleRef:
    """What names a rule in two sets of rules: a burst can only be caught by the rule of the same name."""
    name = rules[at][1].name
    return RuleRef("", name, sum(rule.name == name for _, rule, _ in rules[:at]))


def keyed(rules: Sequence[tuple[RuleRef, Rule, Firings]]) -> list[tuple[RuleRef, Firings]]:
    return [(_key(rules, k), firings) for k, (_, _, firings) in enumerate(rules)]


def catches(judge: Judge, firings: Firings, ref: RuleRef) -> Pairs:
    """Every (firing, target) where the firing, which pages and had seen a full window, catches the target."""
    able = judge.paging(firings) & (firings.start >= firings.warm)
    before = judge.windows(firings)
    found = []
    for row, mine in firings.by_series(able):
        aims = judge.carried(firings.labels[row], ref)
        aims = aims[judge.shown[aims]] if len(aims) else aims
        if not len(aims):
            continue
        start, early = firings.start[mine], before[mine]  # rising starts
        low = np.searchsorted(start, judge.starts[aims] - early.max())
        count = np.maximum(
            0, np.searchsorted(start, judge.ends[aims], side="right") - low
        )  # [aims] that may catch it
        which = np.repeat(np.arange(len(aims)), count)
        at = np.arange(len(which)) + np.repeat(low - (np.cumsum(count) - count), count)
        hits = start[at] >= judge.starts[aims[which]] - early[at]
        at, which = at[hits], which[hits]
        order = np.lexsort((which, at))
        found.append(np.stack([mine[at[order]], aims[which[order]]], axis=1))
    return np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)


def words(judge: Judge, firings: Firings, pairs: Pairs) -> tuple[Word, ...]:
    """[firings] what each was."""
    caught: Mask = np.zeros(len(firings), dtype=np.bool_)
    caught[pairs[:, 0]] = True
    known = inside(firings.start, judge.judged) & (firings.start >= firings.warm)
    nothing = judge.noise(firings) & (not judge.all_pages_are_noise)
    columns = zip(judge.paging(firings), caught, known, nothing, strict=True)
    return tuple(_word(judge, *map(bool, column)) for column in columns)


def _word(judge: Judge, pages: bool, caught: bool, known: bool, nothing: bool) -> Word:
    if not pages:
        return "silent"
    if judge.all_pages_are_noise:  # nobody kept a record: a burst says that it paged, not that it was right
        return "unjudged"
    return "caught" if caught else "for nothing" if nothing else "near" if known else "unjudged"


def _ids(judge: Judge, chosen: Mask) -> tuple[str, ...]:
    return tuple(judge.targets[k].id for k in np.flatnonzero(chosen))


def compared(
    judge: Judge,
    before: Sequence[tuple[RuleRef, Rule, Firings]],
    after: Sequence[tuple[RuleRef, Rule, Firings]],
) -> Comparison:
    """What changes from one set of rules to the other."""
    old, new = _first(judge, before), _first(judge, after)
    vital = judge.shown & np.array([not one.negligible for one in judge.targets], dtype=np.bool_)
    moved = np.where((old < NEVER) & (new < NEVER), new - old, 0)
    allowed = judge.settings.allowed_delay
    outcomes = [[judge.outcome([one], key, one.warm) for key, one in keyed(side)] for side in (before, after)]
    pages = [int(sum(one.pages.sum() for one in side)) for side in outcomes]
    minutes = [float(sum(one.minutes.sum() for one in side)) for side in outcomes]

    def by(chosen: Mask) -> tuple[tuple[str, int], ...]:
        return tuple((judge.targets[k].id, abs(int(moved[k]))) for k in np.flatnonzero(vital & chosen))

    return Comparison(
        lost=_ids(judge, vital & (old < NEVER) & (new == NEVER)),
        later=by(moved > allowed),
        sooner=by(moved < -allowed),
        gained=_ids(judge, judge.shown & (old == NEVER) & (new < NEVER)),
        pages=(pages[0], pages[1]),
        minutes=(minutes[0], minutes[1]),
    )


def _first(judge: Judge, rules: Sequence[tuple[RuleRef, Rule, Firings]]) -> NDArray[np.int64]:
    """[targets] ms from each target's start to the first firing that catches it, at least 0."""
    first = np.full(len(judge.targets), NEVER, dtype=np.int64)
    for key, firings in keyed(rules):
        one = catches(judge, firings, key)
        np.minimum.at(first, one[:, 1], np.maximum(0, firings.start[one[:, 0]] - judge.starts[one[:, 1]]))
    return first


def alike(
    rules: Sequence[tuple[RuleRef, Rule, Firings]],
    recorded: Mapping[str, Mapping[Labels, Sequence[Span]]],
    span: Span,
    *,
    sent: bool = False,
) -> tuple[Alike, ...]:
    """Replayed firings beside ``recorded`` ones (alert name → label set → spans), as episodes of one label set. Those
    that were ``sent`` may have labels more, since whoever sends an alert adds some to it, and end at the evaluation
    after the last at which they fired, which is when the sender says that they are over.

    Two are the same when both ends lie within one evaluation interval, for Prometheus evaluates each group at an
    offset of its own; an end at the edge of the history, or before the rule had seen a full window, is not compared.
    """
    found = []
    for name in dict.fromkeys(rule.name for _, rule, _ in rules):
        mine = [firings for _, rule, firings in rules if rule.name == name]
        step = max(one.grid.step for one in mine)
        warm = max(max(one.warm for one in mine), span.start) + step
        replayed: dict[Labels, list[Span]] = {}
        for one in mine:
            for row, start, end in zip(one.series.tolist(), one.start.tolist(), one.end.tolist(), strict=True):
                replayed.setdefault(one.labels[row], []).append(Span(start, end))
        seen = recorded.get(name, {})
        seen = _as_replayed(seen, replayed) if sent else seen
        both = only_recorded = only_replayed = 0
        for labels in {**replayed, **seen}:
            ours, theirs = replayed.get(labels, []), list(seen.get(labels, ()))
            sure = Span(warm, max(warm, span.end - step))
            matched, left, right = _paired(sorted(ours), sorted(theirs), step, step if sent else 0, sure)
            both, only_replayed, only_recorded = both + matched, only_replayed + left, only_recorded + right
        found.append(Alike(name, both, only_recorded, only_replayed))
    # Recorded by a rule that is not among these: renamed, or gone.
    for name in sorted(set(recorded) - {one.rule for one in found}):
        found.append(Alike(name, 0, sum(len(spans) for spans in recorded[name].values()), 0))
    return tuple(found)


def _as_replayed(
    recorded: Mapping[Labels, Sequence[Span]], replayed: Iterable[Labels]
) -> dict[Labels, Sequence[Span]]:
    """``recorded`` under the ``replayed`` label sets, as far as theirs hold those."""
    parts, found = held(replayed), dict[Labels, list[Span]]()
    for labels, spans in recorded.items():
        found.setdefault(next(iter(parts(labels)), labels), []).extend(spans)
    return {labels: union(spans) for labels, spans in found.items()}


def _paired(ours: list[Span], theirs: list[Span], step: int, late: int, sure: Span) -> tuple[int, int, int]:
    """How many are in both, only ours, only theirs, whose ends may come ``late``; what lies wholly outside of
    ``sure`` counts nowhere."""
    both, used = 0, set[int]()
    left = 0
    for one in ours:
        fitting = (k for k, other in enumerate(theirs) if k not in used and _same(one, other, step, late, sure))
        match = next(fitting, None)
        if match is not None:
            used.add(match)
        if one.end < sure.start or one.start > sure.end:
            continue
        both += match is not None
        left += match is None
    rest = (other for k, other in enumerate(theirs) if k not in used)
    return both, left, sum(not (other.end < sure.start or other.start > sure.end) for other in rest)


def _same(one: Span, other: Span, step: int, late: int, sure: Span) -> bool:
    start = abs(one.start - other.start) <= step or max(one.start, other.start) <= sure.start
    end = -step <= other.end - one.end <= step + late or min(one.end, other.end) >= sure.end
    return start and end and one.start <= other.end + step and other.start <= one.end + step
