"""The store: what was written is read, however often, in whatever order, packed or not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulegen.core.labels import Labels
from rulegen.core.spans import Span
from rulegen.errors import InputError, RulegenError
from rulegen.ingest.sightings import Sighting as Seen
from rulegen.ingest.sightings import episodes
from rulegen.ingest.store import read_kept
from rulegen.listen.reading import canonical
from rulegen.store import journal as module
from rulegen.store.journal import Journal, Sighting, written
from rulegen.store.read import read_store
from rulegen.store.schema import MONTH

A, B = Labels({"alertname": "A", "pod": "é\n"}), Labels({"alertname": "B"})


def sighting(labels: Labels, start: int, last: int, open: int = 0) -> Sighting:
    return Sighting(canonical(labels), start, last, open)


@st.composite
def sightings(draw: st.DrawFn) -> list[Sighting]:
    found = []
    for _ in range(draw(st.integers(0, 12))):
        start = draw(st.integers(1, 6)) * MONTH // 3 + draw(st.integers(0, 3))
        last = start + draw(st.integers(0, 4)) * MONTH // 6
        found.append(sighting(draw(st.sampled_from((A, B))), start, last, draw(st.integers(0, 1))))
    return found


@settings(max_examples=60, deadline=None)
@given(sightings(), st.lists(st.integers(0, 12), max_size=3), st.randoms(use_true_random=False))
def test_order_repetition_and_packing_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, given_: list[Sighting], packs: list[int], random
) -> None:
    path = tmp_path_factory.mktemp("store") / "s.db"
    again = [*given_, *given_]
    random.shuffle(again)
    journal = Journal(path)
    try:
        for number, one in enumerate(again):
            journal.write([one])
            if number in packs:
                journal.pack(3 * MONTH)
    finally:
        journal.close()
    labels = {canonical(one): one for one in (A, B)}
    wanted = episodes(Seen(labels[one.labels], one.start, one.last, None if one.open else one.last) for one in given_)
    assert read_kept(path)[0] == wanted


def test_reads_the_time_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    starts = [MONTH * k + 5 for k in range(1, 9)]
    journal = Journal(path)
    journal.write([sighting(A, start, start + 100) for start in starts])
    journal.pack(5 * MONTH)
    journal.close()
    for low in range(1, 9):
        span = Span(MONTH * low + 50, MONTH * (low + 1))
        found, joined = read_kept(path, span)
        assert [one.span.start for one in found] == [MONTH * low + 5] and joined == 0


def test_forgets_what_is_old(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    journal = Journal(path)
    journal.write([sighting(A, MONTH, MONTH + 1), sighting(B, 9 * MONTH, 9 * MONTH + 1)])
    journal.pack(2 * MONTH)
    journal.forget(8 * MONTH)
    assert [one.labels for one in read_kept(path)[0]] == [B]
    journal.write([sighting(A, 9 * MONTH, 9 * MONTH + 1)])  # its number is not remembered wrongly
    assert [one.labels for one in read_kept(path)[0]] == [A, B]
    journal.close()


def test_forgets_by_the_end_however_long_ago_it_began(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    journal = Journal(path)
    journal.write([sighting(A, MONTH, 9 * MONTH), sighting(A, MONTH + 5, MONTH + 6), sighting(B, MONTH, MONTH + 1)])
    assert journal.pack(10 * MONTH) == 3
    journal.forget(8 * MONTH)
    kept = read_store(path, 0, 20 * MONTH)
    assert (kept.start.tolist(), kept.last.tolist()) == ([MONTH], [9 * MONTH])
    assert kept.labels == (A,)
    journal.forget(9 * MONTH + 1)
    assert not len(read_store(path, 0, 20 * MONTH))
    journal.close()


def test_a_damaged_month_is_said_in_words(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    journal = Journal(path)
    journal.write([sighting(A, MONTH, MONTH + 1)])
    journal.pack(2 * MONTH)
    other = sqlite3.connect(path)
    other.execute("UPDATE packed SET opens = x'0000'")
    other.commit()
    other.close()
    with pytest.raises(InputError, match="damaged"):
        journal.forget(9 * MONTH)
    journal.write([sighting(A, MONTH + 5, MONTH + 6)])
    with pytest.raises(InputError, match="damaged"):
        journal.pack(2 * MONTH)
    journal.write([sighting(B, 3 * MONTH, 3 * MONTH + 1)])  # and it goes on
    journal.close()


def test_the_log_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    journal = Journal(path)
    pages = []
    for number in range(6):
        journal.write([sighting(A, MONTH + number * 1000 + k, MONTH + 9999) for k in range(1000)])
        pages.append(journal.checkpoint())
    assert 0 < max(pages) < 3 * pages[0]
    journal.close()


def test_a_checkpoint_that_can_not_be_is_said_in_words(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "s.db")
    journal.path = tmp_path / "missing" / "s.db"
    with pytest.raises(InputError, match="cannot be opened"):
        journal.checkpoint()
    journal.close()


def test_numbers_are_remembered_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KNOWN_TEXT", 200)
    journal = Journal(tmp_path / "s.db")
    for number in range(50):
        journal.write([sighting(Labels({"alertname": f"A{number}", "long": "x" * (10 * number)}), 1, 2)])
        assert sum(map(len, journal._ids)) <= 200
    for number in range(50):
        journal.write([sighting(Labels({"alertname": f"A{number}", "long": "x" * (10 * number)}), 1, 3)])
    assert [one.span for one in read_kept(tmp_path / "s.db")[0]] == [Span(1, 3)] * 50
    journal.close()


def test_a_link_leads_to_the_same_writer(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "s.db")
    (tmp_path / "t.db").symlink_to(tmp_path / "s.db")
    with pytest.raises(InputError, match="another process writes it"):
        Journal(tmp_path / "t.db")
    journal.close()


def test_the_log_behind_a_link_is_watched(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "real" / "s.db")
    journal = Journal(link)
    try:
        journal.write([sighting(A, MONTH, MONTH)])
        assert not journal.left()
        (tmp_path / "real" / "s.db-wal").unlink()
        with pytest.raises(RulegenError, match="its log"):
            journal.write([sighting(B, MONTH, MONTH)])
    finally:
        journal.close()


def test_a_batch_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    journal = Journal(path)
    wrong = Sighting(canonical(A), 5, None, 0)  # type: ignore[arg-type] # what SQLite turns down
    with pytest.raises(Exception, match="NOT NULL"):
        journal.write([sighting(B, 1, 2), wrong])
    journal.write([sighting(A, 3, 4)])
    journal.close()
    assert [one.labels for one in read_kept(path)[0]] == [A]


def test_one_writer_many_readers(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    journal = Journal(path)
    journal.write([sighting(A, 1, 2)])
    with pytest.raises(InputError, match="another process writes it"):
        Journal(path)
    assert len(read_store(path, 0, 10)) == 1
    journal.close()
    Journal(path).close()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 4000])
def test_no_store(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no SQLite database"):
        Journal(path)
    with pytest.raises(InputError, match="no SQLite database"):
        read_kept(path)
    assert path.read_bytes() == content


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE precious (x)")
    other.close()
    for use in (Journal, read_kept):
        with pytest.raises(InputError, match="no store of rulegen's"):
            use(path)


def test_a_later_format(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    written(path, [])
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version=2")
    other.close()
    with pytest.raises(InputError, match="written by a later rulegen"):
        read_kept(path)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such store"):
        read_kept(tmp_path / "s.db")
    with pytest.raises(InputError, match="cannot be"):
        Journal(tmp_path / "missing" / "s.db")
