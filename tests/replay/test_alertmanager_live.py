"""The simulation beside a real Alertmanager that gets the same alerts in the same seconds."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import servers

from rulegen.core.labels import Labels
from rulegen.core.notification import Alerts
from rulegen.core.outcome import NEVER
from rulegen.ingest.alertmanager import read_alertmanager
from rulegen.replay.notify import notify

CONFIG = Path(__file__).parent / "alertmanager" / "live.yml"
LENGTH = 68  # s
OPEN = None
# Labels, first second firing, first second no longer. Timers fire at 4 + 10k s after a group's first alert.
SCHEDULE: list[tuple[dict[str, str], int, int | None]] = [
    # one group of three, one of which joins late, with resolved notices and a repeat
    ({"alertname": "Slow", "host": "a"}, 1, 48),
    ({"alertname": "Slow", "host": "b"}, 2, 20),
    ({"alertname": "Slow", "host": "c"}, 10, OPEN),
    # flaps inside an open group, and one that nobody hears of, gone before group_wait is over
    ({"alertname": "Flap", "host": "a"}, 1, OPEN),
    ({"alertname": "Flap", "host": "b"}, 7, 12),
    ({"alertname": "Flap", "host": "b"}, 22, 32),
    ({"alertname": "Blip", "host": "a"}, 5, 7),
    # two receivers by `continue`, each with its own grouping
    ({"alertname": "Lag", "team": "db", "cluster": "x", "host": "a"}, 3, 30),
    ({"alertname": "Disk", "team": "db", "cluster": "x", "host": "a"}, 4, OPEN),
    ({"alertname": "Lag", "team": "db", "cluster": "y", "host": "b"}, 18, 40),
    ({"alertname": "Http", "team": "web", "host": "w"}, 6, 28),
    # inhibited until the source is over, for the same host only
    ({"alertname": "Down", "host": "a"}, 2, 26),
    ({"alertname": "Noisy", "severity": "low", "host": "a"}, 3, OPEN),
    ({"alertname": "Noisy", "severity": "low", "host": "b"}, 3, OPEN),
    # muted by time; and a receiver that does not hear what is over
    ({"alertname": "Night", "team": "night"}, 2, OPEN),
    ({"alertname": "Hush", "team": "quiet", "host": "a"}, 2, 20),
    ({"alertname": "Hush", "team": "quiet", "host": "b"}, 2, OPEN),
]

Message = tuple[str, frozenset[Labels], frozenset[Labels]]  # status, firing, resolved


def test_notifications_are_those_of_a_real_alertmanager(tmp_path: Path) -> None:
    heard: list[tuple[float, str, dict[str, object]]] = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.append((time.time(), self.path.strip("/"), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = CONFIG.read_text().replace("URL", f"http://127.0.0.1:{server.server_address[1]}")
    try:
        with servers.alertmanager(tmp_path / "alertmanager", config) as url:
            begun = _play(url)
    finally:
        server.shutdown()
        server.server_close()

    (tmp_path / "routing.yml").write_text(config)
    simulated = notify(read_alertmanager(tmp_path / "routing.yml"), _alerts(round(begun * 1000)))
    expected: dict[tuple[str, Labels], list[Message]] = defaultdict(list)
    times: dict[tuple[str, Labels], list[float]] = defaultdict(list)
    for one in simulated:
        firing, resolved = frozenset(one.firing), frozenset(one.resolved)
        expected[one.receiver, one.group].append(("firing" if firing else "resolved", firing, resolved))
        times[one.receiver, one.group].append(one.time / 1000 - begun)

    seen: dict[tuple[str, Labels], list[Message]] = defaultdict(list)
    at: dict[tuple[str, Labels], list[float]] = defaultdict(list)
    for when, receiver, body in sorted(heard, key=lambda item: item[0]):
        sides = {state: frozenset(_labels(body, state)) for state in ("firing", "resolved")}
        group = Labels(body["groupLabels"])  # type: ignore[arg-type]
        seen[receiver, group].append((str(body["status"]), sides["firing"], sides["resolved"]))
        at[receiver, group].append(when - begun)

    assert seen == expected
    assert sum(map(len, seen.values())) > 25
    assert {one.reason for one in simulated} == {"new", "changed", "resolved", "repeat"}
    for key, planned in times.items():
        assert np.allclose(at[key], planned, atol=1.5), key


def _labels(body: dict[str, object], state: str) -> list[Labels]:
    alerts = body["alerts"]
    assert isinstance(alerts, list)
    return [Labels(one["labels"]) for one in alerts if one["status"] == state]


def _alerts(begun: int) -> Alerts:
    """The schedule, from ``begun`` (ms) on, as Prometheus' rules at an interval of 1s would fire."""
    ids: dict[Labels, int] = {}
    series = [ids.setdefault(Labels(labels), len(ids)) for labels, _, _ in SCHEDULE]
    start = np.array([begin for _, begin, _ in SCHEDULE]) * 1000 + begun
    over = np.array([int(NEVER) if end is None else end * 1000 + begun for _, _, end in SCHEDULE])
    interval = np.full(len(SCHEDULE), 1000)
    return Alerts(tuple(ids), np.array(series), start, over, interval, LENGTH * 1000 + begun)


def _play(url: str) -> float:
    """Sends the schedule second by second as Prometheus does, resends included; gives when it began."""
    begun = time.time()
    last: dict[int, int] = {}
    with httpx.Client() as client:
        for second in range(LENGTH + 1):
            time.sleep(max(0.0, begun + second - time.time()))
            due = []
            for index, (labels, start, end) in enumerate(SCHEDULE):
                over = end is not None and second >= end
                again = any(second >= other[1] > start for other in SCHEDULE if other[0] == labels)
                sent = last.get(index)
                news = sent is None or (end is not None and over and sent < end)
                if second < start or (over and again) or not (news or (sent is not None and sent + 60 < second)):
                    continue
                last[index] = second
                ends = end if over and end is not None else second + 240
                due.append({"labels": labels, "startsAt": _iso(begun + start), "endsAt": _iso(begun + ends)})
            if due:
                client.post(f"{url}/api/v2/alerts", json=due).raise_for_status()
        time.sleep(max(0.0, begun + LENGTH + 0.5 - time.time()))
    return begun


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
