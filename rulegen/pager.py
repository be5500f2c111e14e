"""What people are paged with: firings → notifications → judged, for the rules as they are and as changed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
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
from rulegen.replay.notify import first_told, notify
from rulegen.score.choose import choose
from rulegen.score.deputy import uncovered
from rulegen.score.gate import Standing
from rulegen.score.parts import Parts
from rulegen.score.support import Bursts, noise_bursts
from rulegen.score.told import Told, told

_NOTHING = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
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
    _known: dict[frozenset[tuple[RuleRef, str]], Told] = field(default_factory=dict)  # by what is changed

    @classmethod
    def of(cls, desk: Desk, routing: Routing | None) -> Pager:
        return cls(desk, routing or plain_routing(desk.settings.group_by), routing is None)

    def told(
        self,
        chosen: Mapping[RuleRef, Candidate],
        changes: Sequence[RoutingChange] = (),
        only: Collection[RuleRef] | None = None,
    ) -> Told:
        """All rules (or ``only`` some), those in ``chosen`` changed, through the routing with ``changes`` added.

        What all rules come to through the routing as it is, is worked out once: every fold and every round of choosing
        asks for the rules as they are.
        """
        if changes or only is not None:
            return self._simulated(chosen, changes, only)
        which = frozenset((ref, one.id) for ref, one in chosen.items())
        if which not in self._known:
            self._known[which] = self._simulated(chosen, (), None)
        return self._known[which]

    def _simulated(
        self,
        chosen: Mapping[RuleRef, Candidate],
        changes: Sequence[RoutingChange],
        only: Collection[RuleRef] | None,
    ) -> Told:
        fired = [
            (ref, one)
            for ref, as_is in self.desk.fired.items()
            if only is None or ref in only
            for one in (self._changed(chosen[ref]) if ref in chosen else (as_is,))
        ]
        return self._told(fired, changes, only)

    def alone(self, ref: RuleRef, candidate: Candidate) -> tuple[int, int]:
        """Noise notifications of the rule at ``ref`` before and after, as if it were the only one."""
        before, after = self.told({}, only=[ref]), self.told({ref: candidate}, only=[ref])
        return int(before.noise.sum()), int(after.noise.sum())

    def bursts(self, chosen: Mapping[RuleRef, Candidate], blocks: Mask, only: RuleRef | None = None) -> Bursts:
        """The noise in ``blocks`` [blocks] before and after ``chosen``, in whole bursts; of one rule, or of all."""
        before = {ref: (one,) for ref, one in self.desk.fired.items() if only in (None, ref)}
        after = {ref: self._changed(one) for ref, one in chosen.items() if ref in before}
        return noise_bursts(self.desk.judge, before, after, blocks)

    def limit(self, standing: Standing) -> Times:
        """[targets] the ms from each target's start within which somebody has to be notified of it; ``NEVER``: it is
        not today."""
        return self._limit(standing, self.told({}))

    def settled(self, parts: Parts, selection: Selection) -> Selection:
        """``selection`` without what would tell of a target later than allowed, and without retirements in favour of
        a rule that will not page for the same any more: choices are made again without them.

        Sees what the gate sees, never the audit part.
        """
        standing = self.desk.standing(parts)
        today = self.told({})
        banned: dict[str, str] = {}
        chosen = dict(selection.chosen)
        for round in range(MOST_ROUNDS + len(chosen)):
            late = self._late(standing, today, chosen) | self._forsaken(parts, selection.clusters, chosen)
            if not late:
                break
            banned.update((chosen[ref].id, reason) for ref, reason in late.items())
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
        desk = self.desk
        before, rules = self.told({}), self.told(chosen)
        routing, both = (self.told({}, changes), self.told(chosen, changes)) if changes else (before, rules)
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

    def _told(
        self,
        fired: Sequence[tuple[RuleRef, Firings]],
        changes: Sequence[RoutingChange],
        only: Collection[RuleRef] | None,
    ) -> Told:
        warm = {ref: one.warm for ref, one in self.desk.fired.items() if only is None or ref in only}
        if not fired:
            return told(self.desk.judge, (), (), np.zeros(0, dtype=np.int64), warm)
        alerts = sent([firings for _, firings in fired])
        labels: tuple[Labels, ...] = alerts.labels
        notifications = notify(rerouted(self.routing, changes, labels), alerts)
        return told(self.desk.judge, fired, notifications, first_told(notifications, len(alerts)), warm)

    def _forsaken(
        self, parts: Parts, clusters: Sequence[Cluster], chosen: Mapping[RuleRef, Candidate]
    ) -> dict[RuleRef, str]:
        """The retired rules whose deputy, as it is changed, no longer pages for all that they do."""
        found: dict[RuleRef, str] = {}
        for ref, deputy in self._deputies(clusters, chosen):
            if deputy not in chosen:
                continue
            covers = self._changed(chosen[deputy])
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

    def _changed(self, candidate: Candidate) -> tuple[Firings, ...]:
        if candidate.id not in self._firings:
            ref = candidate.replaces
            self._firings[candidate.id] = self.desk.replayer.replay(ref, candidate.rules, self.desk.rules[ref][1])
        return self._firings[candidate.id]

    def _wait(self) -> int:
        """The longest ``group_wait`` (ms) on the routes that pages take."""
        labels = (one for firings in self.desk.fired.values() for one in firings.labels if self.desk.judge.pages(one))
        return max((route.group_wait for route in takers(self.routing, (), labels)), default=0)

    def _limit(self, standing: Standing, today: Told) -> Times:
        # A page that was told of at once only because noise had opened its group may wait as a group of its own does.
        usual = np.maximum(today.delay, standing.best + self._wait())
        return np.where(today.delay < NEVER, usual + self.desk.settings.allowed_delay, NEVER)

    def _late(self, standing: Standing, today: Told, chosen: Mapping[RuleRef, Candidate]) -> dict[RuleRef, str]:
        """The changes through which a protected target is told of too late, each with the reason."""
        changed = self.told(chosen)
        limit = self._limit(standing, today)
        found: dict[RuleRef, str] = {}
        for index in np.flatnonzero(standing.protected & (changed.delay > limit)).tolist():
            for ref in chosen:
                before, after = _delay_of(today, ref, index), _delay_of(changed, ref, index)
                if before <= limit[index] < after:
                    by = _later(int(changed.delay[index]), int(today.delay[index]))
                    name = self.desk.judge.targets[index].id
                    found.setdefault(ref, f"after Alertmanager's grouping {name} would be told of {by}")
        return found


def _later(now: int, before: int) -> str:
    return "not at all" if now == NEVER else f"{format_duration(now - before)} later than today"


def _delay_of(one: Told, ref: RuleRef, target: int) -> int:
    targets, delays = one.by_rule.get(ref, _NOTHING)
    at = int(np.searchsorted(targets, target))
    return int(delays[at]) if at < len(targets) and targets[at] == target else int(NEVER)


def _counts(one: Told) -> tuple[int, int]:
    return int(one.paging.sum()), int(one.noise.sum())


def _with_reason(verdict: Verdict, banned: Mapping[str, str]) -> Verdict:
    reason = banned.get(verdict.candidate.id)
    return verdict if reason is None else replace(verdict, reasons=(*verdict.reasons, reason))
