"""Where the labels look: the likeliest proposals, each slot over its whole range, and around the best found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from rulegen.core.candidate import Candidate, Proposal, Provenance, Slot, Slots, SlotValue
from rulegen.core.cluster import Cluster
from rulegen.core.outcome import Verdict
from rulegen.desk import Desk
from rulegen.propose.offer import Offer, offers_for
from rulegen.propose.refused import Refused
from rulegen.propose.render import distinct, render
from rulegen.propose.search import enumerate_proposals
from rulegen.score.gate import Standing
from rulegen.templates import TEMPLATES
from rulegen.train.label.ranking import costs_of

RANKED = 16  # proposals of each template, by the order of the full search
_SEARCH = Provenance("search")
STARTS = 3  # changes of different templates that are polished
MOST = 24  # neighbours of each that are tried


def first_tries(cluster: Cluster) -> Iterator[Proposal]:
    """The start of the full search, and for each slot all its choices while the other slots keep their first."""
    ranked = enumerate_proposals(cluster, TEMPLATES, RANKED)
    along = (one for offer in offers_for(cluster, TEMPLATES) for one in _along_each_slot(offer))
    seen = set()
    for proposal in chain(ranked, along):
        if (key := (proposal.template, proposal.slots.pairs)) not in seen:
            seen.add(key)
            yield proposal


def _along_each_slot(offer: Offer) -> Iterator[Proposal]:
    first = [slot.choices[:1] for slot in offer.slots]
    for at, slot in enumerate(offer.slots):
        for choice in slot.choices:
            yield Proposal(offer.template.name, offer.filled([*first[:at], (choice,), *first[at + 1 :]]), _SEARCH)


def polished(
    standing: Standing, desk: Desk, cluster: Cluster, offers: Sequence[Offer], verdicts: Sequence[Verdict]
) -> list[Verdict]:
    """The verdicts on what lies next to the best of ``verdicts`` and was not among them."""
    passed = [one for one in verdicts if one.passed]
    costs = costs_of(standing, cluster.ref, passed)
    starts: dict[str, Proposal] = {}
    for _, _, verdict in sorted(zip(costs, range(len(passed)), passed, strict=True), key=lambda one: one[:2]):
        starts.setdefault(verdict.candidate.proposal.template, verdict.candidate.proposal)
    known = {one.candidate.id for one in verdicts}
    found: list[Candidate] = []
    for proposal in list(starts.values())[:STARTS]:
        offer = next(one for one in offers if one.template.name == proposal.template)
        rendered = (render(cluster, one, TEMPLATES) for one in list(neighbours(offer, proposal))[:MOST])
        found += [one for one in rendered if not isinstance(one, Refused) and one.id not in known and not one.routing]
    return list(desk.verdicts(standing, cluster, distinct(found)))


def neighbours(offer: Offer, proposal: Proposal) -> Iterator[Proposal]:
    """``proposal`` with another choice in one slot; where several may be picked, with one more or one less."""
    for slot in offer.slots:
        for value in _others(slot, proposal.slots[slot.name]):
            pairs = tuple((name, value if name == slot.name else old) for name, old in proposal.slots.pairs)
            yield replace(proposal, slots=Slots(pairs))


def _others(slot: Slot, value: SlotValue) -> Iterator[SlotValue]:
    if not isinstance(value, tuple):
        yield from (choice.value for choice in slot.choices if choice.value != value)
        return
    for choice in slot.choices:
        changed = set(value) ^ {str(choice.value)}
        if 1 <= len(changed) <= slot.most:
            yield tuple(str(one.value) for one in slot.choices if one.value in changed)
