"""Whichever of the changes a team merges: is somebody still told in time of everything that must be told?

A set of changes, of rules and of the routing, has 2ⁿ subsets. They need not all be replayed. The alerts fall into
parts that have nothing to do with one another, whichever changes are merged (:func:`rulegen.core.rerouted.together`),
so that when a target is told of within a part depends on the changes that make a difference there alone. What the
subsets of all changes do to a target is then any combination of what those of each part do: it is told of in time in
each of them exactly where some one part tells of it in time under every subset of the part's own changes (the largest
over independent choices of the least of the parts is the least of the largest). Each part has few changes; all of
their subsets are simulated. Where one change of a rule makes a difference in several parts, these are looked at as
one too: what it takes from one of them it may give to another. Nothing is taken to be monotone: one alert less may
close a group and make another one come sooner or later. Where too many changes meet in a part for that, none is
called safe.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rulegen.core.candidate import Candidate, RoutingChange
from rulegen.core.labels import Labels
from rulegen.core.outcome import NEVER, Firings
from rulegen.core.rerouted import concerning, together
from rulegen.core.rule import RuleRef
from rulegen.core.spans import Times
from rulegen.score.gate import Standing

if TYPE_CHECKING:  # what asks here is also what answers
    from rulegen.pager import Pager

ALWAYS = 3  # changes of one part, all subsets of which are tried whatever that costs
WORK = 200_000  # beyond, firings to send through Alertmanager for all subsets of one part: about 20 s


@dataclass(frozen=True, slots=True)
class Danger:
    """A subset of the changes, ``rules`` and ``changes``, with which the target at this index is told of ``delay`` ms
    after its start, which is too late, or with ``NEVER`` not at all. ``excess``: so many changes too many meet that
    not all of their subsets could be tried; these are then all of them."""

    target: int
    rules: tuple[RuleRef, ...]
    changes: tuple[RoutingChange, ...]
    delay: int
    excess: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """``alerts`` that have to do with one another, the rules that they are of, and what makes a difference there."""

    alerts: frozenset[Labels]
    refs: tuple[RuleRef, ...]
    rules: tuple[RuleRef, ...]
    changes: tuple[RoutingChange, ...]
    firings: int

    @property
    def excess(self) -> int:
        """How many of its changes are too many to try all of their subsets."""
        many = len(self.rules) + len(self.changes)
        fit = next((n for n in range(many, ALWAYS, -1) if self.firings << n <= WORK), ALWAYS)
        return max(0, many - fit)

    def subsets(self) -> Iterator[tuple[tuple[RuleRef, ...], tuple[RoutingChange, ...]]]:
        """All subsets of its changes, those of few first; the routing's in their order."""
        every = [*range(len(self.rules) + len(self.changes))]
        for size in range(len(every) + 1):
            for some in combinations(every, size):
                yield (
                    tuple(self.rules[at] for at in some if at < len(self.rules)),
                    tuple(self.changes[at - len(self.rules)] for at in some if at >= len(self.rules)),
                )


