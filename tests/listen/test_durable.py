"""Acknowledged means durable: killed at any moment, on a full disk, and by the order of system calls."""

from __future__ import annotations

import asyncio
import os
import random
import re
import resource
import sqlite3
import subprocess
import threading
import time
from itertools import count, pairwise
from pathlib import Path

import grpc
import httpx
import pytest
from disks import disk
from listening import LISTEN, Listening, alert, listening, post
from servers import binary

from rulegen.ingest.store import read_kept
from rulegen.listen import admission as admitting
from rulegen.listen import serve
from rulegen.listen.admission import Admission, Batch
from rulegen.listen.listen_pb2 import Ack, AlertBatch
from rulegen.listen.push import PUSH
from rulegen.listen.reading import canonical
from rulegen.store.journal import Journal, Sighting

KILLS = int(os.environ.get("KILLS", "8"))
SEED = int(os.environ.get("SEED", "0"))
NOW = int(time.time())
START = NOW - 80_000


def episode(number: int) -> dict[str, object]:
    return alert("K", START, NOW - 100, number=str(number))


class Load:
    """Sends alerts over HTTP and gRPC until it can't, each number once, and remembers which were acknowledged."""

    def __init__(self, first: int) -> None:
        self.next, self.sent, self.acknowledged = first, set[int](), set[int]()
        self.lock = threading.Lock()

    def number(self) -> int:
        with self.lock:
            self.next += 1
            self.sent.add(self.next)
            return self.next

    def over_http(self, one: Listening) -> None:
        with httpx.Client(timeout=10) as client:
            while True:
                numbers = [self.number() for _ in range(random.choice((1, 5)))]
                try:
                    answer = client.post(f"{one.http}/api/v2/alerts", json=[episode(number) for number in numbers])
                except httpx.HTTPError:
                    return
                if answer.status_code == 200:
                    self.acknowledged.update(numbers)

    def over_grpc(self, one: Listening) -> None:
        asyncio.run(self._stream(one))

    async def _stream(self, one: Listening) -> None:
        by_sequence: dict[int, int] = {}

        async def requests():  # type: ignore[no-untyped-def] # an iterator of bytes
            sequence = 0
            while True:
                sequence += 1
                by_sequence[sequence] = number = self.number()
                batch = AlertBatch(sequence=sequence)
                labels = {"alertname": "K", "number": str(number)}
                batch.alerts.add(labels=labels, starts_at_ms=START * 1000, ends_at_ms=(NOW - 100) * 1000)
                yield batch.SerializeToString()
                if sequence % 20 == 0:
                    await asyncio.sleep(0.001)

        try:
            async with grpc.aio.insecure_channel(one.grpc) as channel:
                done = 0
                async for raw in channel.stream_stream(PUSH)(requests()):
                    ack = Ack.FromString(raw)
                    refused = {each.sequence for each in ack.refused}
                    for sequence in range(done + 1, ack.sequence + 1):
                        if sequence not in refused:
                            self.acknowledged.add(by_sequence[sequence])
                    done = ack.sequence
        except grpc.aio.AioRpcError:
            return


def test_killed_at_any_moment(tmp_path: Path) -> None:
    """KILLS says how often; SEED when."""
    drawn = random.Random(SEED)
    store, first, acknowledged, sent = tmp_path / "s.db", 0, set[int](), set[int]()
    for _ in range(KILLS):
        load = Load(first)
        with listening(store) as one:
            threads = [threading.Thread(target=way, args=(one,)) for way in (load.over_http, load.over_grpc)]
            for thread in threads:
                thread.start()
            _wait(load)
            time.sleep(drawn.uniform(0.0, 0.4))
            one.kill()
            for thread in threads:
                thread.join(timeout=30)
                assert not thread.is_alive()
        assert load.acknowledged
        first = load.next
        acknowledged |= load.acknowledged
        sent |= load.sent
        found, joined = read_kept(store)
        kept = [int(each.labels["number"]) for each in found]
        assert len(kept) == len(set(kept)) and joined == 0, "doubled"
        assert acknowledged <= set(kept), "an acknowledged alert is lost"
        assert set(kept) <= sent, "an alert that nobody sent"
    check = sqlite3.connect(store)
    assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    check.close()


def test_one_that_is_killed_again_and_again_lets_no_log_grow(tmp_path: Path) -> None:
    """What it left in the log it moves into the database when it starts, and not some time after."""
    store = tmp_path / "s.db"
    with listening(store) as one:
        assert post(one, [episode(number) for number in range(5_000)]).status_code == 200
        one.kill()
    log, left = (tmp_path / "s.db-wal").stat().st_size, store.stat().st_size
    assert log > 500_000 > left
    with listening(store):
        deadline = time.monotonic() + serve.CHECKPOINT / 2
        while store.stat().st_size < 500_000 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert store.stat().st_size > 500_000


