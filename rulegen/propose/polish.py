"""A small local search around the best of what was tried: the next numbers up and down, one slot at a time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeVar

from rulegen.core.candidate import Candidate, Proposal, Slot, Slots, SlotValue
from rulegen.core.cluster import Cluster
from rulegen.core.trial import Trial
from rulegen.propose.offer import Offer
from rulegen.propose.render import render
from rulegen.templates.template import Template

T = TypeVar("T")

POLISH = "polish"
STARTS = 3  # changes of different templates that are looked around
STEP = 6  # neighbours that are tried before it is looked again which is the best
REACH = 2  # how many values up and down


def polish(
    cluster: Cluster, offers: Sequence[Offer], templates: Sequence[Template], trials: Sequence[Trial], most: int
) -> tuple[Proposal, ...]:
    """Up to ``STEP`` proposals next to the best of ``trials`` that were not tried; none are left when ``most`` of
    them have been made.

    The best is what passed with the least noise; where nothing passed, what fewest reasons speak against. Their
    numbers (thresholds, waits, windows) move, what they point at stays.
    """
    spent = sum(one.candidate.proposal.provenance.proposer == POLISH for one in trials)
    known = {one.candidate.id for one in trials}
    found: dict[str, Proposal] = {}
    for proposal in _round_robin([_near(offers, start) for start in _starts(trials)]):
        if len(found) >= min(STEP, most - spent):
            break
        rendered = render(cluster, proposal, templates)
        if isinstance(rendered, Candidate) and rendered.id not in known and not rendered.routing:
            found.setdefault(rendered.id, proposal)
    return tuple(found.values())


def _starts(trials: Sequence[Trial]) -> list[Proposal]:
    """The best proposals of different templates; only what passed, where something did."""
    replayed = [one for one in trials if not math.isnan(one.left)]
    passed = [one for one in replayed if one.passed]
    ranked = sorted(passed or replayed, key=lambda one: (len(one.reasons), one.left, one.candidate.id))
    best: dict[str, Proposal] = {}
    for one in ranked:
        best.setdefault(one.candidate.proposal.template, one.candidate.proposal)
    return list(best.values())[:STARTS]


def _near(offers: Sequence[Offer], start: Proposal) -> Iterator[Proposal]:
    """``start`` with one number moved, the nearest of each slot first."""
    slots = next((one.slots for one in offers if one.template.name == start.template), ())
    moves = [[(slot.name, value) for value in _others(slot, start.slots[slot.name])] for slot in slots]
    for name, value in _round_robin(moves):
        pairs = tuple((one, value if one == name else old) for one, old in start.slots.pairs)
        yield Proposal(start.template, Slots(pairs), replace(start.provenance, proposer=POLISH))


def _others(slot: Slot, value: SlotValue) -> list[SlotValue]:
    """The next numbers above and below ``value``, nearest first; none where the slot takes no numbers."""
    numbers = sorted({one.value for one in slot.choices if isinstance(one.value, int | float)})
    if value not in numbers:
        return []
    at = numbers.index(value)
    places = chain.from_iterable((at + step, at - step) for step in range(1, REACH + 1))
    return [numbers[place] for place in places if 0 <= place < len(numbers)]


def _round_robin(several: Iterable[Iterable[T]]) -> Iterator[T]:
    """The first of each, then the second of each, …"""
    waiting = deque(iter(one) for one in several)
    while waiting:
        one = waiting.popleft()
        for item in one:
            yield item
            waiting.append(one)
            break
