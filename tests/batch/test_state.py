"""The state: its schema, one night as one transaction, and what is said of a file that is none."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from nights import environment

from rulegen.batch import state as module
from rulegen.batch.state import MIGRATIONS, Became, Made, Seen, opened
from rulegen.errors import InputError, RulegenError

ONE = Made(
    "http://p", "c1", "s-1", "r.yml", "g", "Slow", 60_000, "tuning", "hold", "for 0s → 5m", "[]", "[]", "[]",
    "e1", "incidents", 2.0, 40, 4, 0.8, 3, 60_000, 1_000, 1_000,
)  # fmt: skip
HISTORY = Seen("http://p", 0, 1_000, "incidents", "x", 5, 2, 1, 2.0, 40, 4, 80.0, 8.0)


def test_what_is_put_comes_back(tmp_path: Path) -> None:
    became = Became("http://p", "c1", 1_000, 2_000, "held", "as claimed", 1.0, 20, 2, 3, "", "I-1", 5)
    with opened(tmp_path / "deep" / "state.db") as state, state.night():
        state.see(HISTORY)
        state.make([ONE])
        state.decide(ONE, "merged", 2_000)
        state.became([became])
    with opened(tmp_path / "deep" / "state.db") as state:
        assert state.histories("http://p") == (HISTORY,)
        assert state.suggestions("http://p") == (replace(ONE, status="merged"),)
        assert state.decisions("http://p") == (("c1", "merged", 2_000),)
        assert state.outcomes("http://p") == (became,)
        assert state.suggestions("http://other") == ()


def test_nothing_doubles(tmp_path: Path) -> None:
    with opened(tmp_path / "state.db") as state:
        for _ in range(2):
            with state.night():
                state.see(HISTORY)
                state.make([ONE])
                state.decide(ONE, "merged", 2_000)
        assert len(state.histories("http://p")) == len(state.suggestions("http://p")) == 1
        assert state.decisions("http://p") == (("c1", "merged", 2_000),)


def test_a_night_that_ends_badly_leaves_nothing(tmp_path: Path) -> None:
    with opened(tmp_path / "state.db") as state:
        with pytest.raises(KeyboardInterrupt), state.night():
            state.make([ONE])
            raise KeyboardInterrupt
        assert state.suggestions("http://p") == ()


def test_an_older_schema_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "state.db") as state, state.night():
        state.make([ONE])
    more = "CREATE TABLE notes (text TEXT NOT NULL); INSERT INTO notes SELECT id FROM suggestions;"
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, more))
    with opened(tmp_path / "state.db") as state:
        assert state.suggestions("http://p") == (ONE,)
    with sqlite3.connect(tmp_path / "state.db") as database:
        assert database.execute("SELECT text FROM notes").fetchall() == [("s-1",)]
        assert database.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path / "state.db") as state, state.night():
        state.make([ONE])
    before = list(sqlite3.connect(tmp_path / "state.db").iterdump())
    monkeypatch.setattr(module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE notes (text TEXT); SELECT broken;"))
    with pytest.raises(RulegenError), opened(tmp_path / "state.db"):
        pass
    assert list(sqlite3.connect(tmp_path / "state.db").iterdump()) == before


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "state.db") as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(InputError, match="written by a newer rulegen"), opened(tmp_path / "state.db"):
        pass


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """A limit on the size of a file fails a write as a full disk does, also for root."""
    path = tmp_path / "state.db"
    with opened(path) as state, state.night():
        state.make([ONE])
    code = f"""
import resource, signal
from dataclasses import replace
from pathlib import Path
from rulegen.batch.state import Made, opened
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with opened(Path({str(path)!r})) as state:
    (one,) = state.suggestions("http://p")
    size = Path({str(path)!r}).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    with state.night():
        state.make([replace(one, candidate=f"c{{n}}", words="x" * 500) for n in range(2000)])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=60)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and last.startswith("rulegen.errors.RulegenError: the state cannot be written"), last
    assert "nothing was lost" in last
    with opened(path) as state:
        assert state.suggestions("http://p") == (ONE,)


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be one", b"SQLite format 3\0" * 80])
def test_a_file_that_is_no_database(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(content)
    with pytest.raises(InputError, match="no database, or a damaged one"), opened(tmp_path / "state.db"):
        pass
    assert (tmp_path / "state.db").read_bytes() == content


def test_the_database_of_another_program(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "state.db") as database:
        database.execute("CREATE TABLE theirs (x)")
    with pytest.raises(InputError, match="of another program"), opened(tmp_path / "state.db"):
        pass
