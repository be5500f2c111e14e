"""Which rules are given a label that the routing acts upon already: judged by who is told of what, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rulegen.core.candidate import Candidate
from rulegen.core.cluster import Cluster
from rulegen.core.outcome import Verdict
from rulegen.core.rule import RuleRef
from rulegen.desk import Selection
from rulegen.pager import Pager
from rulegen.reroute import LEAST_CUT, LEAST_SHARE, objections
from rulegen.score.parts import Parts


def relabelled(pager: Pager, parts: Parts, selection: Selection) -> Selection:
    """``selection`` with a label for each rule that no other change was chosen for, where that saves notifications.

    Each must be safe with the other rules as they are and as changed, on top of those before it. Sees what the gate
    sees, never the audit part.
    """
    chosen, verdicts = dict(selection.chosen), dict(selection.verdicts)
    deputies = pager.deputies(selection.clusters, chosen)
    for cluster in sorted(selection.clusters, key=lambda one: (-one.facts.episodes, one.id)):
        ref, tried = cluster.ref, dict[str, tuple[str, ...]]()
        for verdict in verdicts[ref]:
            if verdict.candidate.change != "routing" or not verdict.passed:
                continue
            if ref in chosen:
                against: tuple[str, ...] = ("another change does more",)
            elif ref in deputies:
                against = (f"{deputies[ref]} is switched off because this rule pages for the same",)
            else:
                against = tuple(dict.fromkeys(_against(pager, parts, chosen, cluster, verdict.candidate)))
            if against:
                tried[verdict.candidate.id] = against
            else:
                chosen[ref] = verdict.candidate
        verdicts[ref] = tuple(_with(one, tried.get(one.candidate.id, ())) for one in verdicts[ref])
    return replace(selection, chosen=chosen, verdicts=verdicts)


def _against(
    pager: Pager, parts: Parts, chosen: Mapping[RuleRef, Candidate], cluster: Cluster, candidate: Candidate
) -> Iterable[str]:
    standing, known = pager.desk.standing(parts), parts.known
    limit = pager.limit(standing)
    alone = [int(pager.alone(cluster.ref, candidate)[at]) for at in (0, 1)]
    if alone[0] - alone[1] < max(LEAST_CUT, LEAST_SHARE * alone[0]):
        yield f"saves too few notifications of the rule itself: {alone[0]} → {alone[1]}"
        return
    for rules in ({}, chosen):
        before, after = pager.told(rules), pager.told({**rules, cluster.ref: candidate})
        old, new = int(before.noise[known].sum()), int(after.noise[known].sum())
        yield from objections(pager.desk, standing, limit, cluster, before, after)
        if new > old - LEAST_CUT:
            yield f"saves too few notifications: {old} → {new}"


def _with(verdict: Verdict, reasons: tuple[str, ...]) -> Verdict:
    return replace(verdict, reasons=(*verdict.reasons, *reasons)) if reasons else verdict
