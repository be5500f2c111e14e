"""Random expressions, held against a real Prometheus 2.42.

``python -m evals.fuzz_promql [--seeds N] [--first SEED] [--data DATA] [--awkward]`` grows N expressions (default
2,000) from the metrics and labels of the history ``alertops-tsdb`` (``--awkward``: from generated series full of
resets, gaps, NaN and extremes), asks a real Prometheus and the engine, and prints what differs and a table of what
was compared. Needs Debian's ``prometheus``. DATA is the directory that holds the history (default: ../shared/data).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import httpx

from evals.differential.awkward import awkward_samples, write_tsdb
from evals.differential.compare import Comparison, Server, compare, features
from evals.differential.grow import Grower
from evals.differential.raw import metric_names, read_samples
from evals.independent import serving
from rulegen.core.durations import HOUR
from rulegen.core.series import Samples
from rulegen.core.spans import Span
from rulegen.promql import Evaluator

EACH = 500  # expressions on one set of awkward series
VERDICTS = ("alike", "empty", "both refuse", "undecided", "unsupported", "different")


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--seeds", type=int, default=2_000)
    ask.add_argument("--first", type=int, default=0)
    ask.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    ask.add_argument("--awkward", action="store_true")
    given = ask.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        found = _on_awkward(home, seeds) if given.awkward else _on_history(home, given.data, seeds)
    _print(found)
    sys.exit(any(one.verdict == "different" for one in found))


def _on_history(home: Path, data: Path, seeds: range) -> list[Comparison]:
    for copy in ("served", "dumped"):
        shutil.copytree(data / "alertops-tsdb/tsdb", home / copy, copy_function=shutil.copyfile)
    with serving(home / "served", home) as url, httpx.Client() as client:
        began = time.monotonic()
        samples = read_samples(home / "dumped", url, metric_names(url))
        print(f"{len(samples)} series read in {time.monotonic() - began:.0f} s", flush=True)
        return _fuzz(Server(url, client), samples, seeds)


def _on_awkward(home: Path, seeds: range) -> list[Comparison]:
    """Other series for every ``EACH`` seeds."""
    found = []
    for first in range(seeds.start, seeds.stop, EACH):
        place = home / str(first)
        place.mkdir()
        samples = awkward_samples(first)
        with serving(write_tsdb(samples, place), place) as url, httpx.Client() as client:
            found += _fuzz(Server(url, client), samples, range(first, min(first + EACH, seeds.stop)))
    return found


def _fuzz(server: Server, samples: Samples, seeds: range) -> list[Comparison]:
    evaluator = Evaluator(samples, semantics="closed")
    whole = samples.span()
    assert whole is not None
    span = Span(whole.start + 2 * HOUR, whole.end)
    found = []
    for seed in seeds:
        grower = Grower(samples, span, seed)
        one = compare(server, evaluator, grower.expression(), grower.grid())
        found.append(one)
        if one.verdict == "different":
            print(f"seed {seed}: {one}", flush=True)
    return found


def _print(found: list[Comparison]) -> None:
    totals: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in found:
        for name in ("all", *features(one.expr)):
            totals[name][one.verdict] += 1
    print("| what | " + " | ".join(VERDICTS) + " |")
    print("|---" * (len(VERDICTS) + 1) + "|")
    for name in ("all", *sorted(totals.keys() - {"all"})):
        print(f"| {name} | " + " | ".join(str(totals[name][verdict]) for verdict in VERDICTS) + " |")


if __name__ == "__main__":
    main()