def _wait(load: Load) -> None:
    """Until something was acknowledged, however slow the machine is."""
    deadline = time.monotonic() + 30
    while not load.acknowledged and time.monotonic() < deadline:
        time.sleep(0.002)


def numbers(store: Path) -> set[int]:
    return {int(each.labels["number"]) for each in read_kept(store)[0]}


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_a_store_that_is_moved_while_it_is_written_loses_nothing(tmp_path: Path, end: str) -> None:
    """All is in the moved file after a stop, and in the log after a kill; nothing is made in its place."""
    store, moved = tmp_path / "s.db", tmp_path / "moved.db"
    with listening(store) as one:
        for number in range(30):
            assert post(one, [episode(number)]).status_code == 200
        store.rename(moved)
        answer = post(one, [episode(30)])
        assert (answer.status_code, "moved.db now" in answer.text) == (503, True)
        ready = httpx.get(f"{one.http}/-/ready", timeout=20)
        assert (ready.status_code, "moved.db now" in ready.text) == (503, True)
        if end == "stopped":
            assert one.stop() == 0
            assert f"it was moved while it was written, and is {moved} now" in one.log.read_text()
        else:
            one.kill()
            (tmp_path / "s.db-wal").rename(tmp_path / "moved.db-wal")
        assert not store.exists()
    assert numbers(moved) == set(range(30))


def test_a_store_that_comes_back_goes_on(tmp_path: Path) -> None:
    store, moved = tmp_path / "s.db", tmp_path / "moved.db"
    with listening(store) as one:
        assert post(one, [episode(0)]).status_code == 200
        store.rename(moved)
        assert post(one, [episode(1)]).status_code == 503
        moved.rename(store)
        assert post(one, [episode(2)]).status_code == 200
        assert httpx.get(f"{one.http}/-/ready", timeout=20).status_code == 200
    assert numbers(store) == {0, 2}


def test_it_is_noticed_though_nobody_sends(tmp_path: Path) -> None:
    store, moved = tmp_path / "s.db", tmp_path / "moved.db"

    def ready(one: Listening, status: int) -> bool:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if httpx.get(f"{one.http}/-/ready", timeout=20).status_code == status:
                return True
            time.sleep(0.1)
        return False

    with listening(store) as one:
        assert ready(one, 200)
        store.rename(moved)
        assert ready(one, 503)
        moved.rename(store)
        assert ready(one, 200)
        assert post(one, [episode(0)]).status_code == 200


@pytest.mark.parametrize("what", ["the database", "its log", "another store in its place"])
def test_nothing_is_acknowledged_into_a_file_that_nobody_will_find(tmp_path: Path, what: str) -> None:
    store, other = tmp_path / "s.db", tmp_path / "other.db"
    journal = Journal(other)
    journal.write([Sighting(canonical({"alertname": "K", "number": "99"}), START * 1000, NOW * 1000, 0)])
    journal.close()
    with listening(store) as one:
        assert post(one, [episode(0)]).status_code == 200
        match what:
            case "the database":
                store.unlink()
            case "its log":
                store.with_name("s.db-wal").unlink()
            case _:
                other.replace(store)
        answer = post(one, [episode(1)])
        assert (answer.status_code, "while it was written" in answer.text) == (503, True)
        assert one.stop() == 0
    if what == "the database":
        assert not store.exists()
    else:
        assert numbers(store) == ({0} if what == "its log" else {99})


def test_no_answer_before_its_fsync(tmp_path: Path) -> None:
    """The server's system calls in order: between the arrival of an alert and its answer lies a sync of the log."""
    trace = tmp_path / "trace"
    calls = "trace=fdatasync,fsync,pwrite64,recvfrom,read,sendto,sendmsg,write,writev"
    before = (binary("strace"), "-f", "-tt", "-y", "-s", "300", "-e", calls, "-o", str(trace))
    with listening(tmp_path / "s.db", before=before) as one:
        for number in range(20):
            assert post(one, [episode(number)]).status_code == 200
        subprocess.run(["pkill", "-TERM", "-P", str(one.process.pid)], check=False, timeout=20)
        one.process.wait(timeout=30)
    events = list(_events(trace.read_text(errors="replace")))
    assert [what for what in events if what == "answer"] == ["answer"] * 20
    durable = False
    for what in events:
        if what == "asked":
            durable = False
        elif what == "synced":
            durable = True
        elif what == "answer":
            assert durable, "an answer left before the log was synced"


