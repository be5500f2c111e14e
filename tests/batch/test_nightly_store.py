"""Nights that read what a listening rulegen keeps, alone and beside a real Prometheus."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from pathlib import Path

import nights
from listening import alert, listening, post
from nights import command, environment
from servers import prometheus
from storing import Kept, keep

OTHER = {"alertname": "DiskSlow", "host": "h1", "severity": "page"}


def of_others(every: int = 30) -> list[Kept]:
    """Of another sender: for a minute in ``every``."""
    return [(OTHER, nights.minute(at), nights.minute(at + 1)) for at in range(5, nights.MINUTES, every)]


def night(home: Path, *options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*options), cwd=home, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )


def test_beside_a_real_prometheus_twice_is_once(tmp_path: Path) -> None:
    """Also when alerts come in between the two, and while it listens: a night that ends before them hears of none."""
    nights.put(tmp_path)
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "metrics.om", "blocks"],
        cwd=tmp_path, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    keep(tmp_path / "alerts.db", of_others())
    end = nights.minute(nights.MINUTES - 1)
    lasting = {"host": "h2", "severity": "page"}
    with (
        prometheus(tmp_path / "server", tsdb=tmp_path / "blocks") as url,
        listening(tmp_path / "alerts.db", "--retention", "100y") as one,
    ):
        (tmp_path / "rulegen.toml").write_text(
            f'prometheus = "{url}"\nstore = "alerts.db"\nrules = ["rules.yml"]\nincidents = "incidents.csv"\n'
            f'judged = ["{nights.JUDGED}"]\nlead = "0s"\ncache = "cache"\n\n'
            '[nightly]\nout = "out"\nstate = "state.db"\n'
        )
        seen = []
        for more in (
            [alert("DiskSlow", end - 300, None, **lasting)],  # it is firing now, says its sender
            [alert("DiskSlow", end - 300, end + 3600, **lasting), alert("DiskSlow", end + 60, end + 90, host="h3")],
        ):
            assert post(one, more).status_code == 200
            done = night(tmp_path, "--start", nights.START - 86_400, "--end", end)
            assert done.returncode == 0, done.stderr
            seen.append((nights.dump(tmp_path / "state.db"), nights.tree(tmp_path / "out")))
    assert seen[0] == seen[1]
    found = json.loads((tmp_path / "out" / "suggestions.json").read_text())
    every = (*found["accepted"], *found["refused"], *found["routing"])
    assert {one["rule"]["name"]: one["grade"] for one in every} == {"QueueLong": "metrics", "DiskSlow": "alerts"}
    assert (found["overview"]["alerts"], found["repaired"]) == (len(of_others()) + 1, [])
    assert sources_seen(tmp_path) == [url]


def sources_seen(home: Path) -> list[str]:
    with sqlite3.connect(home / "state.db") as state:
        found = [source for (source,) in state.execute("SELECT source FROM histories ORDER BY source")]
    state.close()
    return found


def test_two_stores_in_one_state_are_told_apart(tmp_path: Path) -> None:
    for name, every in (("a.db", 30), ("b.db", 40)):
        keep(tmp_path / name, of_others(every))
        done = night(tmp_path, "--store", name, "--out", "out", "--state", "state.db")
        assert done.returncode == 0, done.stderr
    assert sources_seen(tmp_path) == ["a.db", "b.db"]
