"""How long a store of years takes to read: `python -m evals.bench_store [EPISODES]`, ten million by default.

Makes a store as ``rulegen listen`` would have left it after three years (label sets by the thousand, nearly all of it
packed), in a temporary directory, and prints what writing and packing took, the file's size, and the time and peak
memory of reading: in columns, as episodes, and the last four weeks of it.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from rulegen.core.spans import Span
from rulegen.ingest.store import read_kept
from rulegen.store.journal import Journal, Sighting
from rulegen.store.read import read_store

DAY = 86_400_000  # ms
END = 1_790_000_000_000  # ms
YEARS_MS = 3 * 365 * DAY
SETS = 20_000  # label sets
AT_ONCE = 16_384


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory(prefix="bench-store-") as home:
        path = Path(home, "s.db")
        began = time.perf_counter()
        _make(path, wanted)
        size = path.stat().st_size / 2**20
        print(
            f"{wanted:,} episodes of {SETS:,} label sets, written and packed in {time.perf_counter() - began:.0f} s"
        )
        print(f"{size:,.0f} MiB, {size * 2**20 / wanted:.1f} bytes an episode\n")
        print("| what is read | episodes | seconds | peak MiB |\n|---|---|---|---|")
        for name, read in (("all, in columns", _columns), ("all, as episodes", _all), ("four weeks", _weeks)):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                episodes, seconds, peak = pool.apply(_measured, (read, path))
            print(f"| {name} | {episodes:,} | {seconds:.1f} | {peak:,.0f} |", flush=True)


def _make(path: Path, wanted: int) -> None:
    names = [
        f'{{"alertname":"Alert{n % 50}","namespace":"shop","pod":"web-{n}","severity":"page"}}' for n in range(SETS)
    ]
    drawn = np.random.default_rng(0)
    journal = Journal(path)
    for first in range(0, wanted, AT_ONCE):
        count = min(AT_ONCE, wanted - first)
        start = END - YEARS_MS + (np.arange(first, first + count) * (YEARS_MS - DAY)) // wanted
        last = start + drawn.integers(30_000, 3_600_000, count)
        which = drawn.integers(0, SETS, count)
        rows = zip(which.tolist(), start.tolist(), last.tolist(), strict=True)
        journal.write([Sighting(names[one], begin, end, 0) for one, begin, end in rows])
        if first // AT_ONCE % 64 == 0:  # as the nights do it
            while journal.pack(int(start[0]) - 2 * DAY):
                pass
            journal.checkpoint()
    while journal.pack(END - 2 * DAY):
        pass
    journal.checkpoint()
    journal.close()


def _columns(path: Path) -> int:
    return len(read_store(path, 0, END))


def _all(path: Path) -> int:
    return len(read_kept(path)[0])


def _weeks(path: Path) -> int:
    return len(read_kept(path, Span(END - 28 * DAY, END))[0])


def _measured(read: Callable[[Path], int], path: Path) -> tuple[int, float, float]:
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    episodes = read(path)
    took = time.perf_counter() - began
    return episodes, took, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


if __name__ == "__main__":
    main()
