"""What a proposer reaches with so many replays: its proposals in order, then a small local search around the best.

The polish is the same for all, and rulegen's own (:mod:`rulegen.propose.polish`). It gets a quarter of the replays,
and what a proposer that has no more to say leaves over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from evals.proposers import Asking, chance
from evals.trial import JUDGED, Judged, Trial
from rulegen.core.candidate import Proposal
from rulegen.propose.polish import polish

Spend = Callable[[Trial, int, bool], list[Judged]]
"""A trial, how many replays, whether a quarter of them polishes → the verdicts of whole replays, in order."""

PATIENCE = 400  # proposals in a row that come to nothing new, after which a stream has no more to say
SHARES = (1 / 8, 1 / 4, 1 / 2)  # of the history, that successive halving looks at before a whole replay


def streaming(stream: Callable[[Trial], Iterator[Proposal]]) -> Spend:
    """Takes what ``stream`` proposes, in its order."""

    def spend(trial: Trial, replays: int, polishing: bool) -> list[Judged]:
        known: dict[str, Judged] = {}
        source = stream(trial)
        take(trial, source, known, replays - _for_polish(replays, polishing))
        return _finished(trial, source, known, replays, polishing)

    return spend


def asking_again(model: Asking) -> Spend:
    """Half of the model's replays go to its first answers; then it is told what came of them."""

    def spend(trial: Trial, replays: int, polishing: bool) -> list[Judged]:
        known: dict[str, Judged] = {}
        source, own = model(trial), replays - _for_polish(replays, polishing)
        take(trial, source, known, own - own // 2)
        if own // 2 and known:
            take(trial, model.again(trial, list(known.values())), known, own - len(known))
        return _finished(trial, source, known, replays, polishing)

    return spend


def halving(trial: Trial, replays: int, polishing: bool) -> list[Judged]:
    """Successive halving: twice as many random candidates as there are replays look at an eighth of the history, the
    better half at a quarter, and so on; a part of a replay costs its share."""
    own = replays - _for_polish(replays, polishing)
    source, known = chance(trial), dict[str, Judged]()
    pool = _distinct(trial, source, 2 * own) if own > 1 else []
    spent, left = 0.0, list[Proposal]()
    for share in SHARES if pool else ():
        spent += share * len(pool)
        pool.sort(key=lambda one: -trial.glance(one, share))
        half = max(1, len(pool) // 2)
        pool, left = pool[:half], [*pool[half:], *left]
    best_first = iter([*pool, *left]) if pool else source
    whole = max(1, int(own - spent))
    take(trial, best_first, known, whole)
    return _finished(trial, best_first, known, whole + _for_polish(replays, polishing), polishing)


def take(trial: Trial, source: Iterator[Proposal], known: dict[str, Judged], most: int) -> None:
    """Judges what ``source`` proposes until ``most`` candidates more are ``known``."""
    idle, goal = 0, len(known) + most
    while len(known) < goal and idle < PATIENCE:
        proposal = next(source, None)
        if proposal is None:
            return
        candidate = trial.candidate(proposal)
        if candidate is None or candidate.id in known:
            idle += 1
            continue
        idle, verdict = 0, trial.judge(proposal)
        assert verdict is not None  # it has a candidate
        known[candidate.id] = verdict


def _finished(
    trial: Trial, source: Iterator[Proposal], known: dict[str, Judged], replays: int, polishing: bool
) -> list[Judged]:
    """Polishes with what is left, and where there is nothing to polish goes on with ``source``."""
    if not polishing:
        return list(known.values())
    polished = {one.id: one for one in _polished(trial, known, replays)}
    take(trial, source, polished, replays - len(polished))
    return list(polished.values())


def _polished(trial: Trial, known: dict[str, Judged], replays: int) -> list[Judged]:
    """Polishes until ``replays`` candidates are known, or nothing near the best is left."""
    found = dict(known)
    while len(found) < replays:
        before, verdicts = len(found), [one.told for one in found.values()]
        near = polish(trial.cluster, trial.offers, JUDGED, verdicts, replays)
        take(trial, iter(near), found, replays - before)
        if len(found) == before:
            break
    return list(found.values())


def _for_polish(replays: int, polishing: bool) -> int:
    return replays // 4 if polishing else 0


def _distinct(trial: Trial, source: Iterator[Proposal], most: int) -> list[Proposal]:
    found: dict[str, Proposal] = {}
    for proposal in islice(source, PATIENCE + 20 * most):
        candidate = trial.candidate(proposal)
        if candidate is not None:
            found.setdefault(candidate.id, proposal)
        if len(found) == most:
            break
    return list(found.values())
