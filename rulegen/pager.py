"""What people are paged with: firings → notifications → judged, for the rules as they are and as changed."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rulegen.core.candidate import Candidate, RoutingChange
from rulegen.core.cluster import Cluster
from rulegen.core.durations import format_duration
from rulegen.core.labels import Labels
from rulegen.core.notification import sent
from rulegen.core.outcome import NEVER, Firings, Notices, Verdict
from rulegen.core.rerouted import rerouted, takers
from rulegen.core.routing import Receiver, Route, Routing
from rulegen.core.rule import RuleRef
from rulegen.core.spans import Mask, Times
from rulegen.desk import Desk, Selection
from rulegen.merging import Danger, Merging, differing
from rulegen.replay.notify import first_told, notify
from rulegen.score.choose import choose
from rulegen.score.deputy import uncovered
from rulegen.score.gate import Standing
from rulegen.score.parts import Parts
from rulegen.score.support import Bursts, noise_bursts
from rulegen.score.told import Told, told

MEET = "more changes meet in one notification group than can be tried in every combination"
KEPT = 8  # what was told of all rules, for as many choices of changes as are asked for again
MOST_ROUNDS = 20  # of choosing again without what would be told late; after these it is left out one by one


def plain_routing(group_by: Sequence[str]) -> Routing:
    """One route with Alertmanager's own timers that groups by ``group_by``: it stands in without a configuration."""
    return Routing(Route("pager", group_by=tuple(sorted(group_by))), {"pager": Receiver("pager")})


