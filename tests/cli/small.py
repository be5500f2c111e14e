"""A small history as files: six hours of two queues, an alert that flaps on one of them, and one real incident."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

START = 1_700_000_040  # Unix seconds, a whole minute
MINUTES = 360
INCIDENT = (300, 320)  # minutes

RULES = """\
groups:
  - name: queues
    interval: 1m
    rules:
      - alert: QueueLong
        expr: queue_length > 80
        labels:
          severity: page
        annotations:
          summary: "{{ $labels.queue }} is long"
"""
INCIDENTS = f"id,start,end,queue\nI-1,{START + INCIDENT[0] * 60},{START + INCIDENT[1] * 60},orders\n"


def value(queue: str, minute: int) -> int:
    """95 in the incident; elsewhere the queue of mails jumps over 80 for two minutes in every twenty."""
    if queue == "orders":
        return 95 if INCIDENT[0] <= minute <= INCIDENT[1] else 20
    return 85 if minute % 20 < 2 else 30


def metrics() -> str:
    lines = [
        f'queue_length{{queue="{queue}"}} {value(queue, minute)} {START + minute * 60}'
        for queue in ("mails", "orders")
        for minute in range(MINUTES)
    ]
    return "\n".join(["# TYPE queue_length gauge", *lines, "# EOF", ""])


def webhooks() -> Iterator[str]:
    """What Alertmanager sends for these firings: one notification when an alert fires, one when it is over."""
    firings = [("mails", minute, minute + 2) for minute in range(20, MINUTES, 20)]
    for queue, minute, end in sorted([*firings, ("orders", *INCIDENT)], key=lambda firing: firing[1]):
        for status, at in (("firing", minute), ("resolved", end)):
            alert = {
                "status": status,
                "labels": {"alertname": "QueueLong", "queue": queue, "severity": "page"},
                "annotations": {"summary": f"{queue} is long"},
                "startsAt": rfc3339(minute),
                "endsAt": rfc3339(at) if status == "resolved" else "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus.example/graph",
                "fingerprint": "3f1a",
            }
            yield json.dumps(
                {
                    "version": "4",
                    "groupKey": '{}:{alertname="QueueLong"}',
                    "truncatedAlerts": 0,
                    "status": status,
                    "receiver": "pager",
                    "groupLabels": {"alertname": "QueueLong"},
                    "commonLabels": alert["labels"],
                    "commonAnnotations": alert["annotations"],
                    "externalURL": "http://alertmanager.example",
                    "alerts": [alert],
                }
            )


def put(folder: Path) -> None:
    """rules.yml, metrics.om, incidents.csv and webhooks.jsonl in ``folder``."""
    (folder / "rules.yml").write_text(RULES)
    (folder / "metrics.om").write_text(metrics())
    (folder / "incidents.csv").write_text(INCIDENTS)
    (folder / "webhooks.jsonl").write_text("".join(f"{line}\n" for line in webhooks()))


def rfc3339(minute: int) -> str:
    return datetime.fromtimestamp(START + minute * 60, UTC).isoformat().replace("+00:00", "Z")
