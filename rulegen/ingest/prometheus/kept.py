"""What was fetched before and can't have changed, kept from run to run.

Time is cut into hours of the clock, ends included: (12:00, 13:00], as Prometheus' windows are. An hour is settled
once it ended SETTLED ago. Settled hours are fetched whole and kept, also those without a sample; what is younger is
fetched every time. Six hours of one question to one server are one entry of the :class:`Cache`: that many, so that
there are few files, and no more, so that one is small.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.core.durations import HOUR
from rulegen.core.labels import Labels
from rulegen.core.series import Series
from rulegen.core.spans import Span, union
from rulegen.ingest.prometheus.cache import FORMAT, Cache
from rulegen.ingest.prometheus.matrix import Joined, Matrix

# Prometheus takes samples that are up to half a block (1 h) older than its newest; remote write and what Thanos or
# Mimir read lag by up to a block (2 h). A server that lets samples come later (out_of_order_time_window), or into
# which old ones are backfilled, is one for --no-cache.
SETTLED = 3 * HOUR
ENTRY = 6 * HOUR
MOST_SAMPLES = 20_000_000  # of one entry: it is read at one go
_HEADS = 64 << 20  # bytes of the labels of one entry
_LEVEL = 1  # of zlib; higher ones take several times longer for a tenth less


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """One entry: ``marks`` say which times were asked for, ``series`` what was there."""

    marks: frozenset[int] = frozenset()
    series: tuple[Series, ...] = ()

    def packed(self) -> bytes:
        heads = [[one.labels.pairs, len(one.times)] for one in self.series]
        head = json.dumps([sorted(self.marks), heads], separators=(",", ":")).encode()
        times = np.concatenate([np.empty(0, np.int64), *(one.times for one in self.series)])
        values = np.concatenate([np.empty(0), *(one.values for one in self.series)])
        steps = np.diff(times, prepend=np.int64(0))
        body = len(head).to_bytes(4, "little") + head + _by_place(steps) + _by_place(values.view(np.int64))
        return zlib.compress(body, _LEVEL)

    @classmethod
    def unpacked(cls, data: bytes) -> Kept:
        """Raises ValueError for bytes that :meth:`packed` did not make; they allocate nothing beyond the bounds."""
        inflating = zlib.decompressobj()
        try:
            body = inflating.decompress(data, 16 * MOST_SAMPLES + _HEADS)
            size = int.from_bytes(body[:4], "little")
            marks, heads = json.loads(body[4 : 4 + size])
            labels, counts = [_labels(pairs) for pairs, _ in heads], [int(count) for _, count in heads]
            total, rest = sum(counts), memoryview(body)[4 + size :]
            if not inflating.eof or min(counts, default=0) < 0 or len(rest) != 16 * total:
                raise ValueError("an entry is not whole")
            times = np.cumsum(_of_place(rest[: 8 * total]))
            values = _of_place(rest[8 * total :]).view(np.float64)
            ends = np.cumsum(counts, dtype=np.int64).tolist()
            series = tuple(
                Series(one, times[end - count : end], values[end - count : end])
                for one, count, end in zip(labels, counts, ends, strict=True)
            )
            return cls(frozenset(map(int, marks)), series)
        except (zlib.error, TypeError, AttributeError, RecursionError, OverflowError) as error:
            raise ValueError(str(error)) from None


class Shelf:
    """The entries of one ``question`` (its kind, its text and what else the answer depends on) to one ``server``."""

    def __init__(self, cache: Cache, server: str, *question: str) -> None:
        self._cache = cache
        self._key = json.dumps([FORMAT, server, *question])
        self.settled = int(cache.now() * 1000) - SETTLED  # ms; what came later may still change

    def load(self, start: int) -> Kept:
        """The entry of the six hours from ``start``; an empty one where nothing sound is kept."""
        found = self._cache.get(f"{self._key} {start}")
        if found is not None:
            try:
                return Kept.unpacked(found)
            except ValueError:
                pass  # as good as none
        return Kept()

    def store(self, start: int, kept: Kept) -> None:
        if sum(len(one.times) for one in kept.series) <= MOST_SAMPLES:
            self._cache.put(f"{self._key} {start}", kept.packed())


class Pages:
    """The pages of a question over ``span``: those that are kept, as ``series``, and ``gaps``, the time to fetch.

    What is fetched is handed to :meth:`add` in order, and kept entry by entry; :meth:`close` keeps the last.
    Without a ``shelf`` everything is a gap.
    """

    def __init__(self, shelf: Shelf | None, span: Span) -> None:
        self.series: list[Series] = []
        self.gaps: tuple[Span, ...] = (span,)
        self._shelf = shelf
        self._open: dict[int, Kept] = {}  # entries that lack hours
        self._fresh: list[tuple[Span, tuple[Series, ...]]] = []
        if shelf is None:
            return
        first, settled = (span.start - 1) // HOUR * HOUR, shelf.settled // HOUR * HOUR
        behind = max(first, min(settled, -(-span.end // HOUR) * HOUR))  # where the settled hours of the span end
        gaps = [Span(max(span.start, behind + 1), span.end)] if behind < span.end else []
        for start in range(first // ENTRY * ENTRY, behind, ENTRY) if first < behind else ():
            kept = shelf.load(start)
            self.series += kept.series
            hours = range(max(first, start), min(behind, start + ENTRY), HOUR)
            missing = [hour for hour in hours if hour not in kept.marks]
            if missing:
                self._open[start] = kept
                gaps += [Span(hour + 1, hour + HOUR) for hour in missing]
        self.gaps = _touching(gaps)

    def add(self, page: Span, found: Matrix) -> None:
        """``page`` was fetched and holds ``found``. One about which the server warned is not kept."""
        if self._shelf is None or not self._open:
            return
        if not found.problems:
            self._fresh.append((page, found.series))
        for start in [start for start in self._open if start + ENTRY <= page.end]:
            self._keep(start)
        oldest = min(self._open, default=page.end)
        self._fresh = [one for one in self._fresh if one[0].end > oldest]

    def close(self) -> None:
        for start in list(self._open):
            self._keep(start)

    def _keep(self, start: int) -> None:
        """Stores an entry with the hours that were fetched whole."""
        assert self._shelf is not None
        kept = self._open.pop(start)
        seen = _touching(page for page, _ in self._fresh)
        hours = [
            hour
            for hour in range(start, min(start + ENTRY, self._shelf.settled // HOUR * HOUR), HOUR)
            if hour not in kept.marks and any(one.start <= hour + 1 and one.end >= hour + HOUR for one in seen)
        ]
        if not hours:
            return
        joined = Joined()
        joined.add(kept.series)
        for run in _touching(Span(hour + 1, hour + HOUR) for hour in hours):
            for _, series in self._fresh:
                joined.add(_cut(series, run))
        self._shelf.store(start, Kept(kept.marks | set(hours), joined.series()))


def _labels(pairs: list[list[str]]) -> Labels:
    if not all(isinstance(text, str) for pair in pairs for text in pair):
        raise ValueError("a label is no text")
    return Labels((name, value) for name, value in pairs)


def _touching(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The union, where spans that leave no ms between them are one."""
    return tuple(Span(one.start, one.end - 1) for one in union(Span(each.start, each.end + 1) for each in spans))


def _cut(series: Iterable[Series], span: Span) -> Iterable[Series]:
    for one in series:
        begin, end = np.searchsorted(one.times, [span.start, span.end + 1]).tolist()
        if begin < end:
            yield Series(one.labels, one.times[begin:end], one.values[begin:end])


def _by_place(numbers: NDArray[np.int64]) -> bytes:
    """The lowest byte of all numbers, then the next of all…: bytes that are alike stand together and pack well."""
    little = np.ascontiguousarray(numbers, dtype="<i8")
    return little.view(np.uint8).reshape(-1, 8).T.tobytes()


def _of_place(data: memoryview) -> NDArray[np.int64]:
    places = np.frombuffer(data, np.uint8).reshape(8, -1)
    return np.ascontiguousarray(places.T).view("<i8").reshape(-1).astype(np.int64)
