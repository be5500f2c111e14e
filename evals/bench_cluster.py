"""How long clustering a stream of episodes takes, and how much memory: ``python -m evals.bench_cluster``.

Each size runs in a process of its own, so that its peak memory is its own; memory is what the process took beyond the
finished columns. The streams are generated with a fixed seed: 200 alert names on 500 hosts, flapping, long and short
ones, one name in four brought on by another; two weeks, or as long as it takes at 20,000 episodes a day.
``--largest 6`` stops at 10⁶. The hostile ones have a million episodes each. Kernels are compiled before time is
taken. Time is the processor's: other work on the machine is not in it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from rulegen.cluster.streams import Stream
from rulegen.cluster.survey import survey
from rulegen.core.durations import DAY, HOUR, MINUTE, SECOND

Numbers = NDArray[np.int64]
Columns = tuple[Numbers, Numbers, Numbers, Numbers, list[str]]
MILLION = 1_000_000
NAMES, HOSTS = 200, 500


def ordinary(count: int) -> Columns:
    """(name, label set, start, end, names) of ``count`` episodes in a history of a length that grows with them."""
    rng = np.random.default_rng(5)
    span = max(14 * DAY, count * DAY // 20_000)
    name = rng.integers(0, NAMES, count)
    host = rng.integers(0, HOSTS, count) ** 2 // HOSTS  # some hosts have more than their share
    start = rng.integers(0, span, count)
    led = np.flatnonzero((name % 4 == 1) & (rng.random(count) < 0.7))
    causes = np.flatnonzero(name % 4 == 0)
    whose = rng.choice(causes, len(led))
    start[led] = start[whose] + 1 + rng.exponential(40 * SECOND, len(led)).astype(np.int64)
    name[led], host[led] = name[whose] + 1, host[whose]
    flap = np.flatnonzero(name % 7 == 3)
    start[flap] = start[flap] // (6 * HOUR) * (6 * HOUR) + rng.integers(0, HOUR, len(flap))
    end = start + rng.exponential(np.where(name % 5 == 0, HOUR, 4 * MINUTE)).astype(np.int64)
    return name, name * HOSTS + host, start, end, [f"Alert{k}" for k in range(NAMES)]


def hostile(kind: str) -> Columns:
    """A million episodes of an ill-meant kind."""
    numbers, zero = np.arange(MILLION, dtype=np.int64), np.zeros(MILLION, dtype=np.int64)
    if kind == "a million distinct names":
        return (
            numbers,
            numbers,
            numbers * SECOND,
            numbers * SECOND + MINUTE,
            [f"Alert{k}Of{k % 977}" for k in numbers],
        )
    if kind == "one alert a million times":
        return zero, zero, numbers * MINUTE, numbers * MINUTE + 10 * SECOND, ["Alert"]
    if kind == "one alert, all overlapping":
        return zero, zero, numbers, 2 * MILLION - numbers, ["Alert"]
    names = [f"Alert{k}" for k in range(1000)]
    if kind == "all at one instant":
        return numbers % 1000, numbers, zero, zero, names
    return numbers % 1000, numbers % 50_000, numbers, numbers + 1, names  # within a quarter of an hour


HOSTILE = (
    "a million distinct names",
    "one alert a million times",
    "one alert, all overlapping",
    "all at one instant",
    "all within 17 minutes",
)


def measured(make: Callable[..., Columns], what: object) -> tuple[int, int, int, float, float, int]:
    """(episodes, clusters, pairs, seconds to mend, seconds to cluster, MiB)."""
    warm = ordinary(3_000)
    survey(Stream.of(*warm[:4]), warm[4])
    name, series, start, end, names = make(what)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    stream = Stream.of(name, series, start, end)
    mended = time.process_time()
    found = survey(stream, names)
    done = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return len(name), len(found.clusters), len(found.led.pairs), mended - begun, done - mended, peak >> 10


def _rows(largest: int) -> Iterator[tuple[str, Callable[..., Columns], object]]:
    for power in range(4, largest + 1):
        yield f"10^{power}", ordinary, 10**power
    for kind in HOSTILE:
        yield kind, hostile, kind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--largest", type=int, default=7)
    asked = parser.parse_args()
    print("| stream | episodes | clusters | pairs | mend s | cluster s | µs an episode | MiB beyond |")
    print("|---|---|---|---|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    for label, make, what in _rows(asked.largest):
        with context.Pool(1) as pool:
            count, clusters, pairs, mend, took, memory = pool.apply(measured, (make, what))
        each = (mend + took) / count * 1e6
        figures = f"{count:,} | {clusters} | {pairs} | {mend:.2f} | {took:.2f} | {each:.1f} | {memory:,}"
        print(f"| {label} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
