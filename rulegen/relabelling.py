"""Which rules are given a label that the routing acts upon already: judged by who is told of what, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rulegen.core.candidate import Candidate
from rulegen.core.cluster import Cluster
from rulegen.core.outcome import Verdict
from rulegen.core.rule import RuleRef
from rulegen.core.spans import Times
from rulegen.desk import Selection
from rulegen.pager import Pager
from rulegen.reroute import LEAST_CUT, LEAST_SHARE, in_danger, objections
from rulegen.score.gate import Standing
from rulegen.score.parts import Parts


def relabelled(pager: Pager, parts: Parts, selection: Selection) -> Selection:
    """``selection`` with a label for each rule that no other change was chosen for, where that saves notifications.

    Each must be safe with any of the other rules' changes, and of the labels given before it. Sees what the gate
    sees, never the audit part.
    """
    standing = pager.desk.standing(parts)
    limit = pager.limit(standing)
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
                against = tuple(dict.fromkeys(_against(pager, standing, limit, chosen, cluster, verdict.candidate)))
            if against:
                tried[verdict.candidate.id] = against
            else:
                chosen[ref] = verdict.candidate
        verdicts[ref] = tuple(_with(one, tried.get(one.candidate.id, ())) for one in verdicts[ref])
    return replace(selection, chosen=chosen, verdicts=verdicts)


def _against(
    pager: Pager,
    standing: Standing,
    limit: Times,
    chosen: Mapping[RuleRef, Candidate],
    cluster: Cluster,
    candidate: Candidate,
) -> Iterable[str]:
    ref, known = cluster.ref, standing.parts.known
    alone = pager.alone(ref, candidate)
    if alone[0] - alone[1] < max(LEAST_CUT, LEAST_SHARE * alone[0]):
        yield f"saves too few notifications of the rule itself: {alone[0]} → {alone[1]}"
        return
    added = {**chosen, ref: candidate}
    some, found = pager.merging(added).of_rule(ref), list[str]()
    for rules in ({}, chosen):
        before, then = pager.told(rules), {**rules, ref: candidate}
        after = before.exchanged(pager.told_among(rules, (), some, ()), pager.told_among(then, (), some, ()))
        old, new = int(before.noise[known].sum()), int(after.noise[known].sum())
        found += objections(pager.desk, standing, limit, cluster, before, after)
        if new > old - LEAST_CUT:
            found.append(f"saves too few notifications: {old} → {new}")
    yield from found or in_danger(pager, standing, limit, added, (), some)


def _with(verdict: Verdict, reasons: tuple[str, ...]) -> Verdict:
    return replace(verdict, reasons=(*verdict.reasons, *reasons)) if reasons else verdict
