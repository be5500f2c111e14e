"""The proposer without a model: every way to fill the slots, likeliest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, combinations, islice

from rulegen.core.candidate import Choice, Proposal, Provenance, Slot
from rulegen.core.cluster import Cluster
from rulegen.propose.offer import offers_for
from rulegen.templates.template import Template

MOST_PICKS = 64

_SEARCH = Provenance("search")


def enumerate_proposals(cluster: Cluster, templates: Iterable[Template], limit: int = 512) -> Iterator[Proposal]:
    """Every combination of slot choices of every template that fits, in a fixed order, up to ``limit`` a template.

    A slot that takes one pick ranges over its choices. One that takes several ranges over its first ``MOST_PICKS``
    sets of picks: the first 1, 2, … choices together, then all sets of one, of two, and so on up to ``slot.most``.
    The combinations of a template come by the sum of their ranks, so that a limit cuts off what people choose least
    and every slot still varies.
    """
    for offer in offers_for(cluster, templates):
        ranges = [tuple(_picks(slot)) for slot in offer.slots]
        for ranks in islice(_by_rank([len(one) for one in ranges]), limit):
            picks = [one[rank] for one, rank in zip(ranges, ranks, strict=True)]
            yield Proposal(offer.template.name, offer.filled(picks), _SEARCH)


def _picks(slot: Slot) -> Iterator[tuple[Choice, ...]]:
    sizes = range(1, min(slot.most, len(slot.choices)) + 1)
    prefixes = (slot.choices[:size] for size in sizes)
    sets = chain.from_iterable(combinations(slot.choices, size) for size in sizes)
    if slot.most == 1:
        return sets
    return islice(dict.fromkeys(chain(prefixes, islice(sets, MOST_PICKS + slot.most))), MOST_PICKS)


def _by_rank(sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All tuples of one index below each size, by their sum, then in lexical order."""
    for total in range(sum(size - 1 for size in sizes) + 1):
        yield from _summing(sizes, total)


def _summing(sizes: Sequence[int], total: int) -> Iterator[tuple[int, ...]]:
    if not sizes:
        if total == 0:
            yield ()
        return
    rest = sum(size - 1 for size in sizes[1:])
    for first in range(max(0, total - rest), min(total, sizes[0] - 1) + 1):
        for others in _summing(sizes[1:], total - first):
            yield (first, *others)
