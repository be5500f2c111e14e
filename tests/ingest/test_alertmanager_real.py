"""What a real Alertmanager sends and answers is what the readers read."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from servers import binary, free_port

from rulegen.core.alert import Episode
from rulegen.core.labels import Labels
from rulegen.core.spans import Span
from rulegen.ingest.alerts import read_alerts

DEADLINE_S = 60
CONFIG = """
route: {{receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers:
- name: team
  webhook_configs:
  - url: {url}
    send_resolved: true
"""


@contextmanager
def alertmanager(home: Path, webhook: str) -> Iterator[str]:
    config, port = home / "alertmanager.yml", free_port()
    config.write_text(CONFIG.format(url=webhook))
    command = [
        binary("prometheus-alertmanager"),
        f"--config.file={config}",
        f"--storage.path={home / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def ask(url: str, body: object = None) -> bytes:
    """One request, repeated until the server is there."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return bytes(answer.read())
        except urllib.error.URLError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


@contextmanager
def receiver(path: Path) -> Iterator[str]:
    """A webhook receiver that writes each payload as one line to ``path``; gives its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 30

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with path.open("ab") as out:
                out.write(body.strip() + b"\n")
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(timeout=20)


def wait_for_lines(path: Path, count: int) -> None:
    end = time.monotonic() + DEADLINE_S
    while not path.exists() or path.read_text().count("\n") < count:
        assert time.monotonic() < end, f"{path.name}: fewer than {count} payloads"
        time.sleep(0.05)


def test_payloads_and_a_snapshot(tmp_path: Path) -> None:
    payloads, snapshot = tmp_path / "payloads.jsonl", tmp_path / "snapshot.json"
    labels = {"alertname": "A", "pod": 'q"\\\n{{ }} ü'}
    start, end = (datetime.now(UTC) - timedelta(seconds=ago) for ago in (300, 100))
    with receiver(payloads) as webhook, alertmanager(tmp_path, webhook) as url:
        ask(f"{url}/api/v2/alerts", [{"labels": labels, "startsAt": start.isoformat()}])
        snapshot.write_bytes(ask(f"{url}/api/v2/alerts"))
        wait_for_lines(payloads, 1)
        (firing,), _, problems = read_alerts(payloads)
        assert firing == Episode(Labels(labels), Span(ms(start), ms(start)), open=True) and not problems
        ask(f"{url}/api/v2/alerts", [{"labels": labels, "startsAt": start.isoformat(), "endsAt": end.isoformat()}])
        wait_for_lines(payloads, 2)
    (resolved,), _, problems = read_alerts(payloads)
    assert resolved == Episode(Labels(labels), Span(ms(start), ms(end))) and not problems
    (seen,), _, problems = read_alerts(snapshot)
    assert (seen.labels, seen.span.start, seen.open) == (Labels(labels), ms(start), True) and not problems
    assert ms(end) < seen.span.end <= ms(datetime.now(UTC)), "the time of the update, not the time-out to come"
