"""Input that is odd in every way at once: the run goes on, and the report counts what became of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import small
from conftest import Run


def hook(name: str, start: str, end: str, **labels: str) -> str:
    alert = {
        "status": "resolved",
        "labels": {"alertname": name, "severity": "page", **labels},
        "startsAt": start,
        "endsAt": end,
    }
    return json.dumps({"version": "4", "alerts": [alert]})


def at(minute: float) -> str:
    return small.rfc3339(minute)


def repaired(out: Path) -> dict[str, int]:
    document: dict[str, Any] = json.loads((out / "suggestions.json").read_text())
    return {one["what"].split(":")[0]: one["count"] for one in document["repaired"]}


def test_alerts_of_every_odd_kind(home: Path, rulegen: Run) -> None:
    odd = [
        hook("Jumped", "1970-01-01T00:00:00Z", "1970-01-01T00:01:00Z"),
        hook("Jumped", "9999-01-01T00:00:00Z", "9999-01-01T00:01:00Z"),
        hook("Endless", at(30), "9999-12-31T00:00:00Z"),
        hook("Backwards", at(40), at(39)),
        *(hook("Overlapping", at(50 + k), at(60 + k)) for k in range(5)),
        *(hook("Often", at(10 + k / 20), at(10 + k / 20 + 0.01)) for k in range(2_000)),
        *(hook(f"Name{k}", at(k % 300), at(k % 300 + 1)) for k in range(1_010)),
        '{"version": "4", "alerts": [',
    ]
    (home / "odd.jsonl").write_text("\n".join([*small.webhooks(), *odd, ""]))
    done = rulegen("suggest", "--alerts", "odd.jsonl", "--out", "out", "--quiet")
    assert done.returncode == 0, done.stderr
    names = 1_010 + 4  # Endless, Overlapping, Often and QueueLong
    assert repaired(home / "out") == {
        "items of the input could not be read, or were incomplete": 2,
        "alerts start so far from all others that a clock must have jumped": 2,
        "alerts end so far after all others that a clock must have jumped": 1,
        "alerts began while one of the same labels still lasted": 4,
        "alerts of rarer names were left out": names - 1_000,
    }
    assert "  4 alerts began while one of the same labels still lasted: taken as one with it\n" in done.stdout


def test_incidents_of_every_odd_kind_and_samples_of_another_age(home: Path, rulegen: Run) -> None:
    start = small.START
    rows = [
        ("lone", 30, 31, ""),
        ("again", small.INCIDENT[0] + 5, small.INCIDENT[1] + 5, "orders"),
        ("before", -9_000, -8_000, "orders"),
        ("after", 9_000, 9_100, "mails"),
    ]
    lines = [f"{name},{start + first * 60},{start + last * 60},{queue}\n" for name, first, last, queue in rows]
    (home / "odd.csv").write_text(small.INCIDENTS + "".join(lines))
    strays = '# TYPE queue_length gauge\nqueue_length{queue="mails"} 1 5\n'
    text = (home / "metrics.om").read_text()
    (home / "odd.om").write_text(strays + text.split("\n", 1)[1])
    done = rulegen(
        "suggest", "--metrics", "odd.om", "--rules", "rules.yml", "--incidents", "odd.csv", "--out", "out", "-q"
    )
    assert done.returncode == 0, done.stderr
    assert repaired(home / "out") == {
        "samples lie so far from all others that a clock must have jumped": 1,
        "incidents lie outside the history": 2,
        "incidents have no labels": 1,
        "incidents begin while another of the same labels lasts": 1,
    }
    assert done.stdout.splitlines()[0].startswith("2023-11-14")
