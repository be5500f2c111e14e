"""What may come in: only what can be on the disk before whoever sent it stops waiting.

Everything that is admitted waits in one queue for one thread, which commits all that waits at once (group commit)
and measures what that costs. A batch is admitted if the time until its own commit returns, at that cost, and the loop
comes to tell of it, is less than what is left of its deadline; else it is refused at once, so that its sender can try
again, and memory stays bounded.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from rulegen.errors import RulegenError
from rulegen.store.journal import Sighting

MOST_QUEUED = 200_000  # alerts; a bound on memory, whatever the deadlines
MOST_TEXT = 256 << 20  # characters of their labels; another
MOST_AT_ONCE = 16_384  # alerts in one commit, so that a big one does not hold up the small for long,
TEXT_AT_ONCE = 16 << 20  # and characters of their labels
APART = 0.005  # seconds from one commit's begin to the next: who comes meanwhile shares it
_GAIN = 0.125  # of a new deviation, as in RFC 6298
_KEPT = 0.97  # of what commits weighed, at each new one
_FIRST_COMMIT, _FIRST_ALERT = 0.02, 20e-6  # seconds, until something was measured
_STALE = 1.0  # seconds without a commit in which half of what was measured is forgotten
_HUNG = 0.25  # seconds after which what the thread does is looked at: who can wait no longer is told


class Refusal(Enum):
    """Why something was not kept."""

    QUEUE = "queue"  # it could not be committed before its deadline
    MEMORY = "memory"  # too much waits already
    EXPIRED = "expired"  # its deadline passed while it waited
    GONE = "gone"  # whoever sent it left
    DISK = "disk"  # the store can't be written
    STOPPING = "stopping"


class Writer(Protocol):
    def write(self, sightings: Sequence[Sighting]) -> None:
        """Durable when it returns. Raises RulegenError."""
        ...


@dataclass(slots=True, eq=False)
class Batch:
    """Alerts, at least one, that are kept together or not at all. ``deadline`` is a time of ``time.monotonic``;
    ``settled`` is called once, in the loop, with None when they are durable, else with why they are not. After
    EXPIRED they may be yet, where a commit under way hung."""

    sightings: Sequence[Sighting]
    deadline: float
    settled: Callable[[Refusal | None], None]
    received: float = 0.0  # when it was admitted, by the loop's clock
    taken: float = 0.0  # when its commit began; 0: it had none
    text: int = 0  # characters of its labels
    told: bool = False  # ``settled`` was called


@dataclass(slots=True)
class Cost:
    """What commits cost: a ``commit`` and each ``alert`` in it, in seconds, by least squares over what was measured,
    in which older commits count less and less; and the mean ``deviation`` from that."""

    commit: float = _FIRST_COMMIT
    alert: float = _FIRST_ALERT
    deviation: float = 0.0
    _sums: tuple[float, ...] = (0.0,) * 5  # of weights, n, n², seconds, n × seconds

    def of(self, alerts: int) -> float:
        """How long a commit of that many takes, on the safe side."""
        commits = 1 + max(0, alerts - 1) // MOST_AT_ONCE
        return commits * (self.commit + 2 * self.deviation) + alerts * self.alert

    def measured(self, alerts: int, seconds: float) -> None:
        error = seconds - self.commit - alerts * self.alert
        self.deviation += _GAIN * (abs(error) - self.deviation)
        new = (1.0, alerts, alerts**2, seconds, alerts * seconds)
        self._sums = tuple(_KEPT * old + one for old, one in zip(self._sums, new, strict=True))
        weight, *others = self._sums
        n, squares, took, together = (one / weight for one in others)
        variance = squares - n * n
        if variance > 0.01 * max(1.0, n * n):  # else commits of one size do not tell the two apart
            self.alert = max(0.0, (together - n * took) / variance)
        self.alert = min(self.alert, took / n)
        self.commit = took - n * self.alert


class Admission:
    """The queue before ``journal``, with its thread. All methods are called in the event loop that made it."""

    def __init__(self, journal: Writer, *, committed: Callable[[int, int, float], None] = lambda *_: None) -> None:
        """``committed`` is told of each commit: alerts, batches, seconds; in the loop."""
        self.cost = Cost()
        self.broken = ""  # why the store can't be written, as of the last commit
        self._journal, self._committed = journal, committed
        self._loop = asyncio.get_running_loop()
        self._queue: OrderedDict[Batch, None] = OrderedDict()  # whoever leaves takes out theirs alone
        self._queued = 0  # alerts
        self._text = 0  # characters of those that wait, and of those in the commit under way
        self._busy = 0  # alerts in the commit under way
        self._taken: Sequence[Batch] = ()  # those batches
        self._since = 0.0  # when that, or the work aside that is under way, began; 0: the thread does nothing
        self._lag = 0.0  # seconds from the end of a commit until the loop comes to tell of it
        self._ended = time.monotonic()  # the last commit
        self._stopping = self._idle = False
        self._aside: deque[tuple[Callable[[], None], asyncio.Future[None]]] = deque()
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._thread.start()
        self._loop.call_later(_HUNG, self._look)

    @property
    def queued(self) -> int:
        """Alerts that wait or are being committed."""
        return self._queued + self._busy

    def wait(self, alerts: int) -> float:
        """Seconds until a commit that holds ``alerts`` more would be answered."""
        under_way, now = 0.0, time.monotonic()
        if self._since:
            # One that is overdue, since the disk hangs, will be so for as long again as it was.
            under_way = abs(self.cost.of(self._busy) - (now - self._since))
        expected = self.cost.of(self._queued + alerts) + self._lag
        if not self.queued:
            # After a disk that hung, all would be refused for ever, and no commit ever show that it does so no more.
            expected = max(min(expected, _FIRST_COMMIT), expected * 0.5 ** ((now - self._ended) / _STALE))
        return under_way + APART + expected

    def submit(self, batch: Batch) -> Refusal | None:
        """Takes ``batch``, and calls its ``settled`` later; or says why not, and never calls it."""
        if self._stopping:
            return Refusal.STOPPING
        alerts, now = len(batch.sightings), time.monotonic()
        batch.text = sum([len(one.labels) for one in batch.sightings])
        if self.queued and (self.queued + alerts > MOST_QUEUED or self._text + batch.text > MOST_TEXT):
            return Refusal.MEMORY
        if now + self.wait(alerts) > batch.deadline:
            return Refusal.QUEUE
        batch.received = now
        with self._wake:
            self._queue[batch] = None
            self._queued += alerts
            self._text += batch.text
            if self._idle:
                self._wake.notify()
        return None

    def leave(self, batches: Iterable[Batch]) -> int:
        """Their sender is gone: those that still wait free their place at once, and are never settled. Returns how
        many alerts that were."""
        freed = 0
        with self._wake:
            for batch in batches:
                if batch in self._queue:
                    del self._queue[batch]
                    freed += len(batch.sightings)
                    self._text -= batch.text
            self._queued -= freed
        return freed

    async def aside(self, work: Callable[[], None]) -> None:
        """Runs ``work`` in the thread that commits, between two commits. Raises what it raises."""
        done: asyncio.Future[None] = self._loop.create_future()
        with self._wake:
            self._aside.append((work, done))
            self._wake.notify()
        await done

    async def drain(self) -> None:
        """Takes nothing more, and returns when all that waited is settled."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        await self._loop.run_in_executor(None, self._thread.join)
        await asyncio.sleep(0)  # what the thread called for last

    def _run(self) -> None:
        began = 0.0
        while True:
            # Asleep and not waiting for news: each of them would wake this thread, and take its turn from the loop.
            if not self._stopping and (early := began + APART - time.monotonic()) > 0:
                time.sleep(early)
            with self._wake:
                while not self._queue and not self._aside and not self._stopping:
                    self._idle = True
                    self._wake.wait()
                self._idle = False
                if not self._queue and not self._aside:
                    return
                began = time.monotonic()
                aside = self._aside.popleft() if self._aside else None
                taken, expired = self._take(time.monotonic())
            refusal, seconds = self._commit(taken) if taken else (None, 0.0)
            with self._wake:
                now = time.monotonic()
                self._busy, self._taken, self._since = 0, (), now if aside else 0.0
                self._ended = now if taken else self._ended
            if taken or expired:
                self._loop.call_soon_threadsafe(self._settle, taken, expired, refusal, seconds, now)
            if aside is not None:
                self._do(*aside)
                self._since = 0.0

    def _do(self, work: Callable[[], None], done: asyncio.Future[None]) -> None:
        try:
            work()
        except Exception as error:
            self._loop.call_soon_threadsafe(_end, done, error)
        else:
            self._loop.call_soon_threadsafe(_end, done, None)

    def _take(self, now: float) -> tuple[list[Batch], list[Batch]]:
        """What the next commit holds, and what it is too late for. The lock is held."""
        taken: list[Batch] = []
        expired: list[Batch] = []
        alerts = text = 0
        while self._queue:
            batch = next(iter(self._queue))
            if batch.deadline <= now:
                expired.append(batch)
            elif not taken or (alerts + len(batch.sightings) <= MOST_AT_ONCE and text + batch.text <= TEXT_AT_ONCE):
                batch.taken = now
                taken.append(batch)
                alerts += len(batch.sightings)
                text += batch.text
            else:
                break
            del self._queue[batch]
            self._queued -= len(batch.sightings)
        self._busy, self._taken, self._since = alerts, taken, now
        return taken, expired

    def _commit(self, taken: Sequence[Batch]) -> tuple[Refusal | None, float]:
        began = time.monotonic()
        try:
            self._journal.write([one for batch in taken for one in batch.sightings])
        except Exception as error:  # whatever it is: without this thread nothing would ever be answered again
            self.broken = str(error) if isinstance(error, RulegenError) else f"the store failed: {error!r}"
            return Refusal.DISK, 0.0
        self.broken = ""
        return None, time.monotonic() - began

    def _settle(
        self, taken: Sequence[Batch], expired: Sequence[Batch], refusal: Refusal | None, seconds: float, ended: float
    ) -> None:
        alerts = sum(len(batch.sightings) for batch in taken)
        self._lag += _GAIN * (time.monotonic() - ended - self._lag)
        with self._wake:
            self._text -= sum([batch.text for batch in taken]) + sum([batch.text for batch in expired])
        if taken and refusal is None:
            self.cost.measured(alerts, seconds)
            self._committed(alerts, len(taken), seconds)
        for batch in taken:
            _tell(batch, refusal)
        for batch in expired:
            _tell(batch, Refusal.EXPIRED)

    def _look(self) -> None:
        """While a commit hangs, or work aside, tells those whose deadline comes; those that wait behind it free
        their places."""
        now = time.monotonic()
        with self._wake:
            hangs = self._since and now - self._since > _HUNG
            overdue = [one for one in (*self._taken, *self._queue) if one.deadline <= now] if hangs else []
        if overdue:
            self.leave(overdue)
        for batch in overdue:
            _tell(batch, Refusal.EXPIRED)
        if self._thread.is_alive():
            self._loop.call_later(_HUNG / 4, self._look)


def _tell(batch: Batch, refusal: Refusal | None) -> None:
    if not batch.told:
        batch.told = True
        batch.settled(refusal)


def _end(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():  # nobody waits any more
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
