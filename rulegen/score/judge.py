"""Firings measured against targets and judged time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rulegen.core.labels import ALERT_NAME, Labels
from rulegen.core.outcome import NEVER, Firings, Outcome
from rulegen.core.rule import RuleRef
from rulegen.core.settings import Settings
from rulegen.core.spans import Grid, Mask, Span, Times, between, edges, inside, intersect
from rulegen.score.paging import routing
from rulegen.score.targets import Spoken, Target

BLOCKS = 40


class Judge:
    """Says of any rule's firings what was noise, what was caught, and how late.

    ``targets`` are incidents or bursts; with ``all_pages_are_noise`` every page counts (no record of
    incidents was kept), else only those outside every target widened by the grace.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        judged: Sequence[Span],
        span: Span,
        pages: Callable[[Labels], bool],
        settings: Settings,
        *,
        all_pages_are_noise: bool,
    ) -> None:
        self.targets = tuple(targets)
        self.judged = intersect(judged, [span])
        self.pages = pages
        self.settings = settings
        self.all_pages_are_noise = all_pages_are_noise
        excused = () if all_pages_are_noise else tuple(one.span.widened(settings.grace) for one in targets)
        self._record, self._excused = edges(self.judged), edges(excused)
        self.edges = _edges(self.judged)
        self.starts = np.array([one.span.start for one in targets], dtype=np.int64)  # [targets]
        self.ends = np.array([one.span.end for one in targets], dtype=np.int64)  # [targets]
        self.block_of = self.blocks_at(self.starts)  # [targets]
        # A target outside the judged time is neither protected nor counted.
        self.counted = _touching(self.starts, self.ends, self.judged)
        self.shown = self.counted & np.array([not one.member for one in targets], dtype=np.bool_)
        # By grid: [steps + 1] evaluations before each that count as noise; [blocks + 1] where each block begins
        self._noisy: dict[Grid, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        self._spoken = Spoken(targets)
        # Labels that no change may drop: they say which incident an alert speaks of, or where it goes.
        grouping = {name for name in settings.group_by if name != ALERT_NAME}
        named = {name for one in targets if one.rule is None for name in one.labels}
        self.keys = routing(settings.page, "--page") | grouping | named

    @property
    def blocks(self) -> int:
        return len(self.edges) - 1

    def weeks(self, blocks: Mask) -> float:
        """Judged time in ``blocks`` [blocks], in weeks."""
        return sum(span.length for span in self.spans(blocks)) / (7 * 86_400_000)

    def spans(self, blocks: Mask) -> tuple[Span, ...]:
        """The judged time in ``blocks`` [blocks]."""
        spans = [Span(int(a), int(b)) for a, b, on in zip(self.edges, self.edges[1:], blocks, strict=False) if on]
        return intersect(self.judged, spans)

    def noise(self, firings: Firings) -> Mask:
        """[firings] which firings page outside every target, in judged time and not while warming up."""
        return self.paging(firings) & self.outside(firings.start) & (firings.start >= firings.warm)

    def outcome(self, firings: Sequence[Firings], ref: RuleRef, warm: int) -> Outcome:
        """What ``firings`` of the rules at ``ref`` amount to.

        Noise is unjudged before ``warm``, the old rule's; firings before their own rule was warm catch nothing.
        """
        pages, fired, longest, spoke = (np.zeros(self.blocks, dtype=np.int64) for _ in range(4))
        minutes = np.zeros(self.blocks)
        delay = np.full(len(self.targets), NEVER, dtype=np.int64)
        ends = np.zeros(len(self.targets), dtype=np.int64)
        unjudged = 0
        carried: set[frozenset[str]] = set()
        for one in firings:
            paging = self.paging(one)
            judged = paging & inside(one.start, self.judged) & (one.start >= warm)
            unjudged += int(paging.sum() - judged.sum())
            if not paging.any():
                continue
            carried |= {frozenset(one.labels[row]) for row in np.unique(one.series[paging])}
            sound = judged & (one.start >= one.warm)
            where = self.blocks_at(one.start[sound])
            fired += np.bincount(where, minlength=self.blocks)
            np.maximum.at(longest, where, self._lasting(one)[sound])
            noisy = judged & self.outside(one.start)
            pages += np.bincount(self.blocks_at(one.start[noisy]), minlength=self.blocks)
            minutes += self._minutes(one, paging, warm)
            hits = self._hits(one, paging & (one.start >= one.warm), ref, delay, ends)
            spoke += np.bincount(self.blocks_at(one.start[sound & hits]), minlength=self.blocks)
        caught = np.flatnonzero(delay < NEVER)
        keys = frozenset.intersection(*carried) if carried else frozenset()
        vital = frozenset(names & self.keys for names in carried)
        reset = np.maximum(0, ends - self.ends)[caught]
        late = delay[caught]
        return Outcome(fired, longest, unjudged, pages, minutes, caught, late, keys, vital, spoke=spoke, reset=reset)

    def _lasting(self, firings: Firings) -> NDArray[np.int64]:
        """[firings] how long each lasts (ms) as far as somebody kept a record: to the end of its judged time."""
        ends = np.array([*(span.end for span in self.judged), NEVER], dtype=np.int64)
        known = np.minimum(firings.end, ends[np.searchsorted(ends, firings.start)])
        lasting: NDArray[np.int64] = known - firings.start
        return lasting

    def windows(self, firings: Firings) -> NDArray[np.int64]:
        """[firings] how long before a target's start (ms) each firing may begin and still catch it.

        Either ``lead``, or up to ``carry`` when it holds so long.
        """
        lasting = np.minimum(self.settings.carry, firings.end - firings.start)
        # A page before a burst was another burst's; only one that still holds can stand for it.
        lead = 0 if self.all_pages_are_noise else self.settings.lead
        longest: NDArray[np.int64] = np.maximum(lead, lasting)
        return longest

    def carried(self, labels: Labels, ref: RuleRef) -> NDArray[np.int64]:
        """Indices of the targets that an alert of the rule at ``ref`` with these labels speaks of, rising."""
        return self._spoken.of(labels, ref)

    def paging(self, firings: Firings) -> Mask:
        """[firings] which of them page."""
        rows = np.array([self.pages(labels) for labels in firings.labels], dtype=np.bool_)
        return rows[firings.series] if len(rows) else np.zeros(len(firings), dtype=np.bool_)

    def outside(self, times: NDArray[np.int64]) -> Mask:
        """[times] which of them lie in judged time and outside every target widened by the grace."""
        outside: Mask = between(times, *self._record) & ~between(times, *self._excused)
        return outside

    def blocks_at(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """[n] the block in which each of ``times`` [n] lies; what lies beyond counts to the first or the last."""
        at = np.searchsorted(self.edges, times, side="right") - 1
        return np.clip(at, 0, self.blocks - 1).astype(np.int64)

    def _minutes(self, firings: Firings, paging: Mask, warm: int) -> NDArray[np.float64]:
        """[blocks] paging minutes outside every target: evaluations at which an alert fires, times the interval."""
        grid = firings.grid
        if grid not in self._noisy:
            times = grid.times()
            before = np.concatenate(([0], np.cumsum(self.outside(times))))
            self._noisy[grid] = before, np.searchsorted(self.blocks_at(times), np.arange(self.blocks + 1))
        before, edges = self._noisy[grid]
        first = (np.maximum(firings.start[paging], warm) - grid.start + grid.step - 1) // grid.step
        after = (firings.end[paging] - grid.start) // grid.step + 1
        some = first < after
        first, after = first[some], after[some]
        # Each end of a firing counts for the block that it lies in: the evaluations of the block before it; and all
        # evaluations of the blocks between them count whole.
        whole = before[edges[1:]] - before[edges[:-1]]  # [blocks]
        evaluations = np.zeros(self.blocks)
        lasting = np.zeros(self.blocks + 1)
        for place, sign in ((first, -1), (after, 1)):
            block = np.clip(np.searchsorted(edges, place, side="right") - 1, 0, self.blocks - 1)
            np.add.at(evaluations, block, sign * (before[place] - before[edges[block]]))
            np.add.at(lasting, block, -sign)
        evaluations += np.cumsum(lasting[:-1]) * whole
        return np.asarray(evaluations * (grid.step / 60_000), dtype=np.float64)

    def _hits(
        self, firings: Firings, able: Mask, ref: RuleRef, delay: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> Mask:
        """[firings] which of the ``able`` ones catch a target.

        Lowers ``delay`` [targets] to the ms from each target's start to the first that does, and raises ``ends``
        [targets] to the end of the last one.
        """
        caught: Mask = np.zeros(len(firings), dtype=np.bool_)
        before = self.windows(firings)
        for row, mine in firings.by_series(able):  # rising starts
            aims = self.carried(firings.labels[row], ref)
            if not len(aims):
                continue
            start, early = firings.start[mine], before[mine]
            low = np.searchsorted(start, self.starts[aims] - early.max(initial=0), side="left")
            high = np.searchsorted(start, self.ends[aims], side="right")
            for place in np.flatnonzero(low < high):
                near, aim = slice(int(low[place]), int(high[place])), aims[place]
                begins = self.starts[aim]
                hits = start[near] >= begins - early[near]
                if hits.any():
                    delay[aim] = min(delay[aim], max(0, int(start[near][hits][0] - begins)))
                    found = mine[near][hits]
                    ends[aim] = max(ends[aim], int(firings.end[found].max()))
                    caught[found] = True
        return caught


def _touching(starts: Times, ends: Times, spans: Sequence[Span]) -> Mask:
    """[n] which of the times from ``starts`` to ``ends`` [n] touch one of ``spans`` (sorted and apart)."""
    if not spans:
        return np.zeros(len(starts), dtype=np.bool_)
    begins, over = (np.array([getattr(one, name) for one in spans], dtype=np.int64) for name in ("start", "end"))
    at = np.searchsorted(over, starts)  # the first span that is not over before
    found: Mask = (at < len(spans)) & (begins[np.minimum(at, len(spans) - 1)] <= ends)
    return found


def _edges(judged: Sequence[Span]) -> NDArray[np.int64]:
    """[blocks + 1] times that cut the judged time into blocks of about equal length."""
    if not judged:
        return np.array([0, 1], dtype=np.int64)
    lengths = np.cumsum([0, *(span.length for span in judged)])
    wanted = np.linspace(0, lengths[-1], BLOCKS + 1)
    at = np.clip(np.searchsorted(lengths, wanted, side="right") - 1, 0, len(judged) - 1)
    starts = np.array([span.start for span in judged], dtype=np.int64)
    edges: NDArray[np.int64] = np.unique(starts[at] + (wanted - lengths[at]).astype(np.int64))
    edges[0] = judged[0].start  # a span of no length at the start has a firing in it, perhaps
    return edges if len(edges) > 1 else np.array([edges[0], judged[-1].end + 1], dtype=np.int64)
