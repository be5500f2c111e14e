"""Recorded alerts alone: the cascades and storms over alert names are found, written down and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import small
from conftest import Run


def hooks() -> list[str]:
    """Each of forty times a disk fills and a minute or so later the database is gone; twenty times eight pods restart
    together; backups whose names change come every three hours; queues are long at any time."""
    chance = np.random.default_rng(4)
    alerts: list[tuple[dict[str, str], float, float]] = []
    for start in (np.arange(40) * 180 + chance.integers(0, 120, 40)).tolist():
        later = start + float(chance.uniform(0.3, 1.5))
        alerts += [({"alertname": "DiskFull"}, start, start + 20), ({"alertname": "DbDown"}, later, later + 15)]
    for start in (np.arange(20) * 360 + chance.integers(0, 300, 20)).tolist():
        alerts += [
            ({"alertname": "PodRestarted", "pod": f"p{k}"}, start + k / 10, start + k / 10 + 12) for k in range(8)
        ]
    alerts += [
        ({"alertname": f"Backup_{k * 7919:08x}f3a9c2b7d"}, at := 180 * k + int(chance.integers(0, 90)), at + 30)
        for k in range(40)
    ]
    alerts += [
        ({"alertname": "QueueLong"}, at, at + 9)
        for at in np.sort(chance.choice(720, 50, replace=False) * 10).tolist()
    ]
    return [
        json.dumps(
            {
                "version": "4",
                "alerts": [
                    {
                        "status": "resolved",
                        "labels": {"severity": "page", **labels},
                        "startsAt": small.rfc3339(start),
                        "endsAt": small.rfc3339(end),
                    }
                ],
            }
        )
        for labels, start, end in alerts
    ]


def test_alerts_alone_over_their_names(home: Path, rulegen: Run) -> None:
    (home / "alerts.jsonl").write_text("\n".join([*hooks(), ""]))
    done = rulegen("suggest", "--alerts", "alerts.jsonl", "--out", "out", "--quiet")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((home / "out" / "suggestions.json").read_text())["overview"]
    assert found["alerts"] == 330 and found["names"] == 44 and found["alone"] == 0
    clusters = {one["name"]: one for one in found["clusters"]}
    assert clusters.keys() == {"DiskFull", "DbDown", "PodRestarted", "Backup_*", "QueueLong"}
    assert clusters["PodRestarted"]["pattern"] == "storm" and clusters["PodRestarted"]["label_sets"] == 8
    assert clusters["DbDown"]["pattern"] == "cascade"
    assert clusters["Backup_*"]["names"] == clusters["Backup_*"]["alerts"] == 40
    assert clusters["Backup_*"]["examples"][0]["labels"]["alertname"] == "Backup_00000000f3a9c2b7d"
    (pair,) = found["cascades"]
    assert (pair["first"], pair["then"]) == ("DiskFull", "DbDown") and pair["brought"] > 0.8
    text = " ".join(done.stdout.split())
    assert "Over all names: 330 of 330 recorded alerts repeat a pattern, in 5 clusters" in text
    assert "cascade: DiskFull brings on" in text and "storm: PodRestarted, 160 alerts of 8 label sets" in text


def test_without_recorded_alerts_nothing_is_said(home: Path, rulegen: Run) -> None:
    done = rulegen("suggest", "--metrics", "metrics.om", "--rules", "rules.yml", "--out", "out", "--quiet")
    assert done.returncode == 0, done.stderr
    assert json.loads((home / "out" / "suggestions.json").read_text())["overview"] is None
    assert "Over all names" not in done.stdout
