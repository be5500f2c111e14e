"""The directory that keeps entries: whole or absent, private, bounded, and never the reason for an error."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import stat
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulegen.core.labels import Labels
from rulegen.core.series import Series
from rulegen.ingest.prometheus.cache import ABANDONED_S, BLOCK, Cache
from rulegen.ingest.prometheus.kept import Kept


def entries(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def on_disk(directory: Path) -> int:
    return sum(-(-path.stat().st_size // BLOCK) * BLOCK for path in entries(directory))


def test_what_is_put_is_got_and_nothing_else(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "a" / "b")
    assert cache.get("k") is None
    assert not (tmp_path / "a").exists()
    cache.put("k", b"one")
    cache.put("k", b"two")
    cache.put("", b"")
    assert (cache.get("k"), cache.get(""), cache.get("K")) == (b"two", b"", None)
    assert Cache(tmp_path / "a" / "b").get("k") == b"two"
    assert cache.trouble is None


def test_nobody_else_can_look_in(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        Cache(tmp_path / "new").put("k", b"one")
        (tmp_path / "old").mkdir(0o755)
        (tmp_path / "old" / "pages-1").mkdir(0o777)
        Cache(tmp_path / "old").put("k", b"one")
    finally:
        os.umask(old)
    modes = {
        path: stat.S_IMODE(path.stat().st_mode)
        for top in (tmp_path / "new", tmp_path / "old" / "pages-1")
        for path in (top, *top.rglob("*"))
    }
    assert len(modes) == 7
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


@pytest.mark.parametrize("damage", ["", "short", "long", "flipped", "head", "moved", "link", "pipe"])
def test_a_damaged_entry_is_none_and_is_replaced(damage: str, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put("k", b"content")
    (path,) = entries(tmp_path)
    good = path.read_bytes()
    if damage == "moved":  # what belongs to one key stands under another
        other = Cache(tmp_path / "other")
        other.put("other", b"content")
        path.write_bytes(entries(tmp_path / "other")[0].read_bytes())
    elif damage == "link":
        path.unlink()
        (tmp_path / "elsewhere").write_bytes(good)
        path.symlink_to(tmp_path / "elsewhere")
    elif damage == "pipe":
        path.unlink()
        os.mkfifo(path)
    else:
        bad = {"": b"", "short": good[:-1], "long": good + b"x", "head": b"R" + good[1:]}
        path.write_bytes(bad.get(damage, good[:-1] + bytes([good[-1] ^ 1])))
    assert cache.get("k") is None
    cache.put("k", b"content")
    assert cache.get("k") == b"content"
    assert path.read_bytes() == good and not path.is_symlink()


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=40 * BLOCK)
    for number in range(30):
        cache.put(f"old {number}", bytes(BLOCK))  # with its head: two blocks each, so that they exceed the limit
    for at, path in enumerate(entries(tmp_path)):
        os.utime(path, (at + 1, at + 1))
    kept = [f"old {number}" for number in range(30) if cache.get(f"old {number}") is not None]
    assert 10 <= len(kept) < 30
    used = kept[:3]
    for path in entries(tmp_path):
        os.utime(path, (1, 1))
    assert all(cache.get(key) is not None for key in used)
    for number in range(15):
        cache.put(f"new {number}", bytes(BLOCK))
        assert on_disk(tmp_path) <= 44 * BLOCK  # the limit, and what may be written before files are counted again
    assert all(cache.get(key) is not None for key in used)
    assert all(cache.get(f"new {number}") is not None for number in range(15))
    assert sum(cache.get(key) is not None for key in kept) < len(kept)


def test_an_entry_larger_than_everything_is_not_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path, limit=BLOCK)
    cache.put("k", bytes(BLOCK + 1))
    assert cache.get("k") is None and cache.trouble is None


def test_what_a_dead_process_left_is_removed(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.put("k", b"one")
    folder = entries(tmp_path)[0].parent
    for name, age in (("dead", ABANDONED_S + 60), ("alive", 0)):
        path = folder / f".new-{name}"
        path.write_bytes(b"half")
        at = path.stat().st_mtime - age
        os.utime(path, (at, at))
    Cache(tmp_path).put("k", b"two")  # the first entry of a run counts the files
    assert [path.name for path in entries(tmp_path) if path.name.startswith(".new-")] == [".new-alive"]


def test_a_place_that_is_no_directory_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "cache")
    assert cache.get("k") is None
    for _ in range(3):
        cache.put("k", b"one")
    where = tmp_path / "file" / "cache"
    assert str(cache.trouble) == f"{where}: the cache cannot be written (Not a directory): going on without it"


def test_a_directory_behind_a_link_is_not_believed(tmp_path: Path) -> None:
    Cache(tmp_path / "theirs").put("k", b"one")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "pages-1").symlink_to(tmp_path / "theirs" / "pages-1")
    cache = Cache(tmp_path / "mine")
    assert cache.get("k") is None
    cache.put("k", b"two")
    assert "pages-1 in it is not a directory of this user's own" in str(cache.trouble)
    assert Cache(tmp_path / "theirs").get("k") == b"one"


FULL = """
import sys
from pathlib import Path
from rulegen.ingest.prometheus.cache import Cache
cache = Cache(Path(sys.argv[1]))
cache.put("small", b"x")
cache.put("large", bytes(1 << 20))
print(cache.trouble)
print(cache.get("small"), cache.get("large"))
"""


def test_a_full_disk_leaves_what_is_there_and_no_half_entry(tmp_path: Path) -> None:
    """A limit on the size of a file fails a write as a full disk does, also for root."""

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))

    done = subprocess.run(
        [sys.executable, "-B", "-c", FULL, str(tmp_path)],
        preexec_fn=limited,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == [
        f"{tmp_path}: the cache cannot be written (File too large): going on without it",
        "b'x' None",
    ], done.stderr
    assert len(entries(tmp_path)) == 1


HAMMER = """
import random, sys
from pathlib import Path
from rulegen.ingest.prometheus.cache import BLOCK, Cache
cache = Cache(Path(sys.argv[1]), limit=30 * BLOCK)
draw = random.Random(int(sys.argv[2]))
found = 0
for _ in range(1500):
    key = str(draw.randrange(40))
    text = cache.get(key)
    if text is None:
        cache.put(key, key.encode() * draw.randrange(1, 2000))
    else:
        assert set(text.split(key.encode())) == {b""}, text[:80]
        found += 1
