"""A real Prometheus and a real Alertmanager send in all their ways; the store equals what Prometheus recorded."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from listening import listening
from servers import alertmanager, prometheus

from rulegen.core.alert import Episode
from rulegen.core.spans import Span
from rulegen.ingest.prometheus import connect, fetch_alerts
from rulegen.ingest.store import read_kept

SECONDS = int(os.environ.get("LIVE", "40"))  # how long it runs
INTERVAL = 1_000  # ms
SLACK = 250  # ms that an evaluation may come late
RULES = """
groups:
- name: live
  rules:
  - {alert: Even, expr: 'vector(time()) % 14 < 6', labels: {severity: page}}
  - {alert: Held, expr: 'vector(time()) % 20 < 9', for: 3s, labels: {severity: page, odd: "é\\"\\n"}}
  - {alert: First, expr: 'label_replace(vector(time()) % 17 < 5, "pod", "a", "", "")'}
  - {alert: Second, expr: 'label_replace(vector(time()) % 11 < 4, "pod", "b", "", "")'}
  - {alert: Always, expr: 'vector(1)'}
  - {alert: Never, expr: 'vector(0) > 1'}
"""
CONFIG = """
route: {receiver: rulegen, group_by: [...], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers: [{name: rulegen, webhook_configs: [{url: '%s/webhook', send_resolved: true}]}]
"""


def test_the_store_equals_the_recorded_alerts(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    with listening(tmp_path / "direct.db") as direct, listening(tmp_path / "hook.db") as hook:
        with alertmanager(tmp_path / "am", CONFIG % hook.http) as manager:
            told = [one.removeprefix("http://") for one in (direct.http, manager)]
            often = ("--rules.alert.resend-delay=2s",)
            with prometheus(tmp_path / "prom", rules=[rules], interval="1s", alertmanagers=told, flags=often) as url:
                time.sleep(SECONDS)
                until = int(time.time() * 1000)
                with connect(url) as conn:
                    recorded, _ = fetch_alerts(conn, Span(until - 7_200_000, until), INTERVAL)
        assert {one.name for one in recorded} == {"Even", "Held", "First", "Second", "Always"}
        for store in (direct.store, hook.store):
            same(recorded, read_kept(store)[0], until - 6 * INTERVAL)


def same(recorded: Sequence[Episode], kept: Sequence[Episode], until: int) -> None:
    """Of what began between the first seconds, in which Prometheus looks for its Alertmanagers, and ``until`` both
    say the same, within one interval."""
    since = min(one.span.start for one in recorded) + 8 * INTERVAL
    assert any(one.name == "Always" and one.open for one in kept)
    known = [one for one in recorded if since <= one.span.start < until]
    found = [one for one in kept if since + INTERVAL <= one.span.start < until - INTERVAL or _near(one, known)]
    assert len(found) == len(known) >= SECONDS // 8, (known, found)
    for left, right in zip(_ordered(known), _ordered(found), strict=True):
        assert left.labels == right.labels
        assert abs(left.span.start - right.span.start) <= INTERVAL + SLACK, (left, right)
        if left.span.end < until:
            assert not right.open
            assert abs(left.span.end - right.span.end) <= INTERVAL + SLACK, (left, right)


def _near(one: Episode, others: Sequence[Episode]) -> bool:
    return any(
        one.labels == other.labels and abs(one.span.start - other.span.start) <= INTERVAL + SLACK for other in others
    )


def _ordered(some: Sequence[Episode]) -> list[Episode]:
    return sorted(some, key=lambda one: (one.labels, one.span.start))
