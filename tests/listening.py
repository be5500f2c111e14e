"""A listening rulegen for tests: a process of its own, on loopback and free ports, ended by the test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from servers import free_port

START_TIMEOUT_S = 60
LISTEN = (sys.executable, "-c", "from rulegen.cli.main import run; run()", "listen")


@dataclass
class Listening:
    process: subprocess.Popen[bytes]
    http: str
    grpc: str
    store: Path
    log: Path
    earlier: int

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=20)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@contextmanager
def listening(
    store: Path,
    *flags: str,
    before: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    scheme: str = "http",
) -> Iterator[Listening]:
    """``before`` is what the command is run under (strace and the like)."""
    for _ in range(3):  # another program may take a port between our look and the bind
        ports = free_port(), free_port()
        where = ("--http", f"127.0.0.1:{ports[0]}", "--grpc", f"127.0.0.1:{ports[1]}")
        log = store.with_suffix(".log")
        earlier = log.stat().st_size if log.exists() else 0  # what another server on this store has written
        with log.open("ab") as out:
            process = subprocess.Popen(
                [*before, *LISTEN, "--store", str(store), *where, *flags],
                stderr=out,
                env={**os.environ, **(environment or {})},
            )
        found = Listening(process, f"{scheme}://127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}", store, log, earlier)
        try:
            if _started(found):
                yield found
                return
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(timeout=30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(timeout=20)
        if "cannot listen there" not in log.read_text():
            break
    pytest.fail(f"rulegen listen did not start:\n{log.read_text()[-2000:]}")


def _started(one: Listening) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_S
    while one.process.poll() is None and time.monotonic() < deadline:
        if b"listening on" in one.log.read_bytes()[one.earlier :]:
            return True
        time.sleep(0.02)
    return False


def alert(name: str, start: int, end: int | None = None, **labels: str) -> dict[str, object]:
    """As Prometheus posts it; times in Unix seconds."""
    found: dict[str, object] = {"labels": {"alertname": name, **labels}, "startsAt": stamp(start)}
    return found if end is None else found | {"endsAt": stamp(end)}


def stamp(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def post(one: Listening, alerts: Sequence[object], **headers: str) -> httpx.Response:
    return httpx.post(f"{one.http}/api/v2/alerts", json=list(alerts), headers=headers, timeout=30)
