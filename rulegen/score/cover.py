"""The cheapest way to cover every target with one option a rule: branch and bound over Lagrangian relaxations.

A set-covering problem with multiple choice. Its relaxation gives every target a price and lets each rule take what is
cheapest after the prices of what it covers; the sum is a lower bound for any choice, and subgradient steps raise it
(Held, Wolfe and Crowder 1974; for set covering Beasley 1990). Each relaxed choice is repaired to one that covers
everything: an upper bound. Options that can't be part of a better choice drop out by their reduced cost. What then
stays open is branched on: a contested target is covered by its first rule; or by its second and not the first; …
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.core.spans import Mask

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

NODES = 500  # of one connected part; then the best found stands, and how far it can be from the best is told
CLOSE = 1e-7  # a bound this close to the best found proves it
ROOT_STEPS, STEPS = 400, 60  # of the subgradient, at the first node and at later ones
PATIENCE = 10  # steps without a better bound before they are halved
REPAIRS = 20  # every so many steps, and at the end, the relaxed choice is repaired


@dataclass(frozen=True, slots=True)
class Option:
    """What taking it costs, and the targets that it covers."""

    cost: float
    covers: frozenset[int]


@dataclass(frozen=True, slots=True)
class Cover:
    """``taken`` [rules] is the option of each rule; no choice costs less than ``bound``; ``nodes`` were looked at."""

    taken: tuple[int, ...]
    cost: float
    bound: float
    nodes: int

    @property
    def gap(self) -> float:
        """How much cheaper, as a share of its cost, the best choice could at most be; 0 where it is proved best."""
        return (self.cost - self.bound) / self.cost if self.bound < self.cost else 0.0


def cheapest(rules: Sequence[Sequence[Option]], needed: frozenset[int], nodes: int = NODES) -> Cover:
    """One option of each of ``rules``, together covering what of ``needed`` can be covered, at least cost.

    Each rule has an option that covers all that its others do (the rule as it is), so that such a choice is easy to
    find. Parts of the problem that share no target are solved apart, each with at most ``nodes`` nodes; nothing
    depends on a clock. Of options that cost and cover the same the first is taken.
    """
    open_ = needed & frozenset[int]().union(*(option.covers for some in rules for option in some))
    # [rules] places of the options worth a look, cheapest first
    kept = [_frontier(some, range(len(some)), open_) for some in rules]
    while sure := _sure(rules, kept) & open_:
        open_ -= sure
        kept = [_frontier(some, places, open_) for some, places in zip(rules, kept, strict=True)]
    taken = [places[0] for places in kept]
    bound, looked, proved = 0.0, 0, True
    for part in _parts([open_.intersection(*[_all(rules[k], places)]) for k, places in enumerate(kept)]):
        search = _Search([[rules[k][at] for at in kept[k]] for k in part], open_)
        search.run(nodes)
        for k, at in zip(part, search.best.tolist(), strict=True):
            taken[k] = kept[k][at]
        bound, looked = bound + search.bound, looked + search.nodes
        proved = proved and search.best_cost - search.bound <= CLOSE
    cost = sum(some[at].cost for some, at in zip(rules, taken, strict=True))
    return Cover(tuple(taken), cost, cost if proved else bound, looked)


def _all(options: Sequence[Option], places: Sequence[int]) -> frozenset[int]:
    return frozenset[int]().union(*(options[at].covers for at in places))


def _frontier(options: Sequence[Option], places: Sequence[int], open_: frozenset[int]) -> list[int]:
    """Those of ``places``, cheapest first, whose open targets no cheaper one covers."""
    kept: list[int] = []
    for at in sorted(places, key=lambda at: (options[at].cost, -len(options[at].covers & open_), at)):
        if not any(options[at].covers & open_ <= options[other].covers for other in kept):
            kept.append(at)
    return kept


def _sure(rules: Sequence[Sequence[Option]], kept: Sequence[Sequence[int]]) -> frozenset[int]:
    """Targets that some rule covers with whatever is left for it to take."""
    each = (
        frozenset.intersection(*(some[at].covers for at in places)) for some, places in zip(rules, kept, strict=True)
    )
    return frozenset[int]().union(*each)


def _parts(targets: Sequence[frozenset[int]]) -> Iterator[list[int]]:
    """Rules (by place) that are connected by the ``targets`` [rules] they may cover, each set rising."""
    part: dict[int, int] = {}  # target → its part
    rules: dict[int, list[int]] = {}  # part → the rules in it
    reached: dict[int, list[int]] = {}  # part → the targets in it
    for k, mine in enumerate(targets):
        near = sorted({part[t] for t in mine if t in part}, key=lambda one: (-len(reached[one]), one))
        home = near[0] if near else k
        own, its = rules.setdefault(home, []), reached.setdefault(home, [])
        fresh = [t for t in mine if t not in part]
        for other in near[1:]:  # the smaller joins the larger: each target moves few times
            own += rules.pop(other)
            fresh += reached.pop(other)
        own.append(k)
        its += fresh
        part.update(dict.fromkeys(fresh, home))
    yield from sorted(map(sorted, rules.values()))


class _Search:
    """Branch and bound over one connected part; ``options`` [rules][options], each rule's cheapest first."""

    def __init__(self, options: Sequence[Sequence[Option]], open_: frozenset[int]) -> None:
        flat = [option for some in options for option in some]
        sizes = np.array([len(some) for some in options], dtype=np.int64)
        targets = sorted(open_ & frozenset[int]().union(*(option.covers for option in flat)))
        self.cost = np.array([option.cost for option in flat])  # [options]
        self.hits = np.array([[t in option.covers for t in targets] for option in flat], dtype=np.bool_)
        self.hits = self.hits.reshape(len(flat), len(targets))  # [options, targets]
        self.ones = self.hits.astype(np.float64)
        self.first: Indices = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64)  # [rules] into options
        self.rule: Indices = np.repeat(np.arange(len(options)), sizes)  # [options]
        self.best_cost = np.inf
        self.best: Indices = np.zeros(len(options), dtype=np.int64)  # [rules] place among the rule's options
        self.bound, self.nodes = -np.inf, 0

    def run(self, nodes: int) -> None:
        """Looks at up to ``nodes`` nodes, the least bound first, and leaves ``best``, ``best_cost`` and ``bound``."""
        everything = np.ones(len(self.cost), dtype=np.bool_)
        price = np.zeros(self.hits.shape[1])
        self._repair(self._cheapest(self.cost, everything))
        heap: list[tuple[float, int, Mask, Floats]] = [(-np.inf, 0, everything, price)]
        born = 0
        while heap and heap[0][0] < self.best_cost - CLOSE and self.nodes < nodes:
            _, _, alive, price = heapq.heappop(heap)
            self.nodes += 1
            bound, price = self._ascend(alive, price, STEPS if born else ROOT_STEPS)
            if bound >= self.best_cost - CLOSE:
                continue
            alive = self._fixed(alive, bound, price)
            for child in self._branches(alive, price):
                born += 1
                heapq.heappush(heap, (bound, born, child, price))
        self.bound = min(self.best_cost, heap[0][0] if heap else np.inf)

    def _cheapest(self, reduced: Floats, alive: Mask) -> Indices:
        """[rules] the first of each rule's ``alive`` options with the least ``reduced`` cost [options]."""
        cost = np.where(alive, reduced, np.inf)
        least = np.minimum.reduceat(cost, self.first)
        at = np.flatnonzero(cost == least[self.rule])
        return at[np.searchsorted(self.rule[at], np.arange(len(self.first)))]

    def _ascend(self, alive: Mask, price: Floats, steps: int) -> tuple[float, Floats]:
        """The best bound on a choice among the ``alive`` options, and the prices [targets] that give it."""
        best, kept, scale, waited, found = -np.inf, price, 1.0, 0, self.first + self.best
        for step in range(steps):
            reduced = self._reduced(price)
            picks = self._cheapest(reduced, alive)
            bound = float(reduced[picks].sum() + price.sum())
            if bound > best:
                best, kept, waited, found = bound, price, 0, picks
            elif (waited := waited + 1) == PATIENCE:
                scale, waited, price = scale / 2, 0, kept
                continue
            if step % REPAIRS == REPAIRS - 1:
                self._repair(picks)
            if best >= self.best_cost - CLOSE or scale < 1e-3:
                break
            slack = 1 - self.hits[picks].sum(axis=0)  # [targets] 1: bare, 0: covered once, < 0: more often
            slope = np.where((price > 0) | (slack > 0), slack, 0)
            if not slope.any():
                break  # the relaxed choice is one, and no target that has a price is covered twice
            price = np.maximum(0, price + scale * (1.05 * self.best_cost - bound) / (slope @ slope) * slope)
        self._repair(found)
        return best, kept

    def _reduced(self, price: Floats) -> Floats:
        """[options] the costs after the prices of what is covered; einsum, since BLAS sums as its threads fall."""
        found: Floats = self.cost - np.einsum("ot,t->o", self.ones, price)
        return found

    def _fixed(self, alive: Mask, bound: float, price: Floats) -> Mask:
        """``alive`` without the options with which the bound would pass what is already found."""
        reduced = self._reduced(price)
        least = np.minimum.reduceat(np.where(alive, reduced, np.inf), self.first)
        found: Mask = alive & (bound + reduced - least[self.rule] < self.best_cost - CLOSE)
        return found

    def _branches(self, alive: Mask, price: Floats) -> Iterator[Mask]:
        """Narrower sets of options that together hold every better choice; none where nothing can be better."""
        if not np.logical_or.reduceat(alive, self.first).all():
            return
        able = np.logical_or.reduceat(self.hits & alive[:, None], self.first, axis=0)  # [rules, targets]
        always = np.logical_and.reduceat(self.hits | ~alive[:, None], self.first, axis=0)
        if not able.any(axis=0).all():
            return
        reduced = self._reduced(price)
        covered = self.hits[self._cheapest(reduced, alive)].sum(axis=0)
        contested = ~always.any(axis=0) & (able.sum(axis=0) > 0)
        if not contested.any():
            self._repair(self._cheapest(self.cost, alive))  # whatever is taken covers all: the cheapest is the best
            return
        # A bare target before one that is paid for twice; the fewest ways to go on; the dearest.
        order = np.lexsort((-price, able.sum(axis=0), covered != 0, (covered == 1) | (price == 0), ~contested))
        target = int(order[0])
        rest = alive
        for rule in np.flatnonzero(able[:, target]).tolist():
            mine = self.rule == rule
            yield rest & (~mine | self.hits[:, target])
            rest = rest & (~mine | ~self.hits[:, target])

    def _repair(self, picks: Indices) -> None:
        """Takes dearer options, the best bargain first, until all is covered, then cheaper ones where all stays so;
        keeps the result where it is the best so far. ``picks`` [rules] are places in all options."""
        picks = picks.copy()
        counts = self.hits[picks].sum(axis=0)  # [targets]
        while (bare := counts == 0).any():
            only = self.hits[picks] & (counts == 1)  # [rules, targets] what nothing else covers
            gained = self.hits[:, bare].sum(axis=1)
            fits = (gained > 0) & ~(only[self.rule] & ~self.hits).any(axis=1)
            price = (self.cost - self.cost[picks][self.rule]) / np.maximum(gained, 1)
            at = int(np.argmin(np.where(fits, price, np.inf)))
            counts += self.hits[at].astype(np.int64) - self.hits[picks[self.rule[at]]]
            picks[self.rule[at]] = at
        self._relax(picks, counts)
        cost = float(self.cost[picks].sum())
        if cost < self.best_cost:
            self.best_cost, self.best = cost, picks - self.first

    def _relax(self, picks: Indices, counts: Indices) -> None:
        """Takes the exchange of one rule that saves most and leaves nothing bare, again and again, in place."""
        while True:
            only = self.hits[picks] & (counts == 1)
            saved = self.cost[picks][self.rule] - self.cost  # [options]
            fits = (saved > 0) & ~(only[self.rule] & ~self.hits).any(axis=1)
            if not fits.any():
                return
            at = int(np.argmax(np.where(fits, saved, 0)))
            counts += self.hits[at].astype(np.int64) - self.hits[picks[self.rule[at]]]
            picks[self.rule[at]] = at
