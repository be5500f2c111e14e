"""How long ``rulegen suggest --alerts`` takes on hostile files, by n and 2n: ``python -m evals.bench_alerts``.

Each row is one run of the command in a process of its own, on a JSONL of one webhook payload a line that is generated
anew: CPU seconds and peak memory of the whole run, and what the report says of the input. A time that grows as n does
doubles from row to row; a quadratic one takes four times as long. ``--sizes`` names the sizes; a run that takes more
than ``--limit`` CPU seconds is ended and shown as such.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

FIRST = 1_760_000_000
FORTNIGHT = 14 * 86_400
Row = tuple[dict[str, str], int, int]  # labels, start and end in Unix seconds


def names(count: int) -> Iterator[Row]:
    """Each alert has a name of its own."""
    for k in range(count):
        yield {"alertname": f"Alert{k}"}, FIRST + k * 37 % FORTNIGHT, 120


def series(count: int) -> Iterator[Row]:
    """One name, each alert of another pod."""
    for k in range(count):
        yield {"alertname": "Same", "pod": f"p{k}"}, FIRST + k * 37 % FORTNIGHT, 120


def often(count: int) -> Iterator[Row]:
    """One alert again and again, every ten minutes."""
    for k in range(count):
        yield {"alertname": "Same"}, FIRST + k * 600, 120


def dense(count: int) -> Iterator[Row]:
    """One alert again and again within two weeks, each while the one before lasts."""
    for k in range(count):
        yield {"alertname": "Same"}, FIRST + k * FORTNIGHT // count, 120


KINDS: dict[str, Callable[[int], Iterator[Row]]] = {
    "distinct names": names,
    "one name, distinct pods": series,
    "one alert, every 10m": often,
    "one alert, overlapping": dense,
}


def written(rows: Iterator[Row], path: Path) -> None:
    with path.open("w") as file:
        for labels, start, lasted in rows:
            at, over = (
                datetime.fromtimestamp(one, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for one in (start, start + lasted)
            )
            alert = {"status": "resolved", "labels": {**labels, "severity": "page"}, "startsAt": at, "endsAt": over}
            file.write(json.dumps({"version": "4", "alerts": [alert]}) + "\n")


def measured(kind: str, count: int, limit: int) -> tuple[str, str, str]:
    """(CPU seconds, peak MiB, what the report says of the input)."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "alerts.jsonl", Path(folder) / "out"
        written(KINDS[kind](count), path)
        command = ["-m", "rulegen.cli.main", "suggest", "--quiet", "--alerts", str(path), "--out", str(out)]

        def bound() -> None:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))

        with (Path(folder) / "said").open("w+") as said:
            run = subprocess.Popen([sys.executable, *command], stdout=said, stderr=said, preexec_fn=bound)
            _, status, used = os.wait4(run.pid, 0)
            said.seek(0)
            last = (said.read().strip().splitlines() or [""])[-1]
        took, memory = used.ru_utime + used.ru_stime, f"{used.ru_maxrss >> 10:,}"
        if status:
            return f"> {took:.0f}", memory, f"ended: {last}"
        told = json.loads((out / "suggestions.json").read_text())["repaired"]
        return (
            f"{took:.1f}",
            memory,
            "; ".join(f"{one['count']:,} {one['what'].split(':')[0]}" for one in told) or "–",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 20_000, 1_000_000])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--limit", type=int, default=1800)
    asked = parser.parse_args()
    table = Table("alerts", "n", "CPU s", "peak MiB", "the report says")
    for kind in asked.kinds:
        for count in sorted(asked.sizes):
            table.add_row(kind, f"{count:,}", *measured(kind, count, asked.limit))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
