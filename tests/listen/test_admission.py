"""The queue before the store, with a store that takes as long as the test says."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from rulegen.errors import RulegenError
from rulegen.listen import admission as module
from rulegen.listen.admission import Admission, Batch, Cost, Refusal
from rulegen.listen.grpc import _Stream
from rulegen.listen.listen_pb2 import AlertBatch
from rulegen.listen.meters import Meters
from rulegen.store.journal import Sighting

ONE = (Sighting("{}", 1, 2, 0),)
WAIT = 10.0


@dataclass
class Slow:
    """A store whose commits wait for the test."""

    go: threading.Event = field(default_factory=threading.Event)
    written: list[int] = field(default_factory=list)
    broken: bool = False

    def write(self, sightings: Sequence[Sighting]) -> None:
        assert self.go.wait(WAIT)
        if self.broken:
            raise RulegenError("the disk is full")
        self.written.append(len(sightings))


class Settled(list[Refusal | None]):
    """What batches were settled with, in order."""

    def batch(self, left: float, sightings: Sequence[Sighting] = ONE) -> Batch:
        return Batch(sightings, asyncio.get_running_loop().time() + left, self.append)


def played(play: Callable[[Slow, Admission, Settled], object]) -> tuple[Slow, Settled]:
    """Runs ``play``, lets the store go on, and drains."""

    async def run() -> tuple[Slow, Settled]:
        store, settled = Slow(), Settled()
        admission = Admission(store)
        result = play(store, admission, settled)
        if asyncio.iscoroutine(result):
            await result
        store.go.set()
        await asyncio.wait_for(admission.drain(), WAIT)
        assert admission.queued == 0
        return store, settled

    return asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():
            await asyncio.sleep(0.001)


def test_settled_after_the_write() -> None:
    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        assert admission.submit(settled.batch(5)) is None
        await asyncio.sleep(0.05)
        assert settled == [] and store.written == []

    store, settled = played(play)
    assert settled == [None] and store.written == [1]


def test_who_comes_during_a_commit_shares_the_next() -> None:
    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        admission.submit(settled.batch(5))
        await until(lambda: admission._busy == 1)
        for _ in range(7):
            assert admission.submit(settled.batch(5)) is None

    store, settled = played(play)
    assert store.written == [1, 7] and settled == [None] * 8


def test_refused_at_once_when_it_would_be_late() -> None:
    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        admission.cost = Cost(commit=0.5, alert=0.001)
        assert admission.submit(settled.batch(0.4)) is Refusal.QUEUE
        assert admission.submit(settled.batch(0.6)) is None
        await until(lambda: admission._busy == 1)
        # One commit is under way, and what waits goes into the next: about a second for either.
        assert admission.submit(settled.batch(0.9)) is Refusal.QUEUE
        assert admission.submit(settled.batch(1.2)) is None
        assert admission.submit(settled.batch(1.2, ONE * 300)) is Refusal.QUEUE
        assert admission.submit(settled.batch(1.4, ONE * 300)) is None

    _, settled = played(play)
    assert settled == [None] * 3  # the refused are never settled


def test_a_commit_that_hangs_is_expected_to_go_on() -> None:
    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        admission.cost = Cost(commit=0.001, alert=0.0)
        admission.submit(settled.batch(5))
        await until(lambda: admission._busy == 1)
        await asyncio.sleep(0.3)
        assert admission.submit(settled.batch(0.2)) is Refusal.QUEUE
        assert admission.submit(settled.batch(60)) is None

    _, settled = played(play)
    assert settled == [None] * 2


def test_a_disk_that_hung_is_tried_again() -> None:
    """One commit of half a minute must not have all refused for ever, since no other would be measured."""

    async def play(_: Slow, admission: Admission, settled: Settled) -> None:
        for _ in range(50):
            admission.cost.measured(1, 0.005)
        admission.cost.measured(1, 30.0)
        assert admission.submit(settled.batch(5)) is Refusal.QUEUE
        await until(lambda: admission.submit(settled.batch(5)) is None)
        assert admission.submit(settled.batch(5)) is Refusal.QUEUE  # one at a time

    played(play)


def test_who_leaves_right_after_a_commit_leaves_no_commit_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "APART", 0.5)

    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        assert admission.submit(settled.batch(WAIT)) is None
        await asyncio.sleep(0.05)
        second = settled.batch(WAIT)
        assert admission.submit(second) is None
        store.go.set()
        await until(lambda: len(settled) == 1)
        assert admission.leave([second]) == 1  # before the thread takes it up
        assert admission.queued == 0

    played(play)


def test_expired_while_it_waited() -> None:
    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        admission.cost = Cost(commit=0.0, alert=0.0)
        admission.submit(settled.batch(5))
        await until(lambda: admission._busy == 1)
        assert admission.submit(settled.batch(0.05)) is None
        await asyncio.sleep(0.1)

    store, settled = played(play)
    assert settled == [None, Refusal.EXPIRED] and store.written == [1]


def test_who_leaves_frees_the_place_before_any_work() -> None:
    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        admission.submit(settled.batch(5))
        await until(lambda: admission._busy == 1)
        gone, stays = settled.batch(5, ONE * 1000), settled.batch(5)
        assert admission.submit(gone) is None and admission.submit(stays) is None
        before = admission.wait(1)
        assert admission.leave([gone]) == 1000
        assert admission.wait(1) < before and admission.queued == 2

    store, settled = played(play)
    assert store.written == [1, 1] and settled == [None, None]


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_QUEUED", 100)

    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        assert admission.submit(settled.batch(1e9, ONE * 60)) is None
        assert admission.submit(settled.batch(1e9, ONE * 60)) is Refusal.MEMORY
        assert admission.submit(settled.batch(1e9, ONE * 40)) is None

    played(play)


def test_long_labels_are_bounded_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TEXT", 1000)
    long = (Sighting("x" * 400, 1, 2, 0),)

    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        assert admission.submit(settled.batch(1e9, long)) is None
        await until(lambda: admission._busy == 1)
        leaves = settled.batch(1e9, long)
        assert admission.submit(leaves) is None
        assert admission.submit(settled.batch(1e9, long)) is Refusal.MEMORY
        admission.leave([leaves])
        assert admission.submit(settled.batch(1e9, long)) is None
        assert admission.submit(settled.batch(1e9, long)) is Refusal.MEMORY
        store.go.set()
        await until(lambda: len(settled) == 2)
        for _ in range(2):  # none of it stays counted
            assert admission.submit(settled.batch(1e9, long)) is None

    played(play)


def test_a_broken_store_refuses_and_recovers() -> None:
    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        store.broken = True
        store.go.set()
        admission.submit(settled.batch(5))
        await until(lambda: len(settled) == 1)
        assert settled == [Refusal.DISK] and admission.broken == "the disk is full"
        store.broken = False
        admission.submit(settled.batch(5))
        await until(lambda: len(settled) == 2)
        assert settled[1] is None and not admission.broken

    played(play)


def test_an_error_nobody_thought_of_ends_no_service() -> None:
    class Odd(Slow):
        def write(self, sightings: Sequence[Sighting]) -> None:
            if self.broken:
                raise MemoryError
            super().write(sightings)

    async def run() -> None:
        store, settled = Odd(), Settled()
        store.go.set()
        store.broken = True
        admission = Admission(store)
        admission.submit(settled.batch(5))
        await until(lambda: settled == [Refusal.DISK])
        assert "MemoryError" in admission.broken
        store.broken = False
        admission.submit(settled.batch(5))
        await until(lambda: settled == [Refusal.DISK, None])
        await asyncio.wait_for(admission.drain(), WAIT)

    asyncio.run(run())


def test_a_stream_that_leaves_costs_one_look_at_the_queue() -> None:
    class Counted(Batch):
        looks = 0

        def __hash__(self) -> int:
            Counted.looks += 1
            return id(self)

        def __eq__(self, other: object) -> bool:
            Counted.looks += 1
            return self is other

    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        admission.cost = Cost(commit=0.0, alert=0.0)
        admission.submit(settled.batch(99))
        await until(lambda: admission._busy == 1)
        batches = [Counted(ONE, asyncio.get_running_loop().time() + 99, settled.append) for _ in range(2000)]
        for batch in batches:
            assert admission.submit(batch) is None
        assert admission.leave(batches[1000:]) == 1000
        assert admission.leave(batches[1000:]) == 0  # they left already
        assert Counted.looks < 20 * len(batches)
        assert admission.queued == 1001

    assert played(play)[1] == [None] * 1001


def test_a_thousand_that_leave_one_by_one_cost_little() -> None:
    """As when a balancer restarts: each look at all that waits would take the loop for seconds."""

    class Looked(Batch):
        looks = 0

        def __eq__(self, other: object) -> bool:
            Looked.looks += 1
            return self is other

        __hash__ = object.__hash__

    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        admission.cost = Cost(commit=0.0, alert=0.0)
        admission.submit(settled.batch(99))
        await until(lambda: admission._busy == 1)
        deadline = asyncio.get_running_loop().time() + 99
        batches = [Looked(ONE, deadline, settled.append, text=1) for _ in range(50_000)]
        for batch in batches:
            assert admission.submit(batch) is None
        began = time.process_time()
        assert sum(admission.leave([batch]) for batch in reversed(batches[::50])) == 1000
        took = time.process_time() - began
        assert took < 0.5 and Looked.looks < 20 * len(batches), f"{took:.2f}s"
        assert admission.queued == 49_001 and admission._text == 49_000 * len(ONE[0].labels) + 2

    assert played(play)[1] == [None] * 49_001


def test_long_labels_do_not_make_a_long_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TEXT_AT_ONCE", 100)
    long = (Sighting("x" * 40, 1, 2, 0),)

    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        admission.submit(settled.batch(99))
        await until(lambda: admission._busy == 1)
        for one in (long, long, long, ONE, (Sighting("x" * 400, 1, 2, 0),)):
            assert admission.submit(settled.batch(99, one)) is None

    store, settled = played(play)
    assert store.written == [1, 2, 2, 1] and settled == [None] * 6


def test_who_waits_behind_work_aside_that_hangs_is_told_at_the_deadline() -> None:
    """Packing, forgetting and looking whether the disk works again run between commits: they may hang as well."""
    go = threading.Event()

    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        admission.cost = Cost(commit=0.001, alert=0.0)
        store.go.set()
        begun = threading.Event()

        def hanging() -> None:
            begun.set()
            assert go.wait(WAIT)

        aside = asyncio.create_task(admission.aside(hanging))
        await until(begun.is_set)
        assert admission.submit(settled.batch(0.5)) is None
        assert admission.submit(settled.batch(99)) is None
        await until(lambda: settled == [Refusal.EXPIRED])
        assert admission.queued == 1
        assert admission.submit(settled.batch(0.4)) is Refusal.QUEUE  # it will go on for as long again
        go.set()
        await aside
        await until(lambda: settled == [Refusal.EXPIRED, None])
        assert admission.submit(settled.batch(0.4)) is None

    assert played(play)[1] == [Refusal.EXPIRED, None, None]


def test_who_reads_no_acks_holds_no_alerts() -> None:
    """Not of what is stored, nor of what was refused; and none of it waits for the collector of cycles."""

    class Silent:
        async def write(self, _: bytes) -> None:
            await asyncio.sleep(99)  # as long as its client reads nothing

    def message(sequence: int, timeout_ms: int) -> bytes:
        found = AlertBatch(sequence=sequence, timeout_ms=timeout_ms)
        found.alerts.add(labels={"alertname": "Unread"}, starts_at_ms=1)
        return found.SerializeToString()

    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        stream = _Stream(admission, Meters(), 9.0, None)
        acks = asyncio.create_task(stream.acknowledge(Silent()))  # type: ignore[arg-type]
        store.go.set()
        for number in range(1, 101):
            assert stream.take(message(number, 1 if number % 2 else 9_000))
        await until(lambda: len(store.written) > 0 and not admission.queued and stream._waiting[-1].done)
        assert stream.take(message(101, 9_000))  # the thread holds what it committed last
        await until(lambda: stream._waiting[-1].done and not admission.queued)
        assert len([one for one in gc.get_objects() if isinstance(one, Batch)]) <= 1
        acks.cancel()

    gc.collect()
    gc.disable()
    try:
        played(play)
    finally:
        gc.enable()


def test_what_left_while_it_was_written_is_kept() -> None:
    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        batch = settled.batch(5)
        admission.submit(batch)
        await until(lambda: admission._busy == 1)
        assert admission.leave([batch]) == 0

    store, settled = played(play)
    assert store.written == [1] and settled == [None]


def test_nothing_is_taken_once_it_drains_and_all_that_waits_is_written() -> None:
    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        for _ in range(50):
            admission.submit(settled.batch(60))
        drain = asyncio.create_task(admission.drain())
        await asyncio.sleep(0.02)
        assert admission.submit(settled.batch(60)) is Refusal.STOPPING
        store.go.set()
        await asyncio.wait_for(drain, WAIT)
        assert settled == [None] * 50

    played(play)


def test_work_aside_runs_between_commits_and_its_error_comes_back() -> None:
    async def play(store: Slow, admission: Admission, settled: Settled) -> None:
        store.go.set()
        seen: list[str] = []
        await admission.aside(lambda: seen.append(threading.current_thread().name))
        assert seen == ["commit"]
        with pytest.raises(ZeroDivisionError):
            await admission.aside(lambda: 1 // 0)
        assert admission.submit(settled.batch(5)) is None

    assert played(play)[1] == [None]


def test_the_cost_follows_what_was_measured() -> None:
    cost = Cost()
    for _ in range(200):
        cost.measured(1, 0.004)
        cost.measured(10_000, 0.104)
    assert cost.of(1) == pytest.approx(0.004, rel=0.1)
    assert cost.of(10_000) == pytest.approx(0.104, rel=0.1)
    for _ in range(100):
        cost.measured(1, 0.2)
    assert cost.of(1) > 0.15
