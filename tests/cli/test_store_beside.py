"""A store, or a file of webhooks, beside samples: one time is judged, no alert comes twice, and what is left out is
said."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import small
from conftest import Run
from servers import prometheus
from storing import Kept, keep

DAY = 86_400
END = small.START + 60 * small.MINUTES
INCIDENTS = ("--incidents", "incidents.csv", "--judged", f"{small.START}..{END}")
# Beside the rule of the samples one that fires where they are missing.
RULES = small.RULES + "      - {alert: Gone, expr: absent(queue_length), labels: {severity: page}}\n"


def sent(queue: str, minute: int, end: int) -> Kept:
    labels = {"alertname": "QueueLong", "queue": queue, "severity": "page", "cluster": "eu"}
    return labels, small.START + 60 * minute + LATER, small.START + 60 * end + LATER


def of_the_rule() -> Iterator[Kept]:
    """As its Prometheus sent them, with an external label; an end is told at the evaluation after the last."""
    yield from (sent("mails", minute, minute + 2) for minute in range(0, small.MINUTES, 20))
    yield sent("orders", small.INCIDENT[0], small.INCIDENT[1] + 1)


LATER = 7  # s: a group is evaluated at an offset of its own


def of_others(begin: int = small.START, every: int = 600, count: int = 30) -> Iterator[Kept]:
    """Of another sender: for two minutes each, and once an alert that one of the rules' is called after."""
    yield {"alertname": "QueueLong", "queue": "x", "severity": "ticket"}, begin, begin + 60
    labels = {"alertname": "DiskSlow", "host": "h1", "severity": "page"}
    yield from ((labels, begin + every * k, begin + every * k + 120) for k in range(1, count))


def told(home: Path, out: str = "out") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / out / "suggestions.json").read_text())
    return found


@contextmanager
def server(home: Path, more: str = "") -> Iterator[str]:
    """A Prometheus with the samples of the small history and ``more``, and without rules."""
    (home / "tsdb.om").write_text(small.metrics().replace("# EOF", f"{more}# EOF"))
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "tsdb.om", "blocks"],
        cwd=home, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    with prometheus(home / "server", tsdb=home / "blocks") as url:
        yield url


def test_alerts_of_a_time_without_samples_change_nothing_that_is_judged(rulegen: Run, home: Path) -> None:
    """They would stretch the history: what fires on absence would have fired all the while, and everything else kept
    silent."""
    (home / "both.yml").write_text(RULES)
    near = list(of_others())
    keep(home / "near.db", near)
    keep(home / "far.db", [*near, *of_others(small.START - 200 * DAY, DAY, 190)])
    given = ("suggest", "-q", "--metrics", "metrics.om", "--rules", "both.yml", *INCIDENTS)
    assert rulegen(*given, "--store", "near.db", "--out", "near").returncode == 0
    assert rulegen(*given, "--store", "far.db", "--out", "far").returncode == 0
    expected, found = told(home, "near"), told(home, "far")
    (doubt,) = set(found["doubts"]) - set(expected["doubts"])
    assert doubt.startswith("190 alerts in far.db lie outside of the time for which there are samples, 2023-11-14")
    assert {**found, "doubts": ()} == {**expected, "doubts": ()}
    assert expected["accepted"]


def test_the_replay_is_set_beside_the_alerts_in_the_store(rulegen: Run, home: Path) -> None:
    keep(home / "alerts.db", [*of_the_rule(), *of_others()])
    given = ("replay", "-q", "--metrics", "metrics.om", "--rules", "rules.yml", "--check-against", "ALERTS")
    done = rulegen(*given, "--store", "alerts.db", "--format", "json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["alike"] == {
        "share": 1.0,
        "rules": [{"rule": "QueueLong", "both": 19, "recorded": 0, "replayed": 0}],
    }
    keep(home / "fewer.db", [*list(of_the_rule())[2:], sent("orders", 100, 120), *of_others()])
    done = rulegen(*given, "--store", "fewer.db", "--format", "json")
    assert done.returncode == 1
    (rule,) = json.loads(done.stdout)["alike"]["rules"]
    assert (rule["both"], rule["recorded"], rule["replayed"]) == (17, 1, 2)
    keep(home / "old.db", of_others(small.START - DAY, 60))
    done = rulegen(*given, "--store", "old.db")
    message = "no series ALERTS with alertstate firing in the history, nor an alert of that time in old.db"
    assert (done.returncode, done.stderr) == (2, f"rulegen: --check-against: {message}\n")


