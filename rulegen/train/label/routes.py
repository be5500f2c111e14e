"""Changes of the routing as answers: each rule's best grouping, inhibition, mute or label, judged by who is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rulegen.core.candidate import Candidate
from rulegen.core.cluster import Cluster
from rulegen.core.outcome import Verdict
from rulegen.core.rule import RuleRef
from rulegen.desk import Selection
from rulegen.pager import Pager
from rulegen.relabelling import relabelled
from rulegen.reroute import reroute
from rulegen.score.choose import COMPLEXITY, EFFORT
from rulegen.score.parts import Parts


@dataclass(frozen=True, slots=True)
class Routed:
    """A change of the routing that was tried. ``cut`` is the share of its own rule's notifications for nothing that
    it saves, ``left`` what stays, with a little for effort; ``reason`` is empty where it may be made."""

    candidate: Candidate
    cut: float
    left: float
    reason: str


def routed(pager: Pager, parts: Parts, selection: Selection, cluster: Cluster) -> tuple[Routed, ...]:
    """What may be done for ``cluster`` in the routing alone, with all rules as they are: at most one change that adds
    to the configuration, and one label."""
    ref = cluster.ref
    mine = Selection((cluster,), {ref: _labels(selection.verdicts[ref])}, {}, {ref: selection.routing[ref]})
    found = []
    own = int(pager.told_alone({}, [ref]).noise[parts.known].sum())
    for tried in reroute(pager, parts, mine) if mine.routing[ref] else ():
        saved = tried.noise[0] - tried.noise[1]
        found.append(_routed(tried.candidate, saved, own, tried.reasons))
    if mine.verdicts[ref]:
        labelled = relabelled(pager, parts, mine)
        for verdict in labelled.verdicts[ref]:
            chosen = _chosen(labelled.chosen, ref, verdict)
            before, after = pager.alone(ref, verdict.candidate) if chosen else (0, 0)
            found.append(_routed(verdict.candidate, before - after, before, () if chosen else verdict.reasons))
    return tuple(found)


def _labels(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    return tuple(one for one in verdicts if one.candidate.change == "routing" and one.passed)


def _chosen(chosen: Mapping[RuleRef, Candidate], ref: RuleRef, verdict: Verdict) -> bool:
    return ref in chosen and chosen[ref].id == verdict.candidate.id


def _routed(candidate: Candidate, saved: int, own: int, reasons: Sequence[str]) -> Routed:
    cut = min(1.0, max(0.0, saved / max(1, own)))
    left = 1 - cut + EFFORT * COMPLEXITY[candidate.proposal.template]
    return Routed(candidate, cut, left, reasons[0] if reasons else "")