def _events(text: str):  # type: ignore[no-untyped-def] # words
    for line in text.splitlines():
        if re.search(r"(recvfrom|read)\(.*POST /api/v2/alerts", line) or "POST /api/v2/alerts" in line:
            yield "asked"
        elif re.search(r"fdatasync(\(\d+<[^>]*s\.db-wal>\)| resumed>\)) += 0", line):
            yield "synced"
        elif "HTTP/1.1 200 OK" in line:
            yield "answer"


def test_the_log_stays_bounded_however_thick_commits_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log begins anew only after a checkpoint during which nothing was written, and here something always is."""
    pages: list[int] = []

    class Watched(Journal):
        def checkpoint(self) -> int:
            found = super().checkpoint()
            if threading.current_thread().name != "commit":
                pages.append(found)
            return found

    def submit(_: object = None) -> None:
        sightings = [Sighting(canonical({"alertname": "A", "n": str(next(numbers))}), 1, 2, 0) for _ in range(50)]
        admission.submit(Batch(sightings, time.monotonic() + 60, submit))

    async def play() -> None:
        nonlocal admission
        admission = Admission(journal)
        for _ in range(4):
            submit()
        upkeep = asyncio.create_task(serve._upkeep(journal, admission, 10**15))
        async with asyncio.timeout(60):
            while len(pages) < 40:
                await asyncio.sleep(0.01)
        upkeep.cancel()
        await admission.drain()

    admission: Admission
    numbers = count()
    monkeypatch.setattr(admitting, "APART", 0.0)
    monkeypatch.setattr(serve, "CHECKPOINT", 0.04)
    monkeypatch.setattr(serve, "LONGEST_LOG", 100)
    journal = Watched(tmp_path / "s.db")
    asyncio.run(play())
    journal.close()
    assert sum(later < earlier for earlier, later in pairwise(pages)) > 5, pages


def test_a_full_disk_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    """A limit on file size stands in for a disk that is full: SQLite's writes then fail in the same way."""
    store = tmp_path / "s.db"
    with listening(store) as one:
        assert post(one, [episode(0)]).status_code == 200
        limits = resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE)
        size = (tmp_path / "s.db-wal").stat().st_size + 20_000
        resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (size, limits[1]))
        taken, refused = [0], []
        for number in range(1, 200):
            answer = post(one, [episode(number)])
            (taken if answer.status_code == 200 else refused).append(number)
            if refused:
                assert answer.status_code == 503 and "retry-after" in answer.headers
                break
        assert refused
        assert httpx.get(f"{one.http}/-/ready").status_code == 503
        resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, limits)
        assert post(one, [episode(500)]).status_code == 200  # room again
        assert httpx.get(f"{one.http}/-/ready").status_code == 200
        one.stop()
    kept = {int(each.labels["number"]) for each in read_kept(store)[0]}
    assert kept == {*taken, 500}


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", 4) as small:
        store = small.path / "s.db"
        with listening(store) as one:
            assert post(one, [episode(0)]).status_code == 200
            filler = small.fill()
            taken, refused = [0], 0
            for number in range(1, 200):
                answer = post(one, [episode(number)])
                if answer.status_code == 200:
                    taken.append(number)
                else:
                    assert answer.status_code == 503 and "retry-after" in answer.headers
                    refused += 1
            assert refused
            assert "disk is full" in httpx.get(f"{one.http}/-/ready").text
            filler.unlink()
            assert post(one, [episode(500)]).status_code == 200
            one.stop()
        assert {int(each.labels["number"]) for each in read_kept(store)[0]} == {*taken, 500}


def test_a_read_only_disk(tmp_path: Path) -> None:
    """Nobody listens on it, what it holds can be read, and once it is writable again it goes on."""
    with disk(tmp_path / "disk", 8) as small:
        store = small.path / "s.db"
        with listening(store) as one:
            assert post(one, [episode(0)]).status_code == 200
            one.stop()
        small.path.joinpath("s.log").unlink()
        small.read_only(True)
        done = subprocess.run(
            [*LISTEN, "--store", str(store), "--http", "127.0.0.1:0"], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 2 and "cannot be written" in done.stderr and "Traceback" not in done.stderr
        assert [each.labels["number"] for each in read_kept(store)[0]] == ["0"]
        small.read_only(False)
        with listening(store) as one:
            assert post(one, [episode(1)]).status_code == 200
        assert len(read_kept(store)[0]) == 2
