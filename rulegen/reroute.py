"""The routing's turn: which grouping, inhibition or mute takes what noise the rules' changes have left."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rulegen.core.candidate import Candidate, Grouping, RoutingChange
from rulegen.core.cluster import Cluster
from rulegen.core.labels import ALERT_NAME, Labels
from rulegen.core.outcome import NEVER
from rulegen.core.routing import Inhibition, match_all
from rulegen.core.rule import RuleRef
from rulegen.core.spans import Times
from rulegen.desk import Desk, Selection
from rulegen.pager import MEET, Pager
from rulegen.score.gate import Standing
from rulegen.score.parts import Parts
from rulegen.score.told import Told

RANKED = 48  # candidates of a cluster, likeliest first, that are tried on its rule alone
TRIED = 3  # of those, the quietest ones that are tried on everything
LEAST_CUT = 2  # notifications that a change of the routing has to save, and
LEAST_SHARE = 0.2  # of the rule's own


@dataclass(frozen=True, slots=True)
class Tried:
    """A change of the routing. ``noise``: notifications of the known time that tell of no target, before and after
    it; ``reasons``: why not, empty when it is accepted."""

    cluster: Cluster
    candidate: Candidate
    noise: tuple[int, int]
    reasons: tuple[str, ...] = ()


def reroute(pager: Pager, parts: Parts, selection: Selection) -> tuple[Tried, ...]:
    """For each cluster at most one change of the routing: accepted, or the quietest one with the reason against it.

    Each must be safe with any of the rules' changes and of those of the routing that were accepted before it. The
    rule that an inhibition leans on must stay as it is and be told of itself, and so must one that a rule was
    switched off for. Sees what the gate sees, never the audit part.
    """
    standing = pager.desk.standing(parts)
    limit = pager.limit(standing)
    alerts = pager.alerts(selection.chosen)
    accepted: tuple[RoutingChange, ...] = ()
    found: list[Tried] = []
    deputies = pager.deputies(selection.clusters, selection.chosen)
    ordered = sorted(selection.clusters, key=lambda one: (-one.facts.episodes, one.id))
    for done, cluster in enumerate(ordered):
        pager.desk.progress("trying changes of the routing", done, len(ordered))
        if (chosen := selection.chosen.get(cluster.ref)) is not None and chosen.change in ("demotion", "retirement"):
            continue  # pages no more
        refused: Tried | None = None
        for candidate in _quietest(pager, parts, selection, cluster):
            tried = _tried(pager, parts, standing, selection.chosen, limit, alerts, accepted, cluster, candidate)
            leaning = tuple(_leaning(pager.desk, deputies, found, cluster, candidate))
            tried = replace(tried, reasons=(*tried.reasons, *leaning))
            if not tried.reasons:
                accepted += candidate.routing
                found.append(tried)
                break
            refused = refused or tried
        else:
            found += [refused] if refused else []
    return tuple(found)


def _quietest(pager: Pager, parts: Parts, selection: Selection, cluster: Cluster) -> Iterable[Candidate]:
    """The candidates that save most when only the rules in question fire, those that save too little left out."""
    ref, known = cluster.ref, parts.known
    now: dict[tuple[RuleRef, ...], int] = {}  # by the rules that fire: many candidates have the same
    saving = []
    for order, candidate in enumerate(selection.routing[ref][:RANKED]):
        involved = (ref, *_sources(pager.desk, candidate))
        if involved not in now:
            now[involved] = int(pager.told_alone(selection.chosen, involved).noise[known].sum())
        before = now[involved]
        after = int(pager.told_alone(selection.chosen, involved, candidate.routing).noise[known].sum())
        if before - after >= max(LEAST_CUT, LEAST_SHARE * before):
            saving.append((after - before, order, candidate))
    return [candidate for _, _, candidate in sorted(saving, key=lambda one: one[:2])[:TRIED]]


def _tried(
    pager: Pager,
    parts: Parts,
    standing: Standing,
    chosen: Mapping[RuleRef, Candidate],
    limit: Times,
    alerts: tuple[Labels, ...],
    accepted: Sequence[RoutingChange],
    cluster: Cluster,
    candidate: Candidate,
) -> Tried:
    reasons: list[str] = []
    for source in _sources(pager.desk, candidate):
        if source in chosen:
            reasons.append(f"leans on {pager.desk.rules[source][0].name}, which another suggestion changes")
    taken = {change.matchers for change in accepted if not isinstance(change, Inhibition)}
    if any(not isinstance(change, Inhibition) and change.matchers in taken for change in candidate.routing):
        reasons.append("another suggestion already gives these alerts a route of their own")
    noise = (0, 0)
    changes = (*accepted, *candidate.routing)
    merging = pager.merging(chosen, changes)
    some = frozenset[Labels]().union(*map(merging.among, candidate.routing))  # who is told of anything else as before
    for rules in ({}, chosen) if chosen else ({},):
        before = pager.told(rules, accepted, alerts)
        now, then = (pager.told_among(rules, those, some, alerts) for those in (accepted, changes))
        after = before.exchanged(now, then)
        pager.remember(rules, changes, alerts, after)
        noise = int(before.noise[parts.known].sum()), int(after.noise[parts.known].sum())
        reasons += objections(pager.desk, standing, limit, cluster, before, after)
        for name, mask in (("fit", parts.fit), ("gate", parts.gate)):
            if (old := before.noise[mask].sum()) < (new := after.noise[mask].sum()):
                reasons.append(f"adds noise on the {name} part: notifications {old} → {new}")
    reasons += [] if reasons else in_danger(pager, standing, limit, chosen, changes, some)
    if noise[0] - noise[1] < LEAST_CUT:
        reasons.append(f"cuts too little: notifications {noise[0]} → {noise[1]}")
    return Tried(cluster, candidate, noise, tuple(dict.fromkeys(reasons)))


def _leaning(
    desk: Desk, deputies: Mapping[RuleRef, str], found: Iterable[Tried], cluster: Cluster, candidate: Candidate
) -> Iterable[str]:
    """Why nobody might be told of what this change leans on, or of what leans on the rule that it keeps back.

    Two alerts that keep each other back are both silent when both fire.
    """
    accepted = [one for one in found if not one.reasons]
    hushed = {one.cluster.ref for one in accepted if _hushes(one.candidate)}
    for source in _sources(desk, candidate):
        if source in hushed:
            yield f"leans on {desk.rules[source][0].name}, which another suggestion keeps back"
    if not _hushes(candidate):
        return
    if any(cluster.ref in _sources(desk, one.candidate) for one in accepted):
        yield "another suggestion leans on it"
    if cluster.ref in deputies:
        yield f"{deputies[cluster.ref]} is switched off because this rule pages for the same"


def _hushes(candidate: Candidate) -> bool:
    """Whether alerts can go untold through it, not only later and together with others."""
    return any(not isinstance(change, Grouping) for change in candidate.routing)


def objections(
    desk: Desk, standing: Standing, limit: Times, cluster: Cluster, before: Told, after: Told
) -> Iterable[str]:
    """Why a change that leads from ``before`` to ``after`` would keep something from people that they need to hear.

    ``limit`` [targets] is the ms from each target's start within which somebody has to be told of it.
    """
    late = np.flatnonzero(standing.protected & (after.delay > limit) & (before.delay <= limit))
    names = [desk.judge.targets[index].id for index in late[:5]]
    if len(late):
        more = f" and {len(late) - len(names)} more" if len(late) > len(names) else ""
        lost = (after.delay[late] == NEVER).all()
        yield f"{'nobody is told of' if lost else 'is told too late of'} {', '.join(names)}{more}"
    if before.hears(cluster.ref) and not after.hears(cluster.ref):
        yield "nobody would ever be notified of it: that is deletion in disguise"


def in_danger(
    pager: Pager,
    standing: Standing,
    limit: Times,
    chosen: Mapping[RuleRef, Candidate],
    changes: Sequence[RoutingChange],
    among: Collection[Labels],
) -> list[str]:
    """Why not all subsets of the changes could be merged; ``among`` the alerts that the newest one concerns."""
    found = pager.endangered(standing, limit, chosen, changes, among)
    if not found:
        return []
    if found[0].excess:
        return [MEET]
    return [f"with some of the changes and not all, {pager.said(found[0])}"]


def _sources(desk: Desk, candidate: Candidate) -> list[RuleRef]:
    """The rules whose alerts an inhibition of ``candidate`` looks for."""
    sources = [change.source for change in candidate.routing if isinstance(change, Inhibition)]
    return [
        ref
        for ref, (rule, _) in desk.rules.items()
        if any(match_all(one, {**rule.labels, ALERT_NAME: rule.name}) for one in sources)
    ]