@dataclass(frozen=True, slots=True, eq=False)
class Merging:
    """``chosen`` changes of rules, and ``changes`` of the routing, any of which may be merged."""

    pager: Pager
    chosen: Mapping[RuleRef, Candidate]
    changes: tuple[RoutingChange, ...]
    alerts: tuple[Labels, ...]
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, pager: Pager, chosen: Mapping[RuleRef, Candidate], changes: Sequence[RoutingChange]) -> Merging:
        alerts = pager.alerts(chosen)
        divided = together(pager.routing, changes, alerts)
        part_of = {labels: at for at, some in enumerate(divided) for labels in some}
        refs: list[set[RuleRef]] = [set() for _ in divided]
        rules: list[set[RuleRef]] = [set() for _ in divided]
        firings = [0] * len(divided)
        for ref, one in pager.desk.fired.items():
            for labels, count in zip(one.labels, np.bincount(one.series, minlength=len(one.labels)), strict=True):
                refs[part_of[labels]].add(ref)
                firings[part_of[labels]] += int(count)
            for labels in pager.differing(chosen[ref]) if ref in chosen else ():
                refs[part_of[labels]].add(ref)
                rules[part_of[labels]].add(ref)
        moved: list[set[int]] = [set() for _ in divided]
        for labels, places in concerning(changes, alerts).items():
            moved[part_of[labels]].update(places)
        parts = [
            Part(
                some,
                tuple(sorted(refs[at])),
                tuple(sorted(rules[at])),
                tuple(changes[one] for one in sorted(moved[at])),
                firings[at],
            )
            for at, some in enumerate(divided)
        ]
        return cls(pager, chosen, tuple(changes), alerts, tuple(parts))

    def among(self, change: RoutingChange) -> frozenset[Labels]:
        """The alerts of the parts in which ``change`` makes a difference."""
        return frozenset[Labels]().union(*(part.alerts for part in self.parts if change in part.changes))

    def of_rule(self, ref: RuleRef) -> frozenset[Labels]:
        """The alerts of the parts to which the rule at ``ref`` belongs."""
        return frozenset[Labels]().union(*(part.alerts for part in self.parts if ref in part.refs))

    def endangered(self, standing: Standing, limit: Times, among: Collection[Labels] | None) -> tuple[Danger, ...]:
        """As :meth:`rulegen.pager.Pager.endangered`."""
        today = self.pager.told({})
        hits, part_of = today.hits, {labels: at for at, part in enumerate(self.parts) for labels in part.alerts}
        at = np.array([part_of[labels] for _, labels in today.series], dtype=np.int64)
        in_time = hits[standing.protected[hits[:, 1]] & (hits[:, 2] <= limit[hits[:, 1]])]
        pairs = np.unique(np.stack([at[in_time[:, 0]], in_time[:, 1]], axis=1), axis=0)  # part and target
        wanted = np.zeros(len(limit), dtype=np.bool_)
        near = np.array([among is None or not part.alerts.isdisjoint(among) for part in self.parts], dtype=np.bool_)
        wanted[pairs[near[pairs[:, 0]], 1]] = True
        changing = np.array([bool(part.rules or part.changes) for part in self.parts], dtype=np.bool_)
        wanted[pairs[~changing[pairs[:, 0]], 1]] = False  # told as today, whatever is merged
        telling: dict[int, list[int]] = {}
        for place, target in pairs[wanted[pairs[:, 1]]].tolist():
            telling.setdefault(place, []).append(target)
        late: dict[int, NDArray[np.int64]] = {}
        for place in sorted(telling, key=lambda one: (self._cost(one), one)):
            part, targets = self.parts[place], np.array(telling[place], dtype=np.int64)
            if wanted[targets].any() and not part.excess:
                late[place] = np.stack([self._delays(part, *some)[targets] for some in part.subsets()])
                wanted[targets[(late[place] <= limit[targets]).all(axis=0)]] = False
        for joined, places in self._shared():
            targets = np.array(sorted({one for place in places for one in telling.get(place, ())}), dtype=np.int64)
            if len(targets) and wanted[targets].any() and not joined.excess:
                shared = np.stack([self._delays(joined, *some)[targets] for some in joined.subsets()])
                wanted[targets[(shared <= limit[targets]).all(axis=0)]] = False
        found = []
        for place in sorted(telling):
            for column, target in enumerate(telling[place]):
                if wanted[target]:
                    delays = late[place][:, column] if place in late else None
                    found.append(_danger(self.parts[place], target, int(limit[target]), delays))
        return tuple(found)

    def _shared(self) -> Iterator[tuple[Part, tuple[int, ...]]]:
        """Parts that share the change of a rule as one, with their places: a change that gives alerts other labels
        takes them out of one part and puts them into another, so that these two do not stand each for itself."""
        lead = list(range(len(self.parts)))

        def top(place: int) -> int:
            while lead[place] != place:
                lead[place] = lead[lead[place]]
                place = lead[place]
            return place

        first: dict[RuleRef, int] = {}
        for place, part in enumerate(self.parts):
            for ref in part.rules:
                lead[top(place)] = top(first.setdefault(ref, place))
        together: dict[int, list[int]] = {}
        for place in range(len(self.parts)):
            together.setdefault(top(place), []).append(place)
        for places in together.values():
            if len(places) > 1:
                some = [self.parts[place] for place in places]
                moved = {one for part in some for one in part.changes}
                yield (
                    Part(
                        frozenset[Labels]().union(*(part.alerts for part in some)),
                        tuple(sorted({ref for part in some for ref in part.refs})),
                        tuple(sorted({ref for part in some for ref in part.rules})),
                        tuple(one for one in self.changes if one in moved),
                        sum(part.firings for part in some),
                    ),
                    tuple(places),
                )

    def _cost(self, place: int) -> int:
        part = self.parts[place]
        return part.firings << min(20, len(part.rules) + len(part.changes))

    def _delays(self, part: Part, rules: Sequence[RuleRef], changes: Sequence[RoutingChange]) -> NDArray[np.int64]:
        """[targets] when the part tells of each, ms from its start, with some of its changes."""
        chosen = {ref: self.chosen[ref] for ref in rules}
        return self.pager.delay_among(chosen, changes, part.alerts, self.alerts, part.refs)


def _danger(part: Part, target: int, limit: int, delays: NDArray[np.int64] | None) -> Danger:
    """``delays`` [subsets] are those of the part's subsets; None: they were too many to try."""
    if delays is None:
        return Danger(target, part.rules, part.changes, int(NEVER), part.excess)
    first = int(np.flatnonzero(delays > limit)[0])
    rules, changes = next(some for at, some in enumerate(part.subsets()) if at == first)
    return Danger(target, rules, changes, int(delays[first]))


def differing(before: Firings, after: Sequence[Firings]) -> frozenset[Labels]:
    """The alerts whose firings are not the same in both."""
    old, new = _by_labels([before]), _by_labels(after)
    return frozenset(labels for labels in old.keys() | new.keys() if old.get(labels) != new.get(labels))


def _by_labels(several: Sequence[Firings]) -> dict[Labels, list[Hashable]]:
    found: dict[Labels, list[Hashable]] = {}
    for one in several:
        for row, mine in one.by_series(np.ones(len(one), dtype=np.bool_)):
            which = one.start[mine].tobytes(), one.end[mine].tobytes(), one.grid.step, one.warm
            found.setdefault(one.labels[row], []).append(which)
    return found
