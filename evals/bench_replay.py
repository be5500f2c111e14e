"""How fast expressions are evaluated, beside a real Prometheus on the same samples: ``python -m evals.bench_replay``.

Both sides in one run on the same generated data, medians of ``--runs``. Ours: samples resident, compiled, results not
remembered from one run to the next. Prometheus': ``query_range`` over HTTP; each expression ends in a comparison that
leaves nothing, so that no JSON is written. Beside it: what the first call costs (loading kernels, laying samples
out), how time grows, sweeps, and peak memory.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import numpy as np
from rich.console import Console
from rich.table import Table

from evals.independent import serving
from rulegen.core.durations import DAY, HOUR, MINUTE, SECOND
from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.rule import Rule
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Grid
from rulegen.promql import Evaluator, Matrix
from rulegen.replay.sweep import Variant, sweep

START = 1_767_225_600_000  # 2026-01-01
SCRAPE = 30 * SECOND
WEEK = 7 * DAY
BEFORE = 30 * DAY  # for the window of 30 days
PAUSE = 0.5  # seconds between the two sides, so that what one cleans up behind itself is not the other's time


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    expr: str  # leaves nothing, so that no answer is written
    aim: int  # times faster than Prometheus


CASES = (
    Case("error ratio by job", "sum by (job) (rate(x[5m])) / sum by (job) (rate(y[5m])) > 1e9", 20),
    Case("max_over_time, 1 h", "max_over_time(g[1h]) > 1e9", 10),
    Case("histogram_quantile, 100 × 12", "histogram_quantile(0.99, rate(h_bucket[5m])) > 1e9", 10),
    Case("histogram_quantile alone", "histogram_quantile(0.99, h_bucket) > 1e9", 10),
    Case("many-to-one join", "g * on (instance) group_left (version) info > 1e9", 10),
    Case("predict_linear, 1 h", "predict_linear(g[1h], 14400) > 1e12", 10),
    Case("30-day window", "avg_over_time(l[30d]) > 1e9", 10),
)


def samples(series: int = 200, days: int = 7) -> Samples:
    """``series`` counters x and y of 20 jobs, gauges g and ``info`` to join with, 100 histograms of 12 buckets, and 2
    gauges l with a month more; every 30 s, most at an offset of their own."""
    rng = np.random.default_rng(3)
    return Samples.of([*_scraped(rng, series, days * DAY), *_histograms(rng, days * DAY)])


def _scraped(rng: np.random.Generator, series: int, length: int) -> Iterator[Series]:
    for k in range(series):
        labels = {"job": f"job-{k % 20}", "instance": f"host-{k}:9100"}
        times = START + np.arange(0, length, SCRAPE, dtype=np.int64) + int(rng.integers(SCRAPE))
        for name in ("x", "y"):
            counter = np.cumsum(rng.poisson(20, len(times))).astype(np.float64)
            counter -= np.where(np.arange(len(times)) > len(times) // 2, counter[len(times) // 2], 0)  # one restart
            yield Series(Labels({METRIC_NAME: name, **labels}), times, counter)
        walk = 100 + np.cumsum(rng.normal(size=len(times)))
        yield Series(Labels({METRIC_NAME: "g", **labels}), times, walk)
        info = Labels({METRIC_NAME: "info", "instance": labels["instance"], "version": f"1.{k % 3}"})
        yield Series(info, times, np.ones(len(times)))
    times = np.arange(START - BEFORE, START + length, SCRAPE, dtype=np.int64)
    for k in range(series // 100):
        yield Series(Labels({METRIC_NAME: "l", "instance": f"host-{k}:9100"}), times, rng.normal(size=len(times)))


def _histograms(rng: np.random.Generator, length: int) -> Iterator[Series]:
    bounds = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf")
    times = START + np.arange(0, length, SCRAPE, dtype=np.int64)
    for k in range(100):
        counts = np.cumsum(np.cumsum(rng.poisson(3, (len(bounds), len(times))), axis=1), axis=0).astype(np.float64)
        for bound, row in zip(bounds, counts, strict=True):
            labels = {METRIC_NAME: "h_bucket", "instance": f"host-{k}:9100", "le": bound}
            yield Series(Labels(labels), times, row)


def median(function: Callable[[], object], runs: int) -> float:
    took = []
    for _ in range(runs):
        begun = time.perf_counter()
        function()
        took.append(time.perf_counter() - begun)
    return statistics.median(took)


def written(of: Samples, path: Path) -> Path:
    """As OpenMetrics with times, which promtool makes a data directory of."""
    with path.open("w") as out:
        for name in of.by_name:
            for one in of.by_name[name]:
                text = str(one.labels)
                pairs = zip(one.times.tolist(), one.values.tolist(), strict=True)
                out.writelines(f"{text} {value!r} {at / 1000}\n" for at, value in pairs)
        out.write("# EOF\n")
    return path


def against(of: Samples, grid: Grid, runs: int, console: Console, home: Path) -> None:
    """The table of :data:`CASES`."""
    data, text = home / "data", written(of, home / "metrics.om")
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", "--max-block-duration=720h", text, data],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    text.unlink()
    ours = Evaluator(of, semantics="closed", memory_bytes=0)
    table = Table("expression", "Prometheus s", "rulegen s", "times", "aim", "first call s")
    with serving(data, home) as url, httpx.Client(base_url=url, timeout=300) as client:
        for case in CASES:
            params: dict[str, str | float] = {
                "query": case.expr,
                "start": grid.start / 1000,
                "end": grid.end / 1000,
                "step": grid.step / 1000,
            }

            ask, evaluate = partial(_ask, client, params), partial(ours.evaluate, case.expr, grid)
            first = median(evaluate, 1)
            ask()
            pairs = []
            for _ in range(runs):
                time.sleep(PAUSE)
                theirs_took = median(ask, 1)
                time.sleep(PAUSE)
                pairs.append((theirs_took, median(evaluate, 1)))
            theirs, here = (statistics.median(side) for side in zip(*pairs, strict=True))
            table.add_row(
                case.name, f"{theirs:.3f}", f"{here:.4f}", f"{theirs / here:.1f}", f"{case.aim}", f"{first:.2f}"
            )
    console.print(table)


def _ask(client: httpx.Client, params: dict[str, str | float]) -> None:
    client.get("/api/v1/query_range", params=params).raise_for_status()


def sweeps(of: Samples, grid: Grid, runs: int, console: Console) -> None:
    """200 thresholds and waits beside one; each with its evaluation."""
    table = Table("200 variants of", "one s", "all s", "times", "at most")
    for name, left, most in (
        ("an aggregated expression", "sum by (job) (rate(x[5m])) / sum by (job) (rate(y[5m]))", 2),
        ("200 raw series", "g", 20),
    ):
        engine = Evaluator(of, semantics="closed", memory_bytes=0)
        level = engine.evaluate(left, grid)
        low, high = np.quantile(level.values, [0.5, 0.999])
        waits = (0, 5 * MINUTE, 15 * MINUTE, HOUR)
        variants = [Variant(">", float(c), hold, 0) for c in np.linspace(low, high, 50) for hold in waits]
        rule = Rule("r", f"{left} > 0")

        swept = partial(_swept, engine, left, rule, grid)
        swept(variants)
        one, every = median(partial(swept, variants[:1]), runs), median(partial(swept, variants), runs)
        table.add_row(name, f"{one:.4f}", f"{every:.4f}", f"{every / one:.1f}", str(most))
    console.print(table)


def _swept(engine: Evaluator, left: str, rule: Rule, grid: Grid, some: Sequence[Variant]) -> None:
    level = engine.evaluate(left, grid)
    assert isinstance(level, Matrix)  # neither expression is a number
    sweep(rule, level, some, grid, 0)


def growth(runs: int, console: Console) -> None:
    """By series and by steps, with the memory that the largest run took at its peak."""
    table = Table("series", "steps", "rate s", "ns a cell", "max_over_time 1 h s", "ns a cell")
    for series, days in ((50, 7), (100, 7), (200, 7), (400, 7), (200, 1), (200, 2), (200, 4), (200, 14)):
        rng = np.random.default_rng(3)
        engine = Evaluator(Samples.of(_scraped(rng, series, days * DAY)), memory_bytes=0)
        grid = Grid(START, START + days * DAY, MINUTE)
        cells = series * len(grid)
        row = [str(series), str(len(grid))]
        for expr in ("sum(rate(x[5m]))", "sum(max_over_time(g[1h]))"):
            engine.evaluate(expr, grid)
            took = median(partial(engine.evaluate, expr, grid), runs)
            row += [f"{took:.4f}", f"{took / cells * 1e9:.1f}"]
        table.add_row(*row)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    console = Console(width=110)
    of = samples()
    grid = Grid(START, START + WEEK, MINUTE)
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as home:
        against(of, grid, runs, console, Path(home))
    sweeps(of, grid, runs, console)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    console.print(f"peak memory: {peak >> 10} MiB, of which {loaded >> 10} MiB when the samples had been made")
    growth(runs, console)


if __name__ == "__main__":
    main()