assert cache.trouble is None, cache.trouble
print(found)
"""


def test_processes_at_once_see_whole_entries(tmp_path: Path) -> None:
    """They write, read and clear the same few entries, in a directory that holds not all of them."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", HAMMER, str(tmp_path), str(seed)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(3)
    ]
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert int(out) > 100
    assert on_disk(tmp_path) <= 40 * BLOCK


PATTERN = st.integers(0, (1 << 64) - 1)
MOMENTS = st.lists(st.integers(-(1 << 62), 1 << 62), unique=True, max_size=5).map(sorted)


@given(st.dictionaries(st.text(max_size=5), st.tuples(MOMENTS, PATTERN), max_size=4), st.frozensets(st.integers()))
def test_what_is_packed_is_unpacked_bit_by_bit(
    found: dict[str, tuple[list[int], int]], marks: frozenset[int]
) -> None:
    series = tuple(
        Series(
            Labels({"__name__": "m", "x": text}),
            np.array(times, np.int64),
            np.full(len(times), pattern, np.uint64).view(np.float64),
        )
        for text, (times, pattern) in found.items()
    )
    got = Kept.unpacked(Kept(marks, series).packed())
    assert got.marks == marks
    assert [one.labels for one in got.series] == [one.labels for one in series]
    for ours, theirs in zip(got.series, series, strict=True):
        assert ours.times.tolist() == theirs.times.tolist()
        assert ours.values.view(np.uint64).tolist() == theirs.values.view(np.uint64).tolist()


def framed(head: bytes, rest: bytes = b"") -> bytes:
    return len(head).to_bytes(4, "little") + head + rest


HOSTILE = [
    b"",
    b"{}",
    b"[[],[],[]]",
    b"[1,[]]",
    b"[[],[[[],1]]]",
    b"[[],[[[],-1],[[],1]]]",
    b"[[],[[[[1,2]],0]]]",
    b'[[],[[[["a"]],0]]]',
    b'[["x"],[]]',
    b"[[1e999],[]]",
    b"[" * 100_000,
    b"\xff",
]


@pytest.mark.parametrize("head", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_entry_is_refused(head: bytes) -> None:
    with pytest.raises(ValueError):
        Kept.unpacked(zlib.compress(framed(head)))


@given(st.binary(max_size=100), st.binary(max_size=40))
@settings(max_examples=200)
def test_any_bytes_are_an_entry_or_refused(head: bytes, rest: bytes) -> None:
    for data in (head, zlib.compress(head), zlib.compress(framed(head, rest))):
        with contextlib.suppress(ValueError):
            Kept.unpacked(data)


def test_a_bomb_stays_within_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rulegen.ingest.prometheus.kept.MOST_SAMPLES", 1000)
    monkeypatch.setattr("rulegen.ingest.prometheus.kept._HEADS", 1000)
    bomb = zlib.compress(framed(b"[[],[[[],8000000]]]", bytes(128 << 20)))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="not whole"):
            Kept.unpacked(bomb)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
