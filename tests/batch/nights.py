"""A day of two queues: one of them flaps over its threshold all day long, the other has four real incidents."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

START = 1_700_000_040  # Unix seconds, a whole minute
MINUTES = 1440
INCIDENTS = ((300, 320), (600, 625), (1000, 1020), (1300, 1330))  # minutes
JUDGED = f"{START}..{START + MINUTES * 60}"
RULES = """\
groups:
  - name: queues
    interval: 1m
    rules:
      # As the team wrote it.
      - alert: QueueLong
        expr: queue_length  >  80   # of what it can hold
        labels: {severity: page}
        annotations:
          summary: "{{ $labels.queue }} is long"
"""


def minute(at: int) -> int:
    """Unix seconds."""
    return START + at * 60


def value(queue: str, at: int, worse_from: int = MINUTES) -> int:
    """From ``worse_from`` on, an incident only just passes the threshold."""
    if queue == "orders":
        if not any(start <= at <= end for start, end in INCIDENTS):
            return 20
        return 82 if at >= worse_from else 95
    return 85 if at % 20 < 2 else 30


def metrics(worse_from: int = MINUTES) -> str:
    rows = [
        f'queue_length{{queue="{queue}"}} {value(queue, at, worse_from)} {minute(at)}'
        for queue in ("mails", "orders")
        for at in range(MINUTES)
    ]
    return "\n".join(["# TYPE queue_length gauge", *rows, "# EOF", ""])


def put(folder: Path, worse_from: int = MINUTES) -> None:
    """metrics.om, rules.yml and incidents.csv in ``folder``."""
    rows = [f"I-{k},{minute(a)},{minute(b)},orders" for k, (a, b) in enumerate(INCIDENTS)]
    (folder / "incidents.csv").write_text("\n".join(["id,start,end,queue", *rows, ""]))
    (folder / "rules.yml").write_text(RULES)
    (folder / "metrics.om").write_text(metrics(worse_from))


def dump(state: Path) -> list[str]:
    """Everything in a state."""
    with sqlite3.connect(state) as database:
        lines = list(database.iterdump())
    database.close()
    return lines


def tree(out: Path) -> dict[str, bytes]:
    """Every file of an output directory."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


Night = Callable[..., subprocess.CompletedProcess[str]]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "rulegen.cli.main", "nightly", "-q", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path)), "COLUMNS": "100"}