@dataclass(frozen=True, slots=True, eq=False)
class Pager:
    """Counts notifications for the rules on ``desk``, sent through ``routing``; ``plain``: it only stands in."""

    desk: Desk
    routing: Routing
    plain: bool
    _firings: dict[str, tuple[Firings, ...]] = field(default_factory=dict)  # by candidate id
    _told: dict[Hashable, Told] = field(default_factory=dict)  # by the changes made
    _routings: dict[Hashable, Routing] = field(default_factory=dict)
    _delays: dict[Hashable, tuple[Times, Times]] = field(default_factory=dict)  # targets, and the delay of each
    _differing: dict[str, frozenset[Labels]] = field(default_factory=dict)  # by candidate id
    _mergings: dict[Hashable, Merging] = field(default_factory=dict)

    @classmethod
    def of(cls, desk: Desk, routing: Routing | None) -> Pager:
        return cls(desk, routing or plain_routing(desk.settings.group_by), routing is None)

    def alerts(self, chosen: Mapping[RuleRef, Candidate]) -> tuple[Labels, ...]:
        """All label sets that fired, of the rules as they are and of those in ``chosen`` as changed."""
        as_is = (labels for one in self.desk.fired.values() for labels in one.labels)
        changed = (labels for one in chosen.values() for some in self.changed(one) for labels in some.labels)
        return tuple(dict.fromkeys((*as_is, *changed)))

    def told(
        self,
        chosen: Mapping[RuleRef, Candidate],
        changes: Sequence[RoutingChange] = (),
        alerts: Collection[Labels] | None = None,
    ) -> Told:
        """All rules, those in ``chosen`` changed, through the routing with ``changes`` added where it takes one of
        ``alerts`` (None: of those that fire)."""
        key = _key(chosen, changes, alerts)
        if key not in self._told:
            made = self._simulated(self._fired(chosen), changes, alerts, self._warm())
            self.remember(chosen, changes, alerts, made)
        self._told[key] = self._told.pop(key)  # what was asked for last goes last
        return self._told[key]

    def remember(
        self,
        chosen: Mapping[RuleRef, Candidate],
        changes: Sequence[RoutingChange],
        alerts: Collection[Labels] | None,
        told: Told,
    ) -> None:
        """Notes what :meth:`told` would work out."""
        self._told[_key(chosen, changes, alerts)] = told
        for key in [*self._told][:-KEPT]:
            del self._told[key]

    def told_among(
        self,
        chosen: Mapping[RuleRef, Candidate],
        changes: Sequence[RoutingChange],
        some: Collection[Labels],
        alerts: Collection[Labels],
        refs: Collection[RuleRef] | None = None,
    ) -> Told:
        """The same of ``some`` alerts, which have nothing to do with others (:func:`rulegen.core.rerouted.together`),
        and which those of the rules at ``refs`` (None: any) are."""
        fired = [(ref, part) for ref, one in self._fired(chosen, refs) if (part := one.only(some)).labels]
        return self._simulated(fired, changes, alerts, self._warm())

    def delay_among(
        self,
        chosen: Mapping[RuleRef, Candidate],
        changes: Sequence[RoutingChange],
        some: frozenset[Labels],
        alerts: Collection[Labels],
        refs: Collection[RuleRef],
    ) -> Times:
        """The ``delay`` of :meth:`told_among`, remembered: choices are made again with most of the same changes."""
        key = some, _key(chosen, changes, alerts)
        if key not in self._delays:
            told = self.told_among(chosen, changes, some, alerts, refs)
            known = np.flatnonzero(told.delay < NEVER)
            self._delays[key] = known, told.delay[known]
        delay = np.full(len(self.desk.judge.targets), NEVER, dtype=np.int64)
        known, delays = self._delays[key]
        delay[known] = delays
        return delay

    def told_alone(
        self,
        chosen: Mapping[RuleRef, Candidate],
        refs: Collection[RuleRef],
        changes: Sequence[RoutingChange] = (),
    ) -> Told:
        """The same as if the rules at ``refs`` were the only ones."""
        warm = {ref: warm for ref, warm in self._warm().items() if ref in refs}
        return self._simulated(self._fired(chosen, refs), changes, None, warm)

    def alone(self, ref: RuleRef, candidate: Candidate) -> tuple[int, int]:
        """Noise notifications of the rule at ``ref`` before and after, as if it were the only one."""
        before, after = self.told_alone({}, [ref]), self.told_alone({ref: candidate}, [ref])
        return int(before.noise.sum()), int(after.noise.sum())

    def bursts(self, chosen: Mapping[RuleRef, Candidate], blocks: Mask, only: RuleRef | None = None) -> Bursts:
        """The noise in ``blocks`` [blocks] before and after ``chosen``, in whole bursts; of one rule, or of all."""
        before = {ref: (one,) for ref, one in self.desk.fired.items() if only in (None, ref)}
        after = {ref: self.changed(one) for ref, one in chosen.items() if ref in before}
        return noise_bursts(self.desk.judge, before, after, blocks)

    def limit(self, standing: Standing) -> Times:
        """[targets] the ms from each target's start within which somebody has to be notified of it; ``NEVER``: it is
        not today."""
        # A page that was told of at once only because noise had opened its group may wait as a group of its own does.
        today = self.told({}).delay
        usual = np.maximum(today, standing.best + self._wait())
        return np.where(today < NEVER, usual + self.desk.settings.allowed_delay, NEVER)

    def settled(self, parts: Parts, selection: Selection) -> Selection:
        """``selection`` without what would tell of a target later than allowed, whichever of the changes are merged,
        and without retirements in favour of a rule that will not page for the same any more: choices are made again
        without them.

        Sees what the gate sees, never the audit part.
        """
        standing = self.desk.standing(parts)
        limit = self.limit(standing)
        banned: dict[str, str] = {}
        chosen = dict(selection.chosen)
        for round in range(MOST_ROUNDS + len(selection.verdicts)):
            late = self._late(standing, limit, chosen) | self._forsaken(parts, selection.clusters, chosen)
            if not late:
                break
            banned.update((chosen[ref].id, reason) for ref, reason in late.items())
            crowded = (one for ref, reason in late.items() if reason == MEET for one in selection.verdicts[ref])
            banned.update((one.candidate.id, MEET) for one in crowded if one.passed)
            if round < MOST_ROUNDS:
                allowed = {
                    ref: [one for one in verdicts if one.passed and one.candidate.id not in banned]
                    for ref, verdicts in selection.verdicts.items()
                }
                chosen = choose(standing, allowed)
            else:
                chosen = {ref: one for ref, one in chosen.items() if ref not in late}
        verdicts = {ref: tuple(_with_reason(one, banned) for one in some) for ref, some in selection.verdicts.items()}
        return replace(selection, chosen=chosen, verdicts=verdicts)

    def deputies(self, clusters: Sequence[Cluster], chosen: Mapping[RuleRef, Candidate]) -> dict[RuleRef, str]:
        """The rules that retired ones leave their pages to, each with the name of one of those."""
        return {deputy: self.desk.rules[ref][0].name for ref, deputy in self._deputies(clusters, chosen)}

    def notices(self, chosen: Mapping[RuleRef, Candidate], changes: Sequence[RoutingChange]) -> Notices:
        """What the changes do to the notifications, apart and together, over the whole judged time."""
        desk, alerts = self.desk, self.alerts(chosen)
        before, rules = self.told({}), self.told(chosen)
        routing, both = before, rules
        if changes:
            routing, both = self.told({}, changes, alerts), self.told(chosen, changes, alerts)
        shown = desk.judge.shown & ~np.array([one.negligible for one in desk.judge.targets], dtype=np.bool_)
        old, new = before.delay, both.delay
        kept = shown & (old < NEVER) & (new < NEVER)
        added = np.where(kept, new - old, 0)

        def ids(which: Mask) -> tuple[str, ...]:
            return tuple(desk.judge.targets[index].id for index in np.flatnonzero(which))

        return Notices(
            weeks=desk.judge.weeks(np.ones(desk.judge.blocks, dtype=np.bool_)),
            before=_counts(before),
            rules=_counts(rules),
            routing=_counts(routing),
            together=_counts(both),
            told=(int((shown & (old < NEVER)).sum()), int((shown & (new < NEVER)).sum())),
            lost=ids(shown & (old < NEVER) & (new == NEVER)),
            later=ids(kept & (added > desk.settings.allowed_delay)),
            added=(int(np.median(added[kept])), int(added[kept].max())) if kept.any() else (0, 0),
            plain=self.plain,
        )

    def endangered(
        self,
        standing: Standing,
        limit: Times,
        chosen: Mapping[RuleRef, Candidate],
        changes: Sequence[RoutingChange] = (),
        among: Collection[Labels] | None = None,
    ) -> tuple[Danger, ...]:
        """The protected targets that nobody would be told of within ``limit`` (as of :meth:`limit`) if some of the
        changes were merged; only those that ``among`` some alerts are told of today."""
        return self.merging(chosen, changes).endangered(standing, limit, among)

    def merging(self, chosen: Mapping[RuleRef, Candidate], changes: Sequence[RoutingChange] = ()) -> Merging:
        """What any subset of the changes may do."""
        key = _key(chosen, changes)
        if key not in self._mergings:
            self._mergings.clear()
            self._mergings[key] = Merging.of(self, chosen, changes)
        return self._mergings[key]

    def _fired(
        self, chosen: Mapping[RuleRef, Candidate], refs: Collection[RuleRef] | None = None
    ) -> list[tuple[RuleRef, Firings]]:
        return [
            (ref, one)
            for ref, as_is in self.desk.fired.items()
            if refs is None or ref in refs
            for one in (self.changed(chosen[ref]) if ref in chosen else (as_is,))
        ]

    def _warm(self) -> dict[RuleRef, int]:
        return {ref: one.warm for ref, one in self.desk.fired.items()}

    def _simulated(
        self,
        fired: Sequence[tuple[RuleRef, Firings]],
        changes: Sequence[RoutingChange],
        alerts: Collection[Labels] | None,
        warm: Mapping[RuleRef, int],
    ) -> Told:
        if not fired:
            return told(self.desk.judge, (), (), np.zeros(0, dtype=np.int64), warm)
        pages = sent([firings for _, firings in fired])
        labels: tuple[Labels, ...] = pages.labels
        routing = rerouted(self.routing, changes, labels) if alerts is None else self._rerouted(changes, alerts)
        notifications = notify(routing, pages)
        return told(self.desk.judge, fired, notifications, first_told(notifications, len(pages)), warm)

    def _rerouted(self, changes: Sequence[RoutingChange], alerts: Collection[Labels]) -> Routing:
        key = tuple(changes), tuple(alerts)
        if key not in self._routings:
            for old in [*self._routings][: -64 * KEPT]:
                del self._routings[old]
            before = self._routings.get((tuple(changes[:-1]), tuple(alerts)))  # changes come one after the other
            known = before is not None and len(changes) > 0
            self._routings[key] = rerouted(before or self.routing, changes[-1:] if known else changes, alerts)
        return self._routings[key]

    def _forsaken(
        self, parts: Parts, clusters: Sequence[Cluster], chosen: Mapping[RuleRef, Candidate]
    ) -> dict[RuleRef, str]:
        """The retired rules whose deputy, as it is changed, no longer pages for all that they do."""
        found: dict[RuleRef, str] = {}
        for ref, deputy in self._deputies(clusters, chosen):
            if deputy not in chosen:
                continue
            covers = self.changed(chosen[deputy])
            if uncovered(self.desk.judge, self.desk.fired[ref], covers, parts.known):
                name = self.desk.rules[deputy][0].name
                found[ref] = f"leaves its pages to {name}, which another suggestion changes"
        return found

    def _deputies(
        self, clusters: Sequence[Cluster], chosen: Mapping[RuleRef, Candidate]
    ) -> Iterator[tuple[RuleRef, RuleRef]]:
        """Each retired rule, and the one that it leaves its pages to."""
        for cluster in clusters:
            candidate = chosen.get(cluster.ref)
            if candidate is not None and (deputy := self.desk.deputy(cluster, candidate)) is not None:
                yield cluster.ref, deputy.ref

    def changed(self, candidate: Candidate) -> tuple[Firings, ...]:
        """What each alerting rule of ``candidate`` does."""
        if candidate.id not in self._firings:
            ref = candidate.replaces
            self._firings[candidate.id] = self.desk.replayer.replay(ref, candidate.rules, self.desk.rules[ref][1])
        return self._firings[candidate.id]

    def differing(self, candidate: Candidate) -> frozenset[Labels]:
        """The alerts that fire otherwise with ``candidate``."""
        if candidate.id not in self._differing:
            found = differing(self.desk.fired[candidate.replaces], self.changed(candidate))
            self._differing[candidate.id] = found
        return self._differing[candidate.id]

    def _wait(self) -> int:
        """The longest ``group_wait`` (ms) on the routes that pages take."""
        labels = (one for firings in self.desk.fired.values() for one in firings.labels if self.desk.judge.pages(one))
        return max((route.group_wait for route in takers(self.routing, (), labels)), default=0)

    def _late(self, standing: Standing, limit: Times, chosen: Mapping[RuleRef, Candidate]) -> dict[RuleRef, str]:
        """The changes through which a protected target may be told of too late, each with the reason."""
        found: dict[RuleRef, str] = {}
        for danger in self.endangered(standing, limit, chosen):
            if danger.excess:  # those that save least go
                ordered = sorted(danger.rules, key=lambda one: (self._saved(chosen[one]), one))
                found.update(dict.fromkeys(ordered[: danger.excess], MEET))
                continue
            for ref in danger.rules:
                found.setdefault(ref, f"after Alertmanager's grouping {self.said(danger)}")
        return found

    def _saved(self, candidate: Candidate) -> int:
        """Noise notifications of its rule that a candidate saves."""
        before, after = self.alone(candidate.replaces, candidate)
        return before - after

    def said(self, danger: Danger) -> str:
        """``INC-7 would be told of 5m later than today``."""
        before, now = int(self.told({}).delay[danger.target]), danger.delay
        by = "not at all" if now == NEVER else f"{format_duration(now - before)} later than today"
        return f"{self.desk.judge.targets[danger.target].id} would be told of {by}"


def _key(
    chosen: Mapping[RuleRef, Candidate],
    changes: Sequence[RoutingChange] = (),
    alerts: Collection[Labels] | None = None,
) -> Hashable:
    return tuple(sorted(one.id for one in chosen.values())), tuple(changes), tuple(alerts or ()) if changes else ()


def _counts(one: Told) -> tuple[int, int]:
    return int(one.paging.sum()), int(one.noise.sum())


def _with_reason(verdict: Verdict, banned: Mapping[str, str]) -> Verdict:
    reason = banned.get(verdict.candidate.id)
    return verdict if reason is None else replace(verdict, reasons=(*verdict.reasons, reason))
