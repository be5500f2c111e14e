"""How much `rulegen listen` takes, durably: `python -m evals.bench_listen`, about six minutes on a quiet machine.

On two cores with the load generator beside it, open loop. One alert a message over the gRPC stream at 8,560 a second
(the rate to beat, with P99 below 43 ms); over HTTP batches of 64, as Prometheus sends them, and single alerts; of
each the highest rate before refusals, and what happens at twice that. Beside it in the same run Alertmanager's own
/api/v2/alerts, which keeps nothing on the disk.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = float(os.environ.get("SECONDS_EACH", "8"))
DEADLINE = 1.0  # of a message, seconds
TO_BEAT, P99_TO_BEAT = 8_560, 43.0  # alerts a second, ms
STEPS = 7  # of the search for the highest rate


@dataclass(frozen=True)
class Way:
    name: str
    how: str
    width: int  # streams or connections
    batch: int
    first: float  # messages a second where the search begins


WAYS = (
    Way("gRPC, single", "grpc", 8, 1, 8_560),
    Way("HTTP, 64", "http", 32, 64, 400),
    Way("HTTP, single", "http", 128, 1, 4_000),
)


def main() -> None:
    rows: list[tuple[str, ...]] = []
    for way in WAYS:
        with listening() as (http, grpc, memory):
            address = grpc if way.how == "grpc" else http
            load(way, address, way.first / 4, 3)  # warm
            if way.how == "grpc":
                rows.append(row(f"{way.name}, {TO_BEAT}/s", TO_BEAT, load(way, address, TO_BEAT, SECONDS)))
            best = highest(way, address)
            rows.append(row(f"{way.name}, highest", best, load(way, address, best, SECONDS)))
            before = memory()
            found = load(way, address, 2 * best, SECONDS)
            more = (memory() - before) / 2**20
            rows.append(row(f"{way.name}, twice that", 2 * best, found, f"{more:+.0f} MiB"))
    if shutil.which("prometheus-alertmanager"):
        for way in WAYS[1:]:
            with alertmanager() as address:
                load(way, address, way.first / 4, 3)
                best = highest(way, address)
                rows.append(row(f"Alertmanager, {way.name}, highest", best, load(way, address, best, SECONDS)))
    heads = ("what", "messages/s asked", "alerts/s kept", "p50 ms", "p99 ms", "refused", "late", "failed", "memory")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for one in rows:
        print(f"| {' | '.join(one)} |")


def row(what: str, rate: float, found: dict[str, Any], memory: str = "") -> tuple[str, ...]:
    asked = found["acknowledged"] + found["refused"] + found["failed"]
    return (
        what,
        f"{rate:,.0f}",
        f"{found['alerts_per_s']:,.0f}",
        f"{found['p50_ms']:.1f}",
        f"{found['p99_ms']:.1f}",
        f"{found['refused'] / max(1, asked):.1%}",
        str(found["late"]),
        str(found["failed"]),
        memory,
    )


def highest(way: Way, address: str) -> float:
    """The highest rate of messages that is kept up with: nothing is refused or fails, and half is there in a fifth of
    the deadline. By doubling, then by halves."""
    low, high = 0.0, way.first
    for _ in range(STEPS):
        found = load(way, address, high, 4)
        kept = found["alerts_per_s"] / way.batch > 0.95 * high * 4 / 4.2
        fine = not found["refused"] and not found["failed"] and not found["late"] and kept
        if fine and found["p50_ms"] < 200 * DEADLINE:
            low, high = high, high * 1.5 if low == 0 or high > low else (low + high) / 2
        else:
            high = (low + high) / 2
        if low and high / low < 1.07:
            break
    return low or high


def load(way: Way, address: str, rate: float, seconds: float) -> dict[str, Any]:
    given = (way.how, address, str(rate), str(seconds), str(way.width), str(DEADLINE), str(way.batch))
    command = [sys.executable, "-m", "evals.listen_load", *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    print(f"{way.name} at {rate:,.0f}/s: {done.stdout.strip()}", file=sys.stderr, flush=True)
    return found


@contextmanager
def listening() -> Iterator[tuple[str, str, Any]]:
    """A rulegen that listens: its addresses, and what tells its resident memory in bytes."""
    home = Path(tempfile.mkdtemp(prefix="bench-listen-"))
    http, grpc = (f"127.0.0.1:{_free()}" for _ in range(2))
    command = [sys.executable, "-c", "from rulegen.cli.main import run; run()", "listen"]
    process = subprocess.Popen(
        [*command, "--store", str(home / "s.db"), "--http", http, "--grpc", grpc], stderr=subprocess.DEVNULL
    )

    def memory() -> int:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))

    try:
        _wait(f"http://{http}/-/ready")
        yield http, grpc, memory
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def alertmanager() -> Iterator[str]:
    home = Path(tempfile.mkdtemp(prefix="bench-listen-"))
    (home / "am.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    address = f"127.0.0.1:{_free()}"
    flags: Sequence[str] = (
        f"--storage.path={home}/data",
        "--cluster.listen-address=",
        f"--web.listen-address={address}",
    )
    process = subprocess.Popen(
        ["prometheus-alertmanager", f"--config.file={home}/am.yml", *flags],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://{address}/-/ready")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)
        shutil.rmtree(home, ignore_errors=True)


def _wait(url: str) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"{url}: nothing there after half a minute")


def _free() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


if __name__ == "__main__":
    main()