def test_from_the_store_alone_nothing_can_be_set_beside_it(rulegen: Run, home: Path) -> None:
    keep(home / "alerts.db", of_the_rule())
    given = ("--store", "alerts.db", "--rules", "rules.yml", "--check-against", "ALERTS", "--least-alike", "0")
    done = rulegen("replay", "-q", *given)
    assert done.returncode == 1 and "nothing to compare" in done.stdout


def webhooks(home: Path) -> Path:
    """The alerts of others as Alertmanager tells of them."""
    path = home / "hooks.jsonl"
    with path.open("w") as file:
        for labels, *span in of_others():
            start, end = (small.rfc3339((at - small.START) // 60) for at in span)
            alert = {"status": "resolved", "labels": labels, "startsAt": start, "endsAt": end}
            file.write(json.dumps({"version": "4", "status": "resolved", "alerts": [alert]}) + "\n")
    return path


@pytest.mark.parametrize("option", ["--store", "--alerts"])
def test_beside_a_server(rulegen: Run, home: Path, option: str) -> None:
    file = keep(home / "alerts.db", [*of_the_rule(), *of_others()]) if option == "--store" else webhooks(home)
    with server(home) as url:
        given = ("suggest", "-q", "--prometheus", url, "--rules", "rules.yml", "--no-cache", option, file)
        done = rulegen(*given, "--start", small.START - 5 * DAY, "--end", END, "--out", "out")
    assert done.returncode == 0, done.stderr
    found = told(home)
    grades = {one["rule"]["name"]: one["grade"] for one in (*found["accepted"], *found["refused"])}
    assert grades == {"QueueLong": "metrics", "DiskSlow": "alerts"}
    assert found["span"]["start"] == "2023-11-14T22:14:00Z"  # where the samples begin


def test_a_server_that_records_what_it_sends_is_not_heard_twice(rulegen: Run, home: Path) -> None:
    """The store has the alerts with an external label, and the last ones, which the server has not recorded."""
    alerts = list(of_the_rule())
    rows = [
        f'ALERTS{{alertname="QueueLong",alertstate="firing",queue="{labels["queue"]}",severity="page"}} 1 {at}'
        for labels, start, end in alerts[:-3]
        for at in range(start, end, 60)
    ]
    keep(home / "alerts.db", [*alerts, *of_others()])
    span = ("--start", small.START, "--end", END, "--no-cache")
    with server(home, "\n".join(["# TYPE ALERTS gauge", *rows, ""])) as url:
        given = ("--prometheus", url, "--rules", "rules.yml", *span)
        checked = ("replay", "-q", *given, "--check-against", "ALERTS", "--format", "json")
        alone, beside = rulegen(*checked), rulegen(*checked, "--store", "alerts.db")
        done = rulegen("suggest", "-q", *given, "--store", "alerts.db", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert told(home)["overview"]["alerts"] == len(alerts) + len(list(of_others()))
    (rule,) = json.loads(alone.stdout)["alike"]["rules"]
    assert (rule["both"], rule["recorded"], rule["replayed"]) == (16, 0, 3)
    (rule,) = json.loads(beside.stdout)["alike"]["rules"]
    assert (rule["both"], rule["recorded"], rule["replayed"]) == (19, 0, 0)


def test_a_server_without_data_leaves_the_alerts(rulegen: Run, home: Path) -> None:
    keep(home / "alerts.db", list(of_others(small.START - 40 * DAY))[1:])
    span = ("--start", small.START - 41 * DAY, "--end", small.START - 39 * DAY, "--no-cache")
    with server(home) as url:
        given = ("--prometheus", url, "--store", "alerts.db", "--rules", "rules.yml", *span)
        done = rulegen("suggest", "-q", *given, "--out", "out")
        assert done.returncode == 0, done.stderr
        assert any("has no data from 2023-10-04T22:14:00Z" in one for one in told(home)["doubts"])
        done = rulegen("replay", "-q", *given)
    assert done.returncode == 1 and "QueueLong: not replayed: there are no samples" in done.stdout
