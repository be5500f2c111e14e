"""Real servers for tests: on loopback, on a free port, ended by the test that started them."""

from __future__ import annotations

import http.client
import http.server
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

START_TIMEOUT_S = 60


def binary(name: str) -> str:
    """The path of a program that a test needs. Missing, it fails the test in CI and skips it elsewhere."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed, and in CI it must be")
        pytest.skip(f"{name} is not installed; tests use it where it is")
    return found


def copy_tsdb(source: Path, target: Path) -> None:
    """A copy that may be written, of a data directory that may be read-only."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for path in [target, *target.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def prometheus(
    home: Path,
    *,
    tsdb: Path | None = None,
    rules: Sequence[Path] = (),
    targets: Sequence[str] = (),
    interval: str = "1m",
    alertmanagers: Sequence[str] = (),
    flags: Sequence[str] = (),
    prefix: str = "",
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """A running Prometheus; gives its URL.

    Works in ``home`` on a copy of the data directory ``tsdb`` (none: empty). ``rules`` are rule files and ``targets``
    the host:port of what it scrapes, both every ``interval``; ``alertmanagers`` are where it sends alerts. Where
    ``flags`` name a web configuration with TLS, ``tls`` is what trusts its certificate.
    """
    program = binary("prometheus")
    home.mkdir(parents=True, exist_ok=True)
    data = home / "data"
    if tsdb is not None:
        copy_tsdb(tsdb, data)
    config = home / "prometheus.yml"
    files = "".join(f"  - '{path.resolve()}'\n" for path in rules)
    scraped = "".join(f"      - targets: ['{target}']\n" for target in targets)
    told = "".join(f"    - targets: ['{one}']\n" for one in alertmanagers)
    config.write_text(
        f"global:\n  evaluation_interval: {interval}\n  scrape_interval: {interval}\n  scrape_timeout: {interval}\n"
        + (f"rule_files:\n{files}" if files else "")
        + (f"scrape_configs:\n  - job_name: live\n    static_configs:\n{scraped}" if scraped else "")
        + (f"alerting:\n  alertmanagers:\n  - static_configs:\n{told}" if told else "")
    )
    for attempt in (1, 2, 3):  # another program may take the port between our look and Prometheus' bind
        port = free_port()
        command = [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={data}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{port}",
            *([f"--web.route-prefix={prefix}"] if prefix else []),
            *flags,
        ]
        log = home / f"log-{attempt}"
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            if _ready(process, port, prefix, tls):
                yield f"{'https' if tls else 'http'}://127.0.0.1:{port}{prefix}"
                return
        finally:
            _end(process)
        if "address already in use" not in log.read_text(errors="replace"):
            break
    pytest.fail(f"prometheus did not start:\n{log.read_text(errors='replace')[-2000:]}")


@contextmanager
def alertmanager(home: Path, config: str) -> Iterator[str]:
    """A running Alertmanager, alone in its cluster, with the text ``config``; gives its URL."""
    program = binary("prometheus-alertmanager")
    home.mkdir(parents=True, exist_ok=True)
    file = home / "alertmanager.yml"
    file.write_text(config)
    port = free_port()
    log = home / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={file}",
                f"--storage.path={home / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        if not _ready(process, port, "", None):
            pytest.fail(f"alertmanager did not start:\n{log.read_text(errors='replace')[-2000:]}")
        yield f"http://127.0.0.1:{port}"
    finally:
        _end(process)


@contextmanager
def victoria_metrics(home: Path, text: str) -> Iterator[str]:
    """A running VictoriaMetrics that holds the samples of ``text`` (Prometheus' text, times in ms); gives its URL."""
    program = binary("victoria-metrics")
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    flags = [f"-storageDataPath={home}/data", f"-httpListenAddr=127.0.0.1:{port}", "-retentionPeriod=100y"]
    with (home / "log").open("wb") as out:
        process = subprocess.Popen([program, *flags], stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _posted(port, "/api/v1/import/prometheus", text):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"victoria-metrics did not start:\n{(home / 'log').read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        _posted(port, "/internal/force_flush", "")  # what was imported can be asked for from here on
        yield f"http://127.0.0.1:{port}"
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a server, by force where it does not go."""
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=20)


def _posted(port: int, path: str, body: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, body.encode())
        return connection.getresponse().status < 300
    except OSError:
        return False
    finally:
        connection.close()


def _ready(process: subprocess.Popen[bytes], port: int, prefix: str, tls: ssl.SSLContext | None) -> bool:
    """Waits until the server says that it is ready; what needs a password counts as ready when it asks for one."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        connection = (
            http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=tls)
            if tls
            else http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        )
        try:
            connection.request("GET", f"{prefix}/-/ready")
            if connection.getresponse().status in (200, 401):
                return True
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.05)
    return False


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: str = ""


@dataclass(frozen=True)
class Reply:
    """``raw`` replaces everything: these bytes are sent as they are and the connection is closed.

    Before the body, the server waits until ``hold`` is set (for at most a minute).
    """

    body: str | bytes = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    raw: bytes | None = None
    hold: threading.Event | None = None


@contextmanager
def answering(answer: Callable[[Request], Reply], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """An HTTP server that answers what ``answer`` says; gives its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 30

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            form = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode(errors="replace")
            params = dict(parse_qsl(parts.query) + parse_qsl(form))
            reply = answer(Request(self.command, parts.path, params, dict(self.headers), form))
            if reply.raw is not None:
                self.wfile.write(reply.raw)
                self.close_connection = True
                return
            body = reply.body.encode() if isinstance(reply.body, str) else reply.body
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if reply.hold is not None:
                reply.hold.wait(60)
            self.wfile.write(body)

        do_GET = do_POST = _serve

        def log_message(self, format: str, *args: object) -> None:
            """Quiet: what a test wants to know it asks ``answer``."""

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, ssl.SSLError):
                self.close_connection = True  # the client hung up, which some tests want

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=20)
